"""The Realtime's backend: a server that hears the user, takes the turns and answers in its own voice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm
from voice_agents.engines.apology import LOST_S, Excuses, apology
from voice_agents.engines.backend import SessionParts
from voice_agents.engines.base import OUTPUT_RATE
from voice_agents.engines.deaf_server import DeafServer
from voice_agents.engines.microphone import MicrophoneInput, SpeechGate
from voice_agents.engines.past import past_items
from voice_agents.engines.server_answer import RealtimeConnection, ServerAnswer
from voice_agents.engines.turn import Turn
from voice_agents.engines.waiting import still_waiting
from voice_agents.errors import NOTHING_HEARD, ProviderError, Role
from voice_agents.events import Notice, ProviderUsed, SpeechStarted, UserTranscript
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState, TextToSpeech
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    UsageReported,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnDetection, TurnMode, TurnSettings
from voice_agents.turns.floor import UNDECIDED, FloorState
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.server_floor import ServerFloor
from voice_agents.turns.vad import RATE

if TYPE_CHECKING:
    from voice_agents.engines.session import VoiceSession

LAST_WORDS = (UserCommitted, UserPartial, UserFinal, UserFinalFailed)
"""All that is listened to when the session is being left."""
NO_COUGH_S = 0.8
"""A voice that was heard for so long is no noise: a server that takes no notice of it has stalled."""
OTHER_EAR_S = 0.25
"""By so much at most two detectors differ about where speech ends; a server that says more counts otherwise."""
FADE_S = 0.2
"""A word that was cut by the end of a turn may be heard for so long after it."""
KEPT_TURNS = 50
"""Words that come so many turns after their own are nobody's."""
ANNOUNCE = "[This is not the user: a timer has fired. Say to the user: {}]"


class RealtimeParts(SessionParts, Protocol):
    """Makes the parts of one Realtime session, so that a test (or a user of the package) can bring other ones."""

    @property
    def instructions(self) -> str:
        """How the agent speaks, as the server is told."""

    @property
    def voice(self) -> str:
        """The voice to begin with."""

    @property
    def provider(self) -> str:
        """What users call the server."""

    def own_voice(self) -> TextToSpeech | None:
        """One that can say that the server does not answer; None: there is none, or nothing is to be said."""

    def realtime(
        self, config: RealtimeConfig, past: Callable[[], Sequence[PastItem]], on_connection: ConnectionListener
    ) -> RealtimeConnection:
        """A client."""


@dataclass(slots=True)
class _Taking:
    """A turn that is about to be taken; ``since_s``: how much was sent after the sound that ended it, if that is known."""

    item_id: str | None
    """Named by the server; None: the user ended it, and the server will name it."""
    since_s: float | None = None
    early: list[RealtimeEvent] = field(default_factory=list)
    """What the server has answered already, while it is not known whether that is a turn."""
    early_id: str = ""
    asked: bool = False
    """That depends on its words."""


