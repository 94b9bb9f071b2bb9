"""What is on its way to one client: bounded, in order, and without sound that is not to be heard any more."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator

from voice_agents.transports.api.dialects import Outgoing

MOST_WAITING = 3000
"""Messages for a client that does not read; a minute of an answer."""


class SendBox:
    """Filled without waiting, emptied by whoever iterates it."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: deque[tuple[Outgoing, bool]] = deque()
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def full(self) -> bool:
        """The client does not take what it is sent."""
        return len(self._waiting) >= self._most

    def put(self, message: Outgoing, *, sound: bool = False) -> None:
        """Append; lost when the box is closed."""
        if not self._closed:
            self._waiting.append((message, sound))
            self._changed.set()

    def drop_sound(self) -> None:
        """Sound that has not left yet is not to be heard."""
        self._waiting = deque(entry for entry in self._waiting if not entry[1])

    def close(self) -> None:
        """End the iteration after what is in the box."""
        self._closed = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while True:
            while self._waiting:
                message, _ = self._waiting.popleft()
                yield message if isinstance(message, bytes) else json.dumps(message)
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()
