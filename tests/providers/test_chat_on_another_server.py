"""The chat model against OpenAI-compatible servers with habits of their own, good and bad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.tools import tool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.providers.other_server import KEY, WAIT_S, Answer, OtherServer
from voice_agents.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
)
from voice_agents.providers.chat import REMARK, ChatModel, ChatTimeouts
from voice_agents.settings import Endpoint, Provider

QUICK = ChatTimeouts(connect_s=1.0, first_s=0.5, chunk_s=0.3, retry_s=0.01)
PATIENT = ChatTimeouts(retry_s=0.01)
DONE = "[DONE]"
Event = dict[str, Any] | str | bytes | asyncio.Event
"""A chunk as JSON, a raw ``data:`` text, raw bytes, or something to wait for."""


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish}],
    }


def no_choices(**fields: Any) -> dict[str, Any]:
    return {**delta(), "choices": [], **fields}


def without_delta(**fields: Any) -> dict[str, Any]:
    return {**delta(), "choices": [{"index": 0, "finish_reason": None, **fields}]}


HELLO: Sequence[Event] = (
    delta(role="assistant"),
    delta(content="Hello "),
    delta(content="there."),
    delta("stop"),
    DONE,
)


def streams(*answers: Sequence[Event] | int | Response) -> Answer:
    """Answers each request with the next script (the last again and again); a number is a status to refuse with."""
    left = list(answers)

    async def answer(_request: Request) -> Response:
        script = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(script, int):
            return JSONResponse({"error": {"message": f"about {KEY}", "code": None}}, script)
        return script if isinstance(script, Response) else sse(script)

    return answer


def sse(script: Sequence[Event]) -> Response:
    return StreamingResponse(_sse(script), media_type="text/event-stream")


async def _sse(script: Sequence[Event]) -> AsyncIterator[bytes]:
    for event in script:
        match event:
            case bytes():
                yield event
            case asyncio.Event():
                await event.wait()
            case str():
                yield f"data: {event}\n\n".encode()
            case _:
                yield f"data: {json.dumps(event)}\n\n".encode()


class Asked:
    """The model, and the server it asks."""

    def __init__(self, chat: ChatModel, server: OtherServer) -> None:
        self.chat = chat
        self.server = server
        self.tokens: list[str] = []

    async def ask(self, *, tools: Sequence[Any] = ()) -> AIMessageChunk:
        model = self.chat.model.bind_tools(list(tools)) if tools else self.chat.model
        whole: AIMessageChunk | None = None
        async with asyncio.timeout(WAIT_S):
            async for chunk in model.astream([HumanMessage("hi")]):
                assert isinstance(chunk, AIMessageChunk)
                self.tokens.append(chunk.text)
                whole = chunk if whole is None else whole + chunk
        assert whole is not None
        return whole

    async def fails(self) -> ProviderError:
        with pytest.raises(ProviderError) as caught:
            await self.ask()
        assert KEY not in str(caught.value)
        return caught.value


def openai_at(server: OtherServer, provider: Provider = Provider.OPENAI) -> Endpoint:
    return Endpoint(provider, f"{server.url}/v1", "model-1", KEY)


@asynccontextmanager
async def asking(
    *answers: Sequence[Event] | int | Response,
    timeouts: ChatTimeouts = PATIENT,
    provider: Provider = Provider.OPENAI,
) -> AsyncIterator[Asked]:
    async with (
        OtherServer(404, answer=streams(*answers)) as server,
        ChatModel(openai_at(server, provider), timeouts) as chat,
    ):
        yield Asked(chat, server)


async def answered(chat: ChatModel) -> None:
    """Have something answered, whatever it is."""
    async with asyncio.timeout(WAIT_S):
        async for _chunk in chat.model.astream([HumanMessage("hi")]):
            pass


# what is asked, and answers as other servers give them


async def test_it_asks_as_documented() -> None:
    async with asking(HELLO) as asked:
        await asked.ask()
        [(request, body)] = asked.server.requests
        assert request.url.path == "/v1/chat/completions"
        assert request.headers["authorization"] == f"Bearer {KEY}" and "api-key" not in request.headers
        sent = json.loads(body)
        assert sent["model"] == "model-1" and sent["stream"] is True
        assert sent["messages"] == [{"role": "user", "content": "hi"}]
        assert set(sent) == {"model", "stream", "messages"}, "nothing a simple server could refuse"


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
FILTERS = [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]
HABITS: dict[str, Sequence[Event]] = {
    "plain": HELLO,
    "a role and nothing else first": (delta(role="assistant", content=None), *HELLO[1:]),
    "empty deltas": (delta(), delta(content=""), *HELLO[:2], delta(content=None), delta(content=""), *HELLO[2:]),
    "usage in a chunk of its own": (*HELLO[:-1], no_choices(usage=USAGE), DONE),
    "usage in the last chunk": (*HELLO[:-2], {**delta("stop"), "usage": USAGE}, DONE),
    "usage null everywhere": [{**event, "usage": None} if isinstance(event, dict) else event for event in HELLO],
    "comments": (b": keep-alive\n\n", HELLO[0], b": OPENROUTER PROCESSING\n\n", *HELLO[1:]),
    "no [DONE]": HELLO[:-1],
    "no finish reason": (*HELLO[:3], DONE),
    "length": (*HELLO[:3], delta("length"), DONE),
    "Azure's filter results first": (no_choices(prompt_filter_results=FILTERS), *HELLO),
    "Azure's filter results between": (
        *HELLO[:2],
        without_delta(content_filter_offsets={"check_offset": 3}),
        *HELLO[2:],
    ),
    "a delta that is null": (*HELLO[:2], without_delta(delta=None), *HELLO[2:]),
    "carriage returns": [f"data: {json.dumps(event)}\r\n\r\n".encode() for event in HELLO[:-1]],
    "a reasoning field": (delta(reasoning_content="hm"), *HELLO),
    "a word that says that somebody is there": ("ping", *HELLO[:2], "keep-alive", *HELLO[2:]),
    "empty lists": ("[]", *HELLO[:2], "[]", *HELLO[2:]),
    "a byte order mark": (b"\xef\xbb\xbf", *HELLO),
    "a place in the queue": ({"status": "queued", "position": 3}, *HELLO),
    "a vendor's own field": ({"x_groq": {"id": "req_1"}}, *HELLO),
}


@pytest.mark.parametrize("script", HABITS.values(), ids=HABITS.keys())
async def test_an_answer_is_read_whatever_is_around_it(script: Sequence[Event]) -> None:
    async with asking(script) as asked:
        whole = await asked.ask()
        assert whole.text == "Hello there."
        assert [token for token in asked.tokens if token] == ["Hello ", "there."], "token by token"
        assert len(asked.server.requests) == 1


async def test_who_does_not_stream_is_understood_all_the_same() -> None:
    message = {"role": "assistant", "content": "Hello there."}
    whole = {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    async with asking(JSONResponse(whole)) as asked:
        assert (await asked.ask()).text == "Hello there."


async def test_a_page_is_no_answer() -> None:
    async with asking(Response("<html>Sign in to the hotel's network</html>", media_type="text/html")) as asked:
        assert "could not be understood" in str(await asked.fails())


async def test_thoughts_and_answer_in_one_piece_are_told_apart() -> None:
    async with asking(said("The city is Paris.</think>Hello ", "there.")) as asked:
        await asked.ask()
        assert [token for token in asked.tokens if token] == ["Hello ", "there."]


async def test_who_answers_nothing_to_a_long_conversation_is_told_less_of_it() -> None:
    """LM Studio streams nothing at all when the context is full."""

    async def answer(request: Request) -> Response:
        sent = json.loads(await request.body())["messages"]
        return sse(HELLO if sum(len(message["content"]) for message in sent) < 3000 else (delta("stop"), DONE))

    talk: list[BaseMessage] = []
    for number in range(10):
        talk += [HumanMessage(f"Question {number}. " * 20), AIMessage(f"Answer {number}. " * 20)]
    async with OtherServer(404, answer=answer) as server, ChatModel(openai_at(server), PATIENT) as chat:
        for requests in (3, 4):
            text = [chunk.text async for chunk in chat.model.astream([*talk, HumanMessage("And now?")])]
            assert "".join(text) == "Hello there." and len(server.requests) == requests, "it is remembered"


@tool
def weather(place: str) -> str:
    """The weather."""
    return place


def call(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
    name = fields.pop("name", None)
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"index": index, "function": function, **fields}


async def test_several_tool_calls_may_come_interleaved() -> None:
    script = (
        delta(role="assistant", content=None),
        delta(tool_calls=[call(0, "", id="a", name="weather"), call(1, "", id="b", name="weather")]),
        delta(tool_calls=[call(1, '{"place": "O')]),
        delta(tool_calls=[call(0, '{"place": "Rome"')]),
        delta(tool_calls=[call(1, 'slo"}'), call(0, "}")]),
        delta("tool_calls"),
        DONE,
    )
    async with asking(script) as asked:
        whole = await asked.ask(tools=[weather])
        assert [(found["id"], found["args"]["place"]) for found in whole.tool_calls] == [("a", "Rome"), ("b", "Oslo")]


@pytest.mark.parametrize("ids", [{}, {"id": "same"}, {"id": None}], ids=["missing", "repeated", "null"])
async def test_tool_calls_without_an_id_of_their_own_are_calls(ids: dict[str, Any]) -> None:
    """The agent gives them ids of its own."""
    whole_calls = [call(n, f'{{"place": "{n}"}}', name="weather", type="function", **ids) for n in range(2)]
    async with asking((delta(tool_calls=whole_calls), delta("tool_calls"), DONE)) as asked:
        whole = await asked.ask(tools=[weather])
        assert [found["args"]["place"] for found in whole.tool_calls] == ["0", "1"]


async def test_tool_calls_without_a_number_are_calls() -> None:
    """As some servers send them that send each call whole."""
    calls = [{"id": f"call_{n}", "function": {"name": "weather", "arguments": f'{{"place": "{n}"}}'}} for n in range(2)]
    async with asking((delta(tool_calls=calls), delta("tool_calls"), DONE)) as asked:
        whole = await asked.ask(tools=[weather])
        assert [found["args"]["place"] for found in whole.tool_calls] == ["0", "1"]


def said(*pieces: str) -> Sequence[Event]:
    """An answer in these pieces."""
    return [*(delta(content=piece) for piece in pieces), DONE]


async def test_what_is_not_the_answer_is_not_told() -> None:
    async with asking(said("<th", "ink>hm", "</think>", "Hello ", "there.<|im_", "end|>")) as asked:
        whole = await asked.ask()
        assert whole.text == "Hello there." and "hm" not in str(whole)
        assert [token for token in asked.tokens if token] == ["Hello ", "there."]


async def test_a_server_whose_template_opens_the_reasoning_is_known_from_the_first_answer_on() -> None:
    thinks = said("The user says hi.", "</think>", "Hello ", "there.")
    async with asking(thinks, thinks, HELLO) as asked:
        await asked.ask()
        assert [(await asked.ask()).text for _ in range(2)] == ["Hello there.", "Hello there."]


@pytest.mark.parametrize(
    "thoughts",
    [
        ["Okay, ", "the user ", "is asking for a joke. ", "I should be short."],
        ["Alright, ", "so the user", " wants the time.", " Let me see."],
        ["Hmm, the", " user", " said hi", "."],
        ["We need", " to answer", " briefly."],
        ["Okay, so I need to figure out what seven times eight is."],
        ["好的，", "用户", "想知道时间。"],
    ],
    ids=lambda pieces: "".join(pieces)[:30],
)
async def test_thoughts_without_a_mark_are_known_by_how_they_begin(thoughts: list[str]) -> None:
    """Of a model whose name says nothing; no word of them but the first ones may have been let through."""
    name = f"a model that begins {thoughts}"
    tokens = await tokens_of(said(*thoughts, "</think>", "Hello ", "there."), name)
    assert "".join(tokens).endswith("Hello there.")
    told, all_of_it = "".join(tokens[:-2]), "".join(thoughts)
    assert len(told.split()) <= 4 and told != all_of_it, "what was let through is taken back"
    assert "".join(await tokens_of(said(*thoughts), f"{name} and ends")) == all_of_it, "they were the answer"


@pytest.mark.parametrize(
    "text", ["Okay, the use", "The user manual is here.", "We need more milk.", "Well, so what?", "I need to go now."]
)
async def test_what_only_begins_like_thoughts_comes_as_it_is_written(text: str) -> None:
    pieces = [f"{word} " for word in text.split()]
    assert await tokens_of(said(*pieces), f"a model that says {text}") == pieces


async def tokens_of(script: Sequence[Event], model: str, times: int = 1) -> list[str]:
    """How the last of some answers of this model comes."""
    async with asking(script) as asked, ChatModel(replace(openai_at(asked.server), model=model), PATIENT) as chat:
        asked.chat = chat
        for _ in range(times):
            asked.tokens.clear()
            await asked.ask()
        return [token for token in asked.tokens if token]


THINKERS = [
    "MiniMaxAI/MiniMax-M2",
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2",
    "Olmo-3-7B-Think",
    "Light-R1-14B",
    "deepseek-r1:8b",
    "DeepSeek-R1-Distill-Qwen-7B",
    "QwQ-32B",
    "Qwen/Qwen3-30B-A3B-Thinking-2507",
    "glm-z1-9b",
]
OTHERS = ["gpt-5-mini", "llama3.2", "mistral-small", "gemma3:4b", "qwen2.5-coder", "phi-4", "deepseek-chat", "r1ng"]


@pytest.mark.parametrize("model", THINKERS)
async def test_a_model_that_is_known_to_begin_with_thoughts_speaks_none_from_the_first_answer_on(model: str) -> None:
    thinks = said("The user says hi.", "</think>", "Hello ", "there.")
    assert await tokens_of(thinks, model) == ["Hello ", "there."]


@pytest.mark.parametrize("model", THINKERS)
async def test_its_words_are_not_held_back_where_the_server_sends_the_thoughts_apart(model: str) -> None:
    apart = [delta(reasoning_content="hm"), *said("Hello ", "there.")]
    assert await tokens_of(apart, model) == ["Hello ", "there."]


@pytest.mark.parametrize("model", THINKERS)
async def test_its_words_are_held_back_once_where_it_does_not_think(model: str) -> None:
    assert await tokens_of(said("Hello ", "there."), model) == ["Hello there."]
    assert await tokens_of(said("Hello ", "there."), f"{model} again", times=2) == ["Hello ", "there."]


@pytest.mark.parametrize("model", OTHERS)
async def test_nothing_of_any_other_model_is_held_back(model: str) -> None:
    assert await tokens_of(said("Hello ", "there."), model) == ["Hello ", "there."]


async def test_words_that_a_filter_refused_are_left_out_in_that_conversation_only() -> None:
    """What a server can do is known to all; what somebody said is not."""
    refusal = Response(json.dumps({"error": {"code": "content_filter", "message": "filtered"}}).encode(), 400)
    async with asking(refusal, HELLO, HELLO) as asked, ChatModel(openai_at(asked.server), PATIENT) as other:
        await asked.fails()
        talk = [HumanMessage("hi"), HumanMessage("and now?")]
        for chat in (asked.chat, other):
            async for _chunk in chat.model.astream(talk):
                pass
        sent = [json.loads(body)["messages"][0]["content"] for _, body in asked.server.requests]
        assert sent == ["hi", "(What was said here is left out.)\nand now?", "hi\nand now?"]


@pytest.mark.parametrize(
    "event",
    [
        delta(content='<tool_call>{"name": "weather", "arguments": {"place": "Rome"}}</tool_call>'),
        delta(content='{"name": "weather", "parameters": {"place": "Rome"}}'),
        delta(tool_calls=[{"function": {"name": "weather", "arguments": {"place": "Rome"}}}]),
        delta(
            tool_calls=[{"index": None, "id": None, "function": {"name": "weather", "arguments": '{"place": "Rome"}'}}]
        ),
    ],
    ids=["as text", "as bare JSON", "arguments as an object", "no index"],
)
async def test_a_call_is_made_however_it_is_written(event: Event) -> None:
    async with asking((event, delta("tool_calls"), DONE)) as asked:
        whole = await asked.ask(tools=[weather])
        assert [(found["name"], found["args"]) for found in whole.tool_calls] == [("weather", {"place": "Rome"})]
        assert whole.text == ""


# what goes wrong


@pytest.mark.parametrize(
    ("provider", "status", "kind", "says"),
    [
        (Provider.OPENAI, 401, AuthenticationFailed, "OPENAI_API_KEY"),
        (Provider.AZURE, 401, AuthenticationFailed, "AZURE_OPENAI_API_KEY"),
        (Provider.AZURE, 403, AuthenticationFailed, "AZURE_OPENAI_API_KEY"),
        (Provider.AZURE, 404, RequestRejected, "AZURE_OPENAI_DEPLOYMENT"),
        (Provider.OPENAI, 404, RequestRejected, "OPENAI_MODEL"),
        (Provider.OPENAI, 400, RequestRejected, "400"),
        (Provider.OPENAI, 402, QuotaExceeded, "billing"),
    ],
)
async def test_what_would_fail_again_fails_at_once_and_says_what_to_do(
    provider: Provider, status: int, kind: type[ProviderError], says: str
) -> None:
    async with asking(status, provider=provider) as asked:
        error = await asked.fails()
        assert type(error) is kind
        assert says in str(error) and provider.value in str(error)
        assert len(asked.server.requests) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimited), (500, ProviderUnavailable), (502, ProviderUnavailable), (503, ProviderUnavailable)],
)
async def test_what_may_pass_is_tried_a_second_time_and_then_said(status: int, kind: type[ProviderError]) -> None:
    async with asking(status) as asked:
        assert type(await asked.fails()) is kind
        assert len(asked.server.requests) == 2

    async with asking(status, HELLO) as asked:
        whole = await asked.ask()
        assert whole.text == "Hello there."
        assert "second time" in whole.response_metadata[REMARK] and "OpenAI" in whole.response_metadata[REMARK]

    async with asking(HELLO) as asked:
        assert REMARK not in (await asked.ask()).response_metadata


@pytest.mark.parametrize(("reason", "says"), [("content_filter", "content filter"), ("length", "too long")])
async def test_an_answer_that_is_not_whole_is_kept_and_said_to_be_cut(reason: str, says: str) -> None:
    async with asking((delta(role="assistant"), delta(content="Once upon a "), delta(reason), DONE)) as asked:
        whole = await asked.ask()
        assert whole.text == "Once upon a "
        assert says in whole.response_metadata[REMARK]


@pytest.mark.parametrize("retry_after", ["20", "Wed, 21 Oct 2026 07:28:00 GMT"])
async def test_nobody_is_kept_waiting_by_a_server_that_wants_to_be_left_alone(retry_after: str) -> None:
    refusal = JSONResponse({"error": {"message": "no"}}, 429, {"Retry-After": retry_after})
    async with asking(refusal, HELLO) as asked:
        assert type(await asked.fails()) is RateLimited
        assert len(asked.server.requests) == 1


def body(code: str, status: int) -> Response:
    return JSONResponse({"error": {"message": f"about {KEY}", "code": code, "type": code}}, status)


@pytest.mark.parametrize(
    ("code", "status", "kind", "says"),
    [
        ("insufficient_quota", 429, QuotaExceeded, "billing"),
        ("content_filter", 400, RequestRejected, "content filter"),
        ("context_length_exceeded", 400, RequestRejected, "too long"),
    ],
)
async def test_the_vendors_codes_are_told_apart(code: str, status: int, kind: type[ProviderError], says: str) -> None:
    async with asking(body(code, status)) as asked:
        error = await asked.fails()
        assert type(error) is kind and says in str(error)
        assert len(asked.server.requests) == 1


def broken_in_the_middle(code: str | None) -> Sequence[Event]:
    return (*HELLO[:2], {"error": {"message": f"about {KEY}", "type": "server_error", "code": code}})


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (broken_in_the_middle("server_error"), ProviderUnavailable),
        (broken_in_the_middle(None), ProviderUnavailable),
        (broken_in_the_middle("insufficient_quota"), QuotaExceeded),
        (broken_in_the_middle("rate_limit_exceeded"), RateLimited),
        (broken_in_the_middle("content_filter"), RequestRejected),
        ((*HELLO[:2], '{"id": "chatcm'), ProtocolViolation),
        ((*HELLO[:2], {"surprise": [1, 2, 3]}), ProtocolViolation),
        ((*HELLO[:2], "5"), ProtocolViolation),
        ((*HELLO[:2], {"choices": 5}), ProtocolViolation),
        ((*HELLO[:2], {"choices": [5]}), ProtocolViolation),
        ((*HELLO[:2], delta(tool_calls=[5])), ProtocolViolation),
        ((*HELLO[:2], asyncio.Event()), ProviderTimeout),
    ],
    ids=[
        "error",
        "no code",
        "quota",
        "rate",
        "filter",
        "no JSON",
        "no chunk",
        "a number",
        "no list",
        "no choice",
        "no call",
        "stall",
    ],
)
async def test_an_answer_that_breaks_off_is_not_begun_again(script: Sequence[Event], kind: type[ProviderError]) -> None:
    async with asking(script, timeouts=QUICK) as asked:
        assert type(await asked.fails()) is kind
        assert [token for token in asked.tokens if token] == ["Hello "], "what was said was handed on"
        assert len(asked.server.requests) == 1


async def test_a_connection_that_is_reset_in_the_middle_is_a_plain_error() -> None:
    """The body ends before its length."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        event = f"data: {json.dumps(delta(content='Hello '))}\n\n".encode()
        writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with ChatModel(Endpoint(Provider.OPENAI, url, "model-1", KEY), PATIENT) as chat:
            with pytest.raises(ProviderUnavailable, match="OpenAI-compatible"):
                await answered(chat)


