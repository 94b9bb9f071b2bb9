"""One voice conversation, whichever backend answers in it: who speaks, what is told, what stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.errors import NOT_UNDERSTOOD, NOTHING_HEARD
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentDucked,
    AgentPaused,
    AgentResumed,
    Event,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    UserTranscript,
)
from voice_agents.session.base import NO_COUGH_S, OUTPUT_RATE, Backend, Session, SessionParts, UserSign, checked_text
from voice_agents.session.events_out import EventsOut
from voice_agents.session.memory import Memory
from voice_agents.session.microphone import MicrophoneInput, MicrophoneListener
from voice_agents.session.speaker import PacedSpeaker, SpeakerListener
from voice_agents.session.tasks import SessionTasks, end_all
from voice_agents.session.turn import Turn, UserWords
from voice_agents.session.waiting import Waiting
from voice_agents.settings import Speculation, TurnSettings
from voice_agents.tools import Timers
from voice_agents.turns.floor import AGENT_STATES, TALKING, UNDECIDED, FloorAction, FloorState
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.own_loudness import OwnLoudness
from voice_agents.turns.playout import Frame
from voice_agents.turns.slowness import Slowness

QUESTION_END_S = 1.5
"""Who speaks so shortly before the end of a question has understood it: an "okay" is then an answer."""
STORE_TIMEOUT_S = 0.1
"""What takes longer to be stored is waited for when the store is left."""
DUCKED = 10 ** (-15 / 20)
"""15 dB lower: under the user's voice, and not gone."""
GONE_S = 0.95
"""A session is gone so soon, last words included, whatever a provider does."""
_UNCERTAIN = (FloorState.USER_SPEAKING, *UNDECIDED)


