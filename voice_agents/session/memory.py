"""What a session remembers: every turn as it was said and heard, in order, whenever its words become known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.turn import AgentTurn
from voice_agents.errors import ProviderError, VoiceAgentError
from voice_agents.events import TurnDone, UserTranscript
from voice_agents.session.events_out import EventsOut
from voice_agents.session.tasks import SessionTasks
from voice_agents.session.turn import Turn
from voice_agents.turns.backchannel import is_backchannel

LATE_WORDS_S = 4.0
"""How long memory waits for the words of a turn that was over before they were known."""
NEXT_ANSWER_S = 0.6
"""How long the next answer waits for memory: a little longer than a run takes to let go when it is stopped."""


class Memory:
    """Turns are stored one after the other, each by a task that waits for the one before."""

    def __init__(
        self,
        history: History,
        conversation: Conversation,
        engine: str,
        tell: EventsOut,
        tasks: SessionTasks,
    ) -> None:
        """``engine``: the name by which its turns are remembered."""
        self.unfinished: set[asyncio.Task[None]] = set()
        """Everything that is still to be stored."""
        self._history = history
        self._conversation = conversation
        self._engine = engine
        self._tell = tell
        self._tasks = tasks
        self._settling: asyncio.Task[None] | None = None
        """Stores the turn that came last; over when all are stored."""
        self._unsettled: list[tuple[Turn, int]] = []
        self._entries: list[HistoryEntry] = []
        """What was said last before, and the turns since then that no run of the agent keeps account of."""

    async def open(self) -> None:
        """Read what was said last. Raises InvalidInput when the conversation may not be continued.

        The first turn needs the rest of it, which is read meanwhile.
        """
        self._entries = await self._history.open(self._conversation)
        if self._entries and self._entries[0].position:
            self._tasks.start(self._read_rest())

    async def _read_rest(self) -> None:
        with contextlib.suppress(VoiceAgentError):  # whoever needs it is told
            await self._history.load(self._conversation)

    @property
    def behind(self) -> bool:
        """A turn is not stored yet."""
        return self._settling is not None and not self._settling.done()

    async def ready(self) -> None:
        """Until the turns so far are stored, so that the next answer knows of them.

        Words that are still on their way hold it up for a moment only: they are stored in their place all the same.
        """
        if self._settling is not None and self.behind:
            await asyncio.wait([self._settling], timeout=NEXT_ANSWER_S)

    def keep(self, turn: Turn, position: int, *, answered: bool = True) -> None:
        """The turn is over, its sound was played up to ``position``; the user's words may still be on their way."""
        self._unsettled.append((turn, position))
        heard, unheard = turn.heard(position), turn.unheard(position)
        self._start(partial(self._settle, turn, position, heard, unheard, answered), turn.run)

    def discard(self, turn: Turn) -> None:
        """Nothing remains of the answer that was begun."""
        self._start(partial(self._discard, turn.work), turn.run)

    def reword(self, turn: Turn) -> None:
        """The user's words of a turn that is stored have come, or have come anew."""
        if turn.stored_as and turn.user.said:
            self._start(partial(self._reword, turn.stored_as, turn.user.said))

    def give_up_words(self) -> None:
        """Words that have not come will not come."""
        for turn, _ in self._unsettled:
            turn.user.give_up()

    def entries(self) -> list[HistoryEntry]:
        """The conversation so far, of what is not stored yet what is known."""
        entries = list(self._entries)
        for turn, position in self._unsettled:
            entries += turn.entries(position)
        return entries

    def _start(self, work: Callable[[], Coroutine[Any, Any, None]], run: asyncio.Task[None] | None = None) -> None:
        """After all that was started before, and when this ``run`` has let go."""
        before = [task for task in (self._settling, run) if task is not None]
        self._settling = self._tasks.start(_after(before, work))
        self.unfinished.add(self._settling)
        self._settling.add_done_callback(self.unfinished.discard)

    async def _settle(self, turn: Turn, position: int, heard: Mapping[str, str], unheard: str, answered: bool) -> None:
        try:
            if turn.work is not None:
                await turn.work.settle(heard, TurnFacts.of(self._engine, turn.marks.result(), unheard))
            else:
                await self._settle_words(turn, position)
        except Exception as error:
            self._tell.fail(error, turn=turn.number)
        self._unsettled.remove((turn, position))
        turn.run = turn.work = None
        if answered or turn.user.said:
            text = " ".join(text.strip() for text in heard.values())
            self._tell.emit(TurnDone, turn=turn.number, heard_text=text, latency=turn.marks.result())

    async def _settle_words(self, turn: Turn, position: int) -> None:
        """Wait for the user's words; then store the turn as its steps are."""
        with contextlib.suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(LATE_WORDS_S):
                await turn.user.final()
        missing = not turn.user.known and not turn.murmured
        turn.user.give_up()
        await turn.deeds.finish()
        if turn.murmured and is_backchannel(turn.user.said):
            turn.user.pieces.clear()
            turn.user.told = False  # the page is told that it is nothing
        if turn.of_user and not turn.user.told:
            turn.user.told = True
            self._tell.emit(UserTranscript, turn=turn.number, text=turn.user.said, final=True)
        entries = turn.entries(position, words_missing=missing)
        if not entries:
            return
        facts = TurnFacts.of(self._engine, turn.marks.result(), turn.unheard(position))
        first = replace(entries[0], facts=facts, id=new_id())
        turn.stored_as = first.id if first.role is Speaker.USER else ""  # words that come meanwhile find it
        try:
            await self._history.append(self._conversation, first, *entries[1:])
        finally:
            self._entries += [first, *entries[1:]]

    async def _reword(self, id: str, text: str) -> None:
        self._entries = [replace(entry, text=text) if entry.id == id else entry for entry in self._entries]
        try:
            await self._history.reword(self._conversation, id, text)
        except Exception as error:
            self._tell.fail(error)

    async def _discard(self, work: AgentTurn | None) -> None:
        if work is not None:
            await work.discard()


async def _after(before: Sequence[asyncio.Task[None]], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    if before:
        await asyncio.wait(before)
    await work()
