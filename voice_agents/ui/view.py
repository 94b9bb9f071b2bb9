"""What a page shows of a conversation, as a pure function of its events: lines, status, notice, latency."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from voice_agents.conversation.export import ExportedTurn, turns_of
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.errors import Role
from voice_agents.events import (
    AgentResumed,
    AgentText,
    BegunEarly,
    Event,
    Failed,
    Interrupted,
    Notice,
    ProviderReplaced,
    Status,
    StatusChanged,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.turns.heard import split_heard
from voice_agents.turns.latency import EarlyAnswers, LatencyHistory, TurnLatency

SHOWN_LINES = 80
"""The page's transcript, at first and so many more whenever somebody scrolls up."""
MOST_LINES = 400
"""Kept over the end of a session; more are read from the store again."""
_FIRST_STORED = -(10**9)
"""Ids of lines that were read from the store are below zero and always the same: they say where in it the line is."""


@dataclass(slots=True)
class TranscriptLine:
    """One line of the transcript."""

    speaker: Speaker
    turn: int
    text: str = ""
    id: int = 0
    """Unique in its view; later lines have higher ones."""
    settled: bool = True
    """False: a partial transcript or an answer that still grows, or a tool that has not returned."""
    unheard: str = ""
    """The end of an interrupted answer, which was written but never played; ``text`` is what was heard."""
    taken: str = ""
    """The user's words as they were when the turn was taken, in case going on with it comes to nothing."""
    tool: str = ""
    call_id: str = ""
    arguments: str = ""
    failed: bool = False
    latency_s: float | None = None
    """Of an answer: the user's last sound -> its first."""

    @property
    def order(self) -> tuple[int, bool]:
        """The user's words stand before the answer they caused, even when they arrive later."""
        return self.turn, self.speaker is not Speaker.USER


@dataclass(frozen=True, slots=True)
class Banner:
    """One sentence above the conversation."""

    level: Literal["info", "warning", "error"]
    text: str


@dataclass(slots=True)
class TurnFigures:
    """Where the time of one engine's turns went."""

    last: TurnLatency | None = None
    history: LatencyHistory = field(default_factory=LatencyHistory)
    early: EarlyAnswers = field(default_factory=EarlyAnswers)


