"""One turn of a Realtime conversation: what the user said, what the agent said and did, and how much was heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_agents.audio import Pcm
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.providers.realtime_config import PastItem
from voice_agents.providers.realtime_events import ToolCall
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.voiced import VoicedWords

CANCELLED = "cancelled by the user"
"""The result of a tool that was still running when its turn was cut."""


@dataclass(slots=True)
class SpokenItem:
    """One assistant message of the server; ``start`` is its first sample in the turn's sound."""

    item_id: str
    start: int
    words: VoicedWords = field(default_factory=VoicedWords)


@dataclass(slots=True)
class ToolRun:
    """A tool call and, when it is done, its result."""

    call: ToolCall
    args: Mapping[str, Any]
    result: str | None = None
    error: bool = False


@dataclass(slots=True)
class RealtimeTurn:
    """Grows with the events of one turn. Positions are samples (24 kHz) of the turn's sound."""

    number: int
    user_text: str = ""
    user_known: asyncio.Event = field(default_factory=asyncio.Event)
    """The user's final transcript has come (or never will)."""
    responses: set[str] = field(default_factory=set)
    """The server's responses that belong to this turn."""
    marks: TurnMarks = field(default_factory=TurnMarks)
    steps: list[SpokenItem | ToolRun] = field(default_factory=list)
    samples: int = 0
    read: bool = False
    """The answer is only written; everything counts as heard."""

    def add_sound(self, item_id: str, pcm: Pcm) -> None:
        """The next samples of a message."""
        self._item(item_id).words.add_sound(pcm)
        self.samples += len(pcm)

    def add_text(self, item_id: str, text: str) -> None:
        """More words of a message."""
        self._item(item_id).words.add_text(text)

    def add_call(self, call: ToolCall) -> ToolRun:
        """The agent wants a tool; arguments that are no JSON object are kept under ``malformed``."""
        try:
            args = json.loads(call.arguments or "{}")
        except ValueError:
            args = None
        run = ToolRun(call, args if isinstance(args, dict) else {"malformed": call.arguments})
        self.steps.append(run)
        return run

    def complete(self) -> None:
        """The server has sent everything it had begun."""
        for item in self.spoken():
            item.words.complete = True

    def open_tools(self) -> list[ToolRun]:
        """The calls whose results are not known yet."""
        return [step for step in self.steps if isinstance(step, ToolRun) and step.result is None]

    def user_said(self, text: str) -> None:
        """The user's final words."""
        self.user_text = text.strip()
        self.user_known.set()

    def spoken(self) -> Iterator[SpokenItem]:
        """The agent's messages, in order."""
        return (step for step in self.steps if isinstance(step, SpokenItem))

    def heard(self, position: int) -> str:
        """The words played up to ``position``."""
        return " ".join(text for item in self.spoken() if (text := self._heard_of(item, position)))

    def written(self) -> str:
        """All words of the agent."""
        return " ".join(text for item in self.spoken() if (text := item.words.text.strip()))

    def entries(self, position: int) -> list[HistoryEntry]:
        """What memory keeps when playing ended at ``position``."""
        entries = [HistoryEntry(role=Speaker.USER, text=self.user_text)] if self.user_text else []
        for step in self.steps:
            if isinstance(step, ToolRun):
                entries.append(_tool_entry(step))
            elif heard := self._heard_of(step, position):
                cut = heard.split() != step.words.text.split()
                text = heard if cut else step.words.text.strip()
                entries.append(HistoryEntry(role=Speaker.AGENT, text=text, interrupted=cut))
        return entries

    def past(self) -> list[PastItem]:
        """What a fresh server session has to know of a turn that is still under way: the words and the tools."""
        items = [PastItem("user", text=self.user_text)] if self.user_text else []
        for run in (step for step in self.steps if isinstance(step, ToolRun)):
            call = run.call
            items.append(PastItem("call", call_id=call.call_id, name=call.name, arguments=call.arguments))
            if run.result is not None:
                items.append(PastItem("output", text=run.result, call_id=call.call_id))
        return items

    def _item(self, item_id: str) -> SpokenItem:
        for item in self.spoken():
            if item.item_id == item_id:
                return item
        item = SpokenItem(item_id, self.samples)
        self.steps.append(item)
        return item

    def _heard_of(self, item: SpokenItem, position: int) -> str:
        if self.read:
            return item.words.text.strip()
        return item.words.heard(position - item.start) if position > item.start else ""


def _tool_entry(run: ToolRun) -> HistoryEntry:
    result = CANCELLED if run.result is None else run.result
    return HistoryEntry(
        role=Speaker.TOOL,
        text=result,
        name=run.call.name,
        args=run.args,
        call_id=run.call.call_id,
        error=run.error or run.result is None,
    )


def past_of(entries: list[HistoryEntry]) -> list[PastItem]:
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
