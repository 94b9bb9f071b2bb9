"""What is sent suits the strictest server, and what one has refused it is not sent again; memory stays as it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    HumanMessageChunk,
    SystemMessage,
    ToolMessage,
)
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.chance import SEEDS
from voice_agents.providers.chat import ChatModel
from voice_agents.providers.suited import LEFT_OUT, RefusedWords, Takes
from voice_agents.settings import Endpoint, Provider

RULES = SystemMessage("Be kind.")


def refusal(message: str, status: int = 400, code: str | None = None) -> openai.APIStatusError:
    response = httpx2.Response(status, request=httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions"))
    return openai.APIStatusError(message, response=response, body={"message": message, "code": code})


def called(id: str, text: str = "") -> AIMessage:
    return AIMessage(text, tool_calls=[{"name": "look", "args": {}, "id": id, "type": "tool_call"}])


def strict(messages: Sequence[BaseMessage]) -> bool:
    """Whether Mistral's template takes it: a user first, roles in turns, every call with its results right after."""
    kinds = [message.type for message in messages if message.type != "system"]
    if not kinds or kinds[0] != "human" or any(message.type == "system" for message in messages[1:]):
        return False
    follows = {"human": {"ai"}, "ai": {"human", "tool"}, "tool": {"ai", "tool"}}
    return all(after in follows[before] for before, after in pairwise(kinds))


TALKS: dict[str, list[BaseMessage]] = {
    "a turn that failed": [HumanMessage("a"), HumanMessage("b")],
    "an announcement first": [AIMessage("Your tea is ready."), HumanMessage("thanks")],
    "an announcement after an answer": [HumanMessage("a"), AIMessage("b"), AIMessage("Tea!"), HumanMessage("c")],
    "a call without its result": [HumanMessage("a"), called("1"), HumanMessage("b")],
    "a result without its call": [HumanMessage("a"), ToolMessage("x", tool_call_id="gone"), HumanMessage("b")],
    "cut after a tool": [HumanMessage("a"), called("1"), ToolMessage("x", tool_call_id="1"), HumanMessage("b")],
    "words before a call": [HumanMessage("a"), AIMessage("Let me see."), called("1"), HumanMessage("b")],
}


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS.keys())
def test_roles_take_turns(talk: list[BaseMessage]) -> None:
    assert strict(Takes().suited([RULES, *talk]))


IN_PARTS: list[str | dict[Any, Any]] = [
    {"type": "text", "text": "look"},
    {"type": "image_url", "image_url": {"url": "data:,"}},
]
OPENAIS_CALL = {"id": "4", "type": "function", "function": {"name": "look", "arguments": "{}"}}
BROKEN = {"name": "look", "args": "{", "id": "5", "error": None, "type": "invalid_tool_call"}
MESSAGES: list[BaseMessage] = [
    RULES, HumanMessage("a"), AIMessage("b"), HumanMessage("c", name="Ann"), AIMessage("d", name="Bob"), called("1"),
    ToolMessage("x", tool_call_id="1"), HumanMessage(IN_PARTS), AIMessage(["e", "f"]), HumanMessage(""), AIMessage(""),
    HumanMessage("g", additional_kwargs={"name": "Cid"}), HumanMessage("h", additional_kwargs={"facts": {"turn": 1}}),
    AIMessage("i", additional_kwargs={"interrupted": True}), AIMessage("", additional_kwargs={"audio": {"id": "1"}}),
    AIMessage("", additional_kwargs={"tool_calls": [OPENAIS_CALL]}), AIMessage("j", invalid_tool_calls=[BROKEN]),
    AIMessage("k", additional_kwargs={"function_call": {"name": "look", "arguments": "{}"}}), HumanMessage("l", id="7"),
    AIMessageChunk(content="m"), HumanMessageChunk(content="n"), AIMessage("o", response_metadata={"model": "m"}),
]  # fmt: skip


