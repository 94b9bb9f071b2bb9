"""The turns of a Realtime conversation, as our detector, the server, the mouth and time move them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from voice_agents.alarm import Alarm, Guard
from voice_agents.engines.mouth import Mouth
from voice_agents.engines.realtime.answer import RealtimeAnswer
from voice_agents.engines.realtime.memory import RealtimeMemory
from voice_agents.engines.realtime.parts import RealtimeConnection
from voice_agents.engines.realtime.tools import ToolRunner
from voice_agents.engines.realtime.turn import RealtimeTurn
from voice_agents.engines.realtime.turns import UserTurns
from voice_agents.engines.realtime.user import RealtimeUser
from voice_agents.engines.reporter import Reporter
from voice_agents.engines.waiting import Waiting
from voice_agents.errors import NOTHING_HEARD
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentPaused,
    AgentResumed,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    UserTranscript,
)
from voice_agents.providers.realtime.config import PastItem
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.turns.floor import TALKING, FloorAction, FloorState
from voice_agents.turns.playout import Frame
from voice_agents.turns.server_floor import ServerFloor
from voice_agents.turns.vad import VoiceActivity

NO_COUGH_S = 0.8
"""A voice that was heard for so long is no noise: a server that takes no notice of it has stalled."""


class RealtimeDialogue:
    """One per session: the floor decides, this carries it out.

    The server takes the turns. Our own detector stops the sound at once; the server's speech_started makes that an
    interruption, its silence lets the agent go on from the exact sample. ``on_change``: somebody else may have the
    floor, or the conversation has come to a pause. ``on_unheard`` gets what was to be announced, and was cut before
    any of it was heard.
    """

    def __init__(
        self,
        client: RealtimeConnection,
        provider: str,
        voice: VoiceActivity,
        turns: TurnSettings,
        tools: ToolRunner,
        memory: RealtimeMemory,
        tell: Reporter,
        on_change: Callable[[], None],
        on_unheard: Callable[[str], None],
        clock: Callable[[], float],
        guard: Guard,
    ) -> None:
        self.read = False
        """Answers are only written, from the next one on."""
        self._client = client
        self._provider = provider
        """What users call the server."""
        self._waiting = Waiting(tell, guard)
        self._voice_since: float | None = None
        self._memory = memory
        self._tell = tell
        self._on_change = on_change
        self._on_unheard = on_unheard
        self._clock = clock
        self.user = RealtimeUser(voice, turns, self, client.send_audio, clock)
        self.mouth = Mouth(self, clock, turns.playout_lead_s)
        self._floor = ServerFloor(turns.mode)
        self._floor_alarm = Alarm(guard)
        self.answer = RealtimeAnswer(client, self.mouth, tools, tell, self, clock, guard)
        self._closed = False
        self._turns = UserTurns()

    @property
    def state(self) -> FloorState:
        """Who has the floor."""
        return self._floor.state

    @property
    def undecided(self) -> bool:
        """The user's voice was heard, and silence will decide what it was."""
        return self._floor.state in (FloorState.USER_SPEAKING, FloorState.AGENT_PAUSED)

    @property
    def pausing(self) -> bool:
        """Nobody speaks, and nobody is about to."""
        return self._floor.state is FloorState.LISTENING and not self.answer.open

    def configure(self, turns: TurnSettings) -> None:
        """Other patience, mode or detector."""
        self._floor.mode = turns.mode
        self.user.configure(turns)

    def type(self, text: str) -> None:
        """A typed turn."""
        self._do(self._floor.typed(self._clock()))
        self._give_up_user()
        self._begin(self._turns.typed(text))
        self._tell.emit(UserTranscript, text=text, final=True)
        self._client.send_text(text)
        self._after()

    def speak_up(self, text: str, prompt: str) -> None:
        """The agent announces ``text`` by itself, in a pause; ``prompt`` tells the model so."""
        self._begin(self._turns.unasked(announces=text))
        self._client.send_text(prompt)
        self._act(self._floor.agent_turn(self._clock()))

    def interrupt(self) -> None:
        """The stop button."""
        self._act(self._floor.interrupt(self._clock()))

    def close(self) -> None:
        """What is under way ends here, and is kept as it was heard and said.

        The server is asked what the user was saying: the words come as those of any turn do.
        """
        self._closed = True
        self._floor_alarm.cancel()
        self._waiting.end()
        by_hand = self._floor.mode is TurnMode.PUSH_TO_TALK
        open_turn = self.user.spoke and (by_hand or self.undecided)
        self._cut()
        if open_turn:
            turn = self._turns.take(None)
            self._client.commit()
            self._client.cancel()
            self._memory.keep(turn, 0)
        else:
            self._give_up_user()

    def past(self) -> list[PastItem]:
        """The conversation for a fresh server session."""
        return self._memory.past(self.answer.turn if self.answer.open else self._turns.coming)

    # What the user does

    def on_sound(self) -> None:
        """See :class:`~voice_agents.engines.realtime.user.RealtimeUserListener`."""
        self._act(self._floor.sound_started(self._clock()))

    def on_sound_ignored(self) -> None:
        """See :class:`~voice_agents.engines.realtime.user.RealtimeUserListener`."""
        self._act(self._floor.sound_ignored(self._clock()))

    def on_voice_started(self, at: float) -> None:
        """See :class:`~voice_agents.engines.realtime.user.RealtimeUserListener`."""
        self._voice_since = self._clock()
        if not self._floor.confirmed:
            self._tell.emit(SpeechStarted, turn=self._user_number, began=at)
        self._act(self._floor.user_started(self._clock()))

    def on_voice_stopped(self) -> None:
        """See :class:`~voice_agents.engines.realtime.user.RealtimeUserListener`."""
        self._await_server(self._clock())
        self._act(self._floor.user_stopped(self._clock()))

    def _await_server(self, now: float) -> None:
        """The server is to take what the user has just said, if it was more than a noise."""
        since, self._voice_since = self._voice_since, None
        long = since is not None and now - since >= NO_COUGH_S
        if self._floor.mode is TurnMode.AUTOMATIC and (long or self._floor.confirmed):
            number = self._turns.number
            sentence = f"{self._provider} is slow at the moment: it has taken no notice of your last words."
            self._waiting.begin(now, lambda: f"{sentence} Still waiting." if self._turns.number == number else None)

    def on_released(self) -> None:
        """See :class:`~voice_agents.engines.realtime.user.RealtimeUserListener`: nothing said is no turn."""
        pushed = self._floor.mode is TurnMode.PUSH_TO_TALK
        if self.user.spoke if pushed else self._floor.state is FloorState.USER_SPEAKING:
            self._take_turn(None)
            self._client.commit()
        elif pushed or self.pausing:
            self._tell.emit(Notice, level="info", text=NOTHING_HEARD)

    @property
    def _user_number(self) -> int:
        """The number of the turn the user's present words belong to."""
        if self._turns.coming is not None:
            return self._turns.coming.number
        unheard = self.answer.open and self.answer.turn.of_user and not self.mouth.audible
        return self._turns.number if unheard else self._turns.number + 1

    # What the server says

    def on_server_heard(self, item_id: str) -> None:
        """The server takes what it hears for the user's turn."""
        noticed = self.user.speaking or self._floor.state is FloorState.USER_SPEAKING
        self._do(self._floor.server_heard(self._clock()))
        self._turns.heard(item_id)
        if not noticed:
            self._tell.emit(SpeechStarted, turn=self._user_number)
        self._after()

    def on_server_took(self, item_id: str, since_s: float | None = None) -> None:
        """The turn is complete (told twice), or an item of a turn that we took is known.

        ``since_s``: how much was sent after the sound that ended it, if the server says.
        """
        if not self._turns.adopt(item_id) and not self._closed:
            self._take_turn(item_id, since_s)

    def _take_turn(self, item_id: str | None, since_s: float | None = None) -> None:
        """The user's turn is complete: by the server's decision, or (no item yet) by ours."""
        self._do(self._floor.taken(self._clock()))
        turn = self._turns.take(item_id)
        self.user.take(turn.marks, released=item_id is None, since_s=since_s)
        self._begin(turn)
        self._tell.emit(SpeechEnded, silence_s=turn.marks.silence_s)
        self._after()

    def on_user_words(self, item_id: str, text: str, final: bool) -> None:
        """An item's words so far, or for good."""
        turn = self._turns.words(item_id, text, final)
        if turn is None:
            return
        known = final and item_id in turn.user and turn.user.known
        self._tell.emit(UserTranscript, turn=turn.number, text=turn.user.shown, final=known)
        if known and turn is self.answer.turn and self.answer.open:
            self.answer.words_known()

    def on_response_started(self, response_id: str) -> None:
        """The answer to the turn, or something the server says by itself (it prompts a silent user)."""
        if not self.answer.open and self._floor.confirmed:
            self._take_turn(None)
        elif not self.answer.open:
            self._begin(self._turns.unasked())
            self._act(self._floor.agent_turn(self._clock()))
        self.answer.response_started(response_id)

    # What the floor decides

    def _act(self, actions: list[FloorAction]) -> None:
        self._do(actions)
        self._after()

    def _after(self) -> None:
        self.user.expect_interruption(self._floor.state in TALKING)
        self._floor_alarm.set(self._floor.wake_at, self._on_floor_alarm)
        self._on_change()

    def _do(self, actions: list[FloorAction]) -> None:
        for action in actions:
            match action:
                case FloorAction.PAUSE:
                    self._tell.emit(AgentPaused, position=self.mouth.pause())
                case FloorAction.RESUME:
                    self._tell.emit(AgentResumed, position=self.mouth.resume())
                case FloorAction.CANCEL:
                    self._cut()
                case FloorAction.MERGE:
                    self._cut(merge=True)

    def _on_floor_alarm(self) -> None:
        self._do(self._floor.advance(self._clock()))
        if self._floor.state is FloorState.LISTENING:
            self._give_up_user()
        self._after()

    # Turns

    def _begin(self, turn: RealtimeTurn) -> None:
        self._tell.turn = turn.number
        self.answer.begin(turn, read=self.read)
        spoken_at = turn.marks.speech_end
        sentence = f"{self._provider} is slow at the moment: it has not answered yet. Still waiting for it."
        awaited = partial(self._awaited, turn, sentence)
        self._waiting.begin(self._clock() if spoken_at is None else spoken_at, awaited)

    def _awaited(self, turn: RealtimeTurn, sentence: str) -> str | None:
        return sentence if self.answer.turn is turn and self.answer.silent else None

    def _cut(self, merge: bool = False) -> None:
        """Stop the answer. ``merge``: nothing of it was heard, what the user says goes on with the turn."""
        if not self.answer.open:
            return
        turn, position = self.answer.turn, self.answer.cut()
        if merge:
            self._turns.go_on_with(turn)
        else:
            heard = turn.heard(position)
            if turn.announces and not heard:
                self._on_unheard(turn.announces)
            self._tell.emit(Interrupted, heard_text=heard)
            self._memory.keep(turn, position)

    def _give_up_user(self) -> None:
        """Nobody takes what the user was saying; if it went on with a turn, that one stays without an answer."""
        turn = self._turns.give_up()
        if turn is not None:
            self._memory.keep(turn, 0)

    # What the answer, the mouth and the connection report

    def on_nothing_said(self) -> None:
        """See :class:`~voice_agents.engines.realtime.answer.AnswerListener`."""
        self.answer.drop()
        self._act(self._floor.agent_finished(self._clock()))

    def on_frame(self, frame: Frame) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._tell.emit(AgentAudio, pcm=frame.pcm, position=frame.position, epoch=self.mouth.epoch)

    def on_audible(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self.answer.turn.marks.mark("first_played", self._clock())
        self.answer.show()
        self._act(self._floor.agent_started(self._clock()))

    def on_last_frame(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        self._tell.emit(AgentAudioDone)

    def on_played(self) -> None:
        """See :class:`~voice_agents.engines.mouth.MouthListener`."""
        if self.answer.open:
            turn, position = self.answer.turn, self.answer.played()
            if turn.announces and not turn.heard(position):
                self._tell.emit(Notice, level="info", text=turn.announces)
            self._memory.keep(turn, position)
        self._act(self._floor.agent_finished(self._clock()))

    def on_lost(self) -> None:
        """The connection was lost; the client asks a fresh server session for what is owed."""
        self._turns.forget_heard()
        self.answer.connection_lost()

    def on_given_up(self) -> None:
        """The server cannot be reached; nothing is owed any more."""
        self._memory.give_up_words()
        self.answer.turn.user.give_up()
        self.answer.give_up()
