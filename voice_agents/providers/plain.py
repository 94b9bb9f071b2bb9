"""A voice or a recogniser that is one function: the shortest way to bring another one."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from voice_agents.audio import EMPTY, Pcm, first_audible, is_pcm, resample
from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.heard_words import words_in
from voice_agents.providers.interfaces import STT_RATE, TTS_RATE, SpeechChunk, SpokenWord

logger = logging.getLogger(__name__)

KEPT_S = 60.0
"""Of what was said since the last commit a recogniser is given so much at most."""
TIMEOUT_S = 15.0
"""How long one call of the function may take."""

Speak = Callable[[str], Pcm | Awaitable[Pcm]]
"""Gets a clause or a sentence, gives it as sound: int16 mono. May block: then it runs in a thread."""
Transcribe = Callable[[Pcm], str | Awaitable[str]]
"""Gets what was said (int16 mono, 16 kHz), gives the words, "" if there are none. May block."""
T = TypeVar("T")


class PlainVoice:
    """A :class:`~voice_agents.providers.interfaces.TextToSpeech` made of a function. ``rate``: Hz of what it gives.

    Pieces are spoken one after the other, the next one while the last is played. Where the words are in the sound is
    estimated from their length; a voice that knows better implements the protocol itself.
    """

    def __init__(self, speak: Speak, rate: int = TTS_RATE, name: str = "The voice") -> None:
        self._speak = speak
        self._rate = rate
        self._name = name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is no connection."""

    def open(self) -> PlainSpeech:
        """A new stream, for one turn."""
        return PlainSpeech(self._sound)

    def set_voice(self, voice: str) -> None:
        """The function has one voice."""

    async def _sound(self, text: str) -> Pcm:
        pcm = await _asked(self._speak, text, Role.TTS, self._name)
        if not is_pcm(pcm):
            raise ProviderUnavailable(
                Role.TTS, self._name, f"{self._name} gave no int16 mono samples: see its function."
            )
        return pcm if self._rate == TTS_RATE else resample(pcm, self._rate, TTS_RATE)


class PlainSpeech:
    """One turn of a :class:`PlainVoice`; see :class:`~voice_agents.providers.interfaces.SpeechStream`."""

    def __init__(self, sound: Callable[[str], Coroutine[Any, Any, Pcm]]) -> None:
        self._sound = sound
        self._texts: asyncio.Queue[str | None] = asyncio.Queue()
        self._cancelled = False

    def send(self, text: str) -> None:
        """Speak this piece next."""
        self._texts.put_nowait(text)

    def finish(self) -> None:
        """No more text will come."""
        self._texts.put_nowait(None)

    def cancel(self) -> None:
        """Stop now."""
        self._cancelled = True
        self._texts.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        position = 0
        while (text := await self._texts.get()) is not None and not self._cancelled:
            pcm = await self._sound(text)
            if self._cancelled:
                return
            yield SpeechChunk(pcm, _words(text, pcm, position))
            position += len(pcm)


def _words(text: str, pcm: Pcm, position: int) -> tuple[SpokenWord, ...]:
    """Each word with its share of what can be heard."""
    words = text.split()
    begin = first_audible(pcm) or 0
    end = len(pcm) - (first_audible(pcm[::-1]) or 0)
    bounds = np.cumsum([0, *(len(word) + 1 for word in words)])
    places = position + begin + bounds * max(0, end - begin) // max(1, int(bounds[-1]))
    return tuple(SpokenWord(word, int(places[i]), int(places[i + 1])) for i, word in enumerate(words))


class PlainRecogniser:
    """A :class:`~voice_agents.providers.interfaces.SpeechToText` made of a function; it has no words meanwhile."""

    def __init__(self, transcribe: Transcribe, name: str = "The recogniser") -> None:
        self._transcribe = transcribe
        self._name = name
        self._heard: deque[Pcm] = deque()
        self._samples = 0
        self._work: set[asyncio.Task[None]] = set()
        self._last: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for work in self._work:
            work.cancel()
        if self._work:
            await asyncio.wait(self._work)

    def send_audio(self, pcm: Pcm) -> None:
        """Keep it until the words are asked for."""
        self._heard.append(pcm)
        self._samples += len(pcm)
        while self._samples > KEPT_S * STT_RATE:
            self._samples -= len(self._heard.popleft())

    def commit(self) -> asyncio.Future[str]:
        """The words since the last commit, in the order they were asked for."""
        said = np.concatenate([EMPTY, *self._heard])
        self._heard.clear()
        self._samples = 0
        words: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._last = asyncio.create_task(self._answer(said, words, self._last), name="recogniser")
        self._work.add(self._last)
        self._last.add_done_callback(self._work.discard)
        return words

    async def _answer(self, said: Pcm, words: asyncio.Future[str], before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None and not before.done():
                await asyncio.wait([before])
            text = await _asked(self._transcribe, said, Role.STT, self._name)
            if not words.done():
                words.set_result(words_in(text.strip()))
        except ProviderError as error:
            if not words.done():
                words.set_exception(error)
        finally:
            words.cancel()


async def _asked(function: Callable[[Any], T | Awaitable[T]], argument: Any, role: Role, name: str) -> T:
    """What the function gives; what it raises as a ProviderError."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if inspect.iscoroutinefunction(function):
                return await function(argument)
            result = await asyncio.to_thread(function, argument)
            return await result if inspect.isawaitable(result) else result
    except ProviderError:
        raise
    except TimeoutError as error:
        raise ProviderTimeout(role, name, f"{name} took too long. Please try again.") from error
    except Exception as error:
        logger.exception("%s failed", name)
        raise ProviderUnavailable(role, name, f"{name} failed ({type(error).__name__}): the log says why.") from error
