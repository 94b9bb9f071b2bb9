"""Messages on their way into a WebSocket, from code that never waits."""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import broadcast
from websockets.exceptions import ConnectionClosed


class Outbox:
    """Sends messages in order. One that finds everything before it sent is sent at once: microphones send dozens a
    second, and the way through a queue and a task costs more than the sending. The others wait for :meth:`run`.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._clock = asyncio.get_running_loop().time
        self._waiting: deque[str] = deque()
        self._added = asyncio.Event()
        self._sending_since: float | None = None
        self.newest_at = self._clock()
        """When the last message came, on the loop's clock; before the first, when this was made."""

    def put(self, message: str) -> None:
        """Send a text message. What a socket that is closed was to send is lost; whoever reads from it notices."""
        self.newest_at = self._clock()
        if self._waiting or self._sending_since is not None or self._socket.transport.get_write_buffer_size():
            self._waiting.append(message)
            return self._added.set()
        return broadcast([self._socket], message)

    def stuck(self, now: float, limit_s: float) -> bool:
        """The socket has taken nothing for longer than this."""
        return self._sending_since is not None and now - self._sending_since > limit_s

    async def run(self) -> None:
        """Send what has to wait, until the socket closes."""
        try:
            while True:
                while self._waiting:
                    self._sending_since = self._clock()  # a timer for each would cost more than sending
                    await self._socket.send(self._waiting.popleft())
                    self._sending_since = None
                self._added.clear()
                await self._added.wait()
        except ConnectionClosed:
            return
