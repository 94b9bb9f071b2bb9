"""The documents: every link and file they name is there, and every setting is explained somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"```.*?```", re.DOTALL)


def prose(document: Path) -> str:
    """What is not code."""
    return CODE.sub("", document.read_text(encoding="utf-8"))


def anchors(document: Path) -> set[str]:
    """The headings' names as GitHub makes them."""
    headings = HEADING.findall(prose(document))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for link in LINK.findall(prose(document)):
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if "://" in link:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_documents_know_of_each_other() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [
        name for name in ("docs/api.md", "docs/setup.md", "docs/architecture.md") if f"]({name})" not in readme
    ] == []


def test_every_setting_is_explained() -> None:
    """In the README or in a document, not only in the example."""
    names = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    written = " ".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    assert names
    assert {name for name in names if f"`{name}" not in written} == set()


def test_no_diagram_breaks_at_a_semicolon() -> None:
    """In a sequence diagram it ends the message."""
    pages = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/architecture.md"))
    written = "\n".join(pages)
    diagrams = re.findall(r"```mermaid\n(.*?)```", written, re.DOTALL)
    assert len(diagrams) == 5
    assert [diagram for diagram in diagrams if ";" in diagram] == []
