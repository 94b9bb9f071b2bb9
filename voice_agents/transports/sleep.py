"""Notices that this program stood still: its computer was asleep, or the process was stopped."""

from __future__ import annotations

import asyncio
import time


def time_with_sleep() -> float:
    """A clock in seconds that goes on while the computer sleeps; on Linux and macOS the monotonic one does not."""
    boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if boot_clock is None else time.clock_gettime(boot_clock)


class StandStill:
    """Whoever waits with :meth:`pause` learns how much longer it took than was asked for.

    ``tolerated_s``: what a busy machine may take longer. Works in a running event loop.
    """

    def __init__(self, tolerated_s: float) -> None:
        self._tolerated_s = tolerated_s
        self._due = self._due_with_sleep = float("inf")

    async def pause(self, seconds: float) -> float:
        """Wait. Returns how long the program stood still meanwhile, in seconds; 0.0 if it did not."""
        self._due = asyncio.get_running_loop().time() + seconds
        self._due_with_sleep = time_with_sleep() + seconds
        await asyncio.sleep(seconds)
        return self.late_s

    @property
    def late_s(self) -> float:
        """How long the program stood still since the pause was due; 0.0 if it did not, or nothing is due."""
        late_s = max(asyncio.get_running_loop().time() - self._due, time_with_sleep() - self._due_with_sleep)
        return late_s if late_s >= self._tolerated_s else 0.0
