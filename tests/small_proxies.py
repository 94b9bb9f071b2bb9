"""A proxy of each kind on this machine, as small as can be, behind which every name is this machine."""

from __future__ import annotations

import asyncio
import base64
import struct
from types import TracebackType
from typing import Self

USER, PASSWORD = "ada", "pa:ss"
"""With ``asks=True`` a proxy takes nobody else."""
_REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SmallProxy:
    """``async with SmallProxy() as proxy``: speaks HTTP (``CONNECT`` and whole addresses), SOCKS4a and 5 at one port.

    Of one connection it forwards one request, or all of a tunnel.
    """

    def __init__(self, *, asks: bool = False) -> None:
        self.reached: list[tuple[str, str]] = []
        """How (``CONNECT``, ``GET``, ``socks5`` ...) and which ``name:port`` was asked for."""
        self.port = 0
        self._asks = asks
        self._ways: set[asyncio.Task[None]] = set()

    def url(self, scheme: str = "http", *, credentials: bool = False) -> str:
        """Its address in a variable."""
        who = f"{USER}:{PASSWORD.replace(':', '%3A')}@" if credentials else ""
        return f"{scheme}://{who}127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for way in self._ways:
            way.cancel()
        await asyncio.gather(*self._ways, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ways.add(task)
        try:
            first = await reader.readexactly(1)
            serve = {b"\x05": self._socks5, b"\x04": self._socks4}.get(first)
            await (serve(reader, writer) if serve else self._http(first, reader, writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._ways.discard(task)

    async def _http(self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        allowed = base64.b64encode(f"{USER}:{PASSWORD}".encode())
        if self._asks and allowed not in head:
            writer.write(_REFUSED)
            return
        where = target if method == "CONNECT" else target.split("/")[2]
        self.reached.append((method, where))
        far = await asyncio.open_connection("127.0.0.1", int(where.rpartition(":")[2]))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target.split("/", 3)[3]
            far[1].write(head.replace(target.encode(), f"/{path}".encode(), 1))
        await _joined((reader, writer), far)

    async def _socks5(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        offered = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self._asks else 0
        if wanted not in offered:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, wanted]))
        if self._asks:
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            if (user.decode(), password.decode()) != (USER, PASSWORD):
                writer.write(b"\x01\x01")
                return
            writer.write(b"\x01\x00")
        _, _, _, kind = await reader.readexactly(4)
        length = (await reader.readexactly(1))[0] if kind == 3 else 4
        name = (await reader.readexactly(length)).decode(errors="replace")
        port = struct.unpack("!H", await reader.readexactly(2))[0]
        self.reached.append(("socks5", f"{name}:{port}"))
        far = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await _joined((reader, writer), far)

    async def _socks4(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, port, *_ = struct.unpack("!BH4s", await reader.readexactly(7))
        await reader.readuntil(b"\x00")
        name = (await reader.readuntil(b"\x00"))[:-1].decode()
        self.reached.append(("socks4a", f"{name}:{port}"))
        far = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00\x5a" + b"\x00" * 6)
        await _joined((reader, writer), far)


async def _joined(near: Streams, far: Streams) -> None:
    """What one says the other hears, until one of them has ended."""
    ways = [asyncio.create_task(_copy(near[0], far[1])), asyncio.create_task(_copy(far[0], near[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        far[1].close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
