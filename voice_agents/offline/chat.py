"""OpenAI and Azure chat completions: requests checked as the vendor checks them, answers by the rule-based model.

Streamed chunks: the role, one per token or piece of a tool call, the finish reason, the usage if asked for, ``[DONE]``.

Every model name but ``UNKNOWN_MODEL`` is taken and answered by the same model, whose rules alone decide what is said
and whether a tool is called: ``tool_choice`` "required" or a named function forces no call. The types of sampling
settings and token limits are checked, but they change nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from voice_agents.offline.brain import FunctionCall, Message, MessageRole, Reply
from voice_agents.offline.checks import (
    SERVER_ERROR,
    Rejected,
    check_type,
    error_body,
    error_named,
    is_openais,
    missing,
    parse_object,
    refusal,
)
from voice_agents.offline.faults import Service
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import faulty_body

MODEL = "offline-agent"
"""The one name in the models list; requests may use any, and each is found by itself."""

_TOKEN = re.compile(r"\s*(?:\w{1,12}|[^\w\s])|\s+$")
"""Tokens as they are cut here, a little fewer than a real tokeniser's."""

Deltas = AsyncGenerator[dict[str, Any], None]

UNKNOWN_MODEL = "missing"
"""The one model (or deployment) that is not there; every other name is taken."""


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
    from voice_agents.offline.vendor_types import CHAT_REQUEST

    asked = {
        name: value for name, value in parse_object(body, "the JSON body of your request").items() if value is not None
    }
    asked["model"] = check_model(deployment or asked.get("model"))
    if not asked.get("messages", True):
        raise Rejected("Invalid 'messages': empty array. At least one message is needed.", "empty_array", "messages")
    check_type(CHAT_REQUEST, asked)
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
    calls = tuple(_called(f"messages[{at}].tool_calls", call) for call in given.get("tool_calls") or ())
    roles: dict[str, MessageRole] = {"developer": "system", "function": "tool"}
    return Message(roles.get(given["role"], given["role"]), content, calls, given.get("tool_call_id", ""))


def _called(path: str, call: dict[str, Any]) -> FunctionCall:
    if call["type"] != "function":
        raise missing(f"{path}.function")
    try:
        return FunctionCall.of(call["id"], call["function"]["name"], call["function"]["arguments"])
    except ValueError:
        raise Rejected(f"Invalid '{path}': the arguments are not JSON.", param=path) from None


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


def tokens(text: str) -> int:
    """How many tokens a text is."""
    return len(_TOKEN.findall(text))


def routes(services: Services) -> list[BaseRoute]:
    """The chat routes: ``/v1`` (OpenAI), ``/openai/v1`` (Azure) and classic Azure ``/openai/deployments/...``.

    ``/v1/models`` is ElevenLabs' too: these routes have to come before its. Faults and pace are those of ``services``
    when a request comes; faults of the service ``chat`` strike completions, a chunk of a stream counts as a message.
    """

    async def models(_request: Request) -> Response:
        """The one model."""
        return JSONResponse({"object": "list", "data": [_model(MODEL)]})

    async def model(request: Request) -> Response:
        """The one model, by any of the names requests may use."""
        return JSONResponse(_model(check_model(request.path_params["model"])))

    async def complete(request: Request) -> Response:
        """A completion, as one JSON object or as a stream of events."""
        received = time.monotonic()
        faults = services.faults.begin(Service.CHAT)
        if faults.refusal:
            raise refusal(faults.refusal.status, faults.refusal.name)
        asked = parse(await request.body(), request.path_params.get("deployment"))
        reply = services.brain.reply(asked.messages, asked.tools)
        if asked.one_call:
            reply = Reply(reply.text, reply.tool_calls[:1])
        completion = _Completion(asked, reply)
        deltas = _paced(services, completion, received)
        pieces = completion.events(deltas) if asked.stream else completion.whole(deltas)
        malformed = b'data: {"id":"chatcmpl-\n\n' if asked.stream else b'{"id":"chatcmpl-'
        body = faulty_body(pieces, faults, request.scope, malformed=malformed, error=_error_event)
        return StreamingResponse(body, media_type="text/event-stream" if asked.stream else "application/json")

    completions = ("/v1", "/openai/v1", "/openai/deployments/{deployment}")
    return [
        *(Route(f"{base}/chat/completions", complete, methods=["POST"]) for base in completions),
        _SharedRoute("/v1/models", models),
        _SharedRoute("/v1/models/{model:path}", model),
        *(Route(f"{base}/models", models) for base in ("/openai/v1", "/openai")),
        *(Route(f"{base}/models/{{model:path}}", model) for base in ("/openai/v1", "/openai")),
    ]


