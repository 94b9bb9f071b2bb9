"""Speech from text through Piper or espeak-ng, streamed, with the time of every word.

espeak-ng is licensed under GPL-3.0-or-later. Nothing of it is copied here; the separately installed library is loaded
by the offline server, which is a program of its own beside the app and talks to it over sockets only.
"""

from __future__ import annotations

import asyncio
import logging
import re
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm, Resampler, silence
from voice_agents.offline.espeak import Said, library
from voice_agents.offline.piper import Piper
from voice_agents.offline.weights import JOE, WeightsError
from voice_agents.offline.work import Urgency, Workers

logger = logging.getLogger(__name__)

SAMPLE_RATE = 24_000
"""Hz. What ``Voice.speak`` yields."""

_WORDS_PER_MINUTE = 145
"""espeak-ng counts long words: with 145 it says about 170 - 200 words of an ordinary answer in a minute."""
_SLOWEST, _FASTEST = 0.5, 2.0
_LONGEST_PART = 160
"""Characters."""
SENTENCE_PAUSE_S = 0.25
"""Silence after a sentence of Piper's; espeak-ng makes its own."""

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
    """espeak-ng's own voice name, with a variant after a plus sign; "" for Piper's voice."""
    description: str
    volume: int = 72
    """espeak-ng's volume that brings its loudest syllables to about -4 dBFS."""


VOICES: tuple[OfflineVoice, ...] = (
    OfflineVoice("offline-joe", "Joe", "", "American English, male; Piper, natural"),
    OfflineVoice("offline-clara", "Clara", "en-us+f2", "American English, female; espeak-ng, a robot"),
    OfflineVoice("offline-miles", "Miles", "en-us+m3", "American English, male; espeak-ng, a robot"),
    OfflineVoice("offline-imogen", "Imogen", "en-gb-x-rp+f2", "British English, female; espeak-ng, a robot"),
    OfflineVoice("offline-angus", "Angus", "en-gb-scotland", "Scottish English, male; espeak-ng, a robot", volume=60),
)