@dataclass(slots=True)
class ConversationView:
    """Apply events, read what to show. ``revision`` counts the changes of the lines."""

    lines: list[TranscriptLine] = field(default_factory=list)
    status: Status = Status.READY
    banner: Banner | None = None
    replaced: set[Role] = field(default_factory=set)
    """Whose work the offline provider does at present, because who is configured fails."""
    kind: str = ""
    """The engine (its tab's name) that holds the conversation now, or held it last."""
    revision: int = 0
    figures_revision: int = 0
    restorations: int = 0
    """How often it was begun anew with what is stored."""
    _figures: dict[str, TurnFigures] = field(default_factory=dict)
    _told_in: int = 0
    """The turn the banner tells of."""
    _before: int = 0
    """Turns shown of earlier sessions: a new session counts from one again."""
    _numbered: int = 0

    def restore(self, entries: Iterable[HistoryEntry]) -> None:
        """Show what was said on an earlier visit, or meanwhile elsewhere, in the place of what was shown.

        ``entries``: the last ones at least, see :meth:`~voice_agents.conversation.history.History.newest`.
        """
        turns = turns_of(entries)
        self.revision += 1
        self.restorations += 1
        self.lines[:] = stored_lines(turns)[-SHOWN_LINES:]
        self._before = max((line.turn for line in self.lines), default=0)
        self._figures.clear()
        for turn in turns:
            if turn.facts.engine and "voice_to_voice" in turn.facts.latency:
                self._count(turn.facts.engine, TurnLatency(**turn.facts.latency))

    @property
    def first_id(self) -> int:
        """Of the oldest line; 0 when there is none."""
        return self.lines[0].id if self.lines else 0

    @property
    def goes_back(self) -> bool:
        """There is more than the newest lines, here or in the store."""
        return len(self.lines) > SHOWN_LINES or _FIRST_STORED < self.first_id < 0

    def lines_before(self, id: int) -> Sequence[TranscriptLine]:
        """The nearest lines above this one; none when they are not here, but in the store, if anywhere."""
        at = next((number for number, line in enumerate(self.lines) if line.id == id), 0)
        return self.lines[max(0, at - SHOWN_LINES) : at]

    def figures(self, kind: str) -> TurnFigures:
        """The latencies of one engine in this conversation; engines are compared, never mixed."""
        return self._figures.setdefault(kind, TurnFigures())

    @property
    def all_figures(self) -> Mapping[str, TurnFigures]:
        """Those of every engine that has answered in this conversation."""
        return self._figures

    def begin_session(self, kind: str = "") -> None:
        """A new session of this engine continues the conversation."""
        self.kind = kind
        self.replaced.clear()
        self._before = max((line.turn for line in self.lines), default=0)
        self.banner = None

    def end_session(self, banner: Banner | None = None) -> None:
        """No event comes any more; nothing stays half done on the page."""
        self._drop_ghosts()
        for line in self.lines:
            if not line.settled:
                line.failed = line.speaker is Speaker.TOOL
                line.settled = True
                self.revision += 1
        self.status = Status.READY if self.status is not Status.ERROR else Status.ERROR
        self.banner = banner or self.banner

    def say(self, level: Literal["info", "warning", "error"], text: str) -> None:
        """Put one sentence above the conversation."""
        self.banner = Banner(level, text)
        self._told_in = -1

    def apply(self, event: Event) -> None:
        """The next event of the running session."""
        match event:
            case StatusChanged(status=status):
                self.status = status
            case UserTranscript():
                self._heard_user(event)
            case AgentText():
                self._answered(event)
            case ToolCalled() | ToolReturned():
                self._used_tool(event)
            case Notice(level=level, text=text):
                self._tell(event, level, text)
            case Failed(error=error):
                self._tell(event, "error", str(error))
            case ProviderReplaced(role=role, offline=offline):
                (self.replaced.add if offline else self.replaced.discard)(role)
            case _:
                self._went_on(event)

    def _tell(self, event: Event, level: Literal["info", "warning", "error"], text: str) -> None:
        self.say(level, text)
        self._told_in = self._before + event.turn

    def _went_on(self, event: Event) -> None:
        match event:
            case AgentResumed():
                self._drop_ghosts()
            case Interrupted():
                self._cut(event)
            case TurnDone():
                self._finished(event)
            case BegunEarly(used=used, saved_s=saved_s, tokens=tokens, characters=characters):
                self.figures(self.kind).early.add(used=used, saved_s=saved_s, tokens=tokens, characters=characters)
                self.figures_revision += 1

    def _heard_user(self, event: UserTranscript) -> None:
        turn, text = self._before + event.turn, event.text.strip()
        line = next((ln for ln in reversed(self.lines) if ln.order == (turn, False)), None)
        if not text:
            if event.final:
                self._drop_ghosts()
            return
        if line is None:
            line = TranscriptLine(Speaker.USER, turn)
            self._add(line)
        if event.final:
            if self._told_in < turn:  # else it was told a moment ago, of the turn whose words have come now
                self.banner = None
            if line.taken not in ("", text):
                self._forget_answer(turn)
            line.taken = text
        line.text, line.settled = text, event.final
        self.revision += 1

    def _forget_answer(self, turn: int) -> None:
        """The user went on before anything of the answer was heard: it was discarded, a new one follows."""
        self.lines[:] = [line for line in self.lines if line.order != (turn, True)]

    def _answered(self, event: AgentText) -> None:
        turn = self._before + event.turn
        last = next((line for line in reversed(self.lines) if line.order == (turn, True)), None)
        if last is None or last.speaker is Speaker.TOOL:
            last = TranscriptLine(Speaker.AGENT, turn, settled=False)
            self._add(last)
        last.text += event.text
        self.revision += 1

    def _used_tool(self, event: ToolCalled | ToolReturned) -> None:
        turn = self._before + event.turn
        if isinstance(event, ToolCalled):
            self._settle(turn, Speaker.AGENT)
            line = TranscriptLine(Speaker.TOOL, turn, settled=False, tool=event.name, call_id=event.call_id)
            line.arguments = _readable(event.args)
            return self._add(line)
        for line in reversed(self.lines):
            if line.speaker is Speaker.TOOL and line.call_id == event.call_id and not line.settled:
                line.text, line.failed, line.settled = event.result, event.error, True
                self.revision += 1
                return None
        return None

    def _cut(self, event: Interrupted) -> None:
        heard = event.heard_text
        for line in self.lines:
            if line.speaker is Speaker.AGENT and line.turn == self._before + event.turn:
                line.text, line.unheard, heard = split_heard(line.text + line.unheard, heard)
                line.settled = True
        self.revision += 1

    def _finished(self, event: TurnDone) -> None:
        self._settle(self._before + event.turn, Speaker.AGENT)
        if event.latency.voice_to_voice is not None:
            self._time(event)
            self._count(self.kind, event.latency)

    def _count(self, kind: str, latency: TurnLatency) -> None:
        figures = self.figures(kind)
        figures.last = latency
        figures.history.add(latency)
        self.figures_revision += 1

    def _time(self, event: TurnDone) -> None:
        turn = self._before + event.turn
        first = next((ln for ln in self.lines if ln.turn == turn and ln.speaker is Speaker.AGENT), None)
        if first is not None:
            first.latency_s = event.latency.voice_to_voice
            self.revision += 1

    def _settle(self, turn: int, speaker: Speaker) -> None:
        for line in self.lines:
            if line.turn == turn and line.speaker is speaker and not line.settled:
                line.settled = True
                self.revision += 1

    def _drop_ghosts(self) -> None:
        """Words that were not meant for the agent, or came to nothing, disappear."""
        for line in [line for line in self.lines if line.speaker is Speaker.USER and not line.settled]:
            self.revision += 1
            if line.taken:
                line.text, line.settled = line.taken, True
            else:
                self.lines.remove(line)

    def _add(self, line: TranscriptLine) -> None:
        self._numbered += 1
        line.id = self._numbered
        self.lines.insert(bisect_right(self.lines, line.order, key=lambda other: other.order), line)
        self.revision += 1


