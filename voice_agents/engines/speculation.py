"""Answers that are begun before the user has finished for certain, and dropped without a trace if it was too early.

The turn is begun on a fork: words -> agent -> the first piece spoken, all of it held back. When the turn is taken and
the final words are those it was asked, it is promoted: it sounds at once. When the user goes on, or the words turn out
to be others, it is dropped: nothing of it was told, stored or heard, its requests are cancelled. Tools with side
effects wait for the promotion (:meth:`Deeds.allowed`); what others returned is used.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voice_agents.conversation.agent import AgentTurn, VoiceAgent
from voice_agents.conversation.deeds import Deed
from voice_agents.engines.spoken_answer import SpokenAnswer
from voice_agents.errors import Role
from voice_agents.events import BegunEarly, ProviderUsed
from voice_agents.providers.interfaces import TextToSpeech
from voice_agents.session.turn import Turn
from voice_agents.settings import Speculation
from voice_agents.turns.completeness import Completeness, completeness
from voice_agents.turns.latency import TurnMarks

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

BUDGET = {Speculation.OFF: 0, Speculation.CAREFUL: 20_000, Speculation.EAGER: 100_000}
"""Tokens that may be thrown away in a minute; then no answer is begun early for a while."""
MINUTE_S = 60.0
CHARACTERS_A_TOKEN = 4
"""By which the tokens of a question are estimated: a server tells what it read only when the answer is over."""
OVERHEAD_TOKENS = 300
"""Of the instructions and the tools, with each question."""
TRUSTED_AFTER = 2
"""So many times in a row the recogniser's partial words have to be the final ones before they are relied upon."""


def same_words(one: str, other: str) -> bool:
    """They differ in case, spaces and punctuation at most."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s.,;:!?…¿¡\"'()-]", text.casefold())


@dataclass(slots=True, eq=False)
class Draft:
    """One answer that was begun early."""

    turn: Turn
    text: str
    """The words it is asked."""
    work: AgentTurn
    answer: SpokenAnswer
    marks: TurnMarks
    """When it was made, also where nobody waited for it."""
    told: Sequence[Deed]
    """What the user had been shown when it was begun."""
    run: asyncio.Task[Exception | None] = field(init=False)
    """What went wrong is its result."""
    promoted: bool = False

    @property
    def failed(self) -> bool:
        """It has come to nothing: the turn's own attempt may go better."""
        return self.answer.broken or (self.run.done() and (self.run.cancelled() or self.run.result() is not None))

    def fits(self, text: str) -> bool:
        """It is an answer to these words, as far as one can tell."""
        return not self.failed and same_words(self.text, text)

    @property
    def tokens(self) -> int:
        """Those of the question, and those written."""
        asked = self.work.characters_shown // CHARACTERS_A_TOKEN
        return (asked + OVERHEAD_TOKENS if asked else 0) + self.answer.tokens


