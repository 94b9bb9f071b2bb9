"""The programs printed in docs/api.md."""

from __future__ import annotations

import re

from tests.test_floors import ROOT

API_DOC = ROOT / "docs" / "api.md"


def printed(language: str) -> str:
    """The one program in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", API_DOC.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return str(found)
