"""The chat model: Azure OpenAI (v1 endpoint), OpenAI or any server that speaks its chat completions."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from voice_agents.errors import (
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProxyUnusable,
    Retry,
    Role,
)
from voice_agents.providers.answer_filter import AnswerFilter
from voice_agents.providers.blocking import iterated
from voice_agents.providers.chat_errors import content_filtered, provider_error
from voice_agents.providers.completions import PlainCompletions, is_sign_of_life
from voice_agents.providers.failover_chat import Ask, FailoverChat
from voice_agents.providers.names import agent_name, inside
from voice_agents.providers.sockets import proxy_to, staying_at, tls
from voice_agents.providers.standby import FailoverTimes
from voice_agents.providers.streamed_calls import StreamedCalls, listed
from voice_agents.providers.suited import RefusedWords, Takes, sent_as_text
from voice_agents.settings import FIRST_WORD_S, OPENAI_URL, Endpoint, Provider

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChatTimeouts:
    """Seconds the chat model is waited for."""

    connect_s: float = 5.0
    first_s: float = FIRST_WORD_S
    """Request -> the first word of the answer, or the first tool call; models that reason take their time."""
    chunk_s: float = 8.0
    """The longest silence after it; LangChain's default is two minutes."""
    retry_s: float = 0.3
    """A request that failed before anything was said is sent a second time after this."""
    retry_after_max_s: float = 2.0
    """A server that asks to be left alone for longer is not asked again in this turn."""


