"""Providers for scripted conversations: audio carries its own label, so a test can read what was played.

A user's utterance is a run of samples of one value (its index + 1000); a fake voice speaks every word as
``WORD_S`` seconds of one value that names the stream and the word. Nothing here sleeps on a real clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from voice_agents.audio import Pcm
from voice_agents.errors import ProviderError, ProviderUnavailable, Role
from voice_agents.providers.heard_words import words_in
from voice_agents.providers.interfaces import (
    STT_RATE,
    TTS_RATE,
    ConnectionListener,
    ConnectionState,
    PartialListener,
    SpeechChunk,
    SpokenWord,
)

WORD_S = 0.3
FIRST_LABEL = 1000


@dataclass
class FakeStt:
    """Knows the words of every utterance by its label; gives them word by word as partials, whole on commit."""

    words: Sequence[str]
    on_partial: PartialListener
    on_connection: ConnectionListener
    commit_delay_s: float = 0.12
    partial_delay_s: float = 0.2
    closing_s: float = 0.0
    failures: list[ProviderError] = field(default_factory=list)
    _asked: list[asyncio.Future[str]] = field(default_factory=list)
    _heard: dict[int, int] = field(default_factory=dict)
    _earlier: dict[int, int] = field(default_factory=dict)
    """How much of the utterance that goes on now was heard before the last commit."""
    _sounding: int = 0
    """The label of what goes on now; 0: silence."""
    _last_partial: str = ""
    _before: tuple[dict[int, int], dict[int, int]] | None = None
    """What was heard before the commit of a pause, while it is not known whether that was its end."""

    async def __aenter__(self) -> Self:
        self.on_connection(ConnectionState.OPEN, None)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for done in self._asked:
            _fail(done, ProviderUnavailable(Role.STT, "fake", "The recogniser was closed."))
        await asyncio.sleep(self.closing_s)

    def send_audio(self, pcm: Pcm) -> None:
        if pcm.max(initial=0) < FIRST_LABEL:  # silence, most of the time
            self._sounding = 0
            return
        labels, counts = np.unique(pcm[pcm >= FIRST_LABEL], return_counts=True)
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
            if label != self._sounding and label not in self._heard:
                self._earlier.pop(label, None)
            self._heard[label] = self._heard.get(label, 0) + count
        self._sounding = int(pcm[-1]) if pcm[-1] >= FIRST_LABEL else 0
        if len(labels):
            asyncio.get_running_loop().call_later(self.partial_delay_s, self._give_partial)

    def commit(self) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[str] = loop.create_future()
        done.add_done_callback(_outcome_taken)
        self._asked.append(done)
        words, heard, self._last_partial = self._words(), self._heard, ""
        self._earlier = {label: self._earlier.get(label, 0) + count for label, count in heard.items()}
        self._heard = {}
        if self.failures:
            loop.call_later(self.commit_delay_s, _fail, done, self.failures.pop(0))
        else:
            loop.call_later(self.commit_delay_s, _settle, done, words)
        return done

    def commit_perhaps(self) -> asyncio.Future[str]:
        self._before = dict(self._heard), dict(self._earlier)
        return self.commit()

    def confirm(self) -> None:
        self._before = None

    def recall(self) -> None:
        if self._before is not None:
            heard, self._earlier = self._before
            for label, count in self._heard.items():
                heard[label] = heard.get(label, 0) + count
            self._heard, self._before, self._last_partial = heard, None, ""

    def forget_answered(self) -> None:
        """Who talks for an hour does not need to know what was answered."""
        self._asked = [asked for asked in self._asked if not asked.done()]

    def _words(self) -> str:
        """The words of the labels heard, as many of them as there was time to say (at least WORD_S each)."""
        said = []
        for label in sorted(self._heard):
            words, earlier = self.words[label - FIRST_LABEL].split(), self._earlier.get(label, 0)
            known = max(1, _words_in(earlier)) if earlier else 0
            said += words[known : max(1, _words_in(earlier + self._heard[label]))]
        return words_in(" ".join(said))

    def _give_partial(self) -> None:
        words = self._words()
        if words and words != self._last_partial:
            self._last_partial = words
            self.on_partial(words)


class ForgetfulStt:
    """One that cannot be told that what was committed went on."""

    def __init__(self, inner: FakeStt) -> None:
        self._inner = inner
        self.send_audio, self.commit = inner.send_audio, inner.commit

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._inner.__aexit__(*exc)


def _words_in(samples: int) -> int:
    return round(samples / STT_RATE / WORD_S)


def _settle(future: asyncio.Future[str], words: str) -> None:
    if not future.done():
        future.set_result(words)


def _fail(future: asyncio.Future[str], error: ProviderError) -> None:
    if not future.done():
        future.set_exception(error)


def _outcome_taken(future: asyncio.Future[str]) -> None:
    """Whoever does not wait for an answer need not hear from asyncio that it failed."""
    if not future.cancelled():
        future.exception()


class FakeVoice:
    """Speaks ``WORD_S`` per word, faster than real time; remembers every stream it opened."""

    def __init__(self, on_connection: ConnectionListener, first_audio_s: float = 0.15) -> None:
        self._on_connection = on_connection
        self.first_audio_s = first_audio_s
        self.opening_s = 0.0
        self.closing_s = 0.0
        self.streams: list[FakeSpeech] = []
        self.failures: list[ProviderError] = []

    async def __aenter__(self) -> Self:
        await asyncio.sleep(self.opening_s)
        self._on_connection(ConnectionState.OPEN, None)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await asyncio.sleep(self.closing_s)

    def set_voice(self, voice: str) -> None:
        pass

    def open(self) -> FakeSpeech:
        failure = self.failures.pop(0) if self.failures else None
        self.streams.append(FakeSpeech(len(self.streams) + 1, self.first_audio_s, failure))
        return self.streams[-1]


class FakeSpeech:
    """One stream; sample value = stream * 100 + (word index % 99) + 1, so no sample is silent."""

    def __init__(self, number: int, first_audio_s: float, failure: ProviderError | None) -> None:
        self.number = number
        self.words: list[str] = []
        self._first_audio_s = first_audio_s
        self._failure = failure
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()

    def send(self, text: str) -> None:
        self._pieces.put_nowait(text)

    def finish(self) -> None:
        self._pieces.put_nowait(None)

    def cancel(self) -> None:
        self._pieces.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while (piece := await self._pieces.get()) is not None:
            await asyncio.sleep(self._first_audio_s)
            if self._failure is not None:
                raise self._failure
            for word in piece.split():
                yield self._say(word)
                await asyncio.sleep(0.01)

    def _say(self, word: str) -> SpeechChunk:
        length = round(WORD_S * TTS_RATE)
        start = len(self.words) * length
        value = self.number * 100 + len(self.words) % 99 + 1
        self.words.append(word)
        return SpeechChunk(np.full(length, value, dtype=np.int16), (SpokenWord(word, start, start + length),))


@dataclass(frozen=True)
class Call:
    """A scripted tool call."""

    name: str
    args: str = "{}"


Step = str | Call | Exception
Script = Callable[[list[BaseMessage]], Sequence[Step]]


@dataclass
class FakeChat:
    """Nothing has to be connected; it is counted how often that was asked for."""

    model: FakeModel
    warmed: int = 0

    async def warm(self) -> None:
        self.warmed += 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass


class FakeModel(BaseChatModel):
    """Answers with what ``script(messages)`` gives: texts are streamed word by word, calls end the message."""

    first_token_s: float = 0.3
    token_s: float = 0.02
    _script: Script = PrivateAttr()
    _seen: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    def __init__(self, script: Script, **values: Any) -> None:
        super().__init__(**values)
        self._script = script

    @property
    def seen(self) -> list[list[BaseMessage]]:
        """The messages of every request."""
        return self._seen

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("the scripted model only streams")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self._seen.append(list(messages))
        await asyncio.sleep(self.first_token_s)
        for number, step in enumerate(self._script(messages)):
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Call):
                call = tool_call_chunk(
                    name=step.name, args=step.args, id=f"call_{len(self._seen)}_{number}", index=number
                )
                yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))
                continue
            for word in step.split(" "):
                yield ChatGenerationChunk(message=AIMessageChunk(content=word + " "))
                await asyncio.sleep(self.token_s)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))
