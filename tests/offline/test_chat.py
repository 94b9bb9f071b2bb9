"""Chat completions as the openai SDK, LangChain and a plain HTTP client meet them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import httpx2
import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam
from pydantic import SecretStr

from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeVoice, until
from voice_agents.offline.brain import Brain
from voice_agents.offline.faults import Fault, Service
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Pace, Services


def tool(name: str) -> ChatCompletionToolParam:
    return {"type": "function", "function": {"name": name, "description": name, "parameters": {"type": "object"}}}


HELLO: list[Any] = [{"role": "user", "content": "hello"}]
STORY: list[Any] = [{"role": "user", "content": "tell me a story"}]
FLIP: list[Any] = [{"role": "user", "content": "flip a coin"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "flip_coin", "arguments": "{}"}}


@pytest.fixture
async def server(recogniser: FakeRecogniser, voice: FakeVoice) -> AsyncIterator[OfflineServer]:
    async with OfflineServer(services=Services(recogniser, voice, Brain())) as running:
        yield running


@pytest.fixture
async def client(server: OfflineServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key="any",
        base_url=f"{server.url}/openai/v1",
        max_retries=0,
        timeout=WAIT_S,
        http_client=httpx2.AsyncClient(trust_env=False),
    ) as made:
        yield made


async def post(server: OfflineServer, body: Any, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body)
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as http:
        return await http.post(server.url + path, content=content, headers=headers or {"api-key": "any"})


async def chunks_of(client: AsyncOpenAI, messages: list[Any], **options: Any) -> list[ChatCompletionChunk]:
    async with asyncio.timeout(WAIT_S):
        stream = await client.chat.completions.create(model="any", messages=messages, stream=True, **options)
        return [chunk async for chunk in stream]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


# Answers


async def test_an_answer_streams_in_tokens(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, STORY)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) > 100
    assert text_of(chunks).startswith("Sure, here is a story. Once upon a time")
    assert {(chunk.id, chunk.object, chunk.usage) for chunk in chunks} == {
        (chunks[0].id, "chat.completion.chunk", None)
    }
    assert chunks[0].id.startswith("chatcmpl-")
    assert chunks[0].system_fingerprint


async def test_a_whole_answer_is_the_streamed_one(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="gpt-x", messages=STORY)
    assert whole.choices[0].message.content == text_of(await chunks_of(client, STORY))
    assert whole.choices[0].finish_reason == "stop"
    assert whole.model == "gpt-x"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


async def test_usage_comes_in_a_last_chunk_of_its_own_when_asked_for(client: AsyncOpenAI) -> None:
    chunks = await chunks_of(client, HELLO, stream_options={"include_usage": True})
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (1, len(chunks) - 3)
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_a_stream_ends_with_done(server: OfflineServer) -> None:
    answer = await post(server, {"model": "any", "messages": HELLO, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_tool_calls_stream_with_name_first_and_arguments_in_pieces(client: AsyncOpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "flip a coin and what time is it in paris and in tokyo"}]
    chunks = await chunks_of(client, asked, tools=[tool("get_time"), tool("flip_coin")])
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    calls: dict[int, list[Any]] = {}
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or ():
            calls.setdefault(delta.index, []).append(delta)
    names = [pieces[0].function.name for pieces in calls.values()]
    arguments = [json.loads("".join(piece.function.arguments for piece in pieces)) for pieces in calls.values()]
    assert list(zip(names, arguments, strict=True)) == [
        ("flip_coin", {}),
        ("get_time", {"place": "Paris"}),
        ("get_time", {"place": "Tokyo"}),
    ]
    assert len({pieces[0].id for pieces in calls.values()}) == 3
    assert all(piece.id is None for pieces in calls.values() for piece in pieces[1:])


async def test_a_tool_result_is_spoken(client: AsyncOpenAI) -> None:
    first = await client.chat.completions.create(model="any", messages=FLIP, tools=[tool("flip_coin")])
    calls = first.choices[0].message.tool_calls
    assert calls is not None
    assert first.choices[0].message.content is None
    result = {"role": "tool", "tool_call_id": calls[0].id, "content": "It is heads."}
    answered = [*FLIP, first.choices[0].message.model_dump(exclude_none=True), result]
    assert text_of(await chunks_of(client, answered, tools=[tool("flip_coin")])) == "It is heads."


async def test_calls_are_limited_as_asked(client: AsyncOpenAI) -> None:
    both: list[Any] = [{"role": "user", "content": "flip a coin and roll a dice"}]
    tools = [tool("flip_coin"), tool("roll_dice")]
    one = await client.chat.completions.create(model="any", messages=both, tools=tools, parallel_tool_calls=False)
    assert len(one.choices[0].message.tool_calls or ()) == 1
    none = await client.chat.completions.create(model="any", messages=both, tools=tools, tool_choice="none")
    assert none.choices[0].message.tool_calls is None
    assert "not switched on" in (none.choices[0].message.content or "")


async def test_text_in_parts_and_a_developer_message_are_understood(client: AsyncOpenAI) -> None:
    messages: list[Any] = [
        {"role": "developer", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "my name is"}, {"type": "text", "text": "Zoë"}]},
    ]
    assert text_of(await chunks_of(client, messages)) == "Nice to meet you, Zoë."


async def test_the_classic_azure_path_answers_the_azure_client(server: OfflineServer) -> None:
    async with AsyncAzureOpenAI(
        api_key="any",
        api_version="2024-10-21",
        azure_endpoint=server.url,
        max_retries=0,
        http_client=httpx2.AsyncClient(trust_env=False),
    ) as azure:
        answer = await azure.chat.completions.create(model="my-deployment", messages=HELLO)
    assert answer.model == "my-deployment"
    assert (answer.choices[0].message.content or "").startswith("Hello")


async def test_the_models_list_has_the_one_model(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["offline-agent"]


# Pace


async def test_tokens_come_at_the_pace_that_is_set(server: OfflineServer, client: AsyncOpenAI) -> None:
    server.services.pace = Pace(chat_token_s=600)
    async with asyncio.timeout(WAIT_S):
        stream = await client.chat.completions.create(model="any", messages=HELLO, stream=True)
        said = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
    assert said == ["", "Hello"]
    await stream.close()


async def test_a_client_that_leaves_ends_the_stream(server: OfflineServer, client: AsyncOpenAI) -> None:
    server.services.pace = Pace(chat_first_token_s=600)
    answer = asyncio.create_task(chunks_of(client, STORY))
    await until(lambda: server.services.connections.counts()[Service.CHAT] == 1)
    answer.cancel()
    await until(lambda: server.services.connections.counts()[Service.CHAT] == 0)
    with pytest.raises(asyncio.CancelledError):
        await answer


# Bad requests


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "could not parse the JSON body"),
        ([], "must be a JSON object"),
        ({"model": "any"}, "Missing required parameter: 'messages'"),
        ({"model": "any", "messages": "hello"}, "'messages': input should be a valid list"),
        ({"model": "any", "messages": []}, "empty array"),
        ({"messages": HELLO}, "must provide a model"),
        ({"model": "any", "messages": ["hello"]}, "'messages[0]': input should be a valid dictionary"),
        ({"model": "any", "messages": [{"role": "robot", "content": "x"}]}, "Invalid value"),
        ({"model": "any", "messages": [{"role": ["user"], "content": "x"}]}, "Invalid value"),
        ({"model": "any", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "any", "messages": HELLO, "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"model": "any", "messages": [{"role": "assistant", "tool_calls": [{}]}]}, "tool_calls"),
        ({"model": "any", "messages": [{"role": "assistant", "tool_calls": 1}]}, "tool_calls"),
        ({"model": "any", "messages": HELLO, "temperature": "hot"}, "'temperature': input should be a valid number"),
        ({"model": "any", "messages": HELLO, "max_tokens": 2.5}, "'max_tokens': input should be a valid integer"),
        ({"model": "any", "messages": HELLO, "n": True}, "'n': input should be a valid integer"),
        ({"model": "any", "messages": HELLO, "stream": "yes"}, "'stream': input should be a valid boolean"),
        ({"model": "any", "messages": HELLO, "tool_choice": 1}, "Invalid value: 1"),
        ({"model": "any", "messages": HELLO, "tools": {}}, "'tools': input should be a valid list"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(server: OfflineServer, body: Any, says: str) -> None:
    answer = await post(server, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert says in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "rest", [[], [{"role": "user", "content": "hello?"}], [{"role": "tool", "tool_call_id": "other", "content": "x"}]]
)
async def test_a_call_without_its_answer_is_not_accepted(client: AsyncOpenAI, rest: list[Any]) -> None:
    messages: Any = [*FLIP, {"role": "assistant", "content": None, "tool_calls": [CALL]}, *rest]
    with pytest.raises(openai.BadRequestError, match="tool"):
        await client.chat.completions.create(model="any", messages=messages)


async def test_the_dangling_call_is_named(client: AsyncOpenAI) -> None:
    messages: Any = [*FLIP, {"role": "assistant", "content": None, "tool_calls": [CALL]}, *HELLO]
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="any", messages=messages)
    assert "must be followed by tool messages responding to each 'tool_call_id'" in refused.value.message
    assert "call_1" in refused.value.message
    assert refused.value.param == "messages.[2].role"


async def test_only_one_choice_is_made(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="not supported offline") as refused:
        await client.chat.completions.create(model="any", messages=HELLO, n=2)
    assert refused.value.param == "n"
    one = await client.chat.completions.create(model="any", messages=HELLO, n=1, temperature=1, top_p=0.5, seed=None)
    assert len(one.choices) == 1


async def test_an_unknown_model_and_an_unknown_path_are_not_found(client: AsyncOpenAI, server: OfflineServer) -> None:
    with pytest.raises(openai.NotFoundError, match="missing") as refused:
        await client.chat.completions.create(model="missing", messages=HELLO)
    assert refused.value.code == "model_not_found"
    assert (await post(server, {}, "/v1/completions")).status_code == 404


# Faults


def strike(server: OfflineServer, fault: str) -> None:
    server.services.faults.add(Fault.parse(fault))


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("chat:refuse:401", openai.AuthenticationError, "invalid_api_key"),
        ("chat:refuse:403", openai.PermissionDeniedError, "permission_denied"),
        ("chat:refuse:404", openai.NotFoundError, "DeploymentNotFound"),
        ("chat:refuse:429", openai.RateLimitError, "rate_limit_exceeded"),
        ("chat:refuse:429:insufficient_quota", openai.RateLimitError, "insufficient_quota"),
        ("chat:refuse:500", openai.InternalServerError, None),
        ("chat:refuse:503", openai.InternalServerError, "server_overloaded"),
    ],
)
async def test_a_refusal_is_the_vendors_error(
    client: AsyncOpenAI, server: OfflineServer, fault: str, error: type[openai.APIStatusError], code: str | None
) -> None:
    strike(server, fault)
    with pytest.raises(error) as refused:
        await chunks_of(client, HELLO)
    assert refused.value.code == code
    assert ("retry-after" in refused.value.response.headers) == (refused.value.status_code in (429, 503))
    assert text_of(await chunks_of(client, HELLO)).startswith("Hello")


async def test_the_sdk_retries_a_rate_limit_by_itself(client: AsyncOpenAI, server: OfflineServer) -> None:
    strike(server, "chat:refuse:500")
    assert text_of(await chunks_of(client.with_options(max_retries=1), HELLO)).startswith("Hello")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_connection_is_noticed(client: AsyncOpenAI, server: OfflineServer, stream: bool) -> None:
    strike(server, f"chat:close:after={3 if stream else 0}")
    with pytest.raises(openai.APIConnectionError, match="Connection error"):
        if stream:
            await chunks_of(client, STORY)
        else:
            await client.chat.completions.create(model="any", messages=STORY)


async def test_a_stall_runs_into_the_clients_timeout(client: AsyncOpenAI, server: OfflineServer) -> None:
    strike(server, "chat:stall:after=3")
    with pytest.raises(openai.APITimeoutError):
        await chunks_of(client.with_options(timeout=0.2), STORY)
    await until(lambda: server.services.connections.counts()[Service.CHAT] == 0)


async def test_an_error_in_the_stream_is_raised(client: AsyncOpenAI, server: OfflineServer) -> None:
    strike(server, "chat:error:server_error:after=3")
    with pytest.raises(openai.APIError, match="server had an error") as raised:
        await chunks_of(client, STORY)
    assert raised.value.code == "server_error"


async def test_a_malformed_event_cannot_be_read(client: AsyncOpenAI, server: OfflineServer) -> None:
    strike(server, "chat:malformed:after=3")
    with pytest.raises(json.JSONDecodeError):
        await chunks_of(client, STORY)


async def test_a_drip_is_slow_but_whole(client: AsyncOpenAI, server: OfflineServer) -> None:
    strike(server, "chat:drip:delay=0.001")
    whole = await client.chat.completions.create(model="any", messages=HELLO)
    strike(server, "chat:drip:delay=0.001")
    assert text_of(await chunks_of(client, HELLO)) == whole.choices[0].message.content


# LangChain


@pytest.fixture
async def model(server: OfflineServer) -> AsyncIterator[ChatOpenAI]:
    async with httpx2.AsyncClient(trust_env=False) as http:
        yield ChatOpenAI(
            model="any",
            base_url=f"{server.url}/openai/v1/",
            api_key=SecretStr("any"),
            timeout=WAIT_S,
            max_retries=0,
            stream_usage=True,
            use_responses_api=False,
            http_async_client=http,
        )


async def streamed(model: Any, messages: list[Any]) -> AIMessageChunk:
    async with asyncio.timeout(WAIT_S):
        chunks = [chunk async for chunk in model.astream(messages)]
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return cast(AIMessageChunk, whole)


async def test_langchain_makes_a_tool_round_trip_with_usage(model: ChatOpenAI) -> None:
    bound = model.bind_tools([dict(tool("calculate"))])
    asked = HumanMessage("What's seven times eight?")
    called = await streamed(bound, [asked])
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("calculate", {"expression": "7 * 8"})]
    assert called.response_metadata["finish_reason"] == "tool_calls"
    result = ToolMessage("The answer is fifty-six.", tool_call_id=called.tool_calls[0]["id"])
    said = await streamed(bound, [asked, AIMessage("", tool_calls=called.tool_calls), result])
    assert said.text == "The answer is fifty-six."
    assert said.usage_metadata is not None
    assert said.usage_metadata["output_tokens"] == 7


async def test_langchain_on_classic_azure(server: OfflineServer) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        model = AzureChatOpenAI(
            azure_deployment="mine",
            azure_endpoint=server.url,
            api_version="2024-10-21",
            api_key=SecretStr("any"),
            http_async_client=http,
        )
        assert (await streamed(model, [HumanMessage("thank you")])).text == "You are welcome."