async def test_a_slow_beginning_is_said_and_not_waited_for_twice() -> None:
    async with asking((asyncio.Event(),), timeouts=QUICK) as asked:
        error = await asked.fails()
        assert type(error) is ProviderTimeout and "too long" in str(error)
        assert len(asked.server.requests) == 1


@pytest.mark.parametrize(
    ("script", "kind", "requests"),
    [
        ((delta(role="assistant", content=""), delta("content_filter"), DONE), RequestRejected, 1),
        ((delta(role="assistant", content=""), delta("stop"), DONE), ProtocolViolation, 2),
        ((DONE,), ProtocolViolation, 2),
        ((), ProtocolViolation, 2),
        ((delta(content="..."), delta(content=" "), delta("stop"), DONE), ProtocolViolation, 2),
        ((delta(content="<think>Hm.</think>"), delta("stop"), DONE), ProtocolViolation, 2),
    ],
    ids=["content filter", "empty", "only [DONE]", "nothing at all", "no word", "only thoughts"],
)
async def test_an_answer_without_a_word_is_not_taken_for_one(
    script: Sequence[Event], kind: type[ProviderError], requests: int
) -> None:
    async with asking(script) as asked:
        assert type(await asked.fails()) is kind
        assert len(asked.server.requests) == requests


async def thinking(pieces: Sequence[Event], pause_s: float) -> Response:
    async def events() -> AsyncIterator[bytes]:
        for event in pieces:
            await asyncio.sleep(pause_s)
            yield event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode()
        yield b"data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


