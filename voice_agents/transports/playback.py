"""Puts an answer's samples on the wire at once, and takes back at once what has not left yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

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


@dataclass(slots=True)
class OpusPacket:
    """20 ms of Opus, as aiortc's sender takes what is encoded already: ``bytes()``, ``pts`` and ``time_base``.

    It is encoded as it leaves, so that it is as loud as is wanted then, and what never leaves costs nothing.
    """

    encode: Callable[[], bytes]
    pts: int
    time_base: Fraction = _TIME_BASE
    _data: bytes = b""

    @property
    def time(self) -> float:
        """When it is due, in seconds; fastrtc's track paces by it."""
        return float(self.pts * self.time_base)

    def __bytes__(self) -> bytes:
        self._data = self._data or self.encode()
        return self._data


class Playback:
    """Puts samples into the queue of a call's track, each packet stamped with the time it belongs to.

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
        tell: Callable[[dict[str, Any]], bool] = lambda _message: False,
    ) -> None:
        """``tell``: makes what is heard softer or silent where it is heard, and so before what is on its way has come:
        ``{"type": "volume", "volume": v}``, or ``{"type": "hush"}`` for a moment. False: it cannot be told.
        """
        self._tell = tell
        self._told = 1.0
        """The volume there."""
        self._queue = queue
        self._clear = clear
        self._source_rate = source_rate
        self._clock = clock
        self._born = self._clock()
        self._next = 0
        self._turn = 0
        self._rest: Pcm = EMPTY
        self._begin()

    def play(self, pcm: Pcm, turn: int) -> None:
        """The next samples of a turn's answer, int16 mono at ``source_rate``."""
        if turn != self._turn:
            self._turn = turn
            self._begin()
            if self._told != 1.0:
                self.set_volume(1.0)
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
        """Of all that is heard from now on, or that has not left yet, within 6 ms; 1.0 is as loud as it came."""
        if self._tell({"type": "volume", "volume": volume}):
            self._told = volume
        else:
            self._volume.set(volume)

    def hush(self) -> None:
        """Drop everything that has not left yet, or is not heard yet."""
        if self._tell({"type": "hush"}):
            self._told = 0.0
        self._clear()
        self._begin()
        self._next = self._now() + FRAME
        self._put(SILENT_END)

    def _begin(self) -> None:
        self._resampler = Resampler(self._source_rate, WIRE_RATE)
        self._rest = EMPTY
        self._encoder, self._volume = _opus(), Volume(WIRE_RATE)

    def _now(self) -> int:
        return round((self._clock() - self._born) * WIRE_RATE)

    def _put(self, pcm: Pcm) -> None:
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // FRAME * FRAME
        self._rest = pcm[whole:]
        if whole and self._queue.empty():
            self._next = max(self._next, self._now())
        for start in range(0, whole, FRAME):
            encode = partial(_encoded, self._encoder, self._volume, pcm[start : start + FRAME])
            self._queue.put_nowait(OpusPacket(encode, self._next))
            self._next += FRAME


def _opus() -> av.AudioCodecContext:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = WIRE_RATE, "mono", "s16"
    encoder.bit_rate, encoder.time_base = BIT_RATE, _TIME_BASE
    encoder.options = {"application": "voip"}
    return encoder


def _encoded(encoder: av.AudioCodecContext, volume: Volume, pcm: Pcm) -> bytes:
    return b"".join(bytes(packet) for packet in encoder.encode(_frame(volume.apply(pcm))))


def _frame(pcm: Pcm) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
    frame.sample_rate = WIRE_RATE
    return frame
