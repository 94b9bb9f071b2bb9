"""What a Realtime session remembers: turns are stored as they were heard, a fresh server session is told of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.engines.realtime.turn import RealtimeTurn
from voice_agents.engines.tasks import Tasks
from voice_agents.providers.realtime.config import PastItem

ENGINE = "realtime"
"""As its turns are remembered."""
TRANSCRIPT_WAIT_S = 4.0
"""How long memory waits for the user's words after the answer was played."""
PAST_BUDGET = 24_000
"""Characters of the past a fresh server session is told, about 6000 tokens: the Sandwich's model is shown as many."""

SettledListener = Callable[[RealtimeTurn, str, Exception | None], None]
"""Gets a turn that is over, what was heard of it, and why it could not be stored."""


class RealtimeMemory:
    """The stored conversation and the turns on their way into it; turns are stored in the order they were kept."""

    def __init__(self, history: History, conversation: Conversation, tasks: Tasks, on_settled: SettledListener) -> None:
        self._history = history
        self._conversation = conversation
        self._tasks = tasks
        self._on_settled = on_settled
        self._entries: list[HistoryEntry] = []
        self._unsettled: list[tuple[RealtimeTurn, int]] = []
        self.settling: asyncio.Task[None] | None = None
        """Stores the turn kept last; over when all are stored."""
        self.unfinished: set[asyncio.Task[None]] = set()
        """Everything that is still to be stored."""

    async def load(self) -> None:
        """Read what was said before. Raises InvalidInput when the conversation is somebody else's."""
        self._entries = await self._history.open(self._conversation)

    def keep(self, turn: RealtimeTurn, position: int) -> None:
        """The turn is over, its sound was played up to ``position``; the user's words may still be on their way."""
        self._unsettled.append((turn, position))
        self.settling = self._tasks.start(self._settle(turn, position, self.settling))
        self.unfinished.add(self.settling)
        self.settling.add_done_callback(self.unfinished.discard)

    def give_up_words(self) -> None:
        """Words that have not come will not come."""
        for turn, _ in self._unsettled:
            turn.user.give_up()

    def past(self, current: RealtimeTurn | None) -> list[PastItem]:
        """The conversation for a fresh server session, ``current`` being the turn under way."""
        entries = list(self._entries)
        for turn, position in self._unsettled:
            entries += turn.entries(position)
        return [*_past_of(_recent(entries)), *(current.past() if current is not None else [])]

    async def _settle(self, turn: RealtimeTurn, position: int, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRANSCRIPT_WAIT_S):
                await turn.user.wait()
        await turn.deeds.finish()
        failure: Exception | None = None
        entries = turn.entries(position)
        try:
            await self._history.append(self._conversation, *_with_facts(entries, turn, position))
            self._entries = await self._history.messages(self._conversation)
        except Exception as error:
            failure = error
            self._entries = [*self._entries, *entries]
        self._unsettled.remove((turn, position))
        self._on_settled(turn, turn.heard(position), failure)


def _with_facts(entries: Sequence[HistoryEntry], turn: RealtimeTurn, position: int) -> Sequence[HistoryEntry]:
    if not entries:
        return entries
    facts = TurnFacts.of(ENGINE, turn.marks.result(), turn.unheard(position))
    return [replace(entries[0], facts=facts), *entries[1:]]


def _recent(entries: Sequence[HistoryEntry]) -> Sequence[HistoryEntry]:
    """The last entries within the budget, beginning with something the user said; at least one turn."""
    size, first = 0, len(entries)
    for index in range(len(entries) - 1, -1, -1):
        size += len(entries[index].text) + len(str(dict(entries[index].args)))
        if size > PAST_BUDGET and first < len(entries):
            return entries[first:]
        if entries[index].role is Speaker.USER:
            first = index
    return entries


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
