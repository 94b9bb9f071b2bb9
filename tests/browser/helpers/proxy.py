"""A proxy that carries HTTP and WebSocket of one port and nothing else, as a share link or a tunnel does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

PIECE_BYTES = 65_536


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[str]:
    """The address under which the proxy serves what stands at ``url``."""
    target = urlsplit(url)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(_carry(source, sink))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        try:
            while piece := await source.read(PIECE_BYTES):
                sink.write(piece)
                await sink.drain()
        finally:
            sink.close()
