"""Files of this machine, and other servers behind this one: neither is handed out, and no answer leads elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

from tests.attacks import routes
from tests.attacks.outcome import Outcome, dealt
from tests.attacks.target import ROOT, Server, Targets
from tests.attacks.wire import Answer

CANARY = "canary.txt"
SECRET_CONTENT = (b"root:x:0:0", b"SQLite format 3", b"def main() -> int", b"HISTSIZE", b"[project]")
SHIPPED = (
    "/static/",
    "/assets/",
    "/svelte/",
    "/gradio_api/file=",
    "/gradio_api/file/",
    "/gradio_api/custom_component/",
)
PREFIXES = ("", "/", "//", "./", "....//", "img/", "x/", "\\", "file://", "file:///", "C:\\", "~/", "%00", "@fs/")
DEPTHS = (0, 1, 8)
UPS = (
    "../", "..\\", "%2e%2e/", "..%2f", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "%c0%ae%c0%ae/", "..%00/", "..;/",
    "..//", ".%2e/", "%uff0e%uff0e/", "..%ef%bc%8f",
)  # fmt: skip
ELSEWHERE = (
    "http://evil.example/",
    "https://evil.example/",
    "HTTP://evil.example",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example\\share",
    "ftp://evil.example/",
    "http:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "gopher://evil.example",
    "http://{offline}/connections",
    "https:/evil.example",
    "http://169.254.169.254/latest/meta-data/",
    "http%3A%2F%2Fevil.example",
    "%2F%2Fevil.example",
    "%09//evil.example",
)


def wanted(house: Targets) -> list[str]:
    """Files somebody would like to have, the paths absolute without their first slash."""
    found = [house.folder / CANARY, house.app.database, ROOT / "app.py", ROOT / "pyproject.toml"]
    return [str(path).lstrip("/").replace("\\", "/") for path in found] + ["etc/passwd", "proc/self/environ"]


def spellings(file: str) -> Iterator[str]:
    """Paths that would lead to it when joined to a folder carelessly."""
    for prefix in PREFIXES:
        yield prefix + file
        yield prefix + quote(file, safe="")
    for up in UPS:
        for depth in DEPTHS:
            yield up * depth + file
            yield "x/" + up * (depth + 1) + file


def holds_a_secret(answer: Answer) -> bool:
    return any(content in answer.body for content in SECRET_CONTENT)


async def traversals(house: Targets, outcome: Outcome) -> None:
    """Every route with a path or a name in it, and those for files with every spelling."""
    (house.folder / CANARY).write_text(house.canary)
    bases = [way.template.partition("{")[0] for way in routes.of_the_app() if way.takes_a_path and way.method == "GET"]
    asked = []
    for base in sorted({*bases, *SHIPPED, "/"}):
        files = wanted(house) if base in SHIPPED else [*wanted(house)[:1], "etc/passwd"]
        spelled = [list(spellings(file))[: None if base in SHIPPED else 20] for file in files]
        numbers = range(len(spelled[0]))
        asked += [base + spelled[file][number] for file, number in dealt(range(len(files)), numbers, house.short)]
    await _none_leaks(house.app, outcome, asked)
    answer = await house.app.wire.ask("GET", "/theme.css")
    outcome.expect(answer.status == 200, f"control: a file of the page was answered {answer.status}")


async def _none_leaks(server: Server, outcome: Outcome, paths: list[str]) -> None:
    async def one(path: str) -> None:
        before = len(server.wire.leaks)
        answer = await server.wire.ask("GET", path.replace(" ", "%20"))
        outcome.expect(not holds_a_secret(answer) and len(server.wire.leaks) == before, f"{answer.status} for {path}")

    await asyncio.gather(*map(one, paths))


def leads_away(answer: Answer, server: Server) -> bool:
    """Whether a browser would go to another server from here."""
    location = answer.headers.get("location", "").replace("\\", "/").strip()
    if not location or not 300 <= answer.status < 400:
        return False
    parts = urlsplit(location)
    return bool(parts.netloc or parts.scheme) and parts.netloc != server.wire.authority


async def elsewhere(house: Targets, outcome: Outcome) -> None:
    """Nobody is sent to another server from here, and nothing is fetched from one."""
    bases = {way.template.partition("{")[0] for way in routes.of_the_app() if way.takes_a_path and way.method == "GET"}
    bases = {base for base in bases if "heartbeat" not in base}  # an endless answer by design
    asked = [base + place for base, place in dealt(sorted(bases | {"/"}), ELSEWHERE, house.short)]
    asked += [f"{way}?{name}={place}" for way in ("/login", "/logout", "/") for name in ("next", "_target_url", "url")
              for place in ELSEWHERE[:5]]  # fmt: skip

    async def one(path: str) -> None:
        path = path.replace("{offline}", house.offline.wire.authority)
        answer = await house.app.wire.ask("GET", path)
        fetched = b"realtime" in answer.body and b"stt" in answer.body and len(answer.body) < 300
        outcome.expect(
            not leads_away(answer, house.app) and not fetched,
            f"{answer.status} {answer.headers.get('location', '')} for {path}",
        )

    await asyncio.gather(*map(one, asked))


async def uploads(house: Targets, outcome: Outcome) -> None:
    """Nothing in this page is uploaded, so nothing is taken or stored."""
    names = ("a.txt", "a.html", "a.svg", "../../a.txt", "..%2fa", "a" * 3000, "", ".env", "con", "a\\b", 'a;b="c"')
    sizes = (0, 1, 2, 100, 100_000, 2_000_000)
    paths = ("/gradio_api/upload", "/gradio_api/upload?upload_id=x", "/gradio_api/upload/", "/upload")
    parts = [(name, 1, count) for name in names for count in (1, 40)]
    parts += [("a.txt", size, 40 if size == 0 else 1) for size in sizes]
    for path, (name, size, count) in dealt(paths, parts, house.short):
        answer = await _upload(house.app, path, name, size, count)
        outcome.expect(answer.refused, f"{answer.status} for {count} x {size} bytes as {name[:20]!r} to {path}")
    stored = [file for file in house.temporary.rglob("*") if file.is_file()]
    outcome.expect(not stored, f"stored: {stored[:3]}")


async def _upload(server: Server, path: str, name: str, size: int, count: int) -> Answer:
    part = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: text/html\r\n\r\n'
    body = (part.encode() + b"x" * size + b"\r\n") * count + b"--x--\r\n"
    return await server.wire.ask("POST", path, [("Content-Type", "multipart/form-data; boundary=x")], body)
