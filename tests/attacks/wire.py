"""Bytes on a socket: requests no honest client would write, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

ANSWER_S = 20.0
LARGEST_ANSWER = 4_000_000
HANDSHAKE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
)

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 0: the connection was closed without a word; -1: nothing came in time."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def refused(self) -> bool:
        """It was turned away: a client's mistake, or no word at all."""
        return self.status == 0 or 400 <= self.status < 500

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """Connections to one address; keeps an eye on everything that is answered."""

    def __init__(self, host: str, port: int, secrets: Sequence[str] = (), at_once: int = 16) -> None:
        self.host = host
        self.port = port
        self.leaks: list[str] = []
        """Requests whose answers held one of the secrets."""
        self.broken: list[str] = []
        """Requests that were answered with what no visitor is to see: a traceback, a path, a failure without words."""
        self.answers = 0
        self._secrets = [secret.encode() for secret in secrets]
        self._at_once = asyncio.Semaphore(at_once)

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A bare connection, closed at the end."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def send(self, raw: bytes, within_s: float = ANSWER_S) -> Answer:
        """What these bytes are answered with."""
        async with self._at_once, self.open() as (reader, writer):
            writer.write(raw)  # not waited for: who refuses reads no further
            return self._checked(raw, await read_answer(reader, within_s))

    async def ask(self, method: str, path: str, headers: Iterable[Header] = (), body: bytes = b"") -> Answer:
        """An HTTP/1.1 request. The given headers replace Host; two of a name are sent as two."""
        return await self.send(self.request(method, path, headers, body))

    async def post(self, path: str, value: Any, headers: Iterable[Header] = ()) -> Answer:
        """JSON, in an honest request but for ``headers``."""
        return await self.ask(
            "POST", path, [("Content-Type", "application/json"), *headers], json.dumps(value).encode()
        )

    async def handshake(self, path: str, headers: Iterable[Header] = ()) -> Answer:
        """Of a WebSocket; 101 means that it was opened (and is closed again)."""
        return await self.send(self.request("GET", path, [*HANDSHAKE, *headers]))

    def request(self, method: str, path: str, headers: Iterable[Header] = (), body: bytes = b"") -> bytes:
        """The bytes of a request."""
        given = list(headers)
        names = {name.lower() for name, _ in given}
        usual = [("Host", self.authority), ("Connection", "close")]
        if body and not names & {"content-length", "transfer-encoding"}:
            usual.append(("Content-Length", str(len(body))))
        lines = [f"{name}: {value}" for name, value in [*(h for h in usual if h[0].lower() not in names), *given]]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        return head.encode("utf-8", "surrogateescape") + body

    def _checked(self, raw: bytes, answer: Answer) -> Answer:
        self.answers += 1
        shown = b"\r\n".join(f"{name}: {value}".encode() for name, value in answer.headers.items()) + answer.body
        self.leaks += [shorten(raw) for secret in self._secrets if secret in shown and secret not in raw]
        if (
            b"Traceback" in shown
            or b'.py", line' in shown
            or (answer.status >= 500 and b"number" not in answer.body and answer.body)
        ):
            self.broken.append(f"{answer.status} for {shorten(raw)}: {shorten(answer.text, 60)}")
        return answer


async def read_answer(reader: asyncio.StreamReader, within_s: float = ANSWER_S) -> Answer:
    """The next answer on a connection; of an endless one what came in time."""
    status, headers, body = -1, {}, bytearray()
    try:
        async with asyncio.timeout(within_s):
            first = await reader.readline()
            if not first.startswith(b"HTTP/"):
                return Answer(0, body=first)
            status = int(first.split()[1])
            while (line := (await reader.readline()).strip()) != b"":
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            if status != 101:
                await _read_body(reader, headers, body)
    except TimeoutError:
        pass
    except OSError:  # cut off
        status = max(0, status)
    return Answer(status, headers, bytes(body))


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str], body: bytearray) -> None:
    """Up to its end; ``body`` keeps what came even when the time is over."""
    left = int(headers.get("content-length", LARGEST_ANSWER))
    while left > 0 and (piece := await reader.read(min(left, 65_536))):
        body += piece
        left -= len(piece)
        if headers.get("transfer-encoding") == "chunked" and body.endswith(b"0\r\n\r\n"):
            return


def shorten(raw: bytes | str, length: int = 110) -> str:
    """The beginning of a request, for the report."""
    text = raw.decode("latin-1") if isinstance(raw, bytes) else raw
    return " ".join(text.split())[:length]
