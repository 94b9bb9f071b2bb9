"""What a fresh server session is told of the conversation so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.engines.turn import SpeechStep, Turn
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.rules import newest

PAST_BUDGET = 24_000
"""Characters of the past a fresh server session is told, about 6000 tokens: the Sandwich's model is shown as many."""


def past_items(entries: Sequence[HistoryEntry], current: Turn) -> list[PastItem]:
    """What a fresh server session is told: the end of what is remembered, and the turn that is under way."""
    return [*_past_of(_recent(entries)), *_past_of_turn(current)]


def _recent(entries: Sequence[HistoryEntry]) -> Sequence[HistoryEntry]:
    """The last entries within the budget, beginning with something the user said; at least one turn."""
    start = newest(
        entries,
        lambda entry: len(entry.text) + len(str(dict(entry.args))),
        lambda entry: entry.role is Speaker.USER,
        PAST_BUDGET,
        len(entries),
    )
    return entries[start:]


def _past_of(entries: Sequence[HistoryEntry]) -> list[PastItem]:
    """Stored entries as a server session is told them."""
    items: list[PastItem] = []
    for entry in entries:
        match entry.role:
            case Speaker.USER:
                items.append(PastItem("user", text=entry.text))
            case Speaker.AGENT:
                items.append(PastItem("assistant", text=entry.text))
            case Speaker.TOOL:
                arguments = json.dumps(dict(entry.args))
                items.append(PastItem("call", call_id=entry.call_id, name=entry.name, arguments=arguments))
                items.append(PastItem("output", text=entry.text, call_id=entry.call_id))
    return items


def _past_of_turn(turn: Turn) -> list[PastItem]:
    """What a fresh server session has to know of a turn that is still under way; what has sounded will be heard."""
    items = [PastItem("user", text=turn.user.certain)] if turn.user.certain else []
    for step in turn.steps:
        if isinstance(step, SpeechStep):
            if heard := step.heard(turn.samples):
                items.append(PastItem("assistant", text=heard, answering=True))
            continue
        if step.repeated:
            continue
        about: dict[str, Any] = {"call_id": step.call_id, "answering": True}
        items.append(PastItem("call", name=step.name, arguments=step.arguments, **about))
        if step.result is not None:
            items.append(PastItem("output", text=step.result, **about))
    return items
