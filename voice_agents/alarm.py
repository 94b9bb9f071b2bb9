"""One call that is to come, where time alone decides; whoever waits for several has several alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Guard = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes of a call one that does not raise."""


class Alarm:
    """Setting it forgets what it was set to before. Works in a running event loop.

    What a call raises would reach nobody but the loop's log: give it a ``guard`` if somebody should hear of it.
    """

    def __init__(self, guard: Guard = lambda call: call) -> None:
        self._guard = guard
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """The call is still to come."""
        return self._handle is not None

    def set(self, at: float | None, call: Callable[[], None]) -> None:
        """``call`` when the running loop's clock reads ``at``; None: not at all."""
        self.cancel()
        if at is not None:
            self._handle = asyncio.get_running_loop().call_at(at, self._ring, call)

    def cancel(self) -> None:
        """Nothing is to come any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, call: Callable[[], None]) -> None:
        self._handle = None
        self._guard(call)()
