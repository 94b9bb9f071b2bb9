"""A chat model that does not cost the turn when it fails: another one that is configured answers in its place."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from voice_agents.errors import ProviderError, RequestRejected
from voice_agents.providers.names import inside
from voice_agents.providers.standby import FailoverTimes, replaced

Ask = Callable[..., AsyncGenerator[ChatGenerationChunk, None]]
"""Asks one model, as LangChain's ``_astream``; what it raises is a ProviderError."""


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
        """The first one's answer, or if it fails before it says anything, the second one's."""
        struck = self._failed is None
        if struck:
            async with aclosing(self._by_first(first, *args, **kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
        else:
            self._check(lambda: first(*args, **kwargs), names[0])
        if struck and self._failed is not None:
            self._news = str(replaced(self._failed, f"Until it works again, {inside(names[1])} answers."))
        if self._failed is not None:
            async with aclosing(self._by_second(second, *args, **kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
        news, self._news = self._news, ""
        if news:
            yield self._remark(news)

    async def _by_first(self, first: Ask, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk, None]:
        """Raises only what nobody else could mend."""
        nothing = True
        try:
            async with aclosing(first(*args, **kwargs)) as chunks:
                async for chunk in chunks:
                    nothing = nothing and not _says(chunk)
                    yield chunk
        except ProviderError as error:
            if not nothing or not replaceable(error):
                raise
            self._failed = error
            self._check_at = asyncio.get_running_loop().time() + self._pause_s

    async def _by_second(self, second: Ask, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk, None]:
        """Who fails, too, has the first one's failure told."""
        assert self._failed is not None
        try:
            async with aclosing(second(*args, **kwargs)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ProviderError as error:
            why, self._failed, self._news = self._failed, None, ""
            raise why from error

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
