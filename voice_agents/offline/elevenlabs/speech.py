"""Speech in ElevenLabs' shapes: encoded, and as chunks with the times of the characters spoken in them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np

from voice_agents.audio import EMPTY, Pcm, Resampler, to_bytes
from voice_agents.offline.elevenlabs.options import FORMATS, TtsOptions
from voice_agents.offline.services import AnyVoice
from voice_agents.offline.tts import SAMPLE_RATE, Synthesis

FIRST_CHUNK_S = 0.1
"""Audio in the first chunk of a piece: little, so that it is there soon."""
CHUNK_S = 0.25
"""Audio in every later chunk."""


class Encoder:
    """24 kHz samples -> bytes in one of ``FORMATS``, as a stream, for one piece of speech."""

    def __init__(self, output_format: str) -> None:
        rate, kbps = FORMATS[output_format]
        self._resampler = Resampler(SAMPLE_RATE, rate)
        self._mp3 = None if kbps is None else Mp3Encoder(rate, kbps)

    async def feed(self, pcm: Pcm, *, last: bool) -> bytes:
        """The next samples; ``last`` gives what the resampler and the codec still hold back, too."""
        ready = self._resampler.feed(pcm)
        if last:
            ready = np.concatenate((ready, self._resampler.flush()))
        # MP3 is milliseconds of work, so done off the event loop
        return to_bytes(ready) if self._mp3 is None else await asyncio.to_thread(self._mp3.feed, ready, last=last)


class Mp3Encoder:
    """PCM16 samples -> bare MP3 frames (no ID3 tag, no Xing header), as a stream, by libmp3lame through PyAV.

    Blocks: about 10 ms for a second of speech and 3 ms for the first call; one thread at a time. The codec delays the
    sound by 25 ms at 44.1 kHz and by 50 ms at 22.05 kHz, and pads its end to whole frames.
    """

    def __init__(self, rate: int, kbps: int) -> None:
        self._rate = rate
        self._codec: av.AudioCodecContext = av.CodecContext.create("libmp3lame", "w")
        self._codec.sample_rate, self._codec.layout, self._codec.format = rate, "mono", "s16p"
        self._codec.bit_rate, self._codec.time_base = kbps * 1000, Fraction(1, rate)
        self._fifo = av.AudioFifo()

    def feed(self, pcm: Pcm, *, last: bool = False) -> bytes:
        """The next samples in; the frames that are complete, out. ``last``: those held back, too."""
        if not self._codec.is_open:
            self._codec.open()
        if len(pcm):
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[None, :]), format="s16p", layout="mono")
            frame.sample_rate = self._rate
            self._fifo.write(frame)
        frames = self._fifo.read_many(self._codec.frame_size, partial=last)
        packets = [packet for frame in frames for packet in self._codec.encode(frame)]
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
            yield SpokenChunk(await encoder.feed(cut.pcm, last=cut.last), cut.start_ms, cut.chars)


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
        self._open_word: tuple[int, float] | None = None
        """Where the word begins whose end is not known yet: index in the text, and time."""
        self._resolved_ms = 0.0

    def add(self, synthesis: Synthesis) -> Iterator[_Cut]:
        self._audio = np.concatenate((self._audio, synthesis.pcm))
        for word in synthesis.words:
            if self._open_word is None:
                self._open_word = 0, word.start_ms
            else:
                self._resolve(word.offset, word.start_ms)
                self._open_word = word.offset, word.start_ms
        while self._each and len(self._audio) > self._size and self._resolved_ms >= self._end_ms:
            yield self._take(last=False)

    def end(self) -> Iterator[_Cut]:
        """The synthesis is complete."""
        self._open_word = self._open_word or (0, 0.0)
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
        assert self._open_word is not None
        begin, begin_ms = self._open_word
        chars = self._text[begin:end]
        each_ms = max(0.0, end_ms - begin_ms) / max(1, len(chars))
        self._timed.extend(CharTime(char, begin_ms + i * each_ms, each_ms) for i, char in enumerate(chars))
        self._resolved_ms = end_ms
