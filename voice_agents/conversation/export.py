"""A conversation to take away: as Markdown for people, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.conversation.shelf import ConversationSummary

_FIGURES = 1000.0
"""Latencies are milliseconds in what people and programs are given."""


_NO_FACTS = TurnFacts(at=0.0)


class Format(StrEnum):
    """What a conversation can be written as."""

    MARKDOWN = "md"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ExportedTurn:
    """What the user said and what came of it. ``facts`` are empty where an earlier version stored it."""

    facts: TurnFacts
    entries: list[HistoryEntry] = field(default_factory=list)


def turns_of(entries: Iterable[HistoryEntry]) -> list[ExportedTurn]:
    """The entries by turn: one begins with what the user said, or where the agent spoke up by itself."""
    turns: list[ExportedTurn] = []
    for entry in entries:
        if entry.facts is not None or entry.role is Speaker.USER or not turns:
            turns.append(ExportedTurn(entry.facts or _NO_FACTS))
        turns[-1].entries.append(entry)
    return turns


def written_as(format: Format, summary: ConversationSummary, entries: Sequence[HistoryEntry]) -> str:
    """The whole conversation."""
    turns = turns_of(entries)
    return _json(summary, turns) if format is Format.JSON else _markdown(summary, turns)


def _json(summary: ConversationSummary, turns: Iterable[ExportedTurn]) -> str:
    data = {
        "title": summary.title,
        "created": _time(summary.created),
        "updated": _time(summary.updated),
        "turns": [_turn_data(turn) for turn in turns],
    }
    return json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n"


def _turn_data(turn: ExportedTurn) -> dict[str, Any]:
    facts = turn.facts
    return {
        "at": _time(facts.at) if facts.at else None,
        "engine": facts.engine or None,
        "user": "\n".join(entry.text for entry in turn.entries if entry.role is Speaker.USER) or None,
        "agent": {
            "heard": " ".join(entry.text for entry in turn.entries if entry.role is Speaker.AGENT),
            "unheard": facts.unheard,
            "interrupted": any(entry.interrupted for entry in turn.entries) or bool(facts.unheard),
        },
        "tools": [
            {"name": entry.name, "arguments": dict(entry.args), "result": entry.text, "failed": entry.error}
            for entry in turn.entries
            if entry.role is Speaker.TOOL
        ],
        "latency_ms": {name: round(_FIGURES * value, 1) for name, value in facts.latency.items()},
    }


def _markdown(summary: ConversationSummary, turns: Iterable[ExportedTurn]) -> str:
    lines = [f"# {_plain(summary.title)}", "", f"Begun {_time(summary.created)}, {_turns(summary.turns)}.", ""]
    for turn in turns:
        lines += _turn_lines(turn)
    return "\n".join(lines).rstrip() + "\n"


def _turn_lines(turn: ExportedTurn) -> Iterator[str]:
    unheard = turn.facts.unheard
    last = max((i for i, entry in enumerate(turn.entries) if entry.role is Speaker.AGENT), default=-1)
    for number, entry in enumerate(turn.entries):
        match entry.role:
            case Speaker.USER:
                yield f"**You:** {_plain(entry.text)}"
            case Speaker.TOOL:
                asked = json.dumps(dict(entry.args), ensure_ascii=False, default=str)
                yield f"> Tool `{entry.name}` {_plain(asked)}: {_plain(entry.text)}{' (failed)' if entry.error else ''}"
            case Speaker.AGENT:
                rest = f" ~~{_plain(unheard)}~~" if unheard and number == last else " …" if entry.interrupted else ""
                yield f"**Agent:** {_plain(entry.text)}{rest}"
        yield ""
    if unheard and last < 0:
        yield from (f"**Agent:** ~~{_plain(unheard)}~~", "")
    figure = turn.facts.latency.get("voice_to_voice")
    about = [turn.facts.engine.capitalize(), "" if figure is None else f"{_FIGURES * figure:.0f} ms"]
    if told := ", ".join(part for part in about if part):
        yield from (f"<sub>{told}</sub>", "")


def _plain(text: str) -> str:
    """Text that stays text in Markdown, in one paragraph."""
    signs = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>#~|"})
    return " ".join(text.split()).translate(signs)


def _turns(count: int) -> str:
    return f"{count} turn{'' if count == 1 else 's'}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
