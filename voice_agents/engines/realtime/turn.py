"""One turn of a Realtime conversation: what the user said, what the agent said and did, and how much was heard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_agents.audio import Pcm
from voice_agents.conversation.deeds import Deed, Deeds
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.engines.realtime.words import UserWords
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.events import ToolCall
from voice_agents.turns.heard import split_heard
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.voiced import VoicedWords, VoiceHabit

CANCELLED = "cancelled by the user"
"""The result of a tool that was still running when its turn was cut."""


@dataclass(slots=True)
class SpokenItem:
    """One assistant message of the server; ``start`` is its first sample in the turn's sound."""

    item_id: str
    response_id: str
    start: int
    words: VoicedWords
    read: bool = False
    """Only written; all of it counts as heard."""

    @property
    def end(self) -> int:
        """The sample after its last one, as far as it has come."""
        return self.start + self.words.samples

    def heard(self, position: int) -> str:
        """Its words played when the turn's sound was played up to ``position``."""
        if self.read:
            return self.words.text.strip()
        return self.words.heard(position - self.start) if position > self.start else ""


@dataclass(slots=True)
class ToolRun:
    """A tool call and, when it is done, its result."""

    call: ToolCall
    args: Mapping[str, Any]
    result: str | None = None
    error: bool = False
    deed: Deed | None = None
    """Of a tool with side effects."""
    repeated: bool = False
    """The server asks for what was done already, for an answer that was taken back."""

    @classmethod
    def of(cls, call: ToolCall) -> ToolRun:
        """Arguments that are no JSON object are kept under ``malformed``."""
        try:
            args = json.loads(call.arguments or "{}")
        except ValueError:
            args = None
        return cls(call, args if isinstance(args, dict) else {"malformed": call.arguments})

    def settle(self, result: str, error: bool) -> None:
        """The result, once."""
        self.result, self.error = result, error


@dataclass(slots=True, eq=False)
class RealtimeTurn:
    """Grows with the events of one turn. Positions are samples (24 kHz) of the turn's sound."""

    number: int
    user: UserWords = field(default_factory=UserWords)
    of_user: bool = True
    """False: the agent or the server speaks up by itself."""
    announces: str = ""
    """What the agent speaks up for."""
    deeds: Deeds = field(default_factory=Deeds)
    marks: TurnMarks = field(default_factory=TurnMarks)
    habit: VoiceHabit = field(default_factory=VoiceHabit)
    """How this session's voice speaks."""
    steps: list[SpokenItem | ToolRun] = field(default_factory=list)
    samples: int = 0
    read: bool = False
    """The answer is only written."""
    merged: bool = False
    """The user went on before anything of the first answer was heard."""

    def restart(self) -> None:
        """The user goes on (or the answer was lost), nothing of it was heard: what tools did stays, its words go."""
        self.steps = [step for step in self.steps if isinstance(step, ToolRun)]
        self.deeds.withdraw()
        self.samples = 0
        self.marks.first_audio = None

    def add_sound(self, response_id: str, item_id: str, pcm: Pcm) -> None:
        """The next samples of a message."""
        self._item(response_id, item_id).words.add_sound(pcm)
        self.samples += len(pcm)

    def add_text(self, response_id: str, item_id: str, text: str) -> None:
        """More words of a message."""
        self._item(response_id, item_id).words.add_text(text)

    def add_calls(self, calls: Iterable[ToolCall]) -> list[ToolRun]:
        """The agent wants tools; a call that came already is not taken twice."""
        known = {run.call.call_id for run in self.tools()}
        runs = [ToolRun.of(call) for call in calls if call.call_id not in known]
        self.steps += runs
        return runs

    def complete(self, response_id: str, *, whole: bool) -> None:
        """Nothing more comes of a response (``whole``: it was not broken off); without sound it was only written."""
        for item in self.spoken():
            if item.response_id == response_id:
                item.read = item.words.samples == 0
                if whole or item.read:
                    item.words.finish()
                else:
                    item.words.break_off()

    def break_off(self) -> None:
        """The connection was lost: what has sounded so far will be gone on with in another message."""
        for item in self.spoken():
            item.words.break_off()

    def tools(self) -> Iterator[ToolRun]:
        """The tool calls, in order."""
        return (step for step in self.steps if isinstance(step, ToolRun))

    def spoken(self) -> Iterator[SpokenItem]:
        """The agent's messages, in order."""
        return (step for step in self.steps if isinstance(step, SpokenItem))

    def unplayed(self, position: int) -> Iterator[tuple[str, int]]:
        """The messages of which a server holds more than was played: their ids and how many samples were."""
        for item in self.spoken():
            if not item.read and (position < item.end or not item.words.complete):
                yield item.item_id, max(0, min(position, item.end) - item.start)

    def heard(self, position: int) -> str:
        """The words played up to ``position``."""
        return " ".join(text for item in self.spoken() if (text := item.heard(position)))

    def unheard(self, position: int) -> str:
        """What was written and not played up to ``position``."""
        rest = (split_heard(item.words.text, item.heard(position))[1].strip() for item in self.spoken())
        return " ".join(text for text in rest if text)

    def entries(self, position: int) -> list[HistoryEntry]:
        """What memory keeps when playing ended at ``position``."""
        text = self.user.text
        entries = [HistoryEntry(role=Speaker.USER, text=text)] if text else []
        for step in self.steps:
            if isinstance(step, ToolRun):
                if step.repeated:
                    continue
                entries.append(_tool_entry(step))
            elif heard := step.heard(position):
                cut = not step.words.complete or heard.split() != step.words.text.split()
                kept = heard if cut else step.words.text.strip()
                entries.append(HistoryEntry(role=Speaker.AGENT, text=kept, interrupted=cut))
        return entries

    def past(self) -> list[PastItem]:
        """What a fresh server session has to know of a turn that is still under way; what has sounded will be heard."""
        items = [PastItem("user", text=self.user.text)] if self.user.text else []
        for step in self.steps:
            if isinstance(step, SpokenItem):
                if heard := step.heard(self.samples):
                    items.append(PastItem("assistant", text=heard, answering=True))
                continue
            if step.repeated:
                continue
            call = step.call
            about: dict[str, Any] = {"call_id": call.call_id, "answering": True}
            items.append(PastItem("call", name=call.name, arguments=call.arguments, **about))
            if step.result is not None:
                items.append(PastItem("output", text=step.result, **about))
        return items

    def _item(self, response_id: str, item_id: str) -> SpokenItem:
        for item in self.spoken():
            if item.item_id == item_id:
                return item
        item = SpokenItem(item_id, response_id, self.samples, VoicedWords(self.habit), read=self.read)
        self.steps.append(item)
        return item


def _tool_entry(run: ToolRun) -> HistoryEntry:
    if run.result is None and run.deed is not None and (done := run.deed.result) is not None:
        run.settle(done.text, done.error)
    return HistoryEntry(
        role=Speaker.TOOL,
        text=CANCELLED if run.result is None else run.result,
        name=run.call.name,
        args=run.args,
        call_id=run.call.call_id,
        error=run.error or run.result is None,
    )
