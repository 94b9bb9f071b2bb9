"""One Sandwich conversation: speech-to-text, agent and text-to-speech, all stages overlapping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from types import TracebackType
from typing import Self

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import OUTPUT_RATE, checked_text
from voice_agents.engines.sandwich.answering import Answering
from voice_agents.engines.sandwich.hearing import Hearing
from voice_agents.engines.sandwich.parts import SandwichParts
from voice_agents.engines.sandwich.reporter import SandwichReporter
from voice_agents.engines.sandwich.user_turn import Piece, UserTurn
from voice_agents.engines.tasks import Tasks, end_all
from voice_agents.errors import NOT_UNDERSTOOD, NOTHING_HEARD, Role
from voice_agents.events import Event, Notice, SpeechEnded, SpeechStarted, UserTranscript
from voice_agents.providers.interfaces import STT_RATE
from voice_agents.settings import TurnSettings
from voice_agents.turns.backchannel import is_backchannel
from voice_agents.turns.floor import AGENT_STATES, TALKING, FloorAction, FloorState
from voice_agents.turns.words_floor import WordsFloor

NO_COUGH_S = 0.8
"""Who was heard for so long and said no words that were recognised is told so."""
LAST_WORDS_S = 0.25
"""How long the words said last are waited for when the session is left."""
STORE_TIMEOUT_S = 0.2
CLOSE_TIMEOUT_S = 0.5
"""Together with the last words: a session is gone within one second, whatever a provider does."""


class SandwichSession:
    """One conversation over :class:`SandwichParts`; see :class:`voice_agents.engines.base.Session`.

    Everything happens in the event loop of its ``async with``. The user's side (:class:`Hearing`) and the agent's
    (:class:`Answering`) report here, the floor decides, and :meth:`_act` carries it out.
    """

    input_rate = STT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, parts: SandwichParts, conversation: Conversation, turns: TurnSettings) -> None:
        self.conversation = conversation
        self._clock = asyncio.get_running_loop().time
        self._floor = WordsFloor()
        self._tell = SandwichReporter(self._clock, lambda: self.epoch)
        self._tasks = Tasks(self._tell.break_off)
        guard = self._tasks.guard
        self._floor_alarm = Alarm(guard)
        self._hearing = Hearing(parts.voice_activity(), turns, self, self._clock, guard)
        on_connection = guard(partial(self._tell.connection, Role.STT))
        self._stt = parts.speech_to_text(guard(self._hearing.on_partial), on_connection, turns.language)
        self._hearing.listen_with(self._stt)
        self._listening = False
        """The recogniser is entered; a conversation that is only typed needs none."""
        self._store = parts.store
        self._answering = Answering(
            parts, conversation, self._tell, self, self._tasks, self._clock, turns.playout_lead_s
        )
        self._merging = False
        """What the user says now goes on with the turn whose answer was withdrawn."""
        self._answers = False
        """What the user says now was begun at the end of a question of the agent: an "okay" is the answer to it."""

    # The session's life

    async def __aenter__(self) -> Self:
        await self._answering.open()
        self._tasks.start_core(self._hearing.run())
        self._act([])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._floor_alarm.cancel()
        self._hearing.stop()
        murmured = self._floor.state in AGENT_STATES
        self._answering.stop()
        if self._hearing.open:
            self._keep_words(murmured=murmured)
        try:
            if unfinished := self._answering.unfinished:
                await asyncio.wait(unfinished, timeout=LAST_WORDS_S)
            storing = self._tasks.close(self._answering.unfinished, STORE_TIMEOUT_S, self._store.owe)
            # First of all the recogniser gives up the words that have not come.
            leaving = [self._stt.__aexit__(None, None, None)] if self._listening else []
            await end_all(CLOSE_TIMEOUT_S, *leaving, *self._answering.closings(), storing)
        finally:
            self._tell.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._tell.__aiter__()

    @property
    def epoch(self) -> int:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._answering.epoch

    @property
    def busy(self) -> bool:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._answering.announcing

    @property
    def heard_so_far(self) -> str:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._answering.heard_so_far

    # What a caller may do

    def push_audio(self, pcm: Pcm) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._listen()
        self._hearing.push(pcm)

    def _listen(self) -> None:
        """There is (or will be) something to hear, and somebody who listens."""
        if not self._listening:
            self._listening = True
            self._tasks.start_core(self._enter_stt())
            self._answering.open_voice()

    async def _enter_stt(self) -> None:
        await self._stt.__aenter__()

    def send_text(self, text: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        user = UserTurn.of_text(checked_text(text))
        murmured = self._floor.state in AGENT_STATES
        self._act(self._floor.typed(self._clock()))
        if self._hearing.open:
            self._keep_words(murmured=murmured)
        self._begin(user, self._tell.turn + 1)
        self._hearing.go_on()

    def end_turn(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._hearing.release()

    def interrupt(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._act(self._floor.interrupt(self._clock()))
        if self._floor.state is FloorState.LISTENING and self._hearing.left_over:
            self._let_pass()

    def set_turns(self, turns: TurnSettings) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._hearing.configure(turns)

    def set_voice(self, voice: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._answering.set_voice(voice)

    def set_speaking(self, speaking: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._answering.set_speaking(speaking)
        if speaking:
            self._listen()

    def set_reporting(self, reporting: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._answering.set_reporting(reporting)

    def played(self, turn: int, epoch: int, position: int) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._answering.played(turn, epoch, position)

    # What the user does

    def on_sound(self) -> None:
        """See :class:`~voice_agents.engines.sandwich.hearing.HearingListener`."""
        self._act(self._floor.sound_started(self._clock()))

    def on_sound_ignored(self) -> None:
        """See :class:`~voice_agents.engines.sandwich.hearing.HearingListener`."""
        self._act(self._floor.sound_ignored(self._clock()))

    def on_voice_started(self, at: float) -> None:
        """See :class:`~voice_agents.engines.sandwich.hearing.HearingListener`."""
        self._answers = self._answering.asking
        self._tell.emit(SpeechStarted, turn=self._user_number, began=at)
        self._answering.get_ready()
        self._act(self._floor.user_started(self._clock()))

    def on_voice_stopped(self, at: float) -> None:
        """See :class:`~voice_agents.engines.sandwich.hearing.HearingListener`."""
        self._act(self._floor.user_stopped(at))

    def on_words(self, partial: str) -> None:
        """See :class:`~voice_agents.engines.sandwich.hearing.HearingListener`."""
        earlier = self._answering.user.known() if self._answering.unheard else ""
        text = f"{earlier} {self._hearing.words}".strip()
        self._tell.emit(UserTranscript, turn=self._user_number, text=text, final=False)
        self._act(self._floor.words(partial, self._clock(), answers=self._answers))

    def on_turn_end(self) -> None:
        """See :class:`~voice_agents.engines.sandwich.hearing.HearingListener`."""
        self._act(self._floor.turn_ended(self._clock()))

    @property
    def _may_merge(self) -> bool:
        """The user goes on before anything of the answer was heard."""
        return self._merging or self._answering.unheard

    @property
    def _user_number(self) -> int:
        """The number of the turn the user's present words belong to."""
        return self._tell.turn if self._may_merge else self._tell.turn + 1

    # What the floor decides

    def _act(self, actions: list[FloorAction]) -> None:
        for action in actions:
            match action:
                case FloorAction.PAUSE:
                    self._answering.pause()
                case FloorAction.RESUME:
                    self._resume()
                case FloorAction.CANCEL:
                    self._answering.cut()
                case FloorAction.MERGE:
                    self._merge()
                case FloorAction.PROBE:
                    self._tasks.start_core(self._hear_out(self._hearing.probe()))
                case FloorAction.TAKE_TURN:
                    self._take_turn()
                case FloorAction.IGNORE:
                    self._let_pass()
        self._tell.show(self._floor.state)
        self._hearing.expect_interruption(self._floor.state in TALKING)
        self._floor_alarm.set(self._floor.wake_at, self._on_floor_alarm)
        self.on_announcement()

    def _on_floor_alarm(self) -> None:
        self._act(self._floor.advance(self._clock()))

    def _resume(self) -> None:
        shown_again = self._answering.user.known() if self._may_merge and self._hearing.words else ""
        self._let_pass()
        self._answering.resume()
        if shown_again:
            self._tell.emit(UserTranscript, text=shown_again, final=True)

    def _merge(self) -> None:
        self._merging = True
        self._hearing.take_back(self._answering.withdraw())

    def _let_pass(self) -> None:
        """What the user said is nothing as far as it is known; words that come late are words all the same."""
        if (rest := self._hearing.set_aside()) is not None:
            self._floor.asked()
            self._tasks.start_core(self._hear_out(rest))

    async def _hear_out(self, piece: Piece) -> None:
        text = await self._hearing.answer(piece)
        was = self._floor.state
        actions = self._floor.probed(text, self._clock(), answers=self._answers)
        open_turn = was in (FloorState.USER_SPEAKING, FloorState.AGENT_PAUSED)
        late_murmur = not actions and not open_turn and is_backchannel(text)
        if late_murmur or actions in ([FloorAction.RESUME], [FloorAction.IGNORE]):
            self._hearing.drop(piece)
        self._act(actions)

    def _take_turn(self) -> None:
        number, user = self._user_number, self._hearing.take()
        self._tell.emit(SpeechEnded, turn=number, silence_s=user.marks.silence_s)
        self._begin(user, number)

    def _keep_words(self, *, murmured: bool) -> None:
        """What the user was saying gets no answer, but stays. ``murmured``: unless it only shows that one listens."""
        number, user = self._user_number, self._hearing.take()
        user.murmured = murmured and not self._answers
        self._answering.keep_words(user, number)
        self._merging = False

    def _begin(self, user: UserTurn, number: int) -> None:
        self._merging = False
        self._answering.begin(user, number)

    # What the agent's side reports

    def on_answer_heard(self) -> None:
        """See :class:`~voice_agents.engines.sandwich.answering.AnsweringListener`."""
        self._act(self._floor.agent_started(self._clock()))

    def on_answer_over(self) -> None:
        """See :class:`~voice_agents.engines.sandwich.answering.AnsweringListener`."""
        self._act(self._floor.agent_finished(self._clock()))

    def on_nothing_said(self) -> None:
        """See :class:`~voice_agents.engines.sandwich.answering.AnsweringListener`."""
        if self._hearing.by_hand:
            self._tell.emit(Notice, level="info", text=NOTHING_HEARD)
        elif self._answering.user.voice_s >= NO_COUGH_S:
            self._tell.emit(Notice, level="info", text=NOT_UNDERSTOOD)
        self._act(self._floor.nothing_said(self._clock()))

    def on_announcement(self) -> None:
        """See :class:`AnsweringListener`; also tried whenever the floor has moved."""
        if self._answering.announcements and self._floor.state is FloorState.LISTENING:
            self._floor.agent_turn(self._clock())
            self._answering.announce()
            self._tell.show(self._floor.state)