THOUGHTS: dict[str, Sequence[Event]] = {
    "in a field": [delta(reasoning_content="hm")] * 3,
    "in a field of another name": [delta(reasoning="hm")] * 3,
    "in the text": [delta(content="<think>"), delta(content="hm"), delta(content="</think>")],
    "unseen": [b": keep-alive\n\n"] * 3,
}


@pytest.mark.parametrize("thoughts", THOUGHTS.values(), ids=THOUGHTS.keys())
async def test_a_model_that_thinks_is_waited_for_longer_than_one_that_falls_silent(thoughts: Sequence[Event]) -> None:
    """However it shows that it thinks. Its pauses are longer than those of an answer may be."""
    response = await thinking([*thoughts, delta(content="Hello there.")], 0.2)
    async with asking(response, timeouts=ChatTimeouts(first_s=4.0, chunk_s=0.1, retry_s=0.01)) as asked:
        assert (await asked.ask()).text == "Hello there."


async def test_a_model_that_thinks_for_ever_is_given_up() -> None:
    response = await thinking([delta(reasoning_content="hm")] * 1000, 0.02)
    async with asking(response, timeouts=QUICK) as asked:
        assert type(await asked.fails()) is ProviderTimeout


async def test_the_reasoning_effort_that_is_set_is_asked_for_and_left_out_where_it_is_refused() -> None:
    refusal = JSONResponse({"error": {"message": "`reasoning_effort` is not supported with this model"}}, 400)
    async with OtherServer(404, answer=streams(HELLO, refusal, HELLO)) as server:
        where = replace(openai_at(server), reasoning_effort="low")
        async with ChatModel(where, PATIENT) as chat:
            asked = Asked(chat, server)
            await asked.ask()
            whole = await asked.ask()
            assert whole.text.endswith("Hello there.")
            assert "OPENAI_REASONING_EFFORT" in whole.response_metadata[REMARK]
            assert REMARK not in (await asked.ask()).response_metadata, "told once"
        sent = [json.loads(body).get("reasoning_effort") for _, body in server.requests]
        assert sent == ["low", "low", None, None]


