"""Puts an answer's samples on the wire at once, and takes back at once what has not left yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np

from voice_agents.audio import EMPTY, Pcm, Resampler

WIRE_RATE = 48_000
"""Hz of Opus; frames of this rate pass through aiortc's encoder without a second resampler and its delay."""

FRAME = WIRE_RATE // 50
_TIME_BASE = Fraction(1, WIRE_RATE)


class Playback:
    """Cuts samples into 20 ms frames for a track's queue, stamped with the time they belong to.

    fastrtc numbers the frames of ``emit()`` without gaps, so that a browser takes the silence between two answers
    for a network delay and grows its jitter buffer. Here the stamps follow the clock; and because nothing is
    awaited between a chunk and the queue, no stale chunk can slip behind a :meth:`hush`.
    """

    def __init__(self, queue: asyncio.Queue[av.AudioFrame], clear: Callable[[], None], source_rate: int) -> None:
        self._queue = queue
        self._clear = clear
        self._source_rate = source_rate
        self._clock = asyncio.get_running_loop().time
        self._born = self._clock()
        self._next = 0
        self._turn = 0
        self._begin()

    def play(self, pcm: Pcm, turn: int) -> None:
        """The next samples of a turn's answer, int16 mono at ``source_rate``."""
        if turn != self._turn:
            self._turn = turn
            self._begin()
        self._put(self._resampler.feed(pcm))

    def finish(self, turn: int) -> None:
        """The answer is complete: what is still held back goes out, rounded up to whole frames with silence."""
        if turn != self._turn:
            return
        rest = np.concatenate([self._rest, self._resampler.flush()])
        self._begin()
        if len(rest):
            self._put(np.concatenate([rest, np.zeros(-len(rest) % FRAME, dtype=np.int16)]))
            self._begin()

    def hush(self) -> None:
        """Drop everything that has not left yet."""
        self._clear()
        self._begin()
        self._next = self._now() + FRAME

    def _begin(self) -> None:
        self._resampler = Resampler(self._source_rate, WIRE_RATE)
        self._rest = EMPTY

    def _now(self) -> int:
        return round((self._clock() - self._born) * WIRE_RATE)

    def _put(self, pcm: Pcm) -> None:
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        if whole and self._queue.empty():
            self._next = max(self._next, self._now())
        for start in range(0, whole, FRAME):
            frame = av.AudioFrame.from_ndarray(pcm[None, start : start + FRAME], format="s16", layout="mono")
            frame.sample_rate = WIRE_RATE
            frame.pts = self._next
            frame.time_base = _TIME_BASE
            self._queue.put_nowait(frame)
            self._next += FRAME
