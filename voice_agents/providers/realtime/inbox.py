"""What a Realtime server has said, on its way to the caller, who deals with one message before the next is read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from voice_agents.providers.realtime.events import RealtimeEvent


class Inbox:
    """Events in order. Whoever reads the socket waits for :meth:`dealt_with` before the next message.

    So what the caller does is about what the caller knows: an answer that is on its way already, to a turn the caller
    has not heard of yet, is not the one that is being cancelled.
    """

    def __init__(self) -> None:
        self._events: deque[RealtimeEvent] = deque()
        self._ready = asyncio.Event()
        self._dealt_with = asyncio.Event()
        self._dealt_with.set()
        self._closed = False

    def put(self, events: Sequence[RealtimeEvent]) -> None:
        """Append."""
        if events:
            self._events.extend(events)
            self._dealt_with.clear()
            self._ready.set()

    async def dealt_with(self) -> None:
        """Until the caller asks for more than has been put here."""
        await self._dealt_with.wait()

    def withdraw_responses(self) -> list[RealtimeEvent]:
        """What the caller has not seen yet of responses will not be seen; it is returned."""
        withdrawn = [event for event in self._events if hasattr(event, "response_id")]
        self._events = deque(event for event in self._events if not hasattr(event, "response_id"))
        return withdrawn

    def close(self) -> None:
        """End the iteration after what is already here."""
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        while True:
            while self._events:
                yield self._events.popleft()
            self._dealt_with.set()
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()
