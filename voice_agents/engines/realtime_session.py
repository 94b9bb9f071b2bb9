"""One Realtime conversation: speech to speech with a server that takes the turns."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from voice_agents.audio import Pcm, first_audible
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import OUTPUT_RATE, checked_text
from voice_agents.engines.ear import Ear, SpeechGate
from voice_agents.engines.mouth import Mouth
from voice_agents.engines.outbox import Outbox
from voice_agents.engines.realtime_parts import RealtimeParts
from voice_agents.engines.realtime_turn import CANCELLED, RealtimeTurn, ToolRun, past_of
from voice_agents.engines.standing import Standing
from voice_agents.engines.tasks import Tasks
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
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime_config import PastItem, RealtimeConfig
from voice_agents.providers.realtime_events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    ToolCall,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.tools import Timers, standard_toolbox
from voice_agents.turns.floor import FloorState
from voice_agents.turns.playout import Frame
from voice_agents.turns.vad import VoiceEvent, VoiceStarted

CLOSE_TIMEOUT_S = 0.8
DECIDE_S = 0.6
"""How long after a sound that stopped the agent the server may still take it for speech."""
TRANSCRIPT_WAIT_S = 4.0
"""How long memory waits for the user's words after the answer was played."""
ANNOUNCE = "[This is not the user: a timer has fired. Say to the user: {}]"
SLOW_TOOL_S = 2.5
"""A tool that takes longer is announced in the page."""


