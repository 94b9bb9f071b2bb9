"""What a caller hears: when sound came, and when it stopped."""

from __future__ import annotations

import asyncio

import numpy as np

from voice_agents.audio import Pcm

LOUD = 300
"""A sample over it is heard (-41 dBFS)."""
BLOCK_S = 0.02


class Heard:
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

    def last_before_gap(self, after: float, gap_s: float) -> float | None:
        """The last sound before the first gap that begins after this time; None if there was none, or no such gap."""
        times = [at for at in self.loud_at if at > after - gap_s]
        for at, following in zip(times, [*times[1:], float("inf")], strict=True):
            if following - at >= gap_s and following > after:
                return at
        return None
