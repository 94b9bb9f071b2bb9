"""What a window is sent of its conversation's sheet: data, and only what changed since it was sent last."""

from __future__ import annotations

import re
from typing import Any

from voice_agents.conversation.history import Speaker
from voice_agents.events import Status
from voice_agents.turns.heard import split_heard
from voice_agents.ui.desk import Sheet
from voice_agents.ui.latency_view import compared
from voice_agents.ui.view import SHOWN_LINES, ConversationView, TranscriptLine

Data = dict[str, Any]
"""JSON for the page's scripts."""

_DISTURBING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, half characters and those that turn a line's neighbours around. Joiners and marks, which scripts
and emoji need, are kept."""


_SPEAKING = (Status.SPEAKING, Status.PAUSED)


class Drawn:
    """What one window shows. Made anew for every conversation it turns to."""

    def __init__(self) -> None:
        self._revision = -1
        self._figures_revision = -1
        self._restorations = -1
        self._lines: dict[int, Data] = {}
        self._around: Data = {}
        self._spoken: Data = {}

    def news(self, sheet: Sheet) -> Data:
        """The parts that differ from what the window shows; empty when nothing does."""
        around = _around(sheet)
        found = {name: value for name, value in around.items() if self._around.get(name, self) != value}
        self._around = around
        if (spoken := _spoken(sheet)) != self._spoken:
            self._spoken = found["spoken"] = spoken
        view = sheet.view
        if view.restorations != self._restorations:
            self._restorations = view.restorations
            self._lines = {}
            found |= {"fresh": True, "back": view.goes_back}
        if view.revision != self._revision:
            self._revision = view.revision
            found |= self._changed_lines(view)
        if view.figures_revision != self._figures_revision:
            self._figures_revision = view.figures_revision
            found["timing"] = compared(view.all_figures)
        return found

    def _changed_lines(self, view: ConversationView) -> Data:
        lines = {line.id: line_data(line) for line in view.lines[-SHOWN_LINES:]}
        changed = [line for id, line in lines.items() if self._lines.get(id) != line]
        there = {line.id for line in view.lines}  # what has left the newest ones may still stand in the window
        gone = [id for id in self._lines if id not in there]
        self._lines = lines
        return ({"lines": changed} if changed else {}) | ({"gone": gone} if gone else {})


def line_data(line: TranscriptLine) -> Data:
    """One line of the transcript; ``order`` says where it stands, then its id."""
    data: Data = {
        "id": line.id,
        "order": 2 * line.turn + line.order[1],
        "who": line.speaker.value,
        "text": clean(line.text),
        "settled": line.settled,
    }
    if line.unheard:
        data["unheard"] = clean(line.unheard)
    if line.tool:
        data |= {"tool": clean(line.tool.replace("_", " ")), "asked": clean(line.arguments), "failed": line.failed}
    if line.latency_s is not None:
        data["ms"] = round(1000 * line.latency_s)
    return data


def clean(text: str) -> str:
    """Text as it was said, without the characters that no line needs and that could disturb others."""
    return _DISTURBING.sub("", text)


def _spoken(sheet: Sheet) -> Data:
    """How many characters of which growing answers were played already; the rest is only written."""
    if sheet.shown_status not in _SPEAKING or not (heard := sheet.heard_so_far):
        return {}
    view = sheet.view
    turn = max((line.turn for line in view.lines if line.speaker is Speaker.AGENT), default=0)
    lengths: Data = {}
    for line in view.lines:
        if line.speaker is Speaker.AGENT and line.turn == turn:
            part, _, heard = split_heard(line.text, heard)
            lengths[str(line.id)] = len(clean(part))
    return lengths


def _around(sheet: Sheet) -> Data:
    banner = sheet.view.banner
    return {
        "status": sheet.shown_status.value,
        "kind": sheet.view.kind,
        "inCall": sheet.in_call,
        "live": sheet.live is not None,
        "offline": " and ".join(sorted(role.value for role in sheet.view.replaced)),
        "banner": None if banner is None else {"level": banner.level, "text": clean(banner.text)},
    }