async def test_a_server_that_is_not_there_is_a_plain_error() -> None:
    async with OtherServer(404) as server:
        gone = openai_at(server)
    async with ChatModel(gone, PATIENT) as chat:
        with pytest.raises(ProviderUnavailable, match="connection to OpenAI-compatible failed"):
            await answered(chat)


async def test_a_reader_that_leaves_ends_the_request() -> None:
    left = asyncio.Event()

    async def answer(_request: Request) -> Response:
        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield f"data: {json.dumps(delta(content='on '))}\n\n".encode()
                    await asyncio.sleep(0.01)
            finally:
                left.set()

        return StreamingResponse(endless(), media_type="text/event-stream")

    async with OtherServer(404, answer=answer) as server, ChatModel(openai_at(server), PATIENT) as chat:
        first = asyncio.Event()

        async def read() -> None:
            async for _chunk in chat.model.astream([HumanMessage("hi")]):
                first.set()

        reading = asyncio.create_task(read())
        async with asyncio.timeout(WAIT_S):
            await first.wait()
            reading.cancel()
            await left.wait()


# connections


@pytest.mark.parametrize(
    ("provider", "header", "value"),
    [(Provider.AZURE, "api-key", KEY), (Provider.OPENAI, "authorization", f"Bearer {KEY}")],
)
async def test_a_connection_is_opened_ahead_and_used_by_the_first_turn(
    provider: Provider, header: str, value: str
) -> None:
    ports: list[Any] = []

    async def answer(request: Request) -> Response:
        assert request.client is not None
        ports.append(request.client.port)
        if request.method == "GET":
            assert request.url.path == "/v1/models" and request.headers[header] == value
            return JSONResponse({"error": "no list here"}, 404)
        return sse(HELLO)

    async with OtherServer(404, answer=answer) as server, ChatModel(openai_at(server, provider), PATIENT) as chat:
        await chat.warm()
        await answered(chat)
        assert len(ports) == 2 and len(set(ports)) == 1, "one request ahead, and the same connection for the turn"


