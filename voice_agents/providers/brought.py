"""What holds for a voice or a recogniser that a developer brings: what it raises is told, and none of them is waited
for without end; a voice that tells no words has theirs estimated."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from voice_agents.audio import EMPTY, Pcm, is_pcm
from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.interfaces import (
    TTS_RATE,
    ConnectionListener,
    PartialListener,
    PatientSpeechToText,
    SpeechChunk,
    SpeechStream,
    SpeechToText,
    SpeechToTextFactory,
    SpokenWord,
    TextToSpeech,
    TextToSpeechFactory,
)
from voice_agents.turns.voiced import VoicedWords, VoiceHabit

logger = logging.getLogger(__name__)

CONNECT_S = 10.0
"""How long entering one may take: it is to return at once."""
WORDS_S = 20.0
"""How long the words of a commit may take."""
SOUND_S = 15.0
"""How long a voice that was given text may be silent."""
STEP = TTS_RATE // 20
"""Samples between two looks at which word has been reached."""
VOICE, RECOGNISER = "The voice", "The recogniser"


def brought_voices(make: TextToSpeechFactory) -> TextToSpeechFactory:
    """Voices that a developer brings, held to the protocol."""

    def made(on_connection: ConnectionListener) -> TextToSpeech:
        return BroughtVoice(make(on_connection))

    return made


def brought_recognisers(make: SpeechToTextFactory) -> SpeechToTextFactory:
    """Recognisers that a developer brings, held to the protocol."""

    def made(on_partial: PartialListener, on_connection: ConnectionListener, language: str) -> SpeechToText:
        inner = make(on_partial, on_connection, language)
        return BroughtPatient(inner) if isinstance(inner, PatientSpeechToText) else BroughtRecogniser(inner)

    return made


class Brought:
    """What was brought (``inner``): one that could not be entered says why as soon as it is asked for something."""

    _role: Role
    _name: str

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._error: ProviderError | None = None

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._inner.__aenter__()
        except Exception as error:
            self._error = _told(error, self._role, self._name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._error is None:
            await self._inner.__aexit__(kind, error, trace)


class BroughtVoice(Brought):
    """A :class:`~voice_agents.providers.interfaces.TextToSpeech` around the one that was brought."""

    _role, _name = Role.TTS, VOICE

    def __init__(self, inner: TextToSpeech) -> None:
        super().__init__(inner)
        self._habit = VoiceHabit()

    def open(self) -> SpeechStream:
        """A new stream, for one turn."""
        if self._error is not None:
            return Mute(self._error)
        try:
            return BroughtSpeech(self._inner.open(), self._habit)
        except Exception as error:
            return Mute(_told(error, Role.TTS, VOICE))

    def set_voice(self, voice: str) -> None:
        """Streams opened from now on speak with this voice."""
        self._inner.set_voice(voice)


class Mute:
    """What a voice that cannot speak opens: a :class:`~voice_agents.providers.interfaces.SpeechStream`."""

    def __init__(self, error: ProviderError) -> None:
        self._error = error

    def send(self, text: str) -> None:
        """It will not be spoken."""

    def finish(self) -> None:
        """No more text will come."""

    def cancel(self) -> None:
        """There is nothing to stop."""

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        raise self._error
        yield


class BroughtSpeech:
    """One turn of a :class:`BroughtVoice`: a :class:`~voice_agents.providers.interfaces.SpeechStream`.

    Words that the voice does not tell have their share of the voiced sound, and are told with the sound after theirs.
    """

    def __init__(self, inner: SpeechStream, habit: VoiceHabit) -> None:
        self._inner = inner
        self._voiced = VoicedWords(habit)
        self._told = 0
        """Words whose places were estimated."""
        self._looked = self._ended = 0
        """Samples in which words were looked for, and where the last one ended."""
        self._timed = False
        """The voice tells the words."""
        self._finished = self._owed = False
        self._limit: asyncio.Timeout | None = None

    def send(self, text: str) -> None:
        """Speak this piece next."""
        self._voiced.add_text(f" {text}" if self._voiced.text else text)
        self._inner.send(text)
        self._expect()

    def finish(self) -> None:
        """No more text will come."""
        self._finished = True
        self._inner.finish()
        self._expect()

    def cancel(self) -> None:
        """Stop now."""
        self._inner.cancel()

    def _expect(self) -> None:
        self._owed = True
        if self._limit is not None and self._limit.when() is None:
            self._limit.reschedule(asyncio.get_running_loop().time() + SOUND_S)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        try:
            chunks = aiter(self._inner)
            while (chunk := await self._next(chunks)) is not None:
                self._timed = self._timed or (bool(chunk.words) and not self._told)
                words = chunk.words if self._timed else tuple(self._words(self._voiced.samples))
                self._voiced.add_sound(chunk.pcm)
                yield SpeechChunk(chunk.pcm, words)
        except ProviderError:
            raise
        except Exception as error:
            raise _told(error, Role.TTS, VOICE) from error
        self._voiced.finish()
        if not self._timed and self._voiced.samples:
            yield SpeechChunk(EMPTY, tuple(self._words(self._voiced.samples)))

    async def _next(self, chunks: AsyncIterator[SpeechChunk]) -> SpeechChunk | None:
        """None: there is no more. Raises ProviderError for what is no sound, or does not come."""
        try:
            async with asyncio.timeout(SOUND_S if self._owed else None) as self._limit:
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise ProviderTimeout(Role.TTS, VOICE, f"{VOICE} fell silent before the end of its text.") from error
        finally:
            self._limit = None
        self._owed = self._finished
        if chunk is not None and not is_pcm(getattr(chunk, "pcm", None)):
            raise ProviderUnavailable(Role.TTS, VOICE, f"{VOICE} gave no SpeechChunk of int16 mono samples.")
        return chunk

    def _words(self, until: int) -> list[SpokenWord]:
        """Those that were reached since the last look."""
        words, found = self._voiced.text.split(), list[SpokenWord]()
        for end in [*range(self._looked + STEP, until, STEP), until]:
            reached = len(self._voiced.heard(end).split())
            for word in words[self._told : reached]:
                found.append(SpokenWord(word, self._ended, end))
            if reached > self._told:
                self._told, self._ended = reached, end
        self._looked = until
        return found


class BroughtRecogniser(Brought):
    """A :class:`~voice_agents.providers.interfaces.SpeechToText` around the one that was brought."""

    _role, _name = Role.STT, RECOGNISER

    def __init__(self, inner: SpeechToText) -> None:
        super().__init__(inner)
        self._deaf = False
        """It could not take the sound since the last commit, which was logged."""
        self._asked: set[asyncio.Task[str]] = set()

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for words in self._asked:
            words.cancel()
        await super().__aexit__(kind, error, trace)

    def send_audio(self, pcm: Pcm) -> None:
        """Hand it on."""
        try:
            self._inner.send_audio(pcm)
        except Exception:
            if not self._deaf:
                logger.exception("%s could not take the sound", RECOGNISER)
            self._deaf = True

    def commit(self) -> asyncio.Future[str]:
        """The words since the last commit, or a ProviderError."""
        return self._ask(self._inner.commit)

    def _ask(self, commit: Callable[[], Any]) -> asyncio.Future[str]:
        answer: Any = None
        error = self._error
        try:
            if self._deaf:
                raise RuntimeError("it could not take the sound")  # logged with its reason
            if error is None:
                answer = commit()
        except Exception as failed:
            error = _told(failed, Role.STT, RECOGNISER)
        self._deaf = False
        words = asyncio.create_task(_words(answer, error), name="words")
        self._asked.add(words)
        words.add_done_callback(self._over)
        return words

    def _over(self, words: asyncio.Task[str]) -> None:
        self._asked.discard(words)
        if not words.cancelled():
            words.exception()  # who does not want the words any more need not know


class BroughtPatient(BroughtRecogniser):
    """One that can be asked in a pause: a :class:`~voice_agents.providers.interfaces.PatientSpeechToText`."""

    def commit_perhaps(self) -> asyncio.Future[str]:
        """The words since the last commit, in a pause that may be the end."""
        return self._ask(self._inner.commit_perhaps)

    def confirm(self) -> None:
        """It was the end."""
        self._inner.confirm()

    def recall(self) -> None:
        """It was not."""
        self._inner.recall()


async def _words(answer: Any, error: ProviderError | None) -> str:
    """Raises ``error``, or what the recogniser's ``answer`` does, as a ProviderError."""
    if error is not None:
        raise error
    try:
        if not inspect.isawaitable(answer):
            raise TypeError("commit() gave nothing to wait for")
        future = asyncio.ensure_future(answer)
        await asyncio.wait([future], timeout=WORDS_S)
        if not future.done():
            raise TimeoutError
        if future.cancelled():
            raise RuntimeError("the words were given up")
        text = future.result()
        if not isinstance(text, str):
            raise TypeError(f"the words are {text!r:.80}")
    except Exception as failed:
        raise _told(failed, Role.STT, RECOGNISER) from failed
    return text


def _told(error: Exception, role: Role, name: str) -> ProviderError:
    """What a user is told of it; the log has the rest."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, TimeoutError):
        return ProviderTimeout(role, name, f"{name} took too long. Please try again.")
    logger.error("%s failed", name, exc_info=error)
    return ProviderUnavailable(role, name, f"{name} failed ({type(error).__name__}): the log says why.")
