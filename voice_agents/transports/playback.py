"""Puts an answer's samples on the wire at once, and takes back at once what has not left yet."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from voice_agents.audio import EMPTY, Pcm, Resampler, Volume

WIRE_RATE = 48_000
"""Hz of Opus in WebRTC (RFC 7587)."""

FRAME = WIRE_RATE // 50
"""Samples of one packet: 20 ms."""

BIT_RATE = 40_000
"""Fullband speech, mono (RFC 6716 section 2.1.1 recommends 28 to 40 kbit/s)."""

SILENT_END: Pcm = np.zeros(3 * FRAME, dtype=np.int16)
"""Ends every answer: without it a browser takes the end for lost packets and goes on with the last sound (0.5 s)."""

_TIME_BASE = Fraction(1, WIRE_RATE)


@dataclass(frozen=True, slots=True)
class OpusPacket:
    """20 ms of Opus, as aiortc's sender takes what is encoded already: ``bytes()``, ``pts`` and ``time_base``."""

    data: bytes
    pts: int
    time_base: Fraction = _TIME_BASE

    @property
    def time(self) -> float:
        """When it is due, in seconds; fastrtc's track paces by it."""
        return float(self.pts * self.time_base)

    def __bytes__(self) -> bytes:
        return self.data


class Playback:
    """Encodes samples into the queue of a call's track, each packet stamped with the time it belongs to.

    Done here and not by fastrtc's ``emit()`` and aiortc's encoder for two reasons. They number the packets without
    gaps (or with the stamp before a gap on the packet after it), which a browser takes for network delay: measured
    in Chromium, its jitter buffer grows to 1.8 s after four answers. And nothing is awaited between a chunk and the
    queue, so no stale chunk can slip in behind a :meth:`hush`; a fresh encoder for every answer holds nothing of the
    answer before.
    """

    def __init__(
        self,
        queue: asyncio.Queue[OpusPacket],
        clear: Callable[[], None],
        source_rate: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._clear = clear
        self._source_rate = source_rate
        self._clock = clock
        self._born = self._clock()
        self._next = 0
        self._volume = Volume(WIRE_RATE)
        self._waiting: deque[Pcm] = deque()
        """What the packets in the queue hold, as loud as it came; perhaps some that have left."""
        self._turn = 0
        self._rest: Pcm = EMPTY
        self._begin()

    def play(self, pcm: Pcm, turn: int) -> None:
        """The next samples of a turn's answer, int16 mono at ``source_rate``."""
        if turn != self._turn:
            self._turn = turn
            self._volume.reset()
            self._begin()
        self._put(self._resampler.feed(pcm))

    def finish(self, turn: int) -> None:
        """No more of the answer comes: what is still held back goes out, rounded up to whole packets with silence."""
        if turn != self._turn:
            return
        rest = np.concatenate([self._rest, self._resampler.flush()])
        self._rest = EMPTY
        self._put(np.pad(rest, (0, -len(rest) % FRAME + len(SILENT_END))))
        self._begin()

    def set_volume(self, volume: float) -> None:
        """Of all that has not left yet, within 20 ms; 1.0 is as loud as it came."""
        self._volume.set(volume)
        waiting = list(self._waiting)[-self._queue.qsize() :] if self._queue.qsize() else []
        self._clear()
        self._waiting.clear()
        self._next -= len(waiting) * FRAME
        for pcm in waiting:
            self._encode(pcm)

    def hush(self) -> None:
        """Drop everything that has not left yet."""
        self._clear()
        self._volume.reset()
        self._waiting.clear()
        self._begin()
        self._next = self._now() + FRAME
        self._put(SILENT_END)

    def _begin(self) -> None:
        self._resampler = Resampler(self._source_rate, WIRE_RATE)
        self._rest = EMPTY
        self._encoder = _opus()

    def _now(self) -> int:
        return round((self._clock() - self._born) * WIRE_RATE)

    def _put(self, pcm: Pcm) -> None:
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        if whole and self._queue.empty():
            self._next = max(self._next, self._now())
        for start in range(0, whole, FRAME):
            self._encode(pcm[start : start + FRAME])

    def _encode(self, pcm: Pcm) -> None:
        for packet in self._encoder.encode(_frame(self._volume.apply(pcm))):
            self._queue.put_nowait(OpusPacket(bytes(packet), self._next))
        self._next += FRAME
        self._waiting.append(pcm)
        while len(self._waiting) > self._queue.qsize():
            self._waiting.popleft()


def _opus() -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = WIRE_RATE, "mono", "s16"
    encoder.bit_rate, encoder.time_base = BIT_RATE, _TIME_BASE
    encoder.options = {"application": "voip"}
    return encoder


def _frame(pcm: Pcm) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
    frame.sample_rate = WIRE_RATE
    return frame
