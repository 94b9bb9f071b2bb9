"""Speech from text through espeak-ng, streamed, with the time of every word.

espeak-ng is licensed under GPL-3.0-or-later. Nothing of it is copied here; the separately installed library is loaded
by the offline server, which is a program of its own beside the app and talks to it over sockets only.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm, Resampler
from voice_agents.offline.espeak import Word, library

SAMPLE_RATE = 24_000
"""Hz. What ``Voice.speak`` yields."""

_WORDS_PER_MINUTE = 145
"""espeak-ng counts long words: with 145 it says about 170 - 200 words of an ordinary answer in a minute."""
_SLOWEST, _FASTEST = 0.5, 2.0

_TOKEN = re.compile(r"\S+")
_SENTENCE = re.compile(
    r"\S.*?(?:(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})(?<!\.[a-z])[.!?…][\"'”’)]*(?=\s+[\"'“‘(]*[A-Z0-9])|\n|$)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class OfflineVoice:
    """A voice the offline server offers."""

    voice_id: str
    name: str
    espeak: str
    """espeak-ng's own voice name, with a variant after a plus sign."""
    description: str
    volume: int = 72
    """espeak-ng's volume that brings its loudest syllables to about -4 dBFS."""


VOICES: tuple[OfflineVoice, ...] = (
    OfflineVoice("offline-clara", "Clara", "en-us+f2", "American English, female, clear"),
    OfflineVoice("offline-nora", "Nora", "en-us+f3", "American English, female, lower"),
    OfflineVoice("offline-miles", "Miles", "en-us+m3", "American English, male"),
    OfflineVoice("offline-imogen", "Imogen", "en-gb-x-rp+f2", "British English, female"),
    OfflineVoice("offline-graham", "Graham", "en-gb-x-rp", "British English, male", volume=62),
    OfflineVoice("offline-angus", "Angus", "en-gb-scotland", "Scottish English, male", volume=60),
)

DEFAULT_VOICE = VOICES[0]


def find_voice(voice_id: str) -> OfflineVoice:
    """The voice with this id or name (any case); the default one for an id from elsewhere (ElevenLabs, OpenAI)."""
    wanted = voice_id.casefold()
    return next((voice for voice in VOICES if wanted in (voice.voice_id, voice.name.casefold())), DEFAULT_VOICE)


@dataclass(frozen=True, slots=True)
class WordTiming:
    """Where a word stands in the text and when it begins to be heard. A word is what stands between white space."""

    offset: int
    """Index of its first character in the text given to ``speak``."""
    length: int
    """Number of characters, punctuation included."""
    start_ms: float
    """From the first sample of the stream."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The next piece of speech: int16 mono at 24 kHz, shape (n,), and the words that begin in it."""

    pcm: Pcm
    words: tuple[WordTiming, ...]


class Voice:
    """espeak-ng and the one thread it runs in; one per process."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None

    async def __aenter__(self) -> Self:
        """Load the library and the default voice, off the event loop."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="voice")
        await asyncio.wrap_future(self._thread.submit(library))
        warm_up = _Stream(asyncio.get_running_loop(), "Hello.", DEFAULT_VOICE, 1.0)
        await asyncio.wrap_future(self._thread.submit(warm_up.say, 0, "Hello."))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread: texts that are being spoken end after their present sentence."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.shutdown)

    async def speak(
        self, text: str, voice: str = DEFAULT_VOICE.voice_id, speed: float = 1.0
    ) -> AsyncGenerator[Synthesis, None]:
        """The text as speech, piece by piece (60 ms) as it is made, far faster than real time.

        ``voice`` is an id or a name of ``VOICES``, anything else means the default. ``speed`` is clamped to 0.5 - 2.0.
        A sentence ends in a pause. Several texts at once take turns by sentence. Closing the iterator (``aclose``)
        stops the synthesis. A text without letters or digits gives nothing.
        """
        stream = _Stream(asyncio.get_running_loop(), text, find_voice(voice), speed)
        try:
            for match in _SENTENCE.finditer(text):
                if not re.search(r"\w", match[0]):
                    continue
                if self._thread is None:
                    raise RuntimeError("the voice is used outside its 'async with'")
                job = self._thread.submit(stream.say, match.start(), match[0])
                while (piece := await stream.pieces.get()) is not None:
                    yield piece
                await asyncio.wrap_future(job)
            if (rest := stream.end()) is not None:
                yield rest
        finally:
            stream.stopped = True