@pytest.mark.parametrize("model", ["gpt-4o", "o3"])
async def test_what_is_sent_of_a_message_is_what_langchain_sends(model: str) -> None:
    theirs = ChatOpenAI(model=model, api_key=SecretStr("key"))
    chance = random.Random(1)
    async with ChatModel(Endpoint(Provider.OPENAI, "http://127.0.0.1:9/v1", model, "key")) as chat:
        for _ in range(50):
            some = chance.sample(MESSAGES, chance.randint(1, len(MESSAGES)))
            assert chat.model._get_request_payload(some)["messages"] == theirs._get_request_payload(some)["messages"]  # pyrefly: ignore[missing-attribute]


@given(SEEDS)
def test_whatever_happened_the_strictest_takes_it_and_no_word_is_lost(seed: int) -> None:
    chance = random.Random(seed)
    talk: list[BaseMessage] = []
    for number in range(chance.randint(1, 12)):
        match chance.randrange(4):
            case 0 | 1:
                talk.append(HumanMessage(f"user{number}"))
            case 2:
                talk.append(AIMessage(f"agent{number}"))
            case _:
                talk.append(called(f"c{number}", f"said{number}"))
                if chance.random() < 0.7:
                    talk.append(ToolMessage(f"result{number}", tool_call_id=f"c{number}"))
    talk.append(HumanMessage("the last"))
    sent = Takes().suited([RULES, *talk])
    assert strict(sent)
    said, told = ([word for one in these for word in one.text.split() if word[-1].isdigit()] for these in (talk, sent))
    assert told == said


TOO_LONG = [
    "This model's maximum context length is 4096 tokens. However, your messages resulted in 5000 tokens.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "The prompt (total length 5000) is too long and cannot fit into the model (context length 4096).",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096: reduce the length",
    "Requested tokens (5000) exceed context window of 4096",
    "exceed_context_size_error",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
    "input is too large to process. increase the physical batch size",
    "Trying to keep the first 11149 tokens when context the overflows. However, the model is loaded with context "
    "length of only 4096 tokens",
    "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Prompt length (5000) exceeds maximum input length (4096). Set log level to info and check TRTLLM logs",
    "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
    "Prompt exceeds max length",
    "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException",
    "The input length (5000) + max_new_tokens exceed session_len 4096",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000.",
]


@pytest.mark.parametrize("wording", TOO_LONG)
def test_what_was_too_long_is_sent_without_its_older_half_from_then_on(wording: str) -> None:
    talk: list[BaseMessage] = []
    for number in range(20):
        talk += [HumanMessage(f"question {number} " * 5), AIMessage(f"answer {number} " * 5)]
    talk.append(HumanMessage("the last"))
    takes = Takes()
    sentence = takes.learn(refusal(wording), talk, ())
    assert sentence is not None and "{name}" in sentence
    sent = takes.suited(talk)
    assert 1 < len(sent) <= len(talk) // 2 + 1 and sent[-1].text == "the last" and strict(sent)
    assert takes.learn(refusal(wording), talk, ())
    assert len(takes.suited(talk)) < len(sent), "still too long"
    assert takes.learn(refusal(wording), talk[-1:], ()) is None, "one question cannot be halved"


NO_TOOLS = [
    "registry.ollama.ai/library/gemma:latest does not support tools",
    '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
    "tools param requires --jinja flag",
    "Function calling is not enabled for this model",
    "This model does not support function calling",
    "No endpoints found that support tool use",
    "litellm.UnsupportedParamsError: bedrock does not support parameters: ['tools', 'tool_choice'], for model=x.",
    "BedrockException - bedrock does not support parameters {tools: [..]}",
    "`tool calling` is not supported with this model",
    "[{'type': 'extra_forbidden', 'loc': ('body', 'tools'), 'msg': 'Extra inputs are not permitted'}]",
    "Tool use has not been enabled, because it is unsupported by this model's chat template",
    "Template error: tools not supported by this template",
    "meta-llama/x is not supported for function calling.",
    "AiError: Bad input: Error: unexpected type 'tools'",
]


