"""What a Sandwich session remembers: every turn as it was said and heard, in order, whenever its words become known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History, HistoryEntry, Speaker, done_entries
from voice_agents.conversation.model import Conversation
from voice_agents.engines.reporter import Reporter
from voice_agents.engines.sandwich.answer import Answer, joined
from voice_agents.engines.sandwich.user_turn import UserTurn
from voice_agents.engines.tasks import Tasks
from voice_agents.errors import ProviderError
from voice_agents.events import TurnDone, UserTranscript
from voice_agents.turns.backchannel import is_backchannel

ENGINE = "sandwich"
"""As its turns are remembered."""
LATE_WORDS_S = 4.0
"""How long memory waits for the words of a turn that was cut before they were known."""
NEXT_ANSWER_S = 0.6
"""How long the next answer waits for memory: a little longer than a run takes to let go when it is stopped."""

Before = Sequence[asyncio.Task[None]]
"""What has to be over first."""


class SandwichMemory:
    """Turns are stored one after the other, each by a task that waits for the one before."""

    def __init__(self, history: History, conversation: Conversation, reporter: Reporter, tasks: Tasks) -> None:
        self.settling: asyncio.Task[None] | None = None
        """Stores the turn that came last; over when all are stored."""
        self.unfinished: set[asyncio.Task[None]] = set()
        """Everything that is still to be stored."""
        self._history = history
        self._conversation = conversation
        self._tell = reporter
        self._tasks = tasks

    @property
    def behind(self) -> bool:
        """A turn is not stored yet."""
        return self.settling is not None and not self.settling.done()

    async def ready(self) -> None:
        """Until the turns so far are stored, so that the next answer knows of them.

        Words that are still on their way hold it up for a moment only: they are stored in their place all the same.
        """
        if self.settling is not None and self.behind:
            await asyncio.wait([self.settling], timeout=NEXT_ANSWER_S)

    def keep(self, answer: Answer, run: asyncio.Task[None], user: UserTurn, number: int) -> None:
        """The answer to this turn is over: it was heard until now."""
        heard = answer.heard()
        self._start(self._settle(self._before(run), answer, heard, answer.unheard(heard), user, number))

    def keep_words(self, user: UserTurn, number: int) -> None:
        """The user's words, which get no answer."""
        self._start(self._settle_words(self._before(), user, number))

    def discard(self, answer: Answer, run: asyncio.Task[None]) -> None:
        """Nothing remains of the answer."""
        self._start(self._discard(self._before(run), answer))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.settling = self._tasks.start(work)
        self.unfinished.add(self.settling)
        self.settling.add_done_callback(self.unfinished.discard)

    def _before(self, *runs: asyncio.Task[None]) -> Before:
        return [*runs] if self.settling is None else [self.settling, *runs]

    async def _settle(
        self,
        before: Before,
        answer: Answer,
        heard: Mapping[str, str],
        unheard: str,
        user: UserTurn,
        number: int,
    ) -> None:
        await asyncio.wait(before)
        try:
            if answer.work is not None:
                await answer.work.settle(heard, TurnFacts.of(ENGINE, answer.marks.result(), unheard))
            else:
                await self._store_words(user, number)
        except Exception as error:
            self._tell.fail(error, turn=number)
        self._tell.emit(TurnDone, turn=number, heard_text=joined(heard), latency=answer.marks.result())

    async def _settle_words(self, before: Before, user: UserTurn, number: int) -> None:
        if before:
            await asyncio.wait(before)
        try:
            said = await self._store_words(user, number)
        except Exception as error:
            said = True
            self._tell.fail(error, turn=number)
        if said:
            self._tell.emit(TurnDone, turn=number, heard_text="", latency=user.marks.result())

    async def _store_words(self, user: UserTurn, number: int) -> bool:
        """Wait for the words, and store those that became known; whether there were any."""
        with contextlib.suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(LATE_WORDS_S):
                await user.words()
        await user.deeds.finish()
        text = user.known()
        if user.murmured and is_backchannel(text):
            text = ""
        self._tell.emit(UserTranscript, turn=number, text=text, final=True)
        if text:
            said = HistoryEntry(role=Speaker.USER, text=text, facts=TurnFacts.of(ENGINE, user.marks.result()))
            await self._history.append(self._conversation, said, *done_entries(user.deeds))
        return bool(text)

    async def _discard(self, before: Before, answer: Answer) -> None:
        await asyncio.wait(before)
        if answer.work is not None:
            await answer.work.discard()
