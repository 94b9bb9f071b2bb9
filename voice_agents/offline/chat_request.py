"""Chat-completions requests, checked as the vendor checks them, and the vendor's error bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from voice_agents.offline.brain import Message, MessageRole, ToolCall

UNKNOWN_MODEL = "missing"
"""The one model (or deployment) that is not there; every other name is taken."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "a boolean": (bool,),
    "an integer": (int,),
    "a decimal": (float, int),
    "a string": (str,),
    "an array": (list,),
    "an object": (dict,),
    "a string or an object": (str, dict),
}
"""JSON types as the vendor names them; a value's own is the first that has its type."""
_EXPECTED = {
    "messages": "an array",
    "tools": "an array",
    "tool_choice": "a string or an object",
    "parallel_tool_calls": "a boolean",
    "stream": "a boolean",
    "stream_options": "an object",
    "n": "an integer",
    "seed": "an integer",
    "max_tokens": "an integer",
    "max_completion_tokens": "an integer",
    "temperature": "a decimal",
    "top_p": "a decimal",
    "presence_penalty": "a decimal",
    "frequency_penalty": "a decimal",
}
"""Of what type a parameter must be unless it is null; the ones that do not stand here are not looked at."""

_ROLES = {role: role for role in get_args(MessageRole)} | {"developer": "system"}


class Refused(Exception):
    """The request is answered with this error; ``str(error)`` is the vendor's message."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, kind, param, code)


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The JSON body of every error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


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
    """The request in this body; on classic Azure the path names the model. Raises ``Refused``."""
    try:
        asked = json.loads(body)
    except ValueError:
        raise Refused(
            "We could not parse the JSON body of your request. The OpenAI API expects a JSON payload."
        ) from None
    if not isinstance(asked, dict):
        raise Refused("The body of your request must be a JSON object.")
    _check_types(asked)
    if asked.get("n") not in (None, 1):
        raise Refused("Several choices are not supported offline: 'n' must be 1.", param="n")
    messages = asked.get("messages")
    if messages is None:
        raise Refused("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    if not messages:
        raise Refused(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    parsed = tuple(_message(at, message) for at, message in enumerate(messages))
    _check_calls(parsed)
    options = asked.get("stream_options")
    return ChatRequest(
        model=check_model(deployment or asked.get("model")),
        messages=parsed,
        tools=frozenset() if asked.get("tool_choice") == "none" else _tools(asked.get("tools")),
        one_call=asked.get("parallel_tool_calls") is False,
        stream=asked.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def check_model(model: Any) -> str:
    """The name of a model that is there. Raises ``Refused``."""
    if not isinstance(model, str) or not model:
        raise Refused("you must provide a model parameter")
    if model == UNKNOWN_MODEL:
        raise Refused(
            f"The model `{model}` does not exist or you do not have access to it.", status=404, code="model_not_found"
        )
    return model


def _check_types(asked: Mapping[str, Any]) -> None:
    for name, expected in _EXPECTED.items():
        value = asked.get(name)
        if value is not None and type(value) not in _TYPES[expected]:
            got = next(kind for kind, types in _TYPES.items() if type(value) in types)
            raise Refused(
                f"Invalid type for '{name}': expected {expected}, but got {got} instead.",
                param=name,
                code="invalid_type",
            )


def _tools(tools: list[Any] | None) -> frozenset[str]:
    names = []
    for at, tool in enumerate(tools or ()):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Refused(
                f"Missing required parameter: 'tools[{at}].function'.",
                param=f"tools[{at}].function",
                code="missing_required_parameter",
            )
        names.append(function["name"])
    return frozenset(names)


def _message(at: int, message: Any) -> Message:
    if not isinstance(message, dict):
        raise Refused(
            f"Invalid type for 'messages[{at}]': expected an object.", param=f"messages[{at}]", code="invalid_type"
        )
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        raise Refused(
            f"Invalid value: {json.dumps(message.get('role'))}. Supported values are: 'system', 'assistant', 'user', "
            "'tool', and 'developer'.",
            param=f"messages[{at}].role",
            code="invalid_value",
        )
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise Refused(
            f"Invalid type for 'messages[{at}].tool_calls': expected an array.",
            param=f"messages[{at}].tool_calls",
            code="invalid_type",
        )
    text = _text(at, message.get("content"), optional=role == "assistant")
    return Message(role, text, tuple(_call(at, call) for call in calls), str(message.get("tool_call_id", "")))


def _text(at: int, content: Any, *, optional: bool) -> str:
    """A text, or the text parts of a list; an assistant message may have none."""
    if isinstance(content, str):
        return content
    if content is None and optional:
        return ""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise Refused(
            f"Invalid value for 'content': expected a string, got {json.dumps(content)}.",
            param=f"messages.[{at}].content",
        )
    return " ".join(str(part["text"]) for part in content if part.get("type") == "text" and "text" in part)


def _call(at: int, call: Any) -> ToolCall:
    try:
        arguments = json.loads(call["function"]["arguments"] or "{}")
        return ToolCall(call["id"], call["function"]["name"], arguments if isinstance(arguments, dict) else {})
    except (KeyError, TypeError, ValueError):
        raise Refused(
            f"Invalid 'messages[{at}].tool_calls': id, function.name and function.arguments (JSON) are required.",
            param=f"messages[{at}].tool_calls",
        ) from None


def _check_calls(messages: Sequence[Message]) -> None:
    """Every call is answered before anything else is said, and nothing is answered that was not called."""
    open_calls: list[str] = []
    for at, message in enumerate([*messages, Message("system", "")]):
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{at}].role",
                )
            open_calls.remove(message.tool_call_id)
        elif open_calls:
            raise Refused(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}",
                param=f"messages.[{at}].role",
            )
        else:
            open_calls = [call.id for call in message.tool_calls]
