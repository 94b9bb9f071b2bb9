"""One Realtime conversation: speech to speech with a server that takes the turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from voice_agents.audio import Pcm
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import OUTPUT_RATE, checked_text
from voice_agents.engines.mouth import Mouth
from voice_agents.engines.outbox import Outbox
from voice_agents.engines.realtime_answer import RealtimeAnswer
from voice_agents.engines.realtime_floor import ServedFloor
from voice_agents.engines.realtime_link import RealtimeLink
from voice_agents.engines.realtime_memory import RealtimeMemory
from voice_agents.engines.realtime_parts import RealtimeParts
from voice_agents.engines.realtime_tools import ToolRunner
from voice_agents.engines.realtime_turn import RealtimeTurn
from voice_agents.engines.realtime_turns import UserTurns
from voice_agents.engines.realtime_user import INPUT_RATE, RealtimeUser
from voice_agents.engines.tasks import Tasks
from voice_agents.errors import VoiceAgentError
from voice_agents.events import (
    AgentAudio,
    AgentPaused,
    AgentResumed,
    Event,
    Failed,
    Interrupted,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    TurnDone,
    UserTranscript,
)
from voice_agents.providers.realtime_config import PastItem, RealtimeConfig
from voice_agents.providers.realtime_events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.tools import Timers, standard_toolbox
from voice_agents.turns.floor import FloorAction, FloorState
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.playout import Frame

CLOSE_TIMEOUT_S = 0.4
"""Twice this at most for what is not stored yet, and the session is gone within a second."""
ANNOUNCE = "[This is not the user: a timer has fired. Say to the user: {}]"


class RealtimeSession:
    """One conversation over a Realtime server; see :class:`voice_agents.engines.base.Session`.

    The server takes the turns. Our own detector stops the sound at once; the server's speech_started makes that an
    interruption, its silence lets the agent go on from the exact sample.
    """

    input_rate = INPUT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, parts: RealtimeParts, conversation: Conversation, turns: TurnSettings) -> None:
        self.conversation = conversation
        self._settings = turns
        self._clock = asyncio.get_running_loop().time
        self._outbox = Outbox(lambda: self.epoch)
        self._tasks = Tasks()
        self._floor = ServedFloor(turns.mode)
        self._floor_alarm: asyncio.TimerHandle | None = None
        self._status: Status | None = None
        self._timers = Timers(self._on_timer)
        toolbox = standard_toolbox(self._timers, parts.store.notes(conversation.owner))
        self._config = RealtimeConfig(
            instructions=parts.instructions,
            tools=tuple(toolbox.as_realtime()),
            voice=parts.voice,
            detection=turns.detection,
            mode=turns.mode,
            silence_s=turns.silence_s,
        )
        self._link = RealtimeLink(self, self._emit)
        self._client = parts.realtime(self._config, self._past, self._link.on_connection)
        self._user = RealtimeUser(parts.voice_activity(), turns, self, self._client.send_audio, self._clock)
        self._mouth = Mouth(self, self._clock, turns.playout_lead_s)
        self._memory = RealtimeMemory(History(parts.store), conversation, self._tasks, self._on_settled)
        tools = ToolRunner(toolbox, self._tasks, self._emit, self._client.send_tool_output)
        self._answer = RealtimeAnswer(self._client, self._mouth, tools, self._emit, self, self._clock)
        self._turns = UserTurns()
        self._announcements: list[str] = []
        self._usage: Counter[str] = Counter()

    # The session's life

    async def __aenter__(self) -> Self:
        await self._memory.load()
        await self._client.__aenter__()
        undecided = (FloorState.USER_SPEAKING, FloorState.AGENT_PAUSED)
        self._tasks.start(self._user.run(lambda: self._floor.state in undecided))
        self._tasks.start(self._mouth.run())
        self._tasks.start(self._follow())
        self._tell_status()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._floor_alarm is not None:
            self._floor_alarm.cancel()
        self._timers.close()
        self._cut()
        self._give_up_user()
        self._answer.close()
        self._memory.give_up_words()
        leaving = self._client.__aexit__(None, None, None)
        await asyncio.gather(self._tasks.close(self._memory.settling, CLOSE_TIMEOUT_S), leaving)
        self._outbox.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._outbox.__aiter__()

    @property
    def epoch(self) -> int:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._mouth.epoch

    @property
    def usage(self) -> Mapping[str, int]:
        """Tokens this session has used so far, by the names the server gives them ("total_tokens", ...)."""
        return dict(self._usage)

    # What a caller may do

    def push_audio(self, pcm: Pcm) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._user.push(pcm)

    def send_text(self, text: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        text = checked_text(text)
        self._do(self._floor.typed(self._clock()))
        self._give_up_user()
        turn = RealtimeTurn(self._answer.turn.number + 1)
        turn.user.typed(text)
        self._begin(turn)
        self._emit(UserTranscript, text=text, final=True)
        self._client.send_text(text)
        self._act([])

    def end_turn(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._user.release()

    def interrupt(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._act(self._floor.interrupt(self._clock()))

    def set_turns(self, turns: TurnSettings) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._settings = turns
        self._floor.mode = turns.mode
        self._user.configure(turns)
        self._configure(detection=turns.detection, mode=turns.mode, silence_s=turns.silence_s)

    def set_voice(self, voice: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`; a server keeps the voice it has spoken with."""
        self._configure(voice=voice)

    def set_speaking(self, speaking: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._configure(speaking=speaking)

    def _configure(self, **changes: Any) -> None:
        config = replace(self._config, **changes)
        if config != self._config:
            self._config = config
            self._client.configure(config)

    # What the user does

    def on_voice_started(self) -> None:
        """See :class:`~voice_agents.engines.realtime_user.RealtimeUserListener`."""
        if not self._floor.confirmed:
            self._emit(SpeechStarted, turn=self._user_number)
        self._act(self._floor.user_started(self._clock()))

    def on_voice_stopped(self) -> None:
        """See :class:`~voice_agents.engines.realtime_user.RealtimeUserListener`."""
        self._act(self._floor.user_stopped(self._clock()))

    def on_released(self) -> None:
        """See :class:`~voice_agents.engines.realtime_user.RealtimeUserListener`: nothing said is no turn."""
        pushed = self._settings.mode is TurnMode.PUSH_TO_TALK
        if self._user.spoke if pushed else self._floor.state is FloorState.USER_SPEAKING:
            self._take_turn(None)
            self._client.commit()

    @property
    def _next_number(self) -> int:
        return self._answer.turn.number + 1

    @property
    def _user_number(self) -> int:
        """The number of the turn the user's present words belong to."""
        if self._turns.coming is not None:
            return self._turns.coming.number
        turn = self._answer.turn
        unheard = self._answer.open and turn.of_user and not self._mouth.audible
        return turn.number if unheard else self._next_number

    # What the server says

    async def _follow(self) -> None:
        async for event in self._client:
            self._on_server(event)

    def _on_server(self, event: RealtimeEvent) -> None:
        match event:
            case UserSpeechStarted(item_id=item_id):
                self._on_server_heard(item_id)
            case UserSpeechStopped(item_id=item_id) | UserCommitted(item_id=item_id):
                self._on_server_took(item_id)
            case UserPartial(item_id=item_id, text=text):
                self._on_user_words(item_id, text, final=False)
            case UserFinal(item_id=item_id, text=text):
                self._on_user_words(item_id, text, final=True)
            case UserFinalFailed(item_id=item_id):
                self._on_user_words(item_id, "", final=True)
            case ServerError(error=error):
                self._answer.failed(error)
            case ResponseStarted(response_id=response_id):
                self._on_response_started(response_id)
            case AudioDelta() | TextDelta():
                self._answer.response_event(event)
            case ResponseDone(usage=usage):
                self._usage.update(usage)
                self._answer.response_event(event)

    def _on_server_heard(self, item_id: str) -> None:
        noticed = self._user.speaking or self._floor.state is FloorState.USER_SPEAKING
        self._do(self._floor.server_heard(self._clock()))
        self._turns.heard(item_id, self._next_number)
        if not noticed:
            self._emit(SpeechStarted, turn=self._user_number)
        self._act([])

    def _on_server_took(self, item_id: str) -> None:
        turn = self._turns.of(item_id, self._answer.turn)
        if turn is not None and item_id in turn.user:
            return
        if turn is self._answer.turn and turn.user.awaits_item and self._answer.open:
            self._turns.add(item_id, turn)
        else:
            self._take_turn(item_id)

    def _take_turn(self, item_id: str | None) -> None:
        """The user's turn is complete: by the server's decision, or (no item yet) by ours."""
        self._do(self._floor.taken(self._clock()))
        turn = self._turns.take(self._next_number)
        turn.marks = TurnMarks()
        self._user.take(turn.marks, released=item_id is None)
        if item_id is None:
            turn.user.await_item()
        else:
            self._turns.add(item_id, turn)
        self._begin(turn)
        self._emit(SpeechEnded, silence_s=turn.marks.silence_s)
        self._act([])

    def _on_user_words(self, item_id: str, text: str, final: bool) -> None:
        turn = self._turns.of(item_id, self._answer.turn)
        if turn is None:
            return
        if final:
            turn.user.final(item_id, text)
        else:
            turn.user.partial(item_id, text)
        known = final and item_id in turn.user and turn.user.known
        self._emit(UserTranscript, turn=turn.number, text=turn.user.shown, final=known)
        if known and turn is self._answer.turn and self._answer.open:
            self._answer.words_known()

    def _on_response_started(self, response_id: str) -> None:
        """The answer to the turn, or something the server says by itself (it prompts a silent user)."""
        if not self._answer.open and self._floor.confirmed:
            self._take_turn(None)
        elif not self._answer.open:
            self._begin(RealtimeTurn(self._next_number, of_user=False))
            self._act(self._floor.agent_turn(self._clock()))
        self._answer.response_started(response_id)

    # What the floor decides

    def _act(self, actions: list[FloorAction]) -> None:
        self._do(actions)
        self._tell_status()
        self._set_floor_alarm()
        self._announce()

    def _do(self, actions: list[FloorAction]) -> None:
        for action in actions:
            match action:
                case FloorAction.PAUSE:
                    self._emit(AgentPaused, position=self._mouth.pause())
                case FloorAction.RESUME:
                    self._emit(AgentResumed, position=self._mouth.resume())
                case FloorAction.CANCEL:
                    self._cut()
                case FloorAction.MERGE:
                    self._cut(merge=True)

    def _set_floor_alarm(self) -> None:
        if self._floor_alarm is not None:
            self._floor_alarm.cancel()
        wake = self._floor.wake_at
        loop = asyncio.get_running_loop()
        self._floor_alarm = None if wake is None else loop.call_at(wake, self._on_floor_alarm)

    def _on_floor_alarm(self) -> None:
        self._do(self._floor.advance(self._clock()))
        if self._floor.state is FloorState.LISTENING:
            self._give_up_user()
        self._act([])

    # Turns

    def _begin(self, turn: RealtimeTurn) -> None:
        self._answer.begin(turn, read=not self._config.speaking)

    def _cut(self, merge: bool = False) -> None:
        """Stop the answer. ``merge``: nothing of it was heard, what the user says goes on with the turn."""
        if not self._answer.open:
            return
        turn, position = self._answer.turn, self._answer.cut()
        if merge:
            turn.restart()
            turn.merged = True
            self._turns.coming = turn
        else:
            self._emit(Interrupted, heard_text=turn.heard(position))
            self._memory.keep(turn, position)

    def _give_up_user(self) -> None:
        """Nobody takes what the user was saying; if it went on with a turn, that one stays without an answer."""
        turn = self._turns.give_up()
        if turn is not None:
            self._memory.keep(turn, 0)

    def _on_settled(self, turn: RealtimeTurn, heard: str, failure: VoiceAgentError | None) -> None:
        if failure is not None:
            self._emit(Failed, turn=turn.number, error=failure)
        self._emit(TurnDone, turn=turn.number, heard_text=heard, latency=turn.marks.result())

    def _past(self) -> list[PastItem]:
        """The conversation for a fresh server session."""
        return self._memory.past(self._answer.turn if self._answer.open else self._turns.coming)

    # What the answer, the mouth, timers and the connection report

    def on_nothing_said(self) -> None:
        """See :class:`~voice_agents.engines.realtime_answer.AnswerListener`."""
        self._answer.drop()
        self._act(self._floor.agent_finished(self._clock()))

    def on_frame(self, frame: Frame) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._emit(AgentAudio, pcm=frame.pcm, position=frame.position, epoch=self.epoch)

    def on_audible(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._answer.turn.marks.mark("first_played", self._clock())
        self._answer.show()
        self._act(self._floor.agent_started(self._clock()))

    def on_played(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        if self._answer.open:
            self._memory.keep(self._answer.turn, self._answer.played())
        self._act(self._floor.agent_finished(self._clock()))

    def _on_timer(self, text: str) -> None:
        self._announcements.append(text)
        self._announce()

    def _announce(self) -> None:
        """In a pause of the conversation the model is told of what happened, and says so in its own voice."""
        listening = self._floor.state is FloorState.LISTENING and not self._answer.open
        if self._announcements and listening and self._link.up:
            text = self._announcements.pop(0)
            self._begin(RealtimeTurn(self._next_number, of_user=False, announces=text))
            self._client.send_text(ANNOUNCE.format(text))
            self._act(self._floor.agent_turn(self._clock()))

    def on_lost(self) -> None:
        """See :class:`~voice_agents.engines.realtime_link.LinkListener`."""
        self._turns.forget_heard()
        self._answer.connection_lost()

    def on_given_up(self) -> None:
        """See :class:`~voice_agents.engines.realtime_link.LinkListener`."""
        self._memory.give_up_words()
        self._answer.turn.user.give_up()
        self._answer.give_up()

    def on_standing(self) -> None:
        """See :class:`~voice_agents.engines.realtime_link.LinkListener`."""
        self._act([])

    def _tell_status(self) -> None:
        status = self._link.status(self._floor.state)
        if status is not self._status:
            self._status = status
            self._emit(StatusChanged, status=status)

    def _emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        number = self._answer.turn.number if turn is None else turn
        self._outbox.put(kind(turn=number, at=self._clock(), **values))
