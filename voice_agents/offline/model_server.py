"""A server of language models on this machine (Ollama and the like) that answers in place of the rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from voice_agents.offline.brain import FunctionCall, Message
from voice_agents.turns.sentences import SpeechSplitter

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_S, SILENT_S = 5.0, 120.0
"""A model that is not in memory yet takes long to say its first word."""


@dataclass(frozen=True, slots=True)
class ModelServer:
    """Where it is, and which of its models answers."""

    base_url: str
    """Ends with ``/v1``."""
    model: str

    async def answer(
        self, messages: Sequence[Message], functions: Sequence[dict[str, Any]]
    ) -> AsyncGenerator[str | FunctionCall, None]:
        """What it says, in pieces that can be spoken, as they come; then the functions it calls.

        ``functions`` as in a Realtime session. Raises RuntimeError with a plain sentence when it does not answer.
        """
        import openai  # half a second, which a server that starts has no need of

        splitter, calls = SpeechSplitter(), dict[int, dict[str, str]]()
        tools: Any = [{"type": "function", "function": _without_type(function)} for function in functions]
        try:
            async with self._client() as client:
                stream = await client.chat.completions.create(
                    model=self.model, messages=_wire(messages), tools=tools or openai.omit, stream=True
                )
                async for chunk in stream:
                    delta = chunk.choices[0].delta if chunk.choices else None
                    for piece in splitter.feed((delta and delta.content) or ""):
                        yield piece
                    for part in (delta and delta.tool_calls) or ():
                        _add(calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""}), part)
        except openai.OpenAIError as error:
            reason = getattr(error, "message", "") or type(error).__name__
            raise RuntimeError(f"The model server at {self.base_url} does not answer: {reason}") from error
        if rest := splitter.flush():
            yield rest
        for at, call in sorted(calls.items()):
            yield FunctionCall.lenient(call["id"] or f"call_{at}", call["name"], call["arguments"])

    def _client(self) -> AsyncOpenAI:
        import openai

        timeout = openai.Timeout(SILENT_S, connect=CONNECT_S)
        direct = openai.DefaultAsyncHttpxClient(trust_env=False, timeout=timeout)  # no proxy leads to this machine
        return openai.AsyncOpenAI(
            base_url=self.base_url, api_key="local", timeout=timeout, max_retries=0, http_client=direct
        )


def _without_type(function: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in function.items() if name != "type" and value is not None}


def _add(call: dict[str, str], part: Any) -> None:
    """The next piece of a call."""
    call["id"] = part.id or call["id"]
    if part.function is not None:
        call["name"] += part.function.name or ""
        call["arguments"] += part.function.arguments or ""


def _wire(messages: Sequence[Message]) -> Any:
    """As OpenAI's protocol has them: calls that belong together in one message, and nothing without words."""
    wire: list[dict[str, Any]] = []
    for message in messages:
        calls = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.written},
            }
            for call in message.tool_calls
        ]
        if calls and wire and "tool_calls" in wire[-1]:
            wire[-1]["tool_calls"] += calls
        elif calls:
            wire.append({"role": "assistant", "content": message.text, "tool_calls": calls})
        elif message.role == "tool":
            wire.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text})
        elif message.text:
            wire.append({"role": message.role, "content": message.text})
    return wire
