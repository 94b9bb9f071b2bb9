"""Speech as ElevenLabs' clients ask for it: encoded, and as chunks with the times of the characters spoken in them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Self, cast

import av
import numpy as np
from pydantic import Field, model_validator

from voice_agents.audio import EMPTY, Pcm
from voice_agents.offline.elevenlabs.access import Asked, BadInput
from voice_agents.offline.services import AnyVoice
from voice_agents.offline.tts import SAMPLE_RATE, Synthesis

FIRST_CHUNK_S = 0.1
"""Audio in the first chunk of a piece: little, so that it is there soon."""
CHUNK_S = 0.25
"""Audio in every later chunk."""

SOCKET_MODELS = (
    *("eleven_flash_v2_5", "eleven_flash_v2", "eleven_turbo_v2_5", "eleven_turbo_v2"),
    *("eleven_multilingual_v2", "eleven_multilingual_v1", "eleven_monolingual_v1"),
)
FORMATS = frozenset(
    {f"pcm_{rate}" for rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000)}
    | {"mp3_22050_32", "mp3_24000_48", "mp3_44100_64", "mp3_44100_128"}
)
"""Output formats: kind, Hz, and kbit/s of MP3."""
DEFAULT_FORMAT = "mp3_44100_128"
"""What the vendor sends when nothing is asked for."""


class TtsOptions(Asked):
    """The path and query string of a text-to-speech socket or request.

    Any voice is taken, so that clients keep theirs; only "unknown..." is not found.
    """

    voice_id: str
    model_id: str = "eleven_multilingual_v2"
    output_format: str = DEFAULT_FORMAT
    auto_mode: bool = False
    sync_alignment: bool = False
    inactivity_timeout: float = Field(20.0, gt=0, le=180)
    apply_text_normalization: str = "auto"

    @classmethod
    def parse(cls, voice_id: str, query: Mapping[str, str], model_id: str | None = None) -> Self:
        """Raises BadInput."""
        model = {} if model_id is None else {"model_id": model_id}
        return cls.read({**query, **model, "voice_id": voice_id}, "invalid_input_message")

    @model_validator(mode="after")
    def _are_offered(self) -> Self:
        if self.voice_id.lower().startswith("unknown"):
            raise BadInput("voice_not_found", f"A voice for the voice_id {self.voice_id!r} was not found.")
        if self.model_id not in SOCKET_MODELS:
            raise BadInput("model_not_found", f"The model {self.model_id!r} is not served offline.")
        if self.output_format not in FORMATS:
            served = ", ".join(sorted(FORMATS))
            message = f"output_format {self.output_format} is not served offline; ask for one of {served}."
            raise BadInput("output_format_not_allowed", message)
        if self.apply_text_normalization == "on" and self.model_id.endswith("v2_5"):
            raise BadInput("invalid_input_message", f"apply_text_normalization cannot be on for {self.model_id}.")
        return self


class Encoder:
    """24 kHz samples -> bytes in one of ``FORMATS`` (MP3: bare frames), as a stream, for one piece of speech.

    Blocks: MP3 takes about 10 ms for a second of speech, delays the sound by up to 50 ms and pads its end.
    """

    def __init__(self, output_format: str) -> None:
        kind, rate, *kbps = output_format.split("_")
        self.is_slow = kind == "mp3"
        self._codec: av.AudioCodecContext = av.CodecContext.create("libmp3lame" if self.is_slow else "pcm_s16le", "w")
        self._codec.layout, self._codec.format = "mono", "s16p" if self.is_slow else "s16"
        self._codec.sample_rate, self._codec.time_base = int(rate), Fraction(1, int(rate))
        if kbps:
            self._codec.bit_rate, self._codec.options = (
                1000 * int(kbps[0]),
                {"reservoir": "0"},
            )  # a frame waits for none

    def feed(self, pcm: Pcm, *, last: bool = False) -> bytes:
        """The next samples; ``last`` gives what is still held back, too."""
        packets = []
        if len(pcm):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None, :]), format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            packets = self._codec.encode(frame)
        return b"".join(map(bytes, (*packets, *(self._codec.encode(None) if last else ()))))


@dataclass(frozen=True, slots=True)
class CharTime:
    """When one character sounds, from the first sample of the speech."""

    char: str
    start_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """Audio as it is sent, and the characters that come with it."""

    audio: bytes
    start_ms: float
    chars: tuple[CharTime, ...]


async def speak(
    voice: AnyVoice, text: str, options: TtsOptions, speed: float, *, each: bool, not_before: float
) -> AsyncGenerator[SpokenChunk, None]:
    """One piece of text as chunks, as soon as they can be had, but not before a time (monotonic).

    ``each``: every chunk has the characters that begin in it, else the first has them all, which can be sent only when
    the whole piece has been synthesised. No chunks for text without words.
    """
    cutter, encoder = _Cutter(text, each), Encoder(options.output_format)
    stream = cast("AsyncGenerator[Synthesis, None]", voice.speak(text, options.voice_id, speed))
    async with aclosing(_cut(stream, cutter)) as cuts:
        async for cut in cuts:
            await asyncio.sleep(not_before - time.monotonic())
            encode = partial(encoder.feed, cut.pcm, last=cut.last)
            audio = await asyncio.to_thread(encode) if encoder.is_slow else encode()
            yield SpokenChunk(audio, cut.start_ms, cut.chars)


@dataclass(frozen=True, slots=True)
class _Cut:
    pcm: Pcm
    start_ms: float
    chars: tuple[CharTime, ...]
    last: bool


async def _cut(stream: AsyncGenerator[Synthesis, None], cutter: _Cutter) -> AsyncGenerator[_Cut, None]:
    async with aclosing(stream):
        async for synthesis in stream:
            for cut in cutter.add(synthesis):
                yield cut
    for cut in cutter.end():
        yield cut


class _Cutter:
    """Cuts the synthesis of one piece into chunks. A word's letters share its time evenly."""

    def __init__(self, text: str, each: bool) -> None:
        self._text = text
        self._each = each
        self._audio = EMPTY
        self._at_ms = 0.0
        self._timed: deque[CharTime] = deque()
        self._word = 0
        """Index in the text of the word whose end is not known yet."""
        self._resolved_ms = 0.0
        """When that word begins."""

    def add(self, synthesis: Synthesis) -> Iterator[_Cut]:
        self._audio = np.concatenate((self._audio, synthesis.pcm))
        for word in synthesis.words:
            self._resolve(word.offset, word.start_ms)
        while self._each and len(self._audio) > self._size and self._resolved_ms >= self._end_ms:
            yield self._take(last=False)

    def end(self) -> Iterator[_Cut]:
        """The synthesis is complete."""
        self._resolve(len(self._text), self._at_ms + self._audio.size * 1000 / SAMPLE_RATE)
        while len(self._audio):
            yield self._take(last=len(self._audio) <= self._size)

    @property
    def _size(self) -> int:
        return round((CHUNK_S if self._at_ms else FIRST_CHUNK_S) * SAMPLE_RATE)

    @property
    def _end_ms(self) -> float:
        return self._at_ms + self._size * 1000 / SAMPLE_RATE

    def _take(self, *, last: bool) -> _Cut:
        size, start_ms, end_ms = self._size, self._at_ms, self._end_ms
        pcm, self._audio, self._at_ms = self._audio[:size], self._audio[size:], end_ms
        chars = []
        while self._timed and (last or not self._each or self._timed[0].start_ms < end_ms):
            chars.append(self._timed.popleft())
        return _Cut(pcm, start_ms, tuple(chars), last)

    def _resolve(self, end: int, end_ms: float) -> None:
        """The next word begins there; the spaces before the first one belong to it."""
        chars = self._text[self._word : end]
        if chars.strip():
            begin_ms, each_ms = self._resolved_ms, max(0.0, end_ms - self._resolved_ms) / len(chars)
            self._timed.extend(CharTime(char, begin_ms + i * each_ms, each_ms) for i, char in enumerate(chars))
            self._word = end
        self._resolved_ms = end_ms
