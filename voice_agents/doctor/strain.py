"""Whether the machine is too busy to judge a conversation on it: a slow machine is not an ill one."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType
from typing import Self

BEAT_S = 0.05
LATE_S = 0.25
"""A clock that is later than this once makes sound stutter: a call keeps about so much in store."""
BUSY = 1.5
"""So many programs that want to run, for each core."""


class Strain:
    """While it is entered: how late this program's own clock was, and how many programs want to run."""

    def __init__(self) -> None:
        self.latest_s = 0.0
        self._cores = os.cpu_count() or 1
        self._load = 0.0
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._beating is not None
        self._beating.cancel()
        await asyncio.wait([self._beating])

    def beat(self, late_s: float, load: float) -> None:
        """The clock was so late, and so many programs wanted to run in the last minute."""
        self.latest_s = max(self.latest_s, late_s)
        self._load = max(self._load, load)

    @property
    def sentence(self) -> str:
        """What makes a judgement doubtful; empty on a machine that had time."""
        if self.latest_s <= LATE_S and self._load <= BUSY * self._cores:
            return ""
        return (
            f"This machine is busy: {self._load:.1f} programs want to run on {self._cores} cores, and a clock was up "
            f"to {self.latest_s:.2f} s late. Sound may stutter here for that alone: examine again when it has time."
        )

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_S
            await asyncio.sleep(BEAT_S)
            self.beat(loop.time() - due, _load())


def _load() -> float:
    """Programs that wanted to run in the last minute; 0 where the system does not tell (Windows)."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
