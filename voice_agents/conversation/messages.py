"""Pure rules for a conversation's messages: what is valid, what was heard, what the model is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage

from voice_agents.conversation.deeds import Deed, Deeds
from voice_agents.providers.rules import answered, newest, size_of
from voice_agents.tools import ToolResult

INTERRUPTED = "interrupted"
"""Key in ``additional_kwargs`` of an AIMessage whose text breaks off where the user stopped hearing it."""

BY_AGENT = "by_agent"
"""Key in ``additional_kwargs`` of a HumanMessage that a graph has written: a summary, a critique, a worker's result."""

FRAME = 16
"""Characters' worth of tokens by which providers mark where a message begins, whose it is and where it ends."""


@dataclass(slots=True)
class Answer:
    """One message of the model while it comes in. ``message`` is set once it is complete."""

    id: str
    message: AIMessage | None = None


@dataclass(slots=True)
class Record:
    """What the agent did in one turn so far: the model's messages, and what tools returned per call id."""

    answers: list[Answer] = field(default_factory=list)
    results: dict[str, ToolMessage] = field(default_factory=dict)
    deeds: Deeds = field(default_factory=Deeds)
    """What tools with side effects did for this turn of the user, also in answers to it that were taken back."""
    over: bool = False
    """The turn is being stored or forgotten: nothing more may begin."""

    def done_before(self) -> list[AnyMessage]:
        """What was done for answers that were taken back, as messages; a deed that is not over is left out."""
        done = [(deed, deed.result) for deed in self.deeds.withdrawn]
        return [message for deed, result in done if result for message in _done(deed, result)]

    def as_heard(self, heard: Mapping[str, str]) -> list[AnyMessage]:
        """The messages that stay. ``heard`` has the text played per message id, missing if nothing was.

        Text is cut to what was heard and left out if nothing was; a call without a result is answered as cancelled.
        """
        kept = self.done_before()
        for deed in self.deeds.present:
            if deed.call_id not in self.results and deed.result is not None:
                self.results[deed.call_id] = tool_message(deed.name, deed.call_id, deed.result)
        for answer in self.answers:
            said = answer.message or AIMessage("", id=answer.id)
            message = cut(said, said.text, heard.get(answer.id, ""))
            if message is not None:
                kept += [message, *answered(message, self.results)]
        return kept


def whole(text: str) -> str:
    """Without halves of characters (lone surrogates, as of a cut emoji): clients send them, and nothing stores them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        return joined.encode(errors="replace").decode()
    return text


def storable(message: AnyMessage) -> AnyMessage:
    """The message with every text in it :func:`whole`."""
    parts: dict[str, Any] = {"content": message.content}
    if isinstance(message, AIMessage):
        parts["tool_calls"] = message.tool_calls
    mended = {name: _all_whole(part) for name, part in parts.items()}
    return message if mended == parts else message.model_copy(update=mended)


def _all_whole(value: Any) -> Any:
    match value:
        case str():
            return whole(value)
        case dict():
            return {_all_whole(name): _all_whole(part) for name, part in value.items()}
        case list():
            return [_all_whole(part) for part in value]
    return value


def recent(messages: Sequence[AnyMessage], budget: int, most: int) -> list[AnyMessage]:
    """The last messages, from a user's message on; at least one turn.

    They are at most ``most``, and at most ``budget`` characters long, each with its :data:`FRAME`.
    """
    start = newest(messages, lambda one: FRAME + size_of(one), lambda one: isinstance(one, HumanMessage), budget, most)
    return list(messages[start:])


def cut(message: AIMessage, told: str, heard: str) -> AIMessage | None:
    """The message with what was heard of it; None when nothing of it stays. ``told``: what of it was to be spoken."""
    whole = same(heard, told)
    if whole and same(told, message.text):
        return message if message.text.strip() or message.tool_calls else None
    if not heard.strip() and not message.tool_calls:
        return None
    marks = {} if whole else {INTERRUPTED: True}
    return AIMessage(heard, id=message.id, name=message.name, tool_calls=message.tool_calls, additional_kwargs=marks)


def same(one: str, other: str) -> bool:
    """The same words, however they are spaced."""
    return one.split() == other.split()


def tool_message(name: str, call_id: str, result: ToolResult) -> ToolMessage:
    """What a tool returned, as the model is told."""
    status: Literal["error", "success"] = "error" if result.error else "success"
    return ToolMessage(result.text, name=name, tool_call_id=call_id, status=status)


def _done(deed: Deed, result: ToolResult) -> tuple[AIMessage, ToolMessage]:
    call = ToolCall(name=deed.name, args=dict(deed.args), id=deed.call_id, type="tool_call")
    return AIMessage("", id=deed.call_id, tool_calls=[call]), tool_message(deed.name, deed.call_id, result)