@pytest.mark.parametrize("wording", NO_TOOLS)
def test_who_takes_no_tools_is_asked_without(wording: str) -> None:
    takes = Takes()
    assert "takes no tools" in (takes.learn(refusal(wording), [HumanMessage("a")], ["tools"]) or "")
    assert not takes.tools
    assert takes.learn(refusal(wording), [HumanMessage("a")], ["tools"]) is None, "once"


NO_SYSTEM = [
    "System role not supported",
    "Only user, assistant and tool roles are supported, got system.",
    "Only user and assistant roles are supported!",
    "Conversation roles must alternate user/assistant/user/assistant/...",
    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
    "Developer instruction is not enabled for models/gemma-3-27b-it",
    "the role of message with index 0 should be user",
]


@pytest.mark.parametrize("wording", NO_SYSTEM)
def test_who_knows_no_system_role_is_told_the_rules_by_the_user(wording: str) -> None:
    takes = Takes()
    assert takes.learn(refusal(wording), [HumanMessage("a")], ()) is None, "nobody was told any"
    assert "system role" in (takes.learn(refusal(wording), [RULES, HumanMessage("a")], ["tools"]) or "")
    assert takes.tools and takes.learn(refusal(wording), [RULES, HumanMessage("a")], ()) is None, "once"
    assert [message.text for message in takes.suited([RULES, HumanMessage("a")])] == ["Be kind.\n\na"]


def test_words_that_a_filter_refused_are_not_sent_again() -> None:
    refused, bad = RefusedWords(), HumanMessage("something bad")
    error = refusal("filtered", code="content_filter")
    assert Takes().learn(error, [RULES, bad], ()) is None
    refused.note(error, [RULES, bad])
    sent = Takes().suited(refused.left_out([RULES, bad, HumanMessage("something else")]))
    assert "something bad" not in str(sent) and LEFT_OUT in sent[-1].text
    assert refused.left_out([RULES, bad])[-1] is bad, "said again, it is tried again"


def test_a_refusal_that_says_nothing_of_all_this_teaches_nothing() -> None:
    long = [HumanMessage("a"), AIMessage("b" * 9000), HumanMessage("c")]
    assert Takes().learn(refusal("invalid value"), [HumanMessage("a")], ["tools"]) is None
    assert Takes().learn(refusal("context length", status=503), long, ["tools"]) is None
    assert Takes().learn(OSError("gone"), long, ["tools"]) is None


FIELDS = {
    "OpenAI o4-mini": (
        "parallel_tool_calls",
        "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
    ),
    "LiteLLM to Ollama": (
        "parallel_tool_calls",
        "litellm.UnsupportedParamsError: ollama does not support parameters: ['parallel_tool_calls'], for model=phi4.",
    ),
    "Mistral, NIM": (
        "parallel_tool_calls",
        "[{'type': 'extra_forbidden', 'loc': ('body', 'parallel_tool_calls'), 'msg': 'Extra inputs are not allowed'}]",
    ),
    "OpenAI reasoning": (
        "temperature",
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) is.",
    ),
    "Azure o1": ("temperature", "Unrecognized request argument supplied: temperature"),
    "Groq": ("reasoning_effort", "`reasoning_effort` is not supported with this model"),
    "xAI": ("reasoning_effort", "Model grok-4-1-fast does not support parameter reasoningEffort."),
    "Ollama": ("reasoning_effort", '"llama3.2" does not support thinking'),
    "OpenAI gpt-4o": ("reasoning_effort", "Unrecognized request argument supplied: reasoning_effort"),
    "Bedrock": (
        "seed",
        "Failed to deserialize the JSON body into the target type: unknown field `seed`, expected one of `messages`, "
        "`model`, `reasoning_effort`, `temperature`, `parallel_tool_calls`, `tools`",
    ),
    "Gemini": (
        "presence_penalty",
        'Invalid JSON payload received. Unknown name "presence_penalty": Cannot find field.',
    ),
    "OpenAI search": ("top_p", "Model incompatible request argument supplied: top_p"),
}
ALL = {name: 1 for name in ("parallel_tool_calls", "temperature", "reasoning_effort", "seed", "top_p", "tools")} | {
    "presence_penalty": 1,
    "messages": 1,
}