async def _paced(services: Services, completion: _Completion, received: float) -> Deltas:
    """The deltas, each when its time has come; the event loop gets its turn after every one."""
    due = received + services.pace.chat_first_token_s
    with services.connections.opened(Service.CHAT):
        for delta in completion.deltas():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            yield delta
            due += services.pace.chat_token_s


class _SharedRoute(Route):
    """A path another vendor has, too: it is ours when our clients ask."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        ours = scope["type"] == "http" and is_openais(HTTPConnection(scope))
        return super().matches(scope) if ours else (Match.NONE, {})


class _Completion:
    """One answer in the vendor's words."""

    def __init__(self, asked: ChatRequest, reply: Reply) -> None:
        self._asked = asked
        self._reply = reply
        self._frame = {
            "id": f"chatcmpl-{uuid.uuid4().hex[:29]}",
            "created": int(time.time()),
            "model": asked.model,
            "system_fingerprint": "fp_offline",
        }
        self._finish_reason = "tool_calls" if reply.tool_calls else "stop"

    def deltas(self) -> Iterator[dict[str, Any]]:
        """The answer token by token, then its tool calls: id and name first, then the arguments in pieces."""
        for token in _TOKEN.findall(self._reply.text):
            yield {"content": token}
        for index, call in enumerate(self._reply.tool_calls):
            yield {"tool_calls": [{"index": index, **_call(call, "")}]}
            for piece in call.pieces():
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    async def events(self, deltas: Deltas) -> AsyncGenerator[bytes, None]:
        """The answer as a stream; the role leaves with the first token, as it does at the vendor."""
        begun = False
        async for delta in deltas:
            if not begun:
                yield self._chunk({"role": "assistant", "content": "", "refusal": None})
            begun = True
            yield self._chunk(delta)
        yield self._chunk({}, self._finish_reason)
        if self._asked.include_usage:
            yield self._chunk(None)
        yield b"data: [DONE]\n\n"

    async def whole(self, deltas: Deltas) -> AsyncGenerator[bytes, None]:
        """The answer as one JSON object, when its last token is due."""
        async for _ in deltas:
            pass
        message: dict[str, Any] = {"role": "assistant", "content": self._reply.text or None, "refusal": None}
        if self._reply.tool_calls:
            message["tool_calls"] = [_call(call, call.written) for call in self._reply.tool_calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        body = {**self._frame, "object": "chat.completion", "choices": [choice], "usage": self._usage()}
        yield json.dumps(body).encode()

    def _chunk(self, delta: Mapping[str, Any] | None, finish_reason: str | None = None) -> bytes:
        """An event of the stream; without a delta the one that brings the usage."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = {**self._frame, "object": "chat.completion.chunk", "choices": [] if delta is None else [choice]}
        usage = {"usage": self._usage() if delta is None else None} if self._asked.include_usage else {}
        return _event(chunk | usage)

    def _usage(self) -> dict[str, Any]:
        prompt = sum(tokens(message.text) for message in self._asked.messages)
        answer = sum(1 for _ in self.deltas())
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


def _event(data: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _error_event(name: str) -> bytes:
    """An error in the middle of a stream, with this code."""
    return _event(error_body(error_named(SERVER_ERROR), SERVER_ERROR, None, name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "offline"}


def _call(call: FunctionCall, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
