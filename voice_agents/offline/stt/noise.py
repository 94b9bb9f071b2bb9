"""Steady noise (a fan, a street, a poor microphone): heard where nobody speaks, and taken off where somebody does."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import from_bytes, rms_dbfs, to_bytes
from voice_agents.offline.stt.gate import FRAME_BYTES

Spectrum = NDArray[np.float64]
"""Mean power of a noise by frequency, shape (513,)."""

_SIZE = 1024
"""Samples of one spectrum, 64 ms."""
_HOP = _SIZE // 4
_WINDOW = np.sqrt(np.hanning(_SIZE + 1)[:-1])
_MEMORY = 0.96
"""How much the ratio of speech to noise follows the last spectrum: less makes noise twinkle, more blurs speech."""
_LEAST_GAIN = 0.1
_STEADY_FRAMES = 5
_STEADY_DB = 4.0
_ALIKE_DB = 1.5
_SILENT_DBFS = -72.0
_CLEAN_DB = 32.0
"""Noise that much softer than the speech does no harm; taking it off would."""


def noise_of(frames: Collection[bytes]) -> Spectrum | None:
    """The steady noise in some frames (PCM16, 30 ms each, in their order), None where it is too soft to matter.

    Its level is that of the quietest 150 ms, if they are steady: the quietest part of speech without a pause is not.
    """
    levels = np.array([max(rms_dbfs(from_bytes(frame)), -100.0) for frame in frames])
    if len(levels) < 2 * _STEADY_FRAMES:
        return None
    stretches = np.lib.stride_tricks.sliding_window_view(levels, _STEADY_FRAMES)
    quietest = stretches[np.argmin(stretches.max(axis=1))]
    loud = np.sort(levels)[-max(1, len(levels) // 4) :].mean()
    if np.ptp(quietest) > _STEADY_DB or quietest.max() < max(_SILENT_DBFS, loud - _CLEAN_DB):
        return None
    quiet = np.repeat(levels <= quietest.max() + _ALIKE_DB, FRAME_BYTES // 2)
    pcm = np.concatenate([from_bytes(frame) for frame in frames]).astype(np.float64)
    whole = np.lib.stride_tricks.sliding_window_view(quiet, _SIZE)[::_HOP].all(axis=1)
    pieces = np.lib.stride_tricks.sliding_window_view(pcm, _SIZE)[::_HOP][whole]
    power: Spectrum = np.square(np.abs(np.fft.rfft(pieces * _WINDOW))).mean(axis=0)
    return power


class Cleaner:
    """Takes a steady noise off a stream, by a Wiener filter with decision-directed ratios (Ephraim and Malah, 1984).

    Without a noise the stream passes as it is; with one it comes 48 to 78 ms later, ``flush`` returns the rest.
    """

    def __init__(self, noise: Spectrum | None) -> None:
        self._noise = None if noise is None else noise + 1e-3
        self._start()

    def feed(self, frame: bytes) -> Iterator[bytes]:
        """A frame of ``FRAME_BYTES`` in; what is ready, in frames of that length."""
        if self._noise is None:
            yield frame
            return
        yield from self._filter(from_bytes(frame), self._noise)

    def flush(self) -> Iterator[bytes]:
        """The rest, with silence up to a whole frame; the cleaner can be used again."""
        if self._noise is not None:
            yield from self._filter(np.zeros(_SIZE, dtype=np.int16), self._noise)
        self._start()

    def _start(self) -> None:
        self._input = np.zeros(_SIZE - _HOP)
        self._sum = np.zeros(_SIZE)
        self._speech_ratio = np.zeros(_SIZE // 2 + 1)
        self._unwanted = _SIZE - _HOP
        """Samples of the silence put before the first one that are still to come out."""
        self._ready = b""

    def _filter(self, pcm: NDArray[np.int16], noise: Spectrum) -> Iterator[bytes]:
        self._input = np.concatenate((self._input, pcm))
        done: list[NDArray[np.float64]] = []
        while len(self._input) >= _SIZE:
            spectrum = np.fft.rfft(self._input[:_SIZE] * _WINDOW)
            self._input = self._input[_HOP:]
            self._sum += np.fft.irfft(spectrum * self._gains(np.square(np.abs(spectrum)) / noise)) * _WINDOW / 2
            done.append(self._sum[:_HOP])
            self._sum = np.concatenate((self._sum[_HOP:], np.zeros(_HOP)))
        yield from self._frames(done)

    def _gains(self, ratio: Spectrum) -> Spectrum:
        """What to multiply each frequency by; ``ratio`` is that of its power to the noise's."""
        speech = _MEMORY * self._speech_ratio + (1 - _MEMORY) * np.maximum(ratio - 1, 0)
        gains: Spectrum = speech / (1 + speech)
        self._speech_ratio = np.square(gains) * ratio
        return np.maximum(gains, _LEAST_GAIN)

    def _frames(self, done: Iterable[NDArray[np.float64]]) -> Iterator[bytes]:
        samples = np.concatenate((*done, np.zeros(0)))
        skipped = min(self._unwanted, len(samples))
        self._unwanted -= skipped
        self._ready += to_bytes(np.clip(samples[skipped:], -32768, 32767).astype(np.int16))
        while len(self._ready) >= FRAME_BYTES:
            yield self._ready[:FRAME_BYTES]
            self._ready = self._ready[FRAME_BYTES:]
