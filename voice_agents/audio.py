"""PCM16 helpers: bytes, levels, a streaming resampler (soxr) and WAV files. Everything is mono int16, shape (n,)."""

from __future__ import annotations

import io
import math
import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from typing_extensions import TypeIs

Pcm = NDArray[np.int16]
"""Mono PCM16 samples, shape (n,)."""

FILTER_DELAY_S = 0.000625
"""By so much the filters of live sound delay it."""
CUT_OFF = 0.45
"""Times the sample rate: just below the highest tone it can hold."""
_PCM16, _WIRE, _FLOAT = np.dtype(np.int16), np.dtype("<i2"), np.dtype(np.float32)
EMPTY: Pcm = np.zeros(0, dtype=_PCM16)


def is_pcm(samples: object) -> TypeIs[Pcm]:
    """Mono int16 samples, shape (n,)."""
    return isinstance(samples, np.ndarray) and samples.ndim == 1 and samples.dtype == _PCM16


def from_bytes(data: bytes) -> Pcm:
    """Little-endian PCM16 bytes -> samples. A trailing odd byte is dropped."""
    return np.frombuffer(data, _WIRE, len(data) // 2).astype(_PCM16, copy=False)


class SampleJoiner:
    """Turns a stream of bytes into samples where a piece may end in the middle of one."""

    def __init__(self) -> None:
        self._half = b""

    def feed(self, data: bytes) -> Pcm:
        """The next little-endian PCM16 bytes -> the samples that are complete."""
        data = self._half + data
        self._half = data[len(data) // 2 * 2 :]
        return from_bytes(data)


def to_bytes(pcm: Pcm) -> bytes:
    """Samples -> little-endian PCM16 bytes."""
    return pcm.astype(_WIRE, copy=False).tobytes()


class Volume:
    """Changes how loud a stream of samples is, without a click: linearly within :attr:`RAMP_S`."""

    RAMP_S = 0.006

    def __init__(self, rate: int) -> None:
        """``rate`` in Hz; as loud as it comes at first."""
        self._step = 1 / (self.RAMP_S * rate)
        self._now = self._wanted = 1.0

    def set(self, wanted: float) -> None:
        """From the next sample on; 1.0 is as loud as it comes."""
        self._wanted = wanted

    def reset(self) -> None:
        """What comes next is another stream: as loud as it comes, at once."""
        self._now = self._wanted = 1.0

    def apply(self, pcm: Pcm) -> Pcm:
        """The next samples; the same array where nothing is to be changed."""
        if self._now == self._wanted == 1.0 or not len(pcm):
            return pcm
        steps = np.arange(1, len(pcm) + 1) * self._step
        ramp = np.maximum(self._now - steps, self._wanted)
        if self._wanted > self._now:
            ramp = np.minimum(self._now + steps, self._wanted)
        self._now = float(ramp[-1])
        changed: Pcm = np.round(pcm * ramp).astype(np.int16)
        return changed


def silence(seconds: float, rate: int) -> Pcm:
    """``seconds`` of digital silence at ``rate`` Hz."""
    return np.zeros(round(seconds * rate), dtype=np.int16)


def rms_dbfs(pcm: Pcm) -> float:
    """Level in dB relative to full scale; -inf for digital silence or no samples."""
    if not len(pcm):
        return float("-inf")
    mean_square = float(np.mean(np.square(pcm.astype(np.float64))))
    return 10 * float(np.log10(mean_square / 32768.0**2)) if mean_square else float("-inf")


def mean_squares(pcm: Pcm, frame: int) -> list[float]:
    """Of each ``frame`` samples; ``pcm`` is a whole number of them.

    A list: of so few numbers numpy would take longer for each further step than Python for all.
    """
    frames = pcm.reshape(-1, frame)
    sums: list[float] = np.vecdot(frames, frames, dtype=_FLOAT).tolist()
    return [squares / frame for squares in sums]


def energy(pcm: Pcm) -> float:
    """The sum of the squares of all samples; 0.0 of none. The cheapest look at a few milliseconds of sound."""
    samples = pcm.astype(_FLOAT)
    return float(samples.dot(samples))


def first_audible(pcm: Pcm, threshold: int = 64) -> int | None:
    """Index of the first sample whose magnitude reaches ``threshold`` (64 = -54 dBFS peak), or None."""
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= threshold)
    return int(loud[0]) if len(loud) else None


class Resampler:
    """Resamples a stream of any chunk lengths without clicks at the joints.

    The converter holds back a few milliseconds until later chunks arrive; ``flush`` returns them.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._stream: soxr.ResampleStream | None = None
        if source_rate != target_rate:
            self._stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="int16", quality="LQ")

    def feed(self, pcm: Pcm) -> Pcm:
        """The next samples in; what is ready, out."""
        return pcm if self._stream is None else self._stream.resample_chunk(pcm)

    def flush(self) -> Pcm:
        """End of the stream: the samples still held back. The resampler cannot be fed afterwards."""
        return EMPTY if self._stream is None else self._stream.resample_chunk(EMPTY, last=True)


class LowPass:
    """A windowed-sinc filter over a stream of float32 samples; delays it by 0.6 ms."""

    def __init__(self, cut_off_hz: float, rate: int) -> None:
        half = round(FILTER_DELAY_S * rate)
        at = np.arange(-half, half + 1)
        taps = np.sinc(2 * cut_off_hz / rate * at) * np.hamming(len(at))
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._before = np.zeros(2 * half, dtype=np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples -> as many."""
        following = np.concatenate((self._before, samples))
        self._before = following[len(samples) :]
        return np.convolve(following, self._taps, "valid")


class Decimator:
    """Filters a stream as :class:`LowPass` does, and works out only the samples of the lower rate: a fifth of the work.

    It goes by blocks of ``source_rate / gcd`` samples, 2 or 3 of them for the usual rates.
    """

    LONGEST_S = 0.001

    def __init__(self, source_rate: int, target_rate: int) -> None:
        common = math.gcd(source_rate, target_rate)
        outputs, self._block = target_rate // common, source_rate // common
        half = round(FILTER_DELAY_S * source_rate)
        at = np.arange(2 * half + self._block) - 2 * half
        away = np.arange(outputs)[:, None] * self._block / outputs - half - at
        window = np.where(np.abs(away) <= half, 0.54 + 0.46 * np.cos(np.pi * away / half), 0.0)
        taps = window * np.sinc(2 * CUT_OFF * target_rate / source_rate * away)
        self._taps = (taps / taps.sum(axis=1, keepdims=True)).T.astype(np.float32)
        self._before = np.zeros(2 * half, dtype=np.float32)

    @classmethod
    def suits(cls, source_rate: int, target_rate: int) -> bool:
        """A block is so short that waiting for it does not matter."""
        return 1 / math.gcd(source_rate, target_rate) <= cls.LONGEST_S

    def feed(self, pcm: Pcm) -> NDArray[np.float32]:
        """The next samples -> those of the lower rate; up to a millisecond waits for the rest of its block."""
        samples = np.concatenate((self._before, pcm), dtype=np.float32)
        width = len(self._taps)
        blocks = max(0, (len(samples) - width) // self._block + 1)
        self._before = samples[blocks * self._block :].copy()
        (step,) = samples.strides
        windows = np.ndarray((blocks, width), np.float32, samples, strides=(self._block * step, step))
        converted: NDArray[np.float32] = (windows @ self._taps).reshape(-1)
        return converted


class LiveDownsampler:
    """Resamples a microphone's stream to the same or a lower rate, and holds (nearly) nothing back.

    :class:`Resampler` sounds better and holds 10 to 20 ms back, by which everything that waits for speech or silence
    would be late.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Raises ValueError for a higher target rate."""
        if target_rate > source_rate:
            raise ValueError(f"{source_rate} Hz cannot be downsampled to {target_rate} Hz")
        self._passes = source_rate == target_rate
        self._decimator: Decimator | None = None
        if Decimator.suits(source_rate, target_rate):
            self._decimator = Decimator(source_rate, target_rate)
        else:
            self._filter = LowPass(CUT_OFF * target_rate, source_rate)
            self._interpolation = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="QQ")

    def feed(self, pcm: Pcm) -> Pcm:
        """The next samples in, as long a piece out."""
        if self._passes or not len(pcm):
            return pcm
        if self._decimator is not None:
            return to_pcm(self._decimator.feed(pcm))
        return to_pcm(self._interpolation.resample_chunk(self._filter.feed(pcm.astype(np.float32))))


class LiveUpsampler:
    """Resamples a microphone's stream to a higher rate, and holds nothing back; see :class:`LiveDownsampler`."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Raises ValueError for a rate that is not higher."""
        if target_rate <= source_rate:
            raise ValueError(f"{source_rate} Hz cannot be upsampled to {target_rate} Hz")
        self._interpolation = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="QQ")
        self._filter = LowPass(CUT_OFF * source_rate, target_rate)

    def feed(self, pcm: Pcm) -> Pcm:
        """The next samples in, as long a piece out."""
        if not len(pcm):
            return pcm
        samples = self._interpolation.resample_chunk(pcm.astype(np.float32))
        return to_pcm(self._filter.feed(samples)) if len(samples) else EMPTY