LIMITS = httpx2.Limits(max_connections=20, max_keepalive_connections=2, keepalive_expiry=120.0)
"""Idle connections outlive the pauses of a conversation; the SDK's default of 5 s would reconnect every turn."""
HURRIED_S = 1.5
"""To connect, where another provider can answer."""
MOST_LESSONS = 4
"""How often one turn is asked anew because of what a refusal has told."""
MOST_HALVES = 2
"""How often a conversation is shortened for a server that answers nothing to it."""
_NO_CLIENT = object()
"""Calls that block are made by the event loop, too. LangChain would make a client for them, and load certificates for
it for 50 ms."""
REMARK = "remark"
"""In an answer's ``response_metadata``: a plain sentence about how it came about, or why it is not whole."""
RETRACTED = "retracted"
"""In the ``response_metadata`` of a piece: what came of the answer before it was the model thinking."""
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields in which servers send the reasoning apart from the text."""
_REASONS = "reasons"


class ChatModel:
    """``async with ChatModel(endpoint) as chat: chat.model``: the model, and connections to it of its own.

    What the model raises is a ProviderError. It costs a few milliseconds, once :func:`tls` is loaded, so that every
    conversation can have its connection and finds it open when it needs it.
    """

    def __init__(
        self, endpoint: Endpoint, timeouts: ChatTimeouts | None = None, failover: FailoverTimes | None = None
    ) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts or ChatTimeouts()
        self._lines = {endpoint: _Line(endpoint, self._timeouts)}
        self._model = self._lines[endpoint].model
        self._model.hand_over_to(self._answer)
        self.model: BaseChatModel = self._model
        self._failover = FailoverChat(_remark, failover)
        self._warming: set[asyncio.Task[Any] | None] = set()

    async def __aenter__(self) -> Self:
        self._model.belongs_to(asyncio.get_running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if warming := [task for task in self._warming if task is not None]:
            for task in warming:
                task.cancel()
            await asyncio.wait(warming)  # a connection that comes after the client is closed would be nobody's
        await self._failover.close()
        for line in self._lines.values():
            await line.http.aclose()

    async def warm(self) -> None:
        """Open a connection ahead of a turn, if there is none. Errors are ignored: the turn will tell.

        Leaving the model cancels the task that runs this.
        """
        task = asyncio.current_task()
        self._warming.add(task)
        try:
            await self._present.warm()
        except (httpx2.HTTPError, ProxyUnusable):
            return
        finally:
            self._warming.discard(task)

    @property
    def _present(self) -> _Line:
        """The line to who answers at present; all that were in use stay open until the model is left."""
        return self._line(self._endpoint.present)

    def _line(self, endpoint: Endpoint) -> _Line:
        if endpoint not in self._lines:
            self._lines[endpoint] = _Line(endpoint, self._timeouts)
        return self._lines[endpoint]

    async def _answer(self, *args: Any, **kwargs: Any) -> AsyncGenerator[ChatGenerationChunk, None]:
        """By who answers at present, or while that fails, by who stands in."""
        endpoint = self._endpoint.present
        first, other = self._line(endpoint).model, endpoint.stand_in()
        if other is None:
            answer = first.answer(*args, **kwargs)
        else:
            names = agent_name(endpoint), agent_name(other)
            answer = self._failover.answer(first.answer, self._line(other).model.answer, names, *args, **kwargs)
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                yield chunk


class _Line:
    """A model of one provider, and the connections to it."""

    def __init__(self, endpoint: Endpoint, timeouts: ChatTimeouts) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        connect_s = timeouts.connect_s if endpoint.stand_in() is None else min(HURRIED_S, timeouts.connect_s)
        timeout = httpx2.Timeout(timeouts.first_s, connect=connect_s)
        way: dict[str, Any]
        try:
            way = {"proxy": proxy_to(endpoint, Role.CHAT, agent_name(endpoint), sockets=False)}
        except ProxyUnusable as error:
            way = {"transport": _NoWay(error)}
        self.http = httpx2.AsyncClient(
            timeout=timeout, limits=LIMITS, verify=tls(), trust_env=False, follow_redirects=True, **way
        )
        self.http.event_hooks = {"request": [staying_at(endpoint.base_url)]}
        key = endpoint.api_key
        sdk = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=key,
            default_headers={"api-key": key} if endpoint.provider is Provider.AZURE else None,
            http_client=self.http,
            timeout=timeout,
            max_retries=0,
        )
        self.model = _PlainChat(
            model=endpoint.model,
            base_url=endpoint.base_url,
            api_key=SecretStr(key),
            async_client=PlainCompletions(sdk),
            client=_NO_CLIENT,
            streaming=True,
            stream_chunk_timeout=None,  # which would count the time that a model thinks
            stream_usage=endpoint.provider is not Provider.OPENAI or endpoint.base_url == OPENAI_URL,
            use_responses_api=False,
        )
        self.model.answer_for(endpoint, timeouts)

    async def warm(self) -> None:
        """Raises httpx2.HTTPError when there is no connection to be had."""
        key = self._endpoint.api_key
        header = {"api-key": key} if self._endpoint.provider is Provider.AZURE else {"Authorization": f"Bearer {key}"}
        if not self.http.is_closed:
            await self.http.get(f"{self._endpoint.base_url}/models", headers=header, timeout=self._timeouts.connect_s)


class _NoWay(httpx2.AsyncBaseTransport):
    """Where no proxy leads: every request fails of it."""

    def __init__(self, error: ProxyUnusable) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise self._error


class _PlainChat(ChatOpenAI):
    """Fails in plain words, and asks a second time by itself when nothing of the answer was given yet."""

    _endpoint: Endpoint = PrivateAttr()
    _timeouts: ChatTimeouts = PrivateAttr()
    _answers: Ask = PrivateAttr()
    _refused: RefusedWords = PrivateAttr(default_factory=RefusedWords)
    _loop: asyncio.AbstractEventLoop = PrivateAttr()

    def hand_over_to(self, answers: Ask) -> None:
        """Once, before use: answers every call."""
        self._answers = answers

    def belongs_to(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once, before use: its connections are in this event loop."""
        self._loop = loop

    def answer_for(self, endpoint: Endpoint, timeouts: ChatTimeouts) -> None:
        """Once, before use."""
        self._endpoint, self._timeouts = endpoint, timeouts
        self._answers = self.answer

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        """For a function that blocks its thread, as nodes of many graphs do."""
        return iterated(lambda: self._answers(*args, **kwargs), self._loop)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        async with aclosing(self._answers(*args, **kwargs)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def answer(
        self, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """By this very model."""
        messages = self._refused.left_out(messages)
        takes, learned, again = self._takes, list[str](), False
        shortened: int | None = None
        while True:
            given = _Given()
            try:
                async with aclosing(self._once(takes, given, messages, *args, **kwargs)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                remark = self._remark(given.finish_reason, second_time=again) or " ".join(filter(None, learned))
                if remark:
                    yield _remark(remark)
                return
            except Exception as error:
                plain = provider_error(error, self._endpoint, Role.CHAT)
                self._refused.note(error, messages)
                lesson = None if len(learned) == MOST_LESSONS else takes.learn(error, messages, _fields(error))
                if again and lesson is None and isinstance(error, ProtocolViolation) and len(learned) < MOST_HALVES:
                    lesson, shortened = takes.shorten(messages), takes.characters
                pause_s = 0.0 if lesson is not None else None if again else self._pause(plain, error)
                if pause_s is None or not given.nothing:
                    if shortened is not None and isinstance(error, ProtocolViolation):
                        takes.characters = None  # that was not the reason
                    raise plain from error
                if lesson is None:
                    again = True
                else:
                    learned.append(lesson.format(name=agent_name(self._endpoint)))
            await asyncio.sleep(pause_s)

    async def _once(
        self, takes: Takes, given: _Given, messages: list[BaseMessage], *args: Any, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """Ask once, as this server takes it."""
        tools = _names(kwargs.get("tools") or ()) if takes.tools else ()
        held_back = takes.may_open_reasoning(self._endpoint.model)
        answer, calls = AnswerFilter(tools, opened=held_back), StreamedCalls(tools)
        asking = super()._astream(takes.suited(messages), *args, **kwargs)
        held = list[ChatGenerationChunk]()  # until there is a word: without one it is no answer
        async with aclosing(_in_time(asking, given, self._timeouts)) as chunks:
            async for chunk in chunks:
                if chunk.message.response_metadata.pop(_REASONS, False):
                    answer.reasons_elsewhere()
                told, ends = not given.nothing, answer.lone_ends
                given.add(chunk := _cleaned(chunk, answer))
                if told and answer.lone_ends > ends:  # all that was told so far were thoughts
                    held.append(_marked(RETRACTED, True))
                held.append(_without_calls(chunk, calls))
                while held and not given.nothing:
                    yield held.pop(0)
        told, ends = not given.nothing, answer.lone_ends
        if rest := _left(answer, calls):
            given.add(rest)
            held += [_marked(RETRACTED, True)] * (told and answer.lone_ends > ends)
            held.append(rest)
        for chunk in () if given.nothing else held:
            yield chunk
        takes.note_reasoning(held=held_back, ended=bool(answer.lone_ends))
        if given.nothing:
            raise self._silent(given.finish_reason)

    def _get_request_payload(self, input_: Any, **kwargs: Any) -> dict[str, Any]:
        """With the reasoning effort that is set, and without what this server does not take."""
        messages = input_ if isinstance(input_, list) else self._convert_input(input_).to_messages()
        texts = [sent_as_text(message) for message in messages]
        others = [message for message, text in zip(messages, texts, strict=True) if text is None]
        request = super()._get_request_payload(others, **kwargs)
        written = iter(request["messages"])
        request["messages"] = [next(written) if text is None else text for text in texts]
        if self._endpoint.reasoning_effort:
            request.setdefault("reasoning_effort", self._endpoint.reasoning_effort)
        return self._takes.trimmed(request)

    @property
    def _takes(self) -> Takes:
        return _TAKES.setdefault((self._endpoint.base_url, self._endpoint.model), Takes())

    def _pause(self, plain: ProviderError, error: Exception) -> float | None:
        """Seconds to wait before asking again; None: it makes no sense, or takes too long for somebody who waits."""
        replaced = self._endpoint.stand_in() is not None
        if plain.retry is Retry.NEVER or isinstance(plain, ProviderTimeout) or replaced:
            return None
        asked_s = _asked_to_wait_s(error)
        return max(self._timeouts.retry_s, asked_s) if asked_s <= self._timeouts.retry_after_max_s else None

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        if chunk.get("choices") is None and chunk.get("usage") is None:
            if is_sign_of_life(chunk):
                return None
            raise ValueError("a chunk of no known shape")
        for choice in chunk.get("choices") or ():
            # Azure's asynchronous content filter leaves it out; who does not stream calls it a message
            choice["delta"] = choice.get("delta") or choice.pop("message", None) or {}
            listed(choice["delta"])
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if converted is not None and any(
            choice["delta"].get(name) for choice in chunk.get("choices") or () for name in _THOUGHTS
        ):
            converted.message.response_metadata[_REASONS] = True
        return converted

    def _remark(self, finish_reason: str, *, second_time: bool) -> str:
        """What the user should know of an answer that came; "": nothing."""
        name = agent_name(self._endpoint)
        match finish_reason:
            case "content_filter":
                return f"The content filter of {inside(name)} stopped this answer before its end."
            case "length":
                return f"{name} stopped this answer because it became too long."
        return f"{name} answered only when it was asked a second time." if second_time else ""

    def _silent(self, finish_reason: str) -> ProviderError:
        name = agent_name(self._endpoint)
        if finish_reason == "content_filter":
            return content_filtered(name, Role.CHAT)
        return ProtocolViolation(Role.CHAT, name, f"{name} gave an empty answer. Please try again.")


def _remark(text: str) -> ChatGenerationChunk:
    return _marked(REMARK, text)


class _Given:
    """What was handed out of an answer; ``nothing`` until there is a word of it, or a call."""

    def __init__(self) -> None:
        self.nothing = True
        self.finish_reason = ""

    def add(self, chunk: ChatGenerationChunk) -> None:
        message = chunk.message
        calls = message.tool_call_chunks if isinstance(message, AIMessageChunk) else []
        calls = [call for call in calls if call["name"] or call["args"]]
        self.nothing = self.nothing and not calls and not any(map(str.isalnum, chunk.text))
        self.finish_reason = str((chunk.generation_info or {}).get("finish_reason") or self.finish_reason)


async def _in_time(
    chunks: AsyncIterator[ChatGenerationChunk], given: _Given, timeouts: ChatTimeouts
) -> AsyncGenerator[ChatGenerationChunk, None]:
    """The chunks; raises TimeoutError when the first word, or what follows it, takes too long.

    However much a server sends meanwhile that is no word.
    """
    clock = asyncio.get_running_loop().time
    first_by = clock() + timeouts.first_s
    async with aclosing(chunks):
        while True:
            try:
                async with asyncio.timeout_at(first_by if given.nothing else clock() + timeouts.chunk_s):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            yield chunk


def _fields(error: Exception) -> Collection[str]:
    """Of the request that was refused."""
    try:
        request = error.request if isinstance(error, openai.APIError) else None
        return list(json.loads(request.content)) if request is not None else ()
    except (ValueError, httpx2.StreamError):
        return ()


_TAKES: dict[tuple[str, str], Takes] = {}
"""What was found out of servers and their models, and nothing of who talked to them."""


def _names(tools: Sequence[Any]) -> list[str]:
    """Of tools as they are sent."""
    return [str(tool["function"]["name"]) for tool in tools if isinstance(tool, dict) and "function" in tool]


def _cleaned(chunk: ChatGenerationChunk, answer: AnswerFilter) -> ChatGenerationChunk:
    """The chunk with what of its text is the answer."""
    text = chunk.message.content
    if not isinstance(text, str) or not text:
        return chunk
    told = answer.feed(text)
    if told == text:
        return chunk
    message = chunk.message.model_copy(update={"content": told})
    return ChatGenerationChunk(message=message, generation_info=chunk.generation_info)


def _marked(name: str, value: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content="", response_metadata={name: value}))


def _without_calls(chunk: ChatGenerationChunk, calls: StreamedCalls) -> ChatGenerationChunk:
    """The chunk without its pieces of tool calls, which are put together by themselves."""
    message = chunk.message
    if not isinstance(message, AIMessageChunk) or not message.tool_call_chunks:
        return chunk
    for piece in message.tool_call_chunks:
        calls.add(piece)
    bare = AIMessageChunk(content=message.content, usage_metadata=message.usage_metadata, id=message.id)
    return ChatGenerationChunk(message=bare, generation_info=chunk.generation_info)


def _left(answer: AnswerFilter, calls: StreamedCalls) -> ChatGenerationChunk | None:
    """What the filter held back until the end, and the calls."""
    text = answer.flush()
    made = calls.whole(answer.calls)
    if not text and not made:
        return None
    return ChatGenerationChunk(message=AIMessageChunk(content=text, tool_call_chunks=made))


def _asked_to_wait_s(error: Exception) -> float:
    """How long the server asks to be left alone."""
    headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
    try:
        if "retry-after-ms" in headers:
            return float(headers["retry-after-ms"]) / 1000
        return float(headers.get("retry-after", 0))
    except ValueError:
        return math.inf  # a date: surely not in a moment