DEFAULT_VOICE = VOICES[0]
FALLBACK_VOICE = VOICES[1]
"""Speaks for the default one where Piper is not installed."""


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
    """The voices of the process: Piper's Joe if it is installed, and espeak-ng's."""

    def __init__(self, *, workers: Workers | None = None) -> None:
        self._given = workers
        self._workers: Workers | None = None
        self._piper: Piper | None = None

    async def __aenter__(self) -> Self:
        """Load the libraries and the default voice, off the event loop."""
        self._piper = await asyncio.to_thread(_load)
        self._workers = self._given or Workers()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads: texts that are being spoken end after their present piece."""
        workers, self._workers = self._workers, None
        if workers is not None and workers is not self._given:
            await asyncio.to_thread(workers.close)

    async def speak(
        self, text: str, voice: str = DEFAULT_VOICE.voice_id, speed: float = 1.0
    ) -> AsyncGenerator[Synthesis, None]:
        """The text as speech, piece by piece as it is made, far faster than real time.

        ``voice`` is an id or a name of ``VOICES``, anything else means the default. ``speed`` is clamped to 0.5 - 2.0.
        A sentence ends in a pause. Several texts at once take turns by piece, first pieces first. Closing the iterator
        (``aclose``) stops the synthesis. A text without letters or digits gives nothing.
        """
        chosen = find_voice(voice)
        speed = min(max(speed, _SLOWEST), _FASTEST)
        if self._piper is not None and not chosen.espeak:
            stream = _Stream(text, self._piper.rate, partial(_by_piper, self._piper, speed))
        else:
            robot = chosen if chosen.espeak else FALLBACK_VOICE
            stream = _Stream(text, library().rate, partial(_by_espeak, robot, speed))
        urgency = Urgency.FIRST_SOUND
        for offset, sentence in _sentences(text):
            pieces = stream.say(offset, sentence)
            while (piece := await self._next(urgency, pieces)) is not None:
                urgency = Urgency.SOUND
                if len(piece.pcm):
                    yield piece
        if (rest := stream.end()) is not None:
            yield rest

    async def _next(self, urgency: Urgency, pieces: Iterator[Synthesis]) -> Synthesis | None:
        if self._workers is None:
            raise RuntimeError("the voice is used outside its 'async with'")
        try:
            return await asyncio.wrap_future(self._workers.submit(urgency, lambda: next(pieces, None)))
        except asyncio.CancelledError:
            if self._workers is None:
                raise RuntimeError("the voice was left while it spoke") from None
            raise


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """Each sentence with its position; a very long one in parts, so that its first sound need not wait for its end."""
    for match in _SENTENCE.finditer(text):
        start, rest = match.start(), match[0]
        while len(rest) > _LONGEST_PART:
            end = rest.rfind(", ", 0, _LONGEST_PART) + 1 or rest.rfind(" ", 0, _LONGEST_PART) + 1 or _LONGEST_PART
            yield from _worded(start, rest[:end])
            start, rest = start + end, rest[end:]
        yield from _worded(start, rest)


def _worded(offset: int, part: str) -> Iterator[tuple[int, str]]:
    if re.search(r"\w", part):
        yield offset, part


def _load() -> Piper | None:
    library()
    try:
        piper = Piper(JOE.locate())
    except WeightsError as error:
        logger.warning("%s. espeak-ng speaks instead, like a robot.", error)
        return None
    for _ in piper.pieces(piper.plan("Hello, how are you?", 1.0)):
        pass
    return piper


class _Stream:
    """One text on its way to sound, sentence by sentence. ``say`` blocks, and runs in the workers' threads."""

    def __init__(self, text: str, rate: int, make: Callable[[str], Iterable[Said]]) -> None:
        """``make``: the samples of a sentence at ``rate``, with its words timed from the sentence's beginning."""
        self._rate = rate
        self._make = make
        self._tokens = [match.span() for match in _TOKEN.finditer(text)]
        self._resampler = Resampler(rate, SAMPLE_RATE)
        self._made_ms = 0.0
        """Length of all finished sentences."""
        self._given = 0
        """Samples given out so far, at 24 kHz."""
        self._timed: list[float] = []
        """When each token begins, as far as announced."""
        self._announced: list[WordTiming] = []
        """Words that begin after what was given out."""

    def say(self, offset: int, sentence: str) -> Iterator[Synthesis]:
        """The pieces of one sentence, which begins at ``offset`` of the text."""
        made = 0
        for pcm, words in self._make(sentence):
            made += len(pcm)
            for position, at_ms in words:
                self._announce(offset + position, self._made_ms + at_ms)
            yield self._give(self._resampler.feed(pcm))
        self._made_ms += made * 1000 / self._rate
        self._fill_up_to(bisect_left(self._tokens, offset + len(sentence), key=lambda span: span[0]), self._made_ms)

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

    def _give(self, pcm: Pcm) -> Synthesis:
        self._given += len(pcm)
        given_ms = self._given * 1000 / SAMPLE_RATE
        words = tuple(word for word in self._announced if word.start_ms < given_ms) if len(pcm) else ()
        self._announced = self._announced[len(words) :]
        return Synthesis(pcm, words)


def _by_piper(piper: Piper, speed: float, sentence: str) -> Iterator[Said]:
    plan = piper.plan(sentence, speed)
    words = [(position, 1000 * start_s) for position, start_s in plan.words]
    for pcm in piper.pieces(plan):
        yield pcm, words
        words = []
    yield silence(SENTENCE_PAUSE_S / speed, piper.rate), []


def _by_espeak(voice: OfflineVoice, speed: float, sentence: str) -> list[Said]:
    return library().synthesize(sentence, voice.espeak, round(_WORDS_PER_MINUTE * speed), voice.volume)