def live_resampler(source_rate: int, target_rate: int) -> LiveDownsampler | LiveUpsampler:
    """What brings a microphone's stream from one rate to another without holding any of it back."""
    kind = LiveUpsampler if target_rate > source_rate else LiveDownsampler
    return kind(source_rate, target_rate)


def to_pcm(samples: NDArray[np.float32]) -> Pcm:
    """Float samples in the range of int16, rounded and clipped."""
    return np.minimum(np.maximum(np.rint(samples), -32768), 32767).astype(np.int16)


def resample(pcm: Pcm, source_rate: int, target_rate: int) -> Pcm:
    """A whole recording at another rate (high quality)."""
    if source_rate == target_rate:
        return pcm
    converted: Pcm = soxr.resample(pcm, source_rate, target_rate)
    return converted


def read_wav(source: Path | bytes) -> tuple[Pcm, int]:
    """A 16-bit WAV (several channels are averaged) -> samples and rate. Raises ValueError for other sample formats."""
    opened = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with wave.open(opened, "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"only 16-bit WAV is supported, this one has {8 * file.getsampwidth()} bits")
        pcm = from_bytes(file.readframes(file.getnframes()))
        channels, rate = file.getnchannels(), file.getframerate()
    return (pcm if channels == 1 else pcm.reshape(-1, channels).mean(axis=1).astype(np.int16)), rate


def write_wav(path: Path, pcm: Pcm, rate: int) -> None:
    """Write mono 16-bit WAV."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(to_bytes(pcm))