class VoiceSession(Session, MicrophoneListener, SpeakerListener):
    """One conversation, as its callers know it by :class:`~voice_agents.session.base.Session`.

    Everything happens in the event loop of its ``async with``. Microphone, backend and speaker report here, the floor
    decides, and :meth:`do` carries it out.
    """

    output_rate = OUTPUT_RATE

    def __init__(
        self,
        backend: Callable[[VoiceSession], Backend],
        parts: SessionParts,
        conversation: Conversation,
        turns: TurnSettings,
    ) -> None:
        self.conversation = conversation
        self.turns = turns
        """As the backend can take them."""
        self.clock = asyncio.get_running_loop().time
        self.tell = EventsOut(self.clock, lambda: self.epoch)
        self.tasks = SessionTasks(self.tell.break_off)
        guard = self.tasks.guard
        self.history = History(parts.store)
        self.timers = Timers(guard(self._on_timer), parts.store.timers(conversation))
        self.toolbox = parts.toolbox(self.timers, parts.store.notes(conversation.owner))
        self.turn, self.coming, self.answering, self.read = Turn(0), Turn(1), False, False
        self.backend = backend(self)
        self.turns = turns = self._possible(turns)
        self.floor = self.backend.floor
        self.floor.interruptions = turns.interruptions
        self.input_rate = self.backend.input_rate
        self.memory = Memory(self.history, conversation, self.backend.name, self.tell, self.tasks)
        self.microphone = MicrophoneInput(
            self.input_rate, parts.voice_activity(), turns, self, self.clock, guard, ends_turns=self.backend.ends_turns
        )
        self.speaker = PacedSpeaker(self, self.clock, turns.playout_lead_s, guard)
        self._store = parts.store
        self.waiting = Waiting(self.tell, guard)
        self._slowness = Slowness()
        self._own_loudness = OwnLoudness()
        self._floor_alarm = Alarm(guard)
        self._announcements: list[str] = []
        """What the agent will say by itself, oldest first."""
        self._held_back: list[tuple[type[Event], dict[str, Any]]] = []
        self.replies = False
        """What the user says now was begun at the end of a question of the agent: an "okay" is the answer to it."""

    # The session's life

    async def __aenter__(self) -> Self:
        await self.memory.open()
        await self.timers.open()
        await self.backend.open()
        self.tasks.start_core(self.microphone.run())
        self.tasks.start_core(self.speaker.run())
        self.act([])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._floor_alarm.cancel()
        self.microphone.stop()
        self.timers.close()
        self.waiting.end()
        self._cut()
        self.backend.unclaimed(murmured=self.floor.state in AGENT_STATES, leaving=True)
        ending = asyncio.create_task(self._end(self.clock() + GONE_S))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:  # who hangs up in this moment waits for the rest of this second, too
            await asyncio.wait([ending])
            raise

    async def _end(self, leave_by: float) -> None:
        """Until the last words are stored, the connections closed and all tasks over, or it is time to leave."""
        try:
            if self.memory.unfinished:
                await asyncio.wait(self.memory.unfinished, timeout=self.backend.last_words_s)
            closings = self.backend.closings()
            storing = self.tasks.close(tuple(self.memory.unfinished), STORE_TIMEOUT_S, self._store.owe)
            await end_all(max(STORE_TIMEOUT_S, leave_by - self.clock()), *closings, storing)
        finally:
            # what had no time on a machine that stood still is owed or cancelled all the same
            self.tasks.end(tuple(self.memory.unfinished), self._store.owe)
            self.tell.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.tell.__aiter__()

    @property
    @override
    def epoch(self) -> int:
        return self.speaker.epoch

    @property
    @override
    def busy(self) -> bool:
        return self.timers.running or bool(self._announcements)

    @property
    @override
    def heard_so_far(self) -> str:
        heard = self.answering and self.speaker.audible
        return self.turn.heard_text(self.speaker.position) if heard else ""

    # What a caller may do

    @override
    def push_audio(self, pcm: Pcm) -> None:
        self.microphone.push(pcm)
        self.speaker.ride()

    @override
    def send_text(self, text: str) -> None:
        text = checked_text(text)
        murmured = self.floor.state in AGENT_STATES
        self.do(self.floor.typed(self.clock()))
        self.backend.unclaimed(murmured=murmured)
        self.begin(Turn(self.tell.turn + 1, UserWords.of_text(text), typed=True))
        self.act([])
        self.microphone.go_on()

    @override
    def end_turn(self) -> None:
        self.microphone.release()

    @override
    def interrupt(self) -> None:
        self.act(self.floor.interrupt(self.clock()))
        will_end = not self.backend.ends_turns or self.microphone.by_hand or self.microphone.ending
        if self.floor.state is FloorState.LISTENING and not will_end:
            self.backend.let_pass()

    @override
    def set_turns(self, turns: TurnSettings) -> None:
        self.turns = turns = self._possible(turns)
        self.floor.interruptions = turns.interruptions
        self.microphone.configure(turns)
        self.backend.configure()

    def _possible(self, turns: TurnSettings) -> TurnSettings:
        return turns if self.backend.begins_early else replace(turns, speculation=Speculation.OFF)

    @override
    def set_voice(self, voice: str) -> None:
        self.backend.configure(voice=voice)

    @override
    def set_speaking(self, speaking: bool) -> None:
        self.read = not speaking
        self.backend.configure(speaking=speaking)

    @override
    def set_reporting(self, reporting: bool, late_s: float = 0.0) -> None:
        self.speaker.set_reporting(reporting, late_s)

    @override
    def played(self, turn: int, epoch: int, position: int) -> None:
        if turn == self.tell.turn:
            self.speaker.played(epoch, position)

    # What the user does

    @override
    def on_slice(self, raw: Pcm, pcm: Pcm) -> None:
        self.backend.hear(raw, pcm)
        voice, ducked = self.microphone.voice, self.floor.state is FloorState.AGENT_DUCKED
        if ducked or voice.speaking:
            self._own_loudness.hear(pcm)
        if not (ducked and voice.speaking):
            return
        if voice.pauses:
            self._voice_faded()
        elif (until := self.microphone.heard_until) is not None:
            soft = self._own_loudness.softer
            self.act(self.floor.voice_goes_on(until, self.clock(), odds=voice.sentence_odds, soft=soft))

    def _voice_faded(self) -> None:
        odds, soft = self.microphone.voice.word_odds, self._own_loudness.softer
        self.act(self.floor.voice_faded(self.clock(), odds=odds, soft=soft))

    @override
    def on_sound(self) -> None:
        self.act(self.floor.sound_started(self.clock()))

    @override
    def on_sound_ignored(self) -> None:
        self.act(self.floor.sound_ignored(self.clock()))

    @override
    def on_voice_started(self, at: float) -> None:
        if self.floor.state is FloorState.LISTENING:
            self._own_loudness.forget()
        if not self.floor.confirmed:
            self.tell.emit(SpeechStarted, turn=self.user_number, began=at)
        left_s = self.speaker.left_s
        self.replies = self.answering and self.turn.asks and left_s is not None and left_s <= QUESTION_END_S
        self.backend.notice(UserSign.STARTED)
        self.act(self.floor.user_started(self.clock(), at))

    @override
    def on_voice_stopped(self, at: float, voice_s: float) -> None:
        self.coming.voice_s += voice_s
        self.backend.notice(UserSign.STOPPED, voice_s=voice_s)
        self._voice_faded()  # it may have stopped all at once
        noticed = at if self.backend.ends_turns else self.clock()  # a server has its time from now on
        self.act(self.floor.user_stopped(noticed))

    @override
    def on_pause(self) -> None:
        if self.floor.state is FloorState.USER_SPEAKING:
            self.backend.notice(UserSign.PAUSED)

    @override
    def on_pause_over(self) -> None:
        self.backend.notice(UserSign.WENT_ON)

    @override
    def on_silence(self, speech_end: float, silence_s: float) -> None:
        self.coming.marks.speech_end, self.coming.marks.silence_s = speech_end, silence_s
        self.backend.notice(UserSign.FINISHED)

    @override
    def on_released(self) -> None:
        self.backend.notice(UserSign.RELEASED)

    @property
    def user_number(self) -> int:
        """The number of the turn the user's present words belong to."""
        return self.turn.number if self._unheard and self.turn.of_user else self.coming.number

    @property
    def _unheard(self) -> bool:
        """An answer is under way, and nothing of it was handed out yet: who goes on adds to the same turn."""
        return self.answering and not self.speaker.audible

    @property
    @override
    def undecided(self) -> bool:
        return self.floor.state in _UNCERTAIN

    # What the floor decides

    def act(self, actions: Sequence[FloorAction]) -> None:
        """Do what the floor has decided, and follow where it stands now."""
        self.do(actions)
        self.tell.show(self.floor.state)
        self.microphone.voice.eager = self.floor.state in TALKING
        self._floor_alarm.set(self.floor.wake_at, self._on_floor_alarm)
        self._announce()

    def do(self, actions: Sequence[FloorAction]) -> None:
        """Do what the floor has decided, where more happens at the same moment: :meth:`act` follows."""
        for action in actions:
            match action:
                case FloorAction.DUCK:
                    self._own_loudness.forget()
                    self.tell.emit(AgentDucked, position=self.speaker.position, volume=DUCKED)
                case FloorAction.PAUSE:
                    self.tell.emit(AgentPaused, position=self.speaker.pause())
                case FloorAction.RESUME:
                    self._resume()
                case FloorAction.CANCEL:
                    self._cut()
                case FloorAction.MERGE:
                    self._withdraw()
                case FloorAction.PROBE:
                    self.backend.probe()
                case FloorAction.TAKE_TURN:
                    self._own_loudness.take()
                    turn = self.coming
                    self.backend.take(turn)
                    self.begin(turn)
                case FloorAction.IGNORE:
                    self.backend.let_pass()

    def _on_floor_alarm(self) -> None:
        self.do(self.floor.advance(self.clock()))
        if self.floor.state is FloorState.LISTENING:
            self.backend.unclaimed(murmured=False)
        self.act([])

    def _resume(self) -> None:
        shown_again = self.turn.user.said if self._unheard and self.coming.user.shown else ""
        self.backend.let_pass()
        self.tell.emit(AgentResumed, position=self.speaker.resume())
        if shown_again:
            self.tell.emit(UserTranscript, text=shown_again, final=True)

    # Turns

    def begin(self, turn: Turn) -> None:
        """This turn was taken (or the agent speaks up by itself): its answer begins."""
        now = self.clock()
        self.tell.turn = turn.number
        if turn is self.coming:
            self.coming = Turn(turn.number + 1)
        else:
            self.coming.number = turn.number + 1
        self.turn, self.answering, turn.read = turn, True, self.read
        turn.marks.mark("turn_taken", now)
        if turn.of_user and not turn.typed:
            self.tell.emit(SpeechEnded, silence_s=turn.marks.silence_s)
        self.speaker.begin()
        if turn.of_user:
            since = now if turn.marks.speech_end is None else turn.marks.speech_end
            self.waiting.begin(since, partial(self._awaited, turn))
        self.backend.answer(turn)

    def keep_words(self, *, murmured: bool) -> None:
        """What the user was saying gets no answer, but stays. ``murmured``: unless it only shows that one listens."""
        turn = self.coming
        self.backend.take(turn)
        turn.murmured = murmured
        self.tell.turn = turn.number
        self.coming = Turn(turn.number + 1)
        self.memory.keep(turn, 0, answered=False)

    def nothing_said(self) -> None:
        """The turn that is being answered holds no words."""
        self._own_loudness.take_back()
        self.speaker.cancel()
        self.answering = False
        self.forget_held()
        if self.microphone.by_hand:
            self.tell.emit(Notice, level="info", text=NOTHING_HEARD)
        elif self.turn.voice_s >= NO_COUGH_S:
            self.tell.emit(Notice, level="info", text=NOT_UNDERSTOOD)
        self.act(self.floor.nothing_said(self.clock()))

    def _cut(self) -> None:
        """The answer is over where the user stopped hearing it; nothing happens without one."""
        if not self.answering:
            return
        turn, position = self.turn, self.speaker.cancel()
        self.answering = False
        self.show_held(anyway=self.speaker.audible or turn.read)
        self._held_back.clear()
        self.backend.cut(turn, position)
        heard = turn.heard_text(position)
        if turn.announces and not heard:
            self._announcements.insert(0, turn.announces)
        self.tell.emit(Interrupted, heard_text=heard)
        self._wind_up(turn, position)

    def _withdraw(self) -> None:
        """Take the answer back, before any of it was heard; what the user says goes on with the turn."""
        if not self.answering:
            return
        turn, later = self.turn, self.coming
        self.speaker.cancel()
        self.answering = False
        self._held_back.clear()
        self.backend.cut(turn, 0)
        self.memory.discard(turn)
        turn.withdraw()
        turn.marks, turn.merged, turn.typed = TurnMarks(), True, False
        turn.user.go_on_with(later.user)
        turn.voice_s += later.voice_s
        self.coming = turn

    def _wind_up(self, turn: Turn, position: int) -> None:
        if turn.announces and turn.heard_text(position):
            self.timers.said(turn.announces)
        dry_s = 0.0 if any(turn.tools) else self.speaker.dry_s
        served = not self.backend.ends_turns
        slow = self._slowness.sentence(turn.marks.result(), dry_s, served=served)
        if slow and self.tell.complained_in != self.tell.turn:
            self.tell.emit(Notice, level="warning", text=slow)
        self.memory.keep(turn, position)

    def _awaited(self, turn: Turn) -> str | None:
        return self.backend.awaited(turn) if self.answering and self.turn is turn else None

    # What the answer tells

    def show(self, kind: type[Event], **values: Any) -> None:
        """Tell something of the answer, as soon as it is heard or certain."""
        self._held_back.append((kind, values))
        self.show_held()

    def forget_held(self) -> None:
        """What was held back is not told: it was taken back."""
        self._held_back.clear()

    def show_held(self, *, anyway: bool = False) -> None:
        """Look again whether what was held back can be told: it is being heard, and stands after the user's words."""
        turn = self.turn
        heard = self.speaker.audible or turn.read or self.backend.certain
        if anyway or (heard and (turn.user.known or not turn.merged)):
            waiting, self._held_back = self._held_back, []
            for kind, values in waiting:
                self.tell.emit(kind, turn=turn.number, **values)

    # What the agent says by itself

    def _on_timer(self, text: str) -> None:
        self._announcements.append(text)
        self._announce()

    def _announce(self) -> None:
        if not self._announcements or self.floor.state is not FloorState.LISTENING or self.answering:
            return
        if self.backend.can_speak:
            self.speak_up(self._announcements.pop(0))

    def speak_up(self, text: str = "") -> None:
        """The agent speaks without being asked: it announces ``text``, or the server has something to say."""
        self.begin(Turn(self.tell.turn + 1, of_user=False, announces=text))
        self.act(self.floor.agent_turn(self.clock()))

    # What the speaker reports

    @override
    def on_frame(self, frame: Frame) -> None:
        self.tell.emit(AgentAudio, pcm=frame.pcm, position=frame.position, epoch=self.epoch)

    @override
    def on_audible(self) -> None:
        self.turn.marks.mark("first_played", self.clock())
        self.show_held()
        if self.floor.state not in TALKING:  # who began again in the middle of an answer has the floor
            self.act(self.floor.agent_started(self.clock()))

    @override
    def on_last_frame(self) -> None:
        self.tell.emit(AgentAudioDone)

    @override
    def on_played(self) -> None:
        if self.answering:
            turn, position = self.turn, self.speaker.position
            self.answering = False
            self.show_held(anyway=True)
            self.backend.played(turn)
            if turn.announces and not turn.heard_text(position):
                self.tell.emit(Notice, level="info", text=turn.announces)
            self._wind_up(turn, position)
        self.act(self.floor.agent_finished(self.clock()))
