"""One call that is to come: what a session waits for, where time alone decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Alarm:
    """Setting it forgets what it was set to before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float | None, call: Callable[[], None]) -> None:
        """``call`` when the running loop's clock reads ``at``; None: not at all."""
        self.cancel()
        if at is not None:
            self._handle = asyncio.get_running_loop().call_at(at, call)

    def cancel(self) -> None:
        """Nothing is to come any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
