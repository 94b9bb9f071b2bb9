"""A wire that can be cut: a TCP relay on 127.0.0.1 in front of any server."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Cuttable:
    """``async with Cuttable(server_url) as wire``: reach the server under ``wire.url``, :meth:`cut` what is open."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._open: set[asyncio.StreamWriter] = set()
        self._relaying: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._relaying, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """As the server's own, with this wire's port."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Every connection that is open is gone, without a goodbye; new ones work."""
        for writer in self._open:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._relaying.add(task)
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, back}
        try:
            await asyncio.gather(_relay(reader, back), _relay(there, writer))
        finally:
            for end in (writer, back):
                self._open.discard(end)
                end.close()
            self._relaying.discard(task)


async def _relay(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
    except OSError:
        sink.transport.abort()
