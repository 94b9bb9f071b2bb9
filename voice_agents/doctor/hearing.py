"""What a caller hears: when sound came, and when it stopped."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import numpy as np

from voice_agents.audio import Pcm

LOUD = 300
"""A sample over it is heard (-41 dBFS)."""
BLOCK_S = 0.02


class HeardSound:
    """Filled with sound as it arrives; times are readings of the event loop's clock."""

    def __init__(self) -> None:
        self.loud_at: list[float] = []
        """When each 20 ms block with something to hear came."""
        self._news = asyncio.Event()

    def add(self, pcm: Pcm, rate: int) -> None:
        """The next samples came just now."""
        now = asyncio.get_running_loop().time()
        block = max(1, round(BLOCK_S * rate))
        for start in range(0, len(pcm), block):
            if np.abs(pcm[start : start + block].astype(np.int32)).max(initial=0) > LOUD:
                self.loud_at.append(now)
        self._news.set()

    async def sound(self, after: float, within_s: float) -> float | None:
        """When the first sound after this time came; None if none does in time."""
        try:
            async with asyncio.timeout(within_s):
                while not (found := [at for at in self.loud_at if at > after]):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return found[0]

    async def silence(self, silent_s: float) -> None:
        """Until nothing was heard for so long."""
        loop = asyncio.get_running_loop()
        while True:
            ends = max(self.loud_at, default=0.0) + silent_s
            if ends <= loop.time():
                return
            await asyncio.sleep(ends - loop.time())

    def longest_gap_s(self, after: float, until: float) -> float:
        """The longest silence between two sounds of this time, in seconds."""
        times = [at for at in self.loud_at if after <= at <= until]
        return max((later - at for at, later in pairwise(times)), default=0.0)

    def last_before_longest_gap(self, after: float, until: float) -> float:
        """The last sound before the longest silence of this time; ``after`` if there was none in it."""
        times = [after, *(at for at in self.loud_at if after < at <= until)]
        return max(pairwise([*times, until]), key=lambda pair: pair[1] - pair[0])[0]
