"""The audio formats of the Realtime protocol: the client's bytes to the recogniser's samples, the voice's to bytes."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import soxr
from numpy.typing import NDArray

from voice_agents.audio import EMPTY, Pcm, Resampler, from_bytes, resample, to_bytes
from voice_agents.offline.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from voice_agents.offline.tts import SAMPLE_RATE as VOICE_RATE

ENGINE_RATE = 16_000
"""Hz of what the recogniser and the voice detector hear."""


_TAPS = 31


class AudioFormat(StrEnum):
    """Mono: 16-bit little-endian PCM at 24 kHz, or G.711 mu-law or A-law at 8 kHz."""

    PCM = "audio/pcm"
    PCMU = "audio/pcmu"
    PCMA = "audio/pcma"

    @property
    def rate(self) -> int:
        """Samples per second."""
        return 24_000 if self is AudioFormat.PCM else 8_000

    def unpack(self, data: bytes) -> Pcm:
        """Bytes -> samples at ``rate``. Raises ValueError for half a sample."""
        if self is AudioFormat.PCM:
            if len(data) % 2:
                raise ValueError("the audio ends in the middle of a sample")
            return from_bytes(data)
        return decode_ulaw(data) if self is AudioFormat.PCMU else decode_alaw(data)

    def pack(self, pcm: Pcm) -> bytes:
        """Samples at ``rate`` -> bytes."""
        if self is AudioFormat.PCM:
            return to_bytes(pcm)
        return encode_ulaw(pcm) if self is AudioFormat.PCMU else encode_alaw(pcm)

    def pack_whole(self, pcm: Pcm, rate: int) -> bytes:
        """A whole recording at another rate -> bytes; takes a millisecond per second of audio."""
        return self.pack(resample(pcm, rate, self.rate)) if len(pcm) else b""


_CUT_OFF_HZ = {AudioFormat.PCM: 7_200.0, AudioFormat.PCMU: 3_700.0, AudioFormat.PCMA: 3_700.0}
"""Just below what 16 kHz can hold, and what 8 kHz could."""


class Decoder:
    """What a client sends, in one format -> int16 mono at 16 kHz, as a stream.

    Holds nothing back: the turn is taken when the silence is over, and ``audio.Resampler`` would notice it 11 (PCM) or
    33 ms (G.711) late on average. The short filter delays the sound by 0.6 or 0.9 ms.
    """

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._filter = _LowPass(_CUT_OFF_HZ[audio_format], max(audio_format.rate, ENGINE_RATE))
        self._interpolation = soxr.ResampleStream(24_000, ENGINE_RATE, 1, dtype="float32", quality="QQ")

    def feed(self, pcm: Pcm) -> Pcm:
        """The next samples at the format's rate."""
        if not len(pcm):
            return EMPTY
        if self.format is AudioFormat.PCM:
            converted = self._interpolation.resample_chunk(self._filter.feed(pcm.astype(np.float32)))
        else:
            spread = np.zeros(2 * len(pcm), dtype=np.float32)
            spread[::2] = 2.0 * pcm
            converted = self._filter.feed(spread)
        return np.asarray(np.clip(np.rint(converted), -32768, 32767), dtype=np.int16)


class _LowPass:
    """A windowed-sinc filter of 31 taps over a stream."""

    def __init__(self, cut_off_hz: float, rate: int) -> None:
        at = np.arange(-(_TAPS // 2), _TAPS // 2 + 1)
        taps = np.sinc(2 * cut_off_hz / rate * at) * np.hamming(_TAPS)
        self._taps = (taps / taps.sum()).astype(np.float32)
        self._before = np.zeros(_TAPS - 1, dtype=np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples -> as many, half the taps late."""
        following = np.concatenate((self._before, samples))
        self._before = following[-(_TAPS - 1) :]
        return np.convolve(following, self._taps, "valid")


class Encoder:
    """The voice's samples (24 kHz) -> bytes in one format, as a stream."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._resampler = Resampler(VOICE_RATE, audio_format.rate)

    def feed(self, pcm: Pcm) -> bytes:
        """The next samples."""
        return self._format.pack(self._resampler.feed(pcm)) if len(pcm) else b""

    def end(self) -> bytes:
        """What the resampler still held back."""
        return self._format.pack(self._resampler.flush())


def joined(pieces: list[Pcm]) -> Pcm:
    """One array out of many."""
    return np.concatenate(pieces) if pieces else EMPTY
