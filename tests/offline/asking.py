"""Asks the offline agent, with all tools on offer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from voice_agents.offline.brain import Brain, Message, Reply

TOOLS = frozenset({"get_time", "calculate", "convert_units", "roll_dice", "flip_coin", "set_timer", "list_timers"}) | {
    "cancel_timers", "save_note", "list_notes", "delete_notes",
}  # fmt: skip
Calls = list[tuple[str, dict[str, Any]]]


def heard(text: str, *before: Message, tools: Collection[str] = TOOLS) -> Reply:
    return Brain().reply([*before, Message("user", text)], tools)


def calls(text: str, *before: Message) -> Calls:
    return [(call.name, dict(call.arguments)) for call in heard(text, *before).tool_calls]


def answer(text: str, *before: Message) -> str:
    reply = heard(text, *before)
    assert not reply.tool_calls
    return reply.text
