"""A chat model that does not cost the turn when it fails: another one that is configured answers in its place."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from types import TracebackType
from typing import Any, Self

import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from voice_agents.errors import ProviderError, RequestRejected
from voice_agents.providers.names import inside
from voice_agents.providers.standby import FailoverTimes, replaced

Ask = Callable[..., AsyncGenerator[ChatGenerationChunk, None]]
"""Asks one model, as LangChain's ``_astream``; what it raises is a ProviderError."""


Chunks = AsyncGenerator[ChatGenerationChunk, None]


class _AskedModel:
    """One model's answer: comes whether it is looked at or not, until the ``async with`` is left."""

    def __init__(self, answer: Chunks) -> None:
        self.answers = False
        """It has begun to say something, or came to its end without failing."""
        self.error: ProviderError | None = None
        self._answer = answer
        self._come: asyncio.Queue[ChatGenerationChunk | None] = asyncio.Queue()
        self._begun = asyncio.Event()
        self._failure: Exception | None = None
        self._reading = asyncio.get_running_loop().create_task(self._read(), name="answer of a chat model")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def begins(self, within_s: float | None = None) -> None:
        """Until it has said something, or failed; no longer than ``within_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._begun.wait()

    async def chunks(self) -> Chunks:
        """All of it. Raises what the model raised."""
        while (chunk := await self._come.get()) is not None:
            yield chunk
        if self._failure is not None:
            raise self._failure

    async def _read(self) -> None:
        try:
            async with aclosing(self._answer) as chunks:
                async for chunk in chunks:
                    self._come.put_nowait(chunk)
                    if _says(chunk):
                        self.answers = True
                        self._begun.set()
            self.answers = True
        except Exception as error:
            self._failure = error
            self.error = error if isinstance(error, ProviderError) and not self.answers else None
            self.answers = self.answers or self.error is None
        self._come.put_nowait(None)
        self._begun.set()


class FailoverChat:
    """One conversation's: whether its first model is asked, and the checks while another one answers.

    A model that failed is asked what the other one answers, beside it and for its first word only, after a pause that
    doubles; when that comes, it answers again from the next question on.
    """

    def __init__(self, remark: Callable[[str], ChatGenerationChunk], times: FailoverTimes | None = None) -> None:
        """``remark`` makes a sentence about an answer a part of it."""
        self._remark = remark
        self._times = times or FailoverTimes()
        self._failed: ProviderError | None = None
        """Why the other one answers."""
        self._news = ""
        """Is told with the next answer."""
        self._slow = False
        """It was told that it is."""
        self._pause_s = self._times.first_check_s
        self._check_at = -math.inf
        self._checking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop checking."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.wait([self._checking])

    async def answer(
        self, first: Ask, second: Ask, names: tuple[str, str], *args: Any, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """The first one's answer, or if it fails before it says anything, the second one's.

        Who is only slow is not given up: the second one is asked, too, and who begins first answers this time.
        """
        async with AsyncExitStack() as stack:
            if self._failed is None:
                asked = await stack.enter_async_context(_AskedModel(first(*args, **kwargs)))
                await asked.begins(self._times.first_word_s)
                winner = await self._better(asked, lambda: second(*args, **kwargs), names, stack)
            else:
                self._check(lambda: first(*args, **kwargs), names[0])
                winner = await stack.enter_async_context(_AskedModel(second(*args, **kwargs)))
            async for chunk in self._told(winner):
                yield chunk

    async def _better(
        self, asked: _AskedModel, other: Callable[[], Chunks], names: tuple[str, str], stack: AsyncExitStack
    ) -> _AskedModel:
        """Who answers: the first one if it does, else who begins first."""
        if asked.answers or (asked.error is not None and not replaceable(asked.error)):
            return asked
        late = asked.error is None
        beside = await stack.enter_async_context(_AskedModel(other()))
        waiting = {asyncio.ensure_future(each.begins()): each for each in ([asked, beside] if late else [beside])}
        try:
            while waiting:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                begun = [waiting.pop(each) for each in done]
                if winner := next((each for each in begun if each.answers), None):
                    break
            else:
                return asked if asked.error is not None else beside  # both have failed
        finally:
            for task in waiting:
                task.cancel()
        if winner is beside and asked.error is not None:
            self._give_up(asked.error, names[1])
        elif winner is beside and not self._slow:
            self._slow, self._news = True, f"{names[0]} is slow at the moment: {inside(names[1])} has answered instead."
        return winner

    def _give_up(self, error: ProviderError, other: str) -> None:
        self._failed = error
        self._news = str(replaced(error, f"Until it works again, {inside(other)} answers."))
        self._check_at = asyncio.get_running_loop().time() + self._pause_s

    async def _told(self, winner: _AskedModel) -> Chunks:
        """Its answer, and what is told with it."""
        try:
            async with aclosing(winner.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ProviderError as error:
            if self._failed is None or winner.answers:
                raise
            why, self._failed = self._failed, None  # who stands in fails, too: the first one is asked next time
            raise why from error
        news, self._news = self._news, ""
        if news:
            yield self._remark(news)

    def _check(self, ask: Callable[[], AsyncGenerator[ChatGenerationChunk, None]], name: str) -> None:
        """Ask the first one beside, if it is time."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._check_at or (self._checking is not None and not self._checking.done()):
            return
        self._pause_s = min(self._times.last_check_s, 2 * self._pause_s)
        self._check_at = loop.time() + self._pause_s
        self._checking = loop.create_task(self._asked_beside(ask, name), name="check of a chat model")

    async def _asked_beside(self, ask: Callable[[], AsyncGenerator[ChatGenerationChunk, None]], name: str) -> None:
        with suppress(ProviderError):
            async with aclosing(ask()) as chunks:
                async for chunk in chunks:
                    if _says(chunk):
                        self._failed, self._news = None, f"{name} answers again."
                        self._pause_s = self._times.first_check_s
                        return


def replaceable(error: ProviderError) -> bool:
    """Another provider may do better: not with a request that this one found wanting, as its content filter did."""
    return not isinstance(error, RequestRejected) or isinstance(error.__cause__, openai.NotFoundError)


def _says(chunk: ChatGenerationChunk) -> bool:
    calls = chunk.message.tool_call_chunks if isinstance(chunk.message, AIMessageChunk) else []
    return bool(chunk.text or calls)