class RealtimeBackend:
    """See :class:`~voice_agents.engines.backend.Backend`.

    Our own detector makes the agent give way at once; the words that the server hears make that an interruption, its
    silence lets the agent go on from the exact sample. What it answers to a murmur is held back, and dropped. The server names its items, and transcripts come when they like; every item
    leads to its turn.
    """

    name = "realtime"
    input_rate = OUTPUT_RATE
    ends_turns = False
    begins_early = False
    tells_past = True
    last_words_s = 0.75
    certain = False

    def __init__(self, parts: RealtimeParts, host: VoiceSession) -> None:
        turns = host.turns
        self.floor = ServerFloor(turns.mode)
        self._host = host
        self._provider = parts.provider
        self._config = RealtimeConfig(
            instructions=parts.instructions,
            tools=tuple(host.toolbox.as_realtime()),
            voice=parts.voice,
            detection=turns.detection,
            mode=turns.mode,
            silence_s=turns.silence_s,
            language=turns.language,
        )
        host.tell.carried_by(Role.REALTIME)
        self._client = parts.realtime(self._config, self._past, host.tasks.guard(self._on_connection))
        self._gate = SpeechGate(self._client.send_audio, rate=self.input_rate)
        self._excuses = Excuses(host, parts.own_voice)
        self._answer = ServerAnswer(self._client, host, self._excuses, parts.provider)
        self._deaf = DeafServer(host, self._client, self._excuses, parts.provider, lambda: self._up)
        self._up = False
        self._lost = Alarm(host.tasks.guard)
        self._trouble: ProviderError | None = None
        """Why there is no connection, once that is spoken of."""
        self._leaving = False
        self._taken = 0
        """Where the last turn ended, in the detector's samples; a word may fade for a moment after the button."""
        self._heard = False
        """The server has begun to hear what the user is saying."""
        self._items: dict[str, Turn] = {}
        self._awaiting: list[Turn] = []
        """Turns that we took, in order; the server has not named their items yet."""
        self._taking: _Taking | None = None
        self._usage: Counter[str] = Counter()

    # The connection

    async def open(self) -> None:
        """Begin to connect."""
        await self._client.__aenter__()
        self._host.tasks.start_core(self._follow())

    def closings(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What closes the connection; words that have not come will not."""
        self._deaf.close()
        self._host.memory.give_up_words()
        return [self._client.__aexit__(None, None, None)]

    @property
    def can_speak(self) -> bool:
        """The server can be told something now."""
        return self._up

    @property
    def usage(self) -> Mapping[str, int]:
        """Tokens this session has used so far, by the names the server gives them ("total_tokens", ...)."""
        return dict(self._usage)

    def _on_connection(self, state: ConnectionState, error: ProviderError | None) -> None:
        host = self._host
        host.tell.connection(Role.REALTIME, state, error)
        was_up, self._up = self._up, state is ConnectionState.OPEN
        if was_up and not self._up:  # what the server was hearing, another session of it will hear once more
            self._items = {item: turn for item, turn in self._items.items() if item in turn.user}
            host.coming.user.forget_coming()
            if self._taking is not None:  # its words will not come under this name
                host.do(self.floor.taken(host.clock(), certain=True))
            self._answer.connection_lost()
        if state is ConnectionState.FAILED:
            host.memory.give_up_words()
            host.turn.user.give_up()
            self._answer.give_up(error)
        self._speak_of(state, error)
        host.act([])

    def _speak_of(self, state: ConnectionState, error: ProviderError | None) -> None:
        """A connection that is not back soon is spoken of once."""
        if state is ConnectionState.OPEN:  # it may be lost again at once: whether an answer comes is seen then
            self._trouble = None
        elif error is not None and self._trouble is None:
            failed = state is ConnectionState.FAILED
            if failed or not self._lost.is_set:
                at = self._host.clock() + (0.0 if failed else LOST_S)
                self._lost.set(at, lambda: self._tell_aloud(error))

    def _tell_aloud(self, error: ProviderError) -> None:
        """The connection is lost, which was told: who only listens hears it, too."""
        host = self._host
        if host.answering:
            self._answer.delayed()
        if self._up:
            return
        self._trouble = error
        if not host.answering and self._excuses.possible and self.floor.state is FloorState.LISTENING:
            host.speak_up()

    def configure(self, turns: TurnSettings) -> None:
        """Other patience, mode, detector or language."""
        self.floor.mode = turns.mode
        self._configure(detection=turns.detection, mode=turns.mode, silence_s=turns.silence_s, language=turns.language)

    def set_voice(self, voice: str) -> None:
        """Another voice; a server keeps the one it has spoken with."""
        self._configure(voice=voice)

    def set_speaking(self, speaking: bool) -> None:
        """Whether answers are spoken or only written, from the next one on."""
        self._configure(speaking=speaking)

    def _configure(self, **changes: Any) -> None:
        config = replace(self._config, **changes)
        if config != self._config:
            self._config = config
            self._client.configure(config)

    def _past(self) -> list[PastItem]:
        """The conversation for a fresh server session, the turn under way at its end."""
        host = self._host
        current = host.turn if host.answering else host.coming
        return past_items(host.memory.entries(), current)

    # What the user does

    def listen(self) -> None:
        """The server hears from the beginning."""

    def hear(self, raw: Pcm, pcm: Pcm) -> None:
        """All audio goes to the server; in push-to-talk what is near speech."""
        if self.floor.mode is TurnMode.AUTOMATIC:
            self._client.send_audio(raw)
        else:
            self._gate.feed(raw, wanted=self._host.microphone.voice.speaking)

    def voice_started(self) -> None:
        """The server will say what it makes of it; until then it is kept for another one."""
        if self.floor.mode is TurnMode.AUTOMATIC:
            self._client.hold(True)

    def voice_stopped(self, voice_s: float) -> None:
        """The server is to take what the user has just said, if it was more than a noise."""
        if self.floor.mode is TurnMode.AUTOMATIC and (voice_s >= NO_COUGH_S or self.floor.confirmed):
            self._deaf.said()
        else:
            self._deaf.noise()

    def paused(self) -> None:
        """The server answers as soon as it has heard the end."""

    def went_on(self) -> None:
        """The server hears that for itself."""

    def silence(self) -> None:
        """A server hears that for itself."""

    def released(self) -> None:
        """Push-to-talk: nothing said is no turn."""
        host, pushed = self._host, self.floor.mode is TurnMode.PUSH_TO_TALK
        if self._spoke if pushed else self.floor.state is FloorState.USER_SPEAKING:
            self._take_turn(None)
            self._client.commit()
        elif pushed or (self.floor.state is FloorState.LISTENING and not host.answering):
            host.tell.emit(Notice, level="info", text=NOTHING_HEARD)

    @property
    def _spoke(self) -> bool:
        last = self._host.microphone.voice.last_speech
        return last is not None and last > self._taken

    def probe(self) -> None:
        """The server decides; it is not asked."""

    def let_pass(self) -> None:
        """What the server took for a turn, if it took notice of it at all, is none."""
        taking, self._taking = self._taking, None
        if taking is None or taking.item_id is None:
            return
        self._client.ignore(taking.item_id)
        self._items.pop(taking.item_id, None)
        self._host.coming.user.forget_coming()
        if self._answer.awaited:
            self._client.respond()

    def left_over(self) -> bool:
        """Only a server can take it."""
        return False

    def take(self, turn: Turn) -> None:
        """The turn's words come as the server names them; one that nobody has taken it is asked for, without an answer."""
        taking = self._taking
        if taking is None:
            self._await_item(turn)
            self._client.commit()
            self._client.cancel()
            return
        host = self._host
        turn.marks = TurnMarks()
        if self._spoke:
            turn.marks = marks_when_taken(
                host.microphone, host.turns, host.clock(), released=taking.item_id is None, since_s=taking.since_s
            )
        self._taken = host.microphone.voice.position + round(FADE_S * RATE)
        if taking.item_id is None:
            self._await_item(turn)
        else:
            self._items[taking.item_id] = turn
            turn.user.expect(taking.item_id)

    def unclaimed(self, *, murmured: bool, leaving: bool = False) -> None:
        """Nobody takes what the user was saying; if it went on with a turn, that one stays without an answer."""
        host, turn, self._leaving = self._host, self._host.coming, leaving
        undecided = self.floor.state in (FloorState.USER_SPEAKING, *UNDECIDED)
        if self._taking is not None:
            host.keep_words(murmured=murmured and not host.replies)
            self._taking = None
            return self._client.cancel()
        if leaving and self._spoke and (undecided or self.floor.mode is TurnMode.PUSH_TO_TALK):
            return host.keep_words(murmured=False)
        self._items = {item: of for item, of in self._items.items() if of is not turn or item in of.user}
        self._heard = False
        host.coming = Turn(host.tell.turn + 1)
        if turn.merged:
            host.memory.keep(turn, 0)
        return None

    # What the server says

    async def _follow(self) -> None:
        async for event in self._client:
            if not self._leaving or isinstance(event, LAST_WORDS):
                self._on_server(event)

    def _on_server(self, event: RealtimeEvent) -> None:
        if self._is_early(event):
            return
        match event:
            case UserSpeechStarted(item_id=item_id):
                self._on_heard(item_id)
            case UserSpeechStopped(item_id=item_id, since_s=since_s):
                self._on_took(item_id, since_s)
            case UserCommitted(item_id=item_id):
                self._on_took(item_id, None)
            case UserPartial(item_id=item_id, text=text) | UserFinal(item_id=item_id, text=text):
                noise = isinstance(event, UserFinal) and event.noise
                self._on_words(item_id, text, final=isinstance(event, UserFinal), noise=noise)
            case UserFinalFailed(item_id=item_id):
                self._on_words(item_id, "", final=True, failed=True)
            case ServerError(error=error):
                self._answer.failed(error)
            case ResponseStarted(response_id=response_id):
                self._on_response_started(response_id)
            case AudioDelta() | TextDelta() | ResponseDone():
                self._on_response(event)
            case UsageReported(tokens=tokens):
                self._usage.update(tokens)
                used = {"input_tokens": tokens.get("input_tokens", 0), "output_tokens": tokens.get("output_tokens", 0)}
                self._host.tell.emit(ProviderUsed, role=Role.REALTIME, **used)

    def _on_heard(self, item_id: str) -> None:
        """The server takes what it hears for speech."""
        host = self._host
        noticed = host.microphone.voice.speaking or self.floor.state is FloorState.USER_SPEAKING
        host.do(self.floor.server_heard(host.clock()))
        if item_id not in self._items:
            host.coming.user.forget_coming()
        self._items[item_id], self._heard = host.coming, True
        if not noticed:
            host.tell.emit(SpeechStarted, turn=host.user_number)
        host.act([])

    def _on_took(self, item_id: str, since_s: float | None) -> None:
        """The turn is complete (told twice), or an item of a turn that we took is known.

        ``since_s``: how much was sent after the sound that ended it, if the server says.
        """
        if self._taking is not None and self._taking.item_id == item_id:
            return
        turn = self._turn_of(item_id)
        if turn is not None and (turn.user.awaits_item or item_id in turn.user):
            self._items[item_id] = turn
            turn.user.expect(item_id)
        elif not self._leaving:
            self._take_turn(item_id, since_s)

    def _take_turn(self, item_id: str | None, since_s: float | None = None) -> None:
        """The user's turn is complete: by the server's decision, or (no item yet) by ours."""
        host = self._host
        self._taking = _Taking(item_id, since_s)
        host.act(self.floor.taken(host.clock(), certain=item_id is None))
        if self._taking is not None:
            self._taking.asked = True

    def _is_early(self, event: RealtimeEvent) -> bool:
        """It answers what may be no turn, and is held back until that is known."""
        taking = self._taking
        if taking is None or not isinstance(event, ResponseStarted | AudioDelta | TextDelta | ResponseDone):
            return False
        if isinstance(event, ResponseStarted) and not self._answer.awaited:
            taking.early_id = event.response_id
        if not taking.early_id or event.response_id != taking.early_id:
            return False
        taking.early.append(event)
        return True

    def _await_item(self, turn: Turn) -> None:
        turn.user.await_item()
        self._awaiting.append(turn)
        self._heard = False

    def _turn_of(self, item_id: str) -> Turn | None:
        """The turn of an item; one nobody announced belongs to the turn we took first, or to what is being said."""
        if (turn := self._items.get(item_id)) is not None:
            return turn
        self._awaiting = [turn for turn in self._awaiting if turn.user.awaits_item]
        if self._awaiting:
            return self._awaiting[0]
        return self._host.coming if self._heard or self._host.coming.merged else None

    def _on_words(self, item_id: str, text: str, *, final: bool, noise: bool = False, failed: bool = False) -> None:
        """An item's words so far, or for good; ``noise``: they are none, whatever the server took them for.

        ``failed``: nobody will know them.
        """
        turn, host = self._turn_of(item_id), self._host
        if turn is None:
            return
        turn.user.hear(item_id, text, final=final)
        known = final and item_id in turn.user and turn.user.known
        turn.user.told = turn.user.told or known
        host.tell.emit(UserTranscript, turn=turn.number, text=turn.user.shown, final=known)
        if known:
            host.memory.reword(turn)
        if known and turn is host.turn and host.answering:
            self._answer.words_known()
            if noise and self._answer.drop_unheard():
                self._client.delete(item_id)
        elif turn is host.coming:
            self._judge(item_id, text, final=final, failed=failed)

    def _judge(self, item_id: str, text: str, *, final: bool, failed: bool) -> None:
        """Words said to an agent that speaks: whether they are real."""
        host, taking = self._host, self._taking
        of_taken = taking is not None and taking.item_id == item_id
        if failed and of_taken:
            host.act(self.floor.taken(host.clock(), certain=True))
        elif not failed:
            host.act(self.floor.words(text, host.clock(), final=final and of_taken, answers=host.replies))

    def _on_response_started(self, response_id: str) -> None:
        """The answer to the turn, or something the server says by itself (it prompts a silent user)."""
        if not self._host.answering and self.floor.confirmed:
            self._take_turn(None)
        elif not self._host.answering:
            self._host.speak_up()
        self._answer.response_started(response_id)

    def _on_response(self, event: AudioDelta | TextDelta | ResponseDone) -> None:
        self._answer.response_event(event)
        if isinstance(event, ResponseDone) and event.status == "cancelled" and event.reason == "turn_detected":
            self._host.act(self.floor.server_stopped_agent(self._host.clock()))

    # The answer

    def answer(self, turn: Turn) -> None:
        """The server makes it; a turn that it did not hear it is told."""
        if not turn.of_user and not turn.announces and (text := self._own_words()):
            if not self._excuses.say(text, ends=True):
                self._host.speaker.finish()
            return
        self._heard = False
        if turn.of_user:
            self._deaf.took(typed=turn.typed)
        self._items = {item: of for item, of in self._items.items() if of.number > turn.number - KEPT_TURNS}
        self._answer.begin(turn)
        if turn.typed:
            turn.user.told = True
            self._host.tell.emit(UserTranscript, text=turn.user.said, final=True)
            self._client.send_text(turn.user.said)
        elif turn.announces:
            self._client.send_text(ANNOUNCE.format(turn.announces))
        taking, self._taking = self._taking, None
        if taking is not None and taking.asked:
            self._client.ensure_answer()
            for event in taking.early:
                self._on_server(event)

    def _own_words(self) -> str:
        """What is said where it is not the server that speaks up."""
        lost = apology(self._trouble, begun=False) if self._trouble is not None and not self._up else ""
        return self._deaf.aside() or lost

    def awaited(self, turn: Turn) -> str | None:
        """Whether the server keeps the user of this turn waiting, as a sentence."""
        return still_waiting(Role.REALTIME, self._provider) if self._answer.silent else None

    def cut(self, turn: Turn, position: int) -> None:
        """Make no more of it; the server is told what was heard."""
        self._answer.cut(turn, position)

    def withdraw(self, turn: Turn) -> None:
        """Make no more of it: nothing was heard."""
        self._answer.cut(turn, 0)

    def played(self, turn: Turn) -> None:
        """The answer was played to its end."""
        self._answer.forget()


def marks_when_taken(
    microphone: MicrophoneInput, turns: TurnSettings, now: float, *, released: bool, since_s: float | None
) -> TurnMarks:
    """Of a turn that a server took just now (``released``: the user did). What was waited for counts as silence.

    ``server_vad`` is told how long to wait: what it takes longer is delay, unless it heard the speech end a little
    later (or earlier) than we did; ``since_s``, the sound sent after the silence it waited for, tells. It cannot
    act before the piece of sound with the end of that silence has come. ``semantic_vad`` waits as it likes.
    """
    marks = TurnMarks()
    if microphone.speech_end is not None:
        marks.speech_end = min(now, microphone.speech_end)
        waited = now - marks.speech_end
        told = not released and turns.detection is TurnDetection.SERVER_VAD
        decided = None if since_s is None else microphone.arrival_of(since_s) - marks.speech_end
        marks.silence_s = min(waited, _silence_s(turns.silence_s, decided)) if told else waited
    return marks


def _silence_s(told_s: float, decided_s: float | None) -> float:
    """How long ``server_vad`` waited, if it says that it had waited enough so long after the speech ended."""
    if decided_s is None:
        return told_s
    heard_later = min(decided_s - told_s, decided_s, key=abs)
    return max(0.0, told_s + heard_later) if abs(heard_later) <= OTHER_EAR_S else told_s
