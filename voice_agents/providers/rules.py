"""Rules for the messages of a conversation that every chat server asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage

M = TypeVar("M", bound=BaseMessage)
T = TypeVar("T")

CANCELLED = "cancelled by the user"
"""The result of a call that has none: its turn was cut before the tool was done."""


def valid(messages: Sequence[M]) -> list[M | ToolMessage]:
    """The messages with every tool call answered right after it and no answer without its call.

    A run that was killed leaves calls without answers, which every provider refuses.
    """
    kinds = [kind_of(type(message)) for message in messages]
    results = {
        message.tool_call_id: message
        for message, kind in zip(messages, kinds, strict=True)
        if kind is ToolMessage and isinstance(message, ToolMessage)
    }
    repaired: list[M | ToolMessage] = []
    for message, kind in zip(messages, kinds, strict=True):
        if kind is ToolMessage:
            continue
        repaired.append(message)
        if kind is AIMessage and isinstance(message, AIMessage) and message.tool_calls:
            repaired += answered(message, results)
    return repaired


@cache
def kind_of(message: type[BaseMessage]) -> type[BaseMessage]:
    """Whose message it is, chunks and all: one of the four, or BaseMessage. To ask each message of a thousand turns
    what it is an instance of takes five times as long.
    """
    kinds = (HumanMessage, AIMessage, ToolMessage, SystemMessage)
    return next((kind for kind in kinds if issubclass(message, kind)), BaseMessage)


def answered(message: AIMessage, results: Mapping[str, ToolMessage]) -> list[ToolMessage]:
    """The results of a message's calls; one that has none was cancelled."""
    return [results.get(call["id"] or "") or _cancelled(call) for call in message.tool_calls]


def size_of(message: BaseMessage) -> int:
    """Characters of a message and of what its calls are given."""
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return len(message.text) + sum(len(str(call["args"])) for call in calls)


def newest(items: Sequence[T], size: Callable[[T], int], of_user: Callable[[T], bool], budget: int, most: int) -> int:
    """Where the last items begin that are together no larger than ``budget``, and no more than ``most``.

    With something of the user; there is at least one turn, however large it is.
    """
    start = len(items)
    used = 0
    for index in range(len(items) - 1, -1, -1):
        used += size(items[index])
        if (used > budget or len(items) - index > most) and start < len(items):
            return start
        if of_user(items[index]):
            start = index
    return 0


def _cancelled(call: ToolCall) -> ToolMessage:
    return ToolMessage(CANCELLED, tool_call_id=call["id"], name=call["name"], status="error")
