"""Chat-completions requests, checked as the vendor checks them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import ConfigDict, TypeAdapter

from voice_agents.offline.brain import Message, MessageRole, ToolCall
from voice_agents.offline.checks import Rejected, check_type, missing, parse_object

UNKNOWN_MODEL = "missing"
"""The one model (or deployment) that is not there; every other name is taken."""


class _Request(CompletionCreateParamsBase, total=False):
    stream: bool | None


# pydantic takes a configuration for what is no class of its own only
_TYPE = TypeAdapter[Any](_Request | None, config=ConfigDict(strict=True))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What was asked, checked."""

    model: str
    messages: tuple[Message, ...]
    tools: frozenset[str]
    """Names of the functions that may be called; empty with ``tool_choice: "none"``."""
    one_call: bool
    """``parallel_tool_calls: false``."""
    stream: bool
    include_usage: bool


def parse(body: bytes, deployment: str | None = None) -> ChatRequest:
    """The request in this body; on classic Azure the path names the model. Raises ``Rejected``."""
    asked = {
        name: value for name, value in parse_object(body, "the JSON body of your request").items() if value is not None
    }
    asked["model"] = check_model(deployment or asked.get("model"))
    if not asked.get("messages", True):
        raise Rejected("Invalid 'messages': empty array. At least one message is needed.", "empty_array", "messages")
    check_type(_TYPE, asked)
    if asked.get("n", 1) != 1:
        raise Rejected("Several choices are not supported offline: 'n' must be 1.", param="n")
    messages = tuple(_message(at, message) for at, message in enumerate(asked["messages"]))
    _check_calls(messages)
    tools = frozenset(tool["function"]["name"] for tool in asked.get("tools", ()) if tool["type"] == "function")
    return ChatRequest(
        model=asked["model"],
        messages=messages,
        tools=frozenset() if asked.get("tool_choice") == "none" else tools,
        one_call=asked.get("parallel_tool_calls") is False,
        stream=asked.get("stream") is True,
        include_usage=asked.get("stream_options", {}).get("include_usage") is True,
    )


def check_model(model: Any) -> str:
    """The name of a model that is there. Raises ``Rejected``."""
    if not isinstance(model, str) or not model:
        raise Rejected("you must provide a model parameter")
    if model == UNKNOWN_MODEL:
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Rejected(message, "model_not_found", status=404)
    return model


def _message(at: int, given: dict[str, Any]) -> Message:
    """A message of the vendor's types: its text, or the text parts of a list."""
    content = given.get("content") or ""
    if not isinstance(content, str):
        content = " ".join(part["text"] for part in content if part["type"] == "text")
    calls = tuple(_call(f"messages[{at}].tool_calls", call) for call in given.get("tool_calls") or ())
    roles: dict[str, MessageRole] = {"developer": "system", "function": "tool"}
    return Message(roles.get(given["role"], given["role"]), content, calls, given.get("tool_call_id", ""))


def _call(path: str, call: dict[str, Any]) -> ToolCall:
    if call["type"] != "function":
        raise missing(f"{path}.function")
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
    except ValueError:
        raise Rejected(f"Invalid '{path}': the arguments are not JSON.", param=path) from None
    return ToolCall(call["id"], call["function"]["name"], arguments if isinstance(arguments, dict) else {})


def _check_calls(messages: Sequence[Message]) -> None:
    """Every call is answered before anything else is said, and nothing is answered that was not called."""
    open_calls: list[str] = []
    for at, message in enumerate([*messages, Message("system", "")]):
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                raise Rejected(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{at}].role",
                )
            open_calls.remove(message.tool_call_id)
        elif open_calls:
            raise Rejected(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
                param=f"messages.[{at}].role",
            )
        else:
            open_calls = [call.id for call in message.tool_calls]