@pytest.mark.parametrize(("field", "wording"), FIELDS.values(), ids=FIELDS.keys())
def test_a_field_that_is_refused_is_left_out_from_then_on_and_nothing_else(field: str, wording: str) -> None:
    takes = Takes()
    sentence = takes.learn(refusal(wording), [HumanMessage("a")], ALL)
    assert sentence is not None and field.replace("_", " ") in sentence.replace("_", " ")
    assert takes.trimmed(ALL) == {name: 1 for name in ALL if name != field}
    assert takes.learn(refusal(wording), [HumanMessage("a")], takes.trimmed(ALL)) is None, "once"


@pytest.mark.parametrize(
    ("sent", "other"), [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")]
)
def test_who_knows_the_length_by_its_other_name_is_told_it_by_that(sent: str, other: str) -> None:
    takes, wording = (
        Takes(),
        f"Unsupported parameter: '{sent}' is not supported with this model. Use '{other}' instead.",
    )
    assert takes.learn(refusal(wording), [HumanMessage("a")], [sent])
    assert takes.trimmed({sent: 9}) == {other: 9}
    assert takes.learn(refusal(f"Unknown parameter: '{other}'"), [HumanMessage("a")], [other])
    assert takes.trimmed({sent: 9}) == {}


BESIDE_TOOLS = "Function tools with reasoning_effort are not supported for gpt-5.{} in /v1/chat/completions. {}"
RESPONSES = "Please use /v1/responses instead."
OR_NONE = "To use function tools, use /v1/responses or set reasoning_effort to 'none'."


@pytest.mark.parametrize(
    ("wording", "sent", "then"),
    [
        (BESIDE_TOOLS.format(4, RESPONSES), {"reasoning_effort": "low"}, {}),
        (BESIDE_TOOLS.format(6, OR_NONE), {"reasoning_effort": "low"}, {"reasoning_effort": "none"}),
        (BESIDE_TOOLS.format(6, OR_NONE), {}, {"reasoning_effort": "none"}),
    ],
    ids=["left out", "none", "its own default is refused"],
)
def test_tools_matter_more_than_a_reasoning_effort(wording: str, sent: dict[str, str], then: dict[str, str]) -> None:
    takes, request = Takes(), {"tools": [], **sent}
    assert "reason" in (takes.learn(refusal(wording), [HumanMessage("a")], request) or "")
    assert takes.trimmed(request) == {"tools": [], **then}
    assert takes.tools


def test_what_is_refused_inside_the_stream_counts_too() -> None:
    """LM Studio and llama.cpp begin to answer before they look."""
    request = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
    error = openai.APIError("this model does not support tools", request, body={"message": "does not support tools"})
    takes = Takes()
    assert "tools" in (takes.learn(error, [HumanMessage("a")], ["tools"]) or "")


def test_who_wants_short_names_of_calls_gets_them_and_nobody_is_mixed_up() -> None:
    talk = [
        *(HumanMessage("a"), called("call_1"), ToolMessage("x", tool_call_id="call_1")),
        *(called("123456789"), ToolMessage("y", tool_call_id="123456789"), AIMessage("b"), HumanMessage("c")),
    ]
    takes = Takes()
    wording = "Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."
    assert takes.learn(refusal(wording), talk, ["tools"])
    sent = takes.suited(talk)
    ids = [call["id"] or "" for message in sent if isinstance(message, AIMessage) for call in message.tool_calls]
    assert [message.tool_call_id for message in sent if isinstance(message, ToolMessage)] == ids
    assert all(len(id) == 9 and id.isalnum() for id in ids) and ids[1] == "123456789" and strict(sent)
    assert talk[1].tool_calls[0]["id"] == "call_1", "memory stays as it is"  # pyrefly: ignore[missing-attribute]