def stored_lines(turns: Iterable[ExportedTurn]) -> list[TranscriptLine]:
    """The lines of stored turns; what nobody heard of an answer stands at its end."""
    lines: list[TranscriptLine] = []
    entries = 0
    for turn in turns:
        first, found = _position(turn.entries[0], entries), list[TranscriptLine]()
        for entry in turn.entries:
            found.append(_stored_line(entry, first + 1, _FIRST_STORED + 2 * _position(entry, entries)))
            entries += 1
        answers = [line for line in found if line.speaker is Speaker.AGENT]
        if turn.facts.unheard and not answers:
            answers = [TranscriptLine(Speaker.AGENT, first + 1, id=found[-1].id + 1)]
            found += answers
        if turn.facts.unheard:
            answers[-1].unheard = f" {turn.facts.unheard}"
        if answers:
            answers[0].latency_s = turn.facts.latency.get("voice_to_voice")
        lines += found
    return lines


def earlier_lines(entries: Iterable[HistoryEntry], before: int) -> Sequence[TranscriptLine]:
    """The nearest stored lines above the one with this id."""
    return [line for line in stored_lines(turns_of(entries)) if line.id < before][-SHOWN_LINES:]


def position_of(id: int) -> int | None:
    """Where in the store a line of this id is; None: it was not read from there."""
    return (id - _FIRST_STORED) // 2 if id < 0 else None


def _position(entry: HistoryEntry, number: int) -> int:
    return number if entry.position is None else entry.position


def _stored_line(entry: HistoryEntry, turn: int, id: int) -> TranscriptLine:
    line = TranscriptLine(entry.role, turn, entry.text, id, tool=entry.name, failed=entry.error)
    line.unheard = " …" if entry.interrupted else ""
    line.arguments = _readable(entry.args)
    return line


def _readable(arguments: Mapping[str, Any]) -> str:
    return json.dumps(dict(arguments), ensure_ascii=False, default=str) if arguments else ""