class _Stream:
    """One text on its way to sound. ``say`` runs in the voice's thread, one sentence after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, text: str, voice: OfflineVoice, speed: float) -> None:
        self.pieces: asyncio.Queue[Synthesis | None] = asyncio.Queue()
        """What was made; None at the end of each sentence."""
        self.stopped = False
        self._loop = loop
        self._voice = voice
        self._words_per_minute = round(_WORDS_PER_MINUTE * min(max(speed, _SLOWEST), _FASTEST))
        self._tokens = [match.span() for match in _TOKEN.finditer(text)]
        self._resampler = Resampler(library().rate, SAMPLE_RATE)
        self._made_ms = 0.0
        """Length of all finished sentences."""
        self._given = 0
        """Samples given out so far, at 24 kHz."""
        self._timed: list[float] = []
        """When each token begins, as far as announced."""
        self._announced: list[WordTiming] = []
        """Words that begin after what was given out."""

    def say(self, offset: int, sentence: str) -> None:
        """Synthesise one sentence, which begins at ``offset`` of the text."""
        made = 0

        def receive(pcm: Pcm, words: Sequence[Word]) -> bool:
            nonlocal made
            made += len(pcm)
            for word in words:
                self._announce(offset + word.offset, self._made_ms + word.at_ms)
            self._give(self._resampler.feed(pcm))
            return not self.stopped

        try:
            if not self.stopped:
                library().synthesize(sentence, self._voice.espeak, self._words_per_minute, self._voice.volume, receive)
        finally:
            self._made_ms += made * 1000 / library().rate
            self._fill_up_to(bisect_left(self._tokens, offset + len(sentence), key=lambda span: span[0]), self._made_ms)
            self._loop.call_soon_threadsafe(self.pieces.put_nowait, None)

    def end(self) -> Synthesis | None:
        """What is left when all sentences have been said."""
        pcm = self._resampler.flush()
        return Synthesis(pcm, tuple(self._announced)) if len(pcm) or self._announced else None

    def _announce(self, position: int, start_ms: float) -> None:
        """espeak-ng announces parts of words ("3", "50") and goes back a letter at times; each counts once."""
        index = bisect_right(self._tokens, position, key=lambda span: span[0]) - 1
        if index < len(self._timed) or position >= self._tokens[index][1]:
            return
        self._fill_up_to(index, start_ms)
        self._add(index, start_ms)

    def _fill_up_to(self, index: int, start_ms: float) -> None:
        """Some words are announced together with the one before them ("for a"): they share its time by letters."""
        first = len(self._timed)
        if first >= index:
            return
        begin, begin_ms = (self._tokens[first - 1][0], self._timed[-1]) if first else (0, 0.0)
        letter_ms = max(0.0, start_ms - begin_ms) / max(1, self._tokens[index - 1][1] + 1 - begin)
        for skipped in range(first, index):
            self._add(skipped, begin_ms + (self._tokens[skipped][0] - begin) * letter_ms)

    def _add(self, index: int, start_ms: float) -> None:
        begin, end = self._tokens[index]
        self._timed.append(start_ms)
        self._announced.append(WordTiming(begin, end - begin, start_ms))

    def _give(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        self._given += len(pcm)
        given_ms = self._given * 1000 / SAMPLE_RATE
        words = tuple(word for word in self._announced if word.start_ms < given_ms)
        self._announced = self._announced[len(words) :]
        self._loop.call_soon_threadsafe(self.pieces.put_nowait, Synthesis(pcm, words))
