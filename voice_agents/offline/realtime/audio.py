"""The audio formats of the Realtime protocol: the client's bytes to the recogniser's samples, the voice's to bytes."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from voice_agents.audio import EMPTY, LiveDownsampler, LowPass, Pcm, Resampler, from_bytes, resample, to_bytes, to_pcm
from voice_agents.offline.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from voice_agents.offline.tts import SAMPLE_RATE as VOICE_RATE

ENGINE_RATE = 16_000
"""Hz of what the recogniser and the voice detector hear."""
TELEPHONE_HZ = 3_700.0
"""What 8 kHz can hold."""


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


class Decoder:
    """What a client sends, in one format -> int16 mono at 16 kHz, as a stream of which nothing is held back."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self.format = audio_format
        self._downsampler = LiveDownsampler(AudioFormat.PCM.rate, ENGINE_RATE)
        self._no_images = LowPass(TELEPHONE_HZ, ENGINE_RATE)

    def feed(self, pcm: Pcm) -> Pcm:
        """The next samples at the format's rate."""
        if self.format is AudioFormat.PCM:
            return self._downsampler.feed(pcm)
        spread = np.zeros(2 * len(pcm), dtype=np.float32)
        spread[::2] = 2.0 * pcm
        return to_pcm(self._no_images.feed(spread))


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