class Drafts:
    """One per session: the answer that was begun early, if there is one."""

    def __init__(
        self,
        host: VoiceSession,
        agent: VoiceAgent,
        voice: TextToSpeech,
        voice_ready: Callable[[], Awaitable[object]],
        connect: Callable[[], None],
    ) -> None:
        """``connect``: opens a connection to the model ahead of use; one may go with a request that is cancelled."""
        self._host = host
        self._agent = agent
        self._voice = voice
        self._voice_ready = voice_ready
        self._connect = connect
        self._draft: Draft | None = None
        self._dropped: deque[tuple[float, int]] = deque()
        """When, and how many tokens."""
        self._current = 0
        """How many times in a row the partial words were the final ones."""

    @property
    def wanted(self) -> bool:
        """Answers are begun early at all."""
        return self._host.turns.speculation is not Speculation.OFF

    def learn(self, partial: str, final: str) -> None:
        """The recogniser's last partial words of a piece, and the final ones."""
        self._current = self._current + 1 if partial and same_words(partial, final) else 0

    @property
    def trusts_partials(self) -> bool:
        """Partial words are worth a beginning."""
        return self._host.turns.speculation is Speculation.EAGER or self._current >= TRUSTED_AFTER

    def consider(self, turn: Turn, text: str, *, lately: bool = False) -> None:
        """These may be all words of the turn that is coming: begin its answer, unless that was done already.

        Words that sound as if more came are begun with ``lately``: the user has been silent for long all the same.
        """
        draft = self._draft
        if draft is not None and draft.turn is turn and same_words(draft.text, text):
            return
        self.drop()
        eager = self._host.turns.speculation is Speculation.EAGER
        opens = completeness(text, self._host.turns.language) is Completeness.OPEN
        if not self.wanted or not _plain(text) or (opens and not eager and not lately):
            return
        if self._dropped_tokens() < BUDGET[self._host.turns.speculation]:
            self._draft = self._begin(turn, text)

    def _dropped_tokens(self) -> int:
        """Those of the last minute."""
        while self._dropped and self._host.clock() - self._dropped[0][0] > MINUTE_S:
            self._dropped.popleft()
        return sum(tokens for _, tokens in self._dropped)

    def claim(self, turn: Turn) -> Draft | None:
        """The turn was taken: its draft, which is then somebody else's to promote or drop."""
        if self._draft is not None and self._draft.turn is not turn:
            self.drop()
        draft, self._draft = self._draft, None
        return draft

    def drop(self) -> None:
        """It was too early: nothing of it stays."""
        draft, self._draft = self._draft, None
        if draft is not None:
            self.throw_away(draft)

    async def promote(self, draft: Draft, text: str) -> None:
        """It is the answer to these words: told and heard from now on; returns when it is over, as its run ends."""
        turn = draft.turn
        draft.promoted = True
        draft.text = text
        if draft.work.asked:
            draft.work.reword(text)
        turn.work = draft.work
        turn.deeds.allow()
        draft.answer.release()
        if (error := await draft.run) is not None:
            raise error

    def saved_s(self, draft: Draft, commit_s: float) -> float:
        """How much later its first sound would have come: had the recogniser and the model been asked in a row."""
        asked, sounded = draft.marks.model_asked, draft.turn.marks.first_played
        ready, taken = draft.marks.first_audio or draft.turn.marks.first_audio, draft.turn.marks.turn_taken
        if asked is None or sounded is None or ready is None or taken is None:
            return 0.0
        return max(0.0, taken + commit_s + (ready - asked) - sounded)

    def _begin(self, turn: Turn, text: str) -> Draft:
        host = self._host
        turn.read = host.read
        turn.deeds.withdraw()
        turn.deeds.forbid()
        answer = SpokenAnswer(turn, None if host.read else self._voice, host, held=True)
        work = self._agent.begin(host.conversation, read_ahead=not host.memory.behind, deeds=turn.deeds)
        draft = Draft(turn, text, work, answer, answer.marks, turn.deeds.told())
        draft.run = host.tasks.start(self._run(draft))
        return draft

    async def _run(self, draft: Draft) -> Exception | None:
        work, answer = draft.work, draft.answer
        try:
            await self._host.memory.ready()
            if answer.spoken:
                await self._voice_ready()
            answer.marks.mark("model_asked", self._host.clock())
            work.ask(draft.text)
            await answer.run(work.stream)
        except Exception as error:
            return error
        return None

    def throw_away(self, draft: Draft) -> None:
        """One that was claimed turned out to be no answer."""
        host, turn = self._host, draft.turn
        if draft.run.cancel() and draft.work.asked:
            self._connect()
        draft.work.cancel()
        tokens = draft.tokens
        self._dropped.append((host.clock(), tokens))
        turn.steps.clear()
        turn.read = host.read
        turn.deeds.withdraw()
        turn.deeds.allow()
        for deed in turn.deeds.told():
            deed.told = deed in draft.told
        if characters := draft.answer.characters:
            host.tell.emit(ProviderUsed, turn=turn.number, role=Role.TTS, characters=characters)
        host.tell.emit(BegunEarly, turn=turn.number, used=False, tokens=tokens, characters=characters)
        host.tasks.start(_forget(draft))


async def _forget(draft: Draft) -> None:
    await asyncio.wait([draft.run])
    await draft.work.discard()
