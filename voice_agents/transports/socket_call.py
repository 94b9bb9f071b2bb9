"""A conversation over one WebSocket, whoever is at its other end: reads, writes, gives its place back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voice_agents.transports.api.sendbox import SendBox
from voice_agents.transports.live import Listener, LiveSession

DONE = 1000
"""The conversation is over (RFC 6455 section 7.4.1)."""


class SocketCall(Listener):
    """The part of a call that is the same for every language spoken over it. The socket must be accepted already."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._box = SendBox()
        """What is on its way to the other end."""
        self._code = DONE
        self._over = asyncio.Event()
        self._live: LiveSession | None = None

    async def _carry(self, listening: Coroutine[Any, Any, None], closing_s: float) -> None:
        """Until ``listening`` to the other end is over or :meth:`_close_with` was called; raises what broke it.

        The other end is given ``closing_s`` seconds to take its last messages, and as many for the close.
        """
        reading = asyncio.create_task(listening)
        writing = asyncio.create_task(self._write())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({reading, writing, over}, return_when=asyncio.FIRST_COMPLETED)
            self._over.set()
            reading.cancel()
            await asyncio.wait({reading})
            await self._leave()
            self._box.close()
            await asyncio.wait({writing}, timeout=closing_s)
        finally:
            for task in (reading, writing, over):
                task.cancel()
            await asyncio.shield(self._leave())
            await asyncio.wait({reading, writing, over})
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(closing_s):
                if self._socket.application_state is WebSocketState.CONNECTED:
                    await self._socket.close(self._code)
        for task in (reading, writing):
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _close_with(self, code: int, last: dict[str, Any] | None = None) -> None:
        """Say a last thing and close; the first reason counts."""
        if not self._over.is_set():
            if last is not None:
                self._box.put(last)
            self._code = code
            self._over.set()

    async def _give_back(self, opening: asyncio.Task[LiveSession]) -> None:
        """Who wanted a session has left: neither the place nor the wait for it is needed any more."""
        opening.cancel()
        await asyncio.wait({opening})
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().leave(self)

    async def _leave(self) -> None:
        """The place is free again."""
        live, self._live = self._live, None
        if live is not None:
            await live.leave(self)

    async def _write(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            async for message in self._box:
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_text(message)
