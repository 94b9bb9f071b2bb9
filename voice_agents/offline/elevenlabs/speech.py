"""Speech in ElevenLabs' shapes: output formats, and audio chunks with the times of the characters spoken in them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self, cast

import numpy as np

from voice_agents.audio import EMPTY, Pcm, Resampler, to_bytes
from voice_agents.offline.g711 import encode_alaw, encode_ulaw
from voice_agents.offline.mp3 import Mp3Encoder
from voice_agents.offline.services import Voice
from voice_agents.offline.tts import SAMPLE_RATE, Synthesis

FIRST_CHUNK_S = 0.1
"""Audio in the first chunk of a piece: little, so that it is there soon."""
CHUNK_S = 0.25
"""Audio in every later chunk."""

_PCM_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
_ENCODINGS = {"pcm": to_bytes, "ulaw": encode_ulaw, "alaw": encode_alaw}
_MP3_RATES_KBPS = ((22050, 32), (24000, 48), (44100, 32), (44100, 64), (44100, 96), (44100, 128), (44100, 192))
_RAW_FORMATS = {f"pcm_{rate}": rate for rate in _PCM_RATES} | {"ulaw_8000": 8000, "alaw_8000": 8000}
_MP3_FORMATS = {f"mp3_{rate}_{kbps}": (rate, kbps) for rate, kbps in _MP3_RATES_KBPS}
DEFAULT_FORMAT = "mp3_44100_128"
"""What the vendor sends when nothing is asked for."""


class UnsupportedFormat(ValueError):
    """The output format is not served here; the message says which are."""


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """How the client wants its audio: raw mono samples without a container, or MP3."""

    name: str
    rate: int
    kbps: int | None = None
    """Bit rate of MP3; None for raw samples."""

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises UnsupportedFormat for opus, wav and unknown names."""
        if name in _MP3_FORMATS:
            return cls(name, *_MP3_FORMATS[name])
        if name in _RAW_FORMATS:
            return cls(name, _RAW_FORMATS[name])
        known = ", ".join((*_MP3_FORMATS, *_RAW_FORMATS))
        raise UnsupportedFormat(f"output_format {name} is not served offline; ask for one of {known}.")

    @property
    def media_type(self) -> str:
        """The content type of a body in this format."""
        return "audio/pcm" if self.kbps is None else "audio/mpeg"

    def encoder(self) -> Encoder:
        """For one piece of speech."""
        return Encoder(self)


class Encoder:
    """24 kHz samples -> bytes in the output format, as a stream."""

    def __init__(self, output: OutputFormat) -> None:
        self._resampler = Resampler(SAMPLE_RATE, output.rate)
        self._codec = output.name.partition("_")[0]
        self._mp3 = None if output.kbps is None else Mp3Encoder(output.rate, output.kbps)

    async def feed(self, pcm: Pcm, *, last: bool) -> bytes:
        """The next samples; ``last`` gives what the resampler and the codec still hold back, too."""
        ready = self._resampler.feed(pcm)
        if last:
            ready = np.concatenate((ready, self._resampler.flush()))
        if self._mp3 is None:
            return _ENCODINGS[self._codec](ready)
        return await asyncio.to_thread(_compress, self._mp3, ready, last)


def _compress(encoder: Mp3Encoder, pcm: Pcm, last: bool) -> bytes:
    """Milliseconds of work, so done off the event loop."""
    return encoder.feed(pcm) + (encoder.flush() if last else b"")


@dataclass(frozen=True, slots=True)
class CharTime:
    """When one character sounds."""

    char: str
    start_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """Audio (int16 mono, 24 kHz) and the characters that come with it, timed from the chunk's own first sample."""

    pcm: Pcm
    chars: tuple[CharTime, ...]
    last: bool
    """No more chunks of this piece."""


class Alignment(Enum):
    """Which chunks of a piece carry character times."""

    NONE = auto()
    FIRST = auto()
    """The first has them all; so nothing can be sent before the whole piece has been synthesised."""
    EACH = auto()
    """Each has those of the characters that begin in it."""


async def speak(
    voice: Voice, text: str, voice_id: str, alignment: Alignment, speed: float = 1.0
) -> AsyncGenerator[SpokenChunk, None]:
    """One piece of text as chunks, as soon as they can be had. No chunks for text without words."""
    cutter = _Cutter(text, alignment)
    stream = cast("AsyncGenerator[Synthesis, None]", voice.speak(text, voice_id, speed))
    async with aclosing(stream):
        async for synthesis in stream:
            cutter.add(synthesis)
            while (chunk := cutter.take()) is not None:
                yield chunk
    cutter.end()
    while (chunk := cutter.take()) is not None:
        yield chunk


class _Cutter:
    """Cuts the synthesis of one piece into chunks. A word's letters share its time evenly."""

    def __init__(self, text: str, alignment: Alignment) -> None:
        self._text = text
        self._alignment = alignment
        self._audio = EMPTY
        self._at_ms = 0.0
        self._timed: deque[CharTime] = deque()
        self._open_word: tuple[int, float] | None = None
        """Where the word begins whose end is not known yet: index in the text, and time."""
        self._resolved_ms = 0.0
        self._ended = False

    def add(self, synthesis: Synthesis) -> None:
        self._audio = np.concatenate((self._audio, synthesis.pcm))
        for word in synthesis.words:
            if self._open_word is None:
                self._open_word = 0, word.start_ms
            else:
                self._resolve(word.offset, word.start_ms)
                self._open_word = word.offset, word.start_ms

    def end(self) -> None:
        """The synthesis is complete."""
        if self._open_word is None:
            self._open_word = 0, 0.0
        self._resolve(len(self._text), self._at_ms + self._audio.size * 1000 / SAMPLE_RATE)
        self._ended = True

    def take(self) -> SpokenChunk | None:
        """The next chunk, if it is complete."""
        size = round((CHUNK_S if self._at_ms else FIRST_CHUNK_S) * SAMPLE_RATE)
        if not self._ended and len(self._audio) <= size:
            return None
        if not len(self._audio):
            return None
        until_ms = self._at_ms + size * 1000 / SAMPLE_RATE
        if not self._ended and not self._chars_known(until_ms):
            return None
        pcm, self._audio = self._audio[:size], self._audio[size:]
        last = self._ended and not len(self._audio)
        chunk = SpokenChunk(pcm, self._chars(until_ms, last), last)
        self._at_ms = until_ms
        return chunk

    def _chars_known(self, until_ms: float) -> bool:
        return self._alignment is Alignment.NONE or (
            self._alignment is Alignment.EACH and self._resolved_ms >= until_ms
        )

    def _chars(self, until_ms: float, last: bool) -> tuple[CharTime, ...]:
        taken = []
        if self._alignment is Alignment.NONE:
            return ()
        take_all = last or self._alignment is Alignment.FIRST
        while self._timed and (take_all or self._timed[0].start_ms < until_ms):
            timed = self._timed.popleft()
            taken.append(CharTime(timed.char, max(0.0, timed.start_ms - self._at_ms), timed.duration_ms))
        return tuple(taken)

    def _resolve(self, end: int, end_ms: float) -> None:
        assert self._open_word is not None
        begin, begin_ms = self._open_word
        chars = self._text[begin:end]
        each_ms = max(0.0, end_ms - begin_ms) / max(1, len(chars))
        self._timed.extend(CharTime(char, begin_ms + i * each_ms, each_ms) for i, char in enumerate(chars))
        self._resolved_ms = end_ms
