"""The Realtime's backend: a server that hears the user, takes the turns and answers in its own voice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm
from voice_agents.engines.apology import LOST_S, Excuses, apology
from voice_agents.engines.backend import SessionParts
from voice_agents.engines.base import OUTPUT_RATE
from voice_agents.engines.deaf_server import DeafServer
from voice_agents.engines.microphone import SpeechGate
from voice_agents.engines.past import past_items
from voice_agents.engines.server_answer import RealtimeConnection, ServerAnswer
from voice_agents.engines.server_turns import ServerTurns
from voice_agents.engines.turn import Turn
from voice_agents.engines.waiting import still_waiting
from voice_agents.errors import NOTHING_HEARD, ProviderError, Role
from voice_agents.events import Notice, ProviderUsed, UserTranscript
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
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.turns.floor import UNDECIDED, FloorState
from voice_agents.turns.server_floor import ServerFloor

if TYPE_CHECKING:
    from voice_agents.engines.session import VoiceSession

LAST_WORDS = (UserCommitted, UserPartial, UserFinal, UserFinalFailed)
"""All that is listened to when the session is being left."""
CONNECTED = (ConnectionState.OPEN, ConnectionState.REPLACED)
NO_COUGH_S = 0.8
"""A voice that was heard for so long is no noise: a server that takes no notice of it has stalled."""
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


class RealtimeBackend:
    """See :class:`~voice_agents.engines.backend.Backend`.

    Our own detector makes the agent give way at once; the words that the server hears make that an interruption, its
    silence lets the agent go on from the exact sample.
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
        self._turns = ServerTurns(host, self.floor, self._client, self._answer)
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
        was_up, self._up = self._up, state in CONNECTED
        if was_up and not self._up:  # what the server was hearing, another session of it will hear once more
            self._turns.connection_lost()
            self._answer.connection_lost()
        if state is ConnectionState.FAILED:
            host.memory.give_up_words()
            host.turn.user.give_up()
            self._answer.give_up(error)
        self._speak_of(state, error)
        host.act([])

    def _speak_of(self, state: ConnectionState, error: ProviderError | None) -> None:
        """A connection that is not back soon is spoken of once."""
        if state in CONNECTED:  # it may be lost again at once: whether an answer comes is seen then
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
        if self._turns.spoke if pushed else self.floor.state is FloorState.USER_SPEAKING:
            self._turns.end()
            self._client.commit()
        elif pushed or (self.floor.state is FloorState.LISTENING and not host.answering):
            host.tell.emit(Notice, level="info", text=NOTHING_HEARD)

    def probe(self) -> None:
        """The server decides; it is not asked."""

    def let_pass(self) -> None:
        """What the server took for a turn, if it took notice of it at all, is none."""
        self._turns.let_pass()

    def left_over(self) -> bool:
        """Only a server can take it."""
        return False

    def take(self, turn: Turn) -> None:
        """The words come as the server names them; one that nobody has taken gets no answer."""
        self._turns.take(turn)

    def unclaimed(self, *, murmured: bool, leaving: bool = False) -> None:
        """Nobody takes what the user was saying; if it went on with a turn, that one stays without an answer."""
        host, turn, self._leaving = self._host, self._host.coming, leaving
        undecided = self.floor.state in (FloorState.USER_SPEAKING, *UNDECIDED)
        if self._turns.keep(murmured=murmured and not host.replies):
            return None
        if leaving and self._turns.spoke and (undecided or self.floor.mode is TurnMode.PUSH_TO_TALK):
            return host.keep_words(murmured=False)
        self._turns.drop(turn)
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
        if self._turns.is_early(event):
            return
        match event:
            case UserSpeechStarted(item_id=item_id):
                self._turns.heard(item_id)
            case UserSpeechStopped(item_id=item_id, since_s=since_s):
                self._turns.took(item_id, since_s, leaving=self._leaving)
            case UserCommitted(item_id=item_id):
                self._turns.took(item_id, None, leaving=self._leaving)
            case UserPartial() | UserFinal() | UserFinalFailed():
                self._turns.words(event)
            case ServerError(error=error):
                self._answer.failed(error)
            case ResponseStarted(response_id=response_id):
                self._on_response_started(response_id)
            case AudioDelta() | TextDelta() | ResponseDone():
                self._on_response(event)
            case UsageReported(tokens=tokens):
                self._on_usage(tokens)

    def _on_usage(self, tokens: Mapping[str, int]) -> None:
        self._usage.update(tokens)
        used = {"input_tokens": tokens.get("input_tokens", 0), "output_tokens": tokens.get("output_tokens", 0)}
        self._host.tell.emit(ProviderUsed, role=Role.REALTIME, **used)

    def _on_response_started(self, response_id: str) -> None:
        """The answer to the turn, or something the server says by itself (it prompts a silent user)."""
        if not self._host.answering and self.floor.confirmed:
            self._turns.end()
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
        if turn.of_user:
            self._deaf.took(typed=turn.typed)
        self._answer.begin(turn)
        if turn.typed:
            turn.user.told = True
            self._host.tell.emit(UserTranscript, text=turn.user.said, final=True)
            self._client.send_text(turn.user.said)
        elif turn.announces:
            self._client.send_text(ANNOUNCE.format(turn.announces))
        for event in self._turns.begun(turn):
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