class RealtimeSession:
    """One conversation over a Realtime server; see :class:`voice_agents.engines.base.Session`.

    The server decides the turns. Our own detector stops the sound at once; the server's speech_started makes that an
    interruption, its silence lets the agent go on from the exact sample.
    """

    input_rate = OUTPUT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, parts: RealtimeParts, conversation: Conversation, turns: TurnSettings) -> None:
        self.conversation = conversation
        self._parts = parts
        self._turns = turns
        self._clock = asyncio.get_running_loop().time
        self._outbox = Outbox(lambda: self.epoch)
        self._tasks = Tasks()
        self._standing = Standing(Role.REALTIME)
        self._status: Status | None = None
        self._state = FloorState.LISTENING
        self._ear = Ear(self.input_rate, parts.voice_activity(), self._on_slice, self._clock)
        self._mouth = Mouth(self, self._clock, turns.playout_lead_s)
        self._history = History(parts.store)
        self._timers = Timers(self._on_timer)
        self._toolbox = standard_toolbox(self._timers, parts.store.notes(conversation.owner))
        self._config = RealtimeConfig(
            instructions=parts.instructions,
            tools=tuple(self._toolbox.as_realtime()),
            voice=parts.voice,
            detection=turns.detection,
            mode=turns.mode,
            silence_s=turns.silence_s,
        )
        self._client = parts.realtime(self._config, self._past, partial(self._on_connection, Role.REALTIME))
        self._gate = SpeechGate(self._client.send_audio, rate=self.input_rate)
        self._entries: list[HistoryEntry] = []
        self._turn = RealtimeTurn(0)
        self._items: dict[str, RealtimeTurn] = {}
        self._announcements: list[str] = []
        self._answering = False
        """The turn has an answer that is not settled yet."""
        self._tools: set[asyncio.Task[None]] = set()
        self._resume_alarm: asyncio.TimerHandle | None = None
        self._settling: asyncio.Task[None] | None = None

    # The session's life

    async def __aenter__(self) -> Self:
        self._entries = await self._history.messages(self.conversation)
        await self._client.__aenter__()
        self._tasks.start(self._ear.run(lambda: self._state in (FloorState.USER_SPEAKING, FloorState.AGENT_PAUSED)))
        self._tasks.start(self._mouth.run())
        self._tasks.start(self._follow())
        self._tell_status()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_alarm()
        self._timers.close()
        self._turn.user_known.set()
        self._cut()
        await self._tasks.close(self._settling, CLOSE_TIMEOUT_S)
        await self._client.__aexit__(None, None, None)
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
        self._ear.push(pcm)

    def send_text(self, text: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        text = checked_text(text)
        self._cut()
        self._begin_turn()
        self._turn.user_said(text)
        self._emit(UserTranscript, text=text, final=True)
        self._client.send_text(text)

    def end_turn(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._ear.after_queued(self._released)

    def interrupt(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        if self._answering:
            self._cut()
            self._go(FloorState.LISTENING)

    def set_turns(self, turns: TurnSettings) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._turns = turns
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

    def _on_slice(self, raw: Pcm, _pcm: Pcm, events: list[VoiceEvent]) -> None:
        if self._turns.mode is TurnMode.AUTOMATIC:
            self._client.send_audio(raw)
        else:
            self._gate.feed(raw, wanted=self._ear.voice.speaking)
        for event in events:
            self._on_voice(event)

    def _on_voice(self, event: VoiceEvent) -> None:
        if self._turns.mode is TurnMode.PUSH_TO_TALK:
            return
        if isinstance(event, VoiceStarted):
            self._stop_alarm()
            if self._state is FloorState.AGENT_SPEAKING:
                self._emit(AgentPaused, position=self._mouth.pause())
                self._go(FloorState.AGENT_PAUSED)
        elif self._state is FloorState.AGENT_PAUSED:
            self._resume_alarm = asyncio.get_running_loop().call_later(DECIDE_S, self._resume)

    def _resume(self) -> None:
        """The server did not take the sound for speech."""
        if self._state is FloorState.AGENT_PAUSED:
            self._emit(AgentResumed, position=self._mouth.resume())
            self._go(FloorState.AGENT_SPEAKING)

    def _released(self) -> None:
        """Push-to-talk: what was said since the last turn is one."""
        self._cut()
        self._begin_turn()
        self._mark_speech_end()
        self._emit(SpeechEnded, silence_s=self._turn.marks.silence_s)
        self._client.commit()

    def _mark_speech_end(self) -> None:
        """Own detector: when the last speech sample arrived. What the server waited for counts as silence."""
        marks, now = self._turn.marks, self._clock()
        if self._ear.voice.last_speech is not None:
            marks.speech_end = min(now, self._ear.time_of(self._ear.voice.last_speech))
            waited = now - marks.speech_end
            marks.silence_s = (
                waited if self._turns.mode is TurnMode.PUSH_TO_TALK else min(waited, self._turns.silence_s)
            )
        marks.turn_taken = marks.first_text_sent = now

    # What the server says

    async def _follow(self) -> None:
        async for event in self._client:
            self._on_server(event)

    def _on_server(self, event: RealtimeEvent) -> None:
        match event:
            case UserSpeechStarted():
                self._on_speech_started()
            case UserSpeechStopped(item_id=item_id):
                self._on_speech_stopped(item_id)
            case UserCommitted(item_id=item_id):
                self._on_committed(item_id)
            case UserPartial(item_id=item_id, text=text):
                self._on_user_text(item_id, text, final=False)
            case UserFinal(item_id=item_id, text=text):
                self._on_user_text(item_id, text, final=True)
            case UserFinalFailed(item_id=item_id):
                self._turn_of(item_id).user_known.set()
            case ServerError(error=error):
                self._fail(error)
            case _:
                self._on_response(event)

    def _on_speech_started(self) -> None:
        self._stop_alarm()
        self._cut()
        self._emit(SpeechStarted, turn=self._turn.number + 1)
        self._go(FloorState.USER_SPEAKING)

    def _on_speech_stopped(self, item_id: str) -> None:
        self._begin_turn()
        self._items[item_id] = self._turn
        self._mark_speech_end()
        self._emit(SpeechEnded, silence_s=self._turn.marks.silence_s)

    def _on_committed(self, item_id: str) -> None:
        if item_id not in self._items and not self._answering:
            return self._on_speech_stopped(item_id)
        self._items.setdefault(item_id, self._turn)
        return None

    def _on_user_text(self, item_id: str, text: str, final: bool) -> None:
        turn = self._turn_of(item_id)
        if final:
            turn.user_said(text)
        self._emit(UserTranscript, turn=turn.number, text=text.strip(), final=final)

    def _turn_of(self, item_id: str) -> RealtimeTurn:
        """Transcripts may arrive when the next turn is already under way."""
        return self._items.get(item_id, self._turn)

    def _on_response(self, event: AudioDelta | TextDelta | ResponseStarted | ResponseDone) -> None:
        if isinstance(event, ResponseStarted):
            return self._on_response_started(event.response_id)
        turn = self._turn
        if not self._answering or event.response_id not in turn.responses:
            return None
        match event:
            case AudioDelta(item_id=item_id, pcm=pcm):
                if first_audible(pcm) is not None:
                    turn.marks.mark("first_audio", self._clock())
                turn.add_sound(item_id, pcm)
                self._mouth.add(pcm, (), item_id)
            case TextDelta(item_id=item_id, text=text):
                turn.add_text(item_id, text)
                self._emit(AgentText, text=text)
            case ResponseDone():
                self._on_response_done(event)
        return None

    def _on_response_started(self, response_id: str) -> None:
        """The answer to the turn, or something the server says by itself (it prompts a silent user)."""
        if not self._answering and self._state is FloorState.LISTENING:
            self._begin_turn()
            self._turn.user_known.set()
        if self._answering:
            self._turn.responses.add(response_id)
            self._turn.read = not self._config.speaking

    def _on_response_done(self, done: ResponseDone) -> None:
        if done.tool_calls and done.status == "completed":
            for call in done.tool_calls:
                self._show_tool(call)
            task = self._tasks.start(self._run_tools(self._turn))
            self._tools.add(task)
            task.add_done_callback(self._tools.discard)
            return
        self._turn.complete()
        if done.status == "failed":
            sentence = f"The realtime server could not answer ({done.reason or 'no reason given'}). Please try again."
            self._emit(Failed, error=VoiceAgentError(sentence))
        self._mouth.finish()

    # Tools

    def _show_tool(self, call: ToolCall) -> None:
        run = self._turn.add_call(call)
        self._emit(ToolCalled, name=call.name, args=run.args, call_id=call.call_id)

    async def _run_tools(self, turn: RealtimeTurn) -> None:
        """All calls of one response at once; the server goes on when it has every result."""
        began = self._clock()
        runs = turn.open_tools()
        announcing = asyncio.get_running_loop().call_later(SLOW_TOOL_S, self._announce_slow, runs)
        try:
            await asyncio.gather(*(self._run_tool(run) for run in runs))
        finally:
            announcing.cancel()
        if turn.marks.first_audio is None:
            turn.marks.tool_s += self._clock() - began
            turn.marks.first_text_sent = (turn.marks.first_text_sent or began) + self._clock() - began
        self._client.respond()

    async def _run_tool(self, run: ToolRun) -> None:
        result = await self._toolbox.call(run.call.name, run.call.arguments or "{}")
        run.result, run.error = result.text, result.error
        self._emit(ToolReturned, call_id=run.call.call_id, result=result.text, error=result.error)
        self._client.send_tool_output(run.call.call_id, result.text)

    def _announce_slow(self, runs: Sequence[ToolRun]) -> None:
        names = ", ".join(run.call.name.replace("_", " ") for run in runs if run.result is None)
        self._emit(Notice, level="info", text=f"Still working on it: {names}.")

    # Turns

    def _begin_turn(self) -> None:
        self._turn = RealtimeTurn(self._turn.number + 1)
        self._turn.marks.mark("turn_taken", self._clock())
        self._turn.marks.mark("first_text_sent", self._clock())
        self._answering = True
        self._mouth.begin()
        self._go(FloorState.THINKING)

    def _cut(self) -> None:
        """Stop the answer: the server and memory are told what was heard of it."""
        if not self._answering:
            return
        position = self._mouth.cancel()
        for task in self._tools:
            task.cancel()
        self._client.cancel()
        for run in self._turn.open_tools():
            self._client.send_tool_output(run.call.call_id, CANCELLED)
        for item in self._turn.spoken():
            if position < item.start + item.words.samples:
                self._client.truncate(item.item_id, max(0, position - item.start))
        self._emit(Interrupted, heard_text=self._turn.heard(position))
        self._wind_up(position)

    def _wind_up(self, position: int) -> None:
        self._answering = False
        self._settling = self._tasks.start(self._settle(self._turn, position, self._settling))

    async def _settle(self, turn: RealtimeTurn, position: int, before: asyncio.Task[None] | None) -> None:
        """Store the turn as it was heard; the user's words may arrive after the answer they caused."""
        if before is not None:
            await asyncio.wait([before])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TRANSCRIPT_WAIT_S):
                await turn.user_known.wait()
        entries = turn.entries(position)
        self._entries += entries
        try:
            await self._history.append(self.conversation, *entries)
        except VoiceAgentError as error:
            self._emit(Failed, turn=turn.number, error=error)
        self._emit(TurnDone, turn=turn.number, heard_text=turn.heard(position), latency=turn.marks.result())

    def _past(self) -> list[PastItem]:
        """The conversation for a fresh server session."""
        return [*past_of(self._entries), *(self._turn.past() if self._answering else [])]

    # What the mouth, timers and connections report

    def on_frame(self, frame: Frame) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._emit(AgentAudio, pcm=frame.pcm, position=frame.position, epoch=self.epoch)

    def on_audible(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._turn.marks.mark("first_played", self._clock())
        self._go(FloorState.AGENT_SPEAKING)

    def on_played(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        if self._answering:
            self._wind_up(self._turn.samples)
        self._go(FloorState.LISTENING)

    def _on_timer(self, text: str) -> None:
        self._announcements.append(text)
        self._announce()

    def _announce(self) -> None:
        """In a pause of the conversation the model is told of what happened, and says so in its own voice."""
        if self._announcements and not self._answering and self._state is FloorState.LISTENING:
            self._begin_turn()
            self._turn.user_known.set()
            self._client.send_text(ANNOUNCE.format(self._announcements.pop(0)))

    def _fail(self, error: ProviderError) -> None:
        self._emit(Failed, error=error)
        if self._answering:
            self._turn.complete()
            self._mouth.finish()

    def _on_connection(self, role: Role, state: ConnectionState, error: ProviderError | None) -> None:
        if self._standing.change(role, state, error):
            if state is ConnectionState.FAILED and error is not None:
                self._fail(error)
            elif error is not None:
                self._emit(Notice, level="warning", text=str(error))
            else:
                self._emit(Notice, level="info", text=f"The connection for {role.value} is back.")
        self._tell_status()

    def _go(self, state: FloorState) -> None:
        self._state = state
        self._tell_status()
        self._announce()

    def _stop_alarm(self) -> None:
        if self._resume_alarm is not None:
            self._resume_alarm.cancel()
            self._resume_alarm = None

    def _tell_status(self) -> None:
        status = self._standing.status(self._state)
        if status is not self._status:
            self._status = status
            self._emit(StatusChanged, status=status)

    def _emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        self._outbox.put(kind(turn=self._turn.number if turn is None else turn, at=self._clock(), **values))