async def test_nobody_takes_the_connection_that_another_has_opened_ahead() -> None:
    ports: dict[str, list[Any]] = {"GET": [], "POST": []}

    async def answer(request: Request) -> Response:
        assert request.client is not None
        ports[request.method].append(request.client.port)
        return JSONResponse({"data": []}) if request.method == "GET" else sse(HELLO)

    async with (
        OtherServer(404, answer=answer) as server,
        ChatModel(openai_at(server), PATIENT) as one,
        ChatModel(openai_at(server), PATIENT) as other,
    ):
        await one.warm()
        await other.warm()
        await asyncio.gather(answered(one), answered(other))
    assert len(set(ports["GET"])) == 2 and sorted(ports["POST"]) == sorted(ports["GET"])


async def test_warming_up_a_server_that_is_not_there_does_no_harm() -> None:
    async with OtherServer(404) as server:
        gone = openai_at(server)
    async with ChatModel(gone, PATIENT) as chat:
        await chat.warm()


@pytest.mark.parametrize("steps", range(0, 16, 2))
async def test_a_connection_that_is_just_being_opened_is_closed_with_the_model(steps: int) -> None:
    """At whatever step of it; what connected after the client was closed stayed open for ever."""
    connections: list[asyncio.Task[bytes]] = []
    accepted = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.create_task(_until_closed(reader)))
        accepted.set()
        writer.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        await asyncio.wait([connections[-1]])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, asyncio.timeout(WAIT_S):
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with ChatModel(Endpoint(Provider.OPENAI, address, "model-1", KEY), PATIENT) as chat:
            warming = asyncio.create_task(chat.warm())
            for _ in range(steps):
                await asyncio.sleep(0)
        await asyncio.wait([warming])
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.close()
        await accepted.wait()  # of this connection or one before it: they are accepted in order
        await asyncio.wait(connections)


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_the_key_is_in_no_repr() -> None:
    async with asking(HELLO) as asked:
        assert KEY not in repr(asked.chat.model)
