"""The events of one session on their way to whoever iterates it; stale audio never comes out."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from voice_agents.events import AgentAudio, Event


class Outbox:
    """An unbounded queue of events. ``epoch`` says which audio is still wanted when it is taken out."""

    def __init__(self, epoch: Callable[[], int]) -> None:
        self._epoch = epoch
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, event: Event) -> None:
        """Append; after :meth:`close` nothing is taken any more."""
        if not self._closed:
            self._events.append(event)
            self._ready.set()

    def close(self) -> None:
        """End the iteration after what is already queued."""
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, AgentAudio) and event.epoch < self._epoch():
                    continue
                yield event
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()
