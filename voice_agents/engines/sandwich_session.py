"""One Sandwich conversation: speech-to-text, agent and text-to-speech, all stages overlapping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from types import TracebackType
from typing import Any, Self

from voice_agents.audio import Pcm
from voice_agents.conversation.agent import AgentOutput, Recovered, Token, ToolFinished, ToolStarted, VoiceAgent
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.engines.announcement import Announcement
from voice_agents.engines.answer import Answer, Work
from voice_agents.engines.base import OUTPUT_RATE, checked_text
from voice_agents.engines.hearing import Hearing
from voice_agents.engines.mouth import Mouth
from voice_agents.engines.outbox import Outbox
from voice_agents.engines.parts import SandwichParts
from voice_agents.engines.slowness import slowness
from voice_agents.engines.standing import Standing
from voice_agents.engines.tasks import Tasks
from voice_agents.engines.troubles import Troubles
from voice_agents.engines.user_turn import UserTurn
from voice_agents.errors import ProviderError, Role, VoiceAgentError
from voice_agents.events import (
    AgentAudio,
    AgentPaused,
    AgentResumed,
    AgentText,
    Event,
    Failed,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.providers.interfaces import STT_RATE, ConnectionState
from voice_agents.settings import TurnSettings
from voice_agents.tools import Timers, standard_toolbox
from voice_agents.turns.floor import Floor, FloorAction, FloorState
from voice_agents.turns.playout import Frame

CLOSE_TIMEOUT_S = 0.8
"""A session is gone within one second, whatever a provider does."""


class SandwichSession:
    """One conversation over :class:`SandwichParts`; see :class:`voice_agents.engines.base.Session`.

    Everything happens in the event loop of its ``async with``: audio slices, the recogniser's words, the mouth and
    timers report here, the floor decides, and :meth:`_act` carries it out.
    """

    input_rate = STT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, parts: SandwichParts, conversation: Conversation, turns: TurnSettings) -> None:
        self.conversation = conversation
        self._parts = parts
        self._speaking = True
        self._clock = asyncio.get_running_loop().time
        self._outbox = Outbox(lambda: self.epoch)
        self._tasks = Tasks()
        self._floor = Floor()
        self._floor_alarm: asyncio.TimerHandle | None = None
        self._standing = Standing(Role.STT, Role.TTS)
        self._troubles = Troubles(self._tell_trouble)
        self._status: Status | None = None
        self._hearing = Hearing(parts.voice_activity(), turns, self, self._clock)
        self._mouth = Mouth(self, self._clock, turns.playout_lead_s)
        self._stt = parts.speech_to_text(self._hearing.on_partial, partial(self._on_connection, Role.STT))
        self._hearing.listen_with(self._stt)
        self._tts = parts.text_to_speech(partial(self._on_connection, Role.TTS))
        self._history = History(parts.store)
        self._timers = Timers(self._on_timer)
        toolbox = standard_toolbox(self._timers, parts.store.notes(conversation.owner))
        self._agent = VoiceAgent(parts.model, self._history, toolbox, parts.instructions)
        self._turn = 0
        self._merging = False
        self._answer: Answer | None = None
        self._answered = UserTurn()
        self._answering: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None
        self._announcements: list[str] = []
        self._told_in = -1
        """The turn in which the user was last told that something is wrong."""

    # The session's life

    async def __aenter__(self) -> Self:
        await self._history.messages(self.conversation)
        await self._stt.__aenter__()
        await self._tts.__aenter__()
        self._tasks.start(self._hearing.run())
        self._tasks.start(self._mouth.run())
        self._tasks.start(self._parts.warm())
        self._tell_status()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._floor_alarm is not None:
            self._floor_alarm.cancel()
        self._timers.close()
        self._cut_answer(merge=False)
        await self._tasks.close(self._settling, CLOSE_TIMEOUT_S)
        await self._stt.__aexit__(None, None, None)
        await self._tts.__aexit__(None, None, None)
        self._outbox.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._outbox.__aiter__()

    @property
    def epoch(self) -> int:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._mouth.epoch

    # What a caller may do

    def push_audio(self, pcm: Pcm) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._hearing.push(pcm)

    def send_text(self, text: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        user = UserTurn.of_text(checked_text(text))
        self._hearing.forget()
        self._act(self._floor.typed(self._clock()))
        self._begin_answer(user, self._turn + 1)

    def end_turn(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._hearing.release()

    def interrupt(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._act(self._floor.interrupt(self._clock()))

    def set_turns(self, turns: TurnSettings) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._hearing.configure(turns)

    def set_voice(self, voice: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._tts.set_voice(voice)

    def set_speaking(self, speaking: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._speaking = speaking

    # What the user does

    def on_voice_started(self) -> None:
        """See :class:`~voice_agents.engines.hearing.HearingListener`."""
        self._tasks.start(self._parts.warm())
        self._emit(SpeechStarted, turn=self._user_number)
        self._act(self._floor.user_started(self._clock()))

    def on_voice_stopped(self, at: float) -> None:
        """See :class:`~voice_agents.engines.hearing.HearingListener`."""
        self._act(self._floor.user_stopped(at))

    def on_words(self, partial: str) -> None:
        """See :class:`~voice_agents.engines.hearing.HearingListener`."""
        earlier = self._answered.known() if self._answer is not None and self._may_merge else ""
        text = f"{earlier} {self._hearing.words}".strip()
        self._emit(UserTranscript, turn=self._user_number, text=text, final=False)
        self._act(self._floor.words(partial, self._clock()))

    def on_turn_end(self) -> None:
        """See :class:`~voice_agents.engines.hearing.HearingListener`."""
        self._act(self._floor.turn_ended(self._clock()))

    @property
    def _may_merge(self) -> bool:
        """The user goes on before anything of the answer was heard."""
        return self._merging or (self._answer is not None and not self._mouth.audible)

    @property
    def _user_number(self) -> int:
        """The number of the turn the user's present words belong to."""
        return self._turn if self._may_merge else self._turn + 1

    # What the floor decides

    def _act(self, actions: list[FloorAction]) -> None:
        for action in actions:
            match action:
                case FloorAction.PAUSE:
                    self._emit(AgentPaused, position=self._mouth.pause())
                case FloorAction.RESUME:
                    self._resume()
                case FloorAction.CANCEL:
                    self._cut_answer(merge=False)
                case FloorAction.MERGE:
                    self._cut_answer(merge=True)
                case FloorAction.PROBE:
                    self._tasks.start(self._probe())
                case FloorAction.TAKE_TURN:
                    self._take_turn()
        self._tell_status()
        self._set_floor_alarm()
        if self._announcements and self._floor.state is FloorState.LISTENING:
            self._announce(self._announcements.pop(0))

    def _set_floor_alarm(self) -> None:
        if self._floor_alarm is not None:
            self._floor_alarm.cancel()
        wake = self._floor.wake_at
        loop = asyncio.get_running_loop()
        self._floor_alarm = None if wake is None else loop.call_at(wake, self._on_floor_alarm)

    def _on_floor_alarm(self) -> None:
        self._act(self._floor.advance(self._clock()))

    def _resume(self) -> None:
        shown_again = self._answered.known() if self._may_merge and self._hearing.words else ""
        self._hearing.forget()
        self._emit(AgentResumed, position=self._mouth.resume())
        if shown_again:
            self._emit(UserTranscript, text=shown_again, final=True)

    async def _probe(self) -> None:
        text, piece = await self._hearing.probe()
        actions = self._floor.probed(text, self._clock())
        if actions and actions != [FloorAction.RESUME]:
            self._hearing.keep(piece)
        self._act(actions)

    def _take_turn(self) -> None:
        number, user = self._user_number, self._hearing.take()
        self._emit(SpeechEnded, turn=number, silence_s=user.marks.silence_s)
        self._begin_answer(user, number)

    # The answer

    def _begin_answer(self, user: UserTurn, number: int) -> None:
        answer = self._new_answer(user, number)
        self._answering = self._tasks.start(self._run_answer(answer, user, self._settling))

    def _announce(self, text: str) -> None:
        self._act(self._floor.agent_turn(self._clock()))
        answer = self._new_answer(UserTurn(), self._turn + 1)
        work = Announcement(self._history, self.conversation, text)
        self._answering = self._tasks.start(self._run_work(answer, work, self._settling))

    def _new_answer(self, user: UserTurn, number: int) -> Answer:
        self._turn, self._merging, self._answered = number, False, user
        user.marks.mark("turn_taken", self._clock())
        self._mouth.begin()
        voice = self._tts if self._speaking else None
        self._answer = Answer(user.marks, self._mouth, voice, self._on_output, self._clock)
        return self._answer

    async def _run_answer(self, answer: Answer, user: UserTurn, before: asyncio.Task[None] | None) -> None:
        try:
            text = await self._words(user)
        except ProviderError:
            return self._mouth.finish()
        user.marks.mark("transcript_final", self._clock())
        self._emit(UserTranscript, text=text, final=True)
        if text:
            return await self._run_work(answer, self._agent.turn(self.conversation, text), before)
        self._mouth.cancel()
        self._answer = None
        return self._act(self._floor.nothing_said(self._clock()))

    async def _words(self, user: UserTurn) -> str:
        if user.typed:
            return await user.words()
        self._troubles.begins(Role.STT)
        try:
            text = await user.words()
        except ProviderError as error:
            self._troubles.ends(Role.STT, error)
            raise
        finally:
            self._troubles.ends(Role.STT)
        return text

    async def _run_work(self, answer: Answer, work: Work, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._troubles.begins(Role.TTS)
        try:
            await answer.run(work)
        except Exception as error:
            self._fail(error)
        finally:
            self._troubles.ends(Role.TTS)

    def _fail(self, error: Exception) -> None:
        """The answer ends here; what was written or spoken of it stays."""
        plain = error if isinstance(error, VoiceAgentError) else self._parts.plain_error(error)
        if isinstance(plain, ProviderError) and plain.role is Role.TTS:
            self._troubles.ends(Role.TTS, plain)
        else:
            self._emit(Failed, error=plain)
        self._mouth.finish()

    def _on_output(self, output: AgentOutput) -> None:
        match output:
            case Token(text=text):
                self._emit(AgentText, text=text)
            case ToolStarted(name=name, args=args, call_id=call_id):
                self._emit(ToolCalled, name=name, args=args, call_id=call_id)
            case ToolFinished(call_id=call_id, result=result, error=error):
                self._emit(ToolReturned, call_id=call_id, result=result, error=error)
            case Recovered(text=text):
                self._emit(Notice, level="warning", text=text)

    def _cut_answer(self, merge: bool) -> None:
        answer, task = self._answer, self._answering
        if answer is None or task is None:
            return
        self._mouth.cancel()
        task.cancel()
        if merge:
            self._merging = True
            self._hearing.take_back(self._answered)
        else:
            self._emit(Interrupted, heard_text=_joined(answer.heard()))
        self._wind_up(answer, task, discard=merge)

    def _wind_up(self, answer: Answer, task: asyncio.Task[None], discard: bool) -> None:
        """Whatever stopped the answer: memory gets what was heard of it, before the next answer begins."""
        self._answer = None
        dry_s = 0.0 if answer.used_tools else self._mouth.dry_s
        slow = slowness(answer.marks.result(), dry_s)
        if slow and not discard and self._told_in != self._turn:
            self._emit(Notice, level="warning", text=slow)
        before = [other for other in (self._settling, task) if other is not None]
        self._settling = self._tasks.start(self._settle(answer, answer.heard(), self._turn, before, discard))

    async def _settle(
        self, answer: Answer, heard: dict[str, str], number: int, before: list[asyncio.Task[None]], discard: bool
    ) -> None:
        await asyncio.wait(before)
        if answer.work is not None:
            try:
                await (answer.work.discard() if discard else answer.work.settle(heard))
            except VoiceAgentError as error:
                self._emit(Failed, turn=number, error=error)
        if not discard:
            self._emit(TurnDone, turn=number, heard_text=_joined(heard), latency=answer.marks.result())

    # What the mouth, timers and connections report

    def on_frame(self, frame: Frame) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._emit(AgentAudio, pcm=frame.pcm, position=frame.position, epoch=self.epoch)

    def on_audible(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._answered.marks.mark("first_played", self._clock())
        self._act(self._floor.agent_started(self._clock()))

    def on_played(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        if self._answer is not None and self._answering is not None:
            self._wind_up(self._answer, self._answering, discard=False)
        self._act(self._floor.agent_finished(self._clock()))

    def _on_timer(self, text: str) -> None:
        self._announcements.append(text)
        self._act([])

    def _on_connection(self, role: Role, state: ConnectionState, error: ProviderError | None) -> None:
        self._standing.change(role, state, error)
        self._troubles.connection(role, state, error)
        self._tell_status()

    def _tell_trouble(self, error: ProviderError, failed: bool) -> None:
        if failed:
            self._emit(Failed, error=error)
        else:
            self._emit(Notice, level="warning", text=str(error))

    def _tell_status(self) -> None:
        status = self._standing.status(self._floor.state)
        if status is not self._status:
            self._status = status
            self._emit(StatusChanged, status=status)

    def _emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        if kind is Notice or kind is Failed:
            self._told_in = self._turn
        self._outbox.put(kind(turn=self._turn if turn is None else turn, at=self._clock(), **values))


def _joined(heard: dict[str, str]) -> str:
    return " ".join(text.strip() for text in heard.values() if text)
