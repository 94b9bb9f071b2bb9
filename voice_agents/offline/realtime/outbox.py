"""What a Realtime session has to say, in order: put in at once, sent by one task as the socket takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from voice_agents.offline.realtime.errors import Event, new_id
from voice_agents.offline.sockets import VendorSocket

MAX_WAITING = 4
"""Events waiting to be sent, above which an answer that is being made waits."""


class Outbox:
    """Events for one socket. ``translate`` gives what a client of another dialect is sent in place of an event."""

    def __init__(self, socket: VendorSocket, translate: Callable[[Event], Sequence[Event]]) -> None:
        self._socket = socket
        self._translate = translate
        self._waiting: deque[Event] = deque()
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def put(self, event: Event) -> None:
        """Send an event, after those before it; it gets its ``event_id`` here."""
        for translated in self._translate(event):
            kind = translated["type"]
            self._waiting.append({"type": kind, "event_id": new_id("event")} | translated)
        self._filled.set()
        if len(self._waiting) > MAX_WAITING:
            self._has_room.clear()

    async def room(self) -> None:
        """Wait until the client has taken most of what there is."""
        await self._has_room.wait()

    async def run(self) -> None:
        """Send, until cancelled."""
        while True:
            await self._filled.wait()
            while self._waiting:
                await self._socket.send(self._waiting[0])
                self._waiting.popleft()
                if len(self._waiting) <= MAX_WAITING // 2:
                    self._has_room.set()
            self._filled.clear()
