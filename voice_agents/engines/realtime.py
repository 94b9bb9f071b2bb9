"""The Realtime's backend: a server that hears the user, takes the turns and answers in its own voice."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.engines.server_answer import RealtimeConnection, ServerAnswer
from voice_agents.engines.server_patience import ServerPatience
from voice_agents.engines.server_turns import DeafServer, ServerTurns
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
from voice_agents.providers.rules import newest
from voice_agents.session.base import NO_COUGH_S, OUTPUT_RATE, SessionParts, UserSign
from voice_agents.session.microphone import SpeechGate
from voice_agents.session.turn import SpeechStep, Turn
from voice_agents.session.waiting import Excuses, apology, still_waiting
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.turns.floor import UNDECIDED, FloorState
from voice_agents.turns.server_floor import ServerFloor

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

LAST_WORDS = (UserCommitted, UserPartial, UserFinal, UserFinalFailed)
"""All that is listened to when the session is being left."""
CONNECTED = (ConnectionState.OPEN, ConnectionState.REPLACED)
LOST_S = 1.3
"""A connection that is not back by then is spoken of."""
PAST_BUDGET = 24_000
"""Characters of the past a fresh server session is told, about 6000 tokens: the Sandwich's model is shown as many."""
ANNOUNCE = "[This is not the user: a timer has fired. Say to the user: {}]"


class RealtimeParts(SessionParts, Protocol):
    """Makes the parts of one Realtime session, so that a test (or a user of the package) can bring other ones."""

    transcribes: bool
    """The server writes what users say, as far as is known from all sessions; one that had written nothing when the
    patience was over is not waited for any more."""

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
    """A server hears the user, takes the turns, answers and speaks.

    Our own detector makes the agent give way at once; the words that the server hears make that an interruption, its
    silence lets the agent go on from the exact sample.
    """

    name = "realtime"
    input_rate = OUTPUT_RATE
    ends_turns = False
    begins_early = False
    last_words_s = 0.75
    certain = False

    def __init__(self, parts: RealtimeParts, host: VoiceSession) -> None:
        turns = host.turns
        self.floor = ServerFloor(turns.mode)
        self._host = host
        self._config = RealtimeConfig(
            instructions=parts.instructions,
            tools=tuple(host.toolbox.as_realtime()),
            voice=parts.voice,
            **_hearing(turns),
        )
        host.tell.carried_by(Role.REALTIME)
        self._client = parts.realtime(self._config, self._past, host.tasks.guard(self._on_connection))
        self._gate = SpeechGate(self._client.send_audio, rate=self.input_rate)
        self._excuses = Excuses(host, parts.own_voice, parts.provider)
        self._answer = ServerAnswer(self._client, host, self._excuses)
        self._deaf = DeafServer(host, self._client, self._excuses)
        self._up = False
        self._lost = Alarm(host.tasks.guard)
        self._spoke_of_loss = False
        """That the connection is lost was said aloud, if it could be."""
        self._leaving = False
        self._patience = ServerPatience(host, parts)
        self._turns = ServerTurns(host, self.floor, self._client, self._answer, self._patience)

    # The connection

    async def open(self) -> None:
        """Begin to connect."""
        await self._client.__aenter__()
        self._host.tasks.start_core(self._follow())

    def closings(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What closes the connection; words that have not come will not."""
        self._deaf.close()
        self._patience.end()
        self._host.memory.give_up_words()
        return [self._client.__aexit__(None, None, None)]

    @property
    def can_speak(self) -> bool:
        """The server can be told something now."""
        return self._up

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
            self._spoke_of_loss = False
        elif error is not None and not self._spoke_of_loss:
            failed = state is ConnectionState.FAILED
            if failed or not self._lost.is_set:
                at = self._host.clock() + (0.0 if failed else LOST_S)
                self._lost.set(at, lambda: self._tell_aloud(error))

    def _tell_aloud(self, error: ProviderError) -> None:
        """The connection is lost, which was told: who only listens hears it, too."""
        if self._host.answering:
            self._answer.delayed()
        if not self._up:
            self._spoke_of_loss = True
            self._excuses.say_aside(apology(error, begun=False))

    def configure(self, *, voice: str | None = None, speaking: bool | None = None) -> None:
        """A server keeps the voice it has spoken with, so it is replaced for another one, in a pause."""
        turns, was = self._host.turns, self._config
        self.floor.mode = turns.mode
        self._patience.configure()
        self._config = replace(
            was,
            voice=was.voice if voice is None else voice,
            speaking=was.speaking if speaking is None else speaking,
            **_hearing(turns),
        )
        if self._config != was:
            self._client.configure(self._config)

    def _past(self) -> list[PastItem]:
        """The conversation for a fresh server session, the turn under way at its end."""
        host = self._host
        current = host.turn if host.answering else host.coming
        return past_items(host.memory.entries(), current)

    # What the user does

    def hear(self, raw: Pcm, pcm: Pcm) -> None:
        """All audio goes to the server; in push-to-talk what is near speech."""
        if self.floor.mode is TurnMode.AUTOMATIC:
            self._client.send_audio(raw)
        else:
            self._gate.feed(raw, wanted=self._host.microphone.voice.speaking)

    def notice(self, sign: UserSign, *, voice_s: float = 0.0) -> None:
        """The server hears for itself; what it does not take notice of is kept for another one."""
        automatic = self.floor.mode is TurnMode.AUTOMATIC
        if sign is UserSign.STARTED:
            self._patience.voice_started()
        elif sign is UserSign.STOPPED:
            self._patience.voice_stopped()
        if sign is UserSign.STARTED and automatic:
            self._client.hold(True)
        elif sign is UserSign.STOPPED and automatic and (voice_s >= NO_COUGH_S or self.floor.confirmed):
            self._deaf.said()
        elif sign is UserSign.STOPPED:
            self._deaf.noise()
        elif sign is UserSign.RELEASED:
            self._released()

    def _released(self) -> None:
        """Push-to-talk: nothing said is no turn, and needs no word while an answer is still to come."""
        host, pushed = self._host, self.floor.mode is TurnMode.PUSH_TO_TALK
        if self._turns.spoke if pushed else self.floor.state is FloorState.USER_SPEAKING:
            self._turns.end()
            self._client.commit()
        elif self.floor.state is FloorState.LISTENING and not host.answering:
            host.tell.emit(Notice, level="info", text=NOTHING_HEARD)

    def probe(self) -> None:
        """The server decides; it is not asked."""

    def let_pass(self) -> None:
        """What the server took for a turn, if it took notice of it at all, is none."""
        self._turns.let_pass()

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
                used = {name: tokens.get(name, 0) for name in ("input_tokens", "output_tokens")}
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
        if self._excuses.has_turn():
            return
        if turn.of_user:
            self._deaf.took(typed=turn.typed)
            self._patience.begin(turn)
        self._answer.begin(turn)
        if turn.typed:
            turn.user.told = True
            self._host.tell.emit(UserTranscript, text=turn.user.said, final=True)
            self._client.send_text(turn.user.said)
        elif turn.announces:
            self._client.send_text(ANNOUNCE.format(turn.announces))
        for event in self._turns.begun(turn):
            self._on_server(event)

    def awaited(self, turn: Turn) -> str | None:
        """Whether the server keeps the user of this turn waiting, as a sentence."""
        return still_waiting(Role.REALTIME, self._excuses.provider) if self._answer.silent else None

    def cut(self, turn: Turn, position: int) -> None:
        """Make no more of it; the server is told what was heard."""
        self._patience.end()
        self._answer.cut(turn, position)

    def played(self, turn: Turn) -> None:
        """The answer was played to its end."""
        self._answer.forget()


def _hearing(turns: TurnSettings) -> dict[str, Any]:
    """What a server is told of these settings."""
    return {
        "detection": turns.detection,
        "mode": turns.mode,
        "silence_s": turns.silence_s,
        "language": turns.language,
    }


def past_items(entries: Sequence[HistoryEntry], current: Turn) -> list[PastItem]:
    """What a fresh server session is told: the end of what is remembered, and the turn that is under way.

    The former fits into the budget and begins with something the user said; it is one turn at least.
    """

    def size(entry: HistoryEntry) -> int:
        return len(entry.text) + len(str(dict(entry.args)))

    start = newest(entries, size, lambda entry: entry.role is Speaker.USER, PAST_BUDGET, len(entries))
    return [*_past_of(entries[start:]), *_past_of_turn(current)]


def _past_of(entries: Sequence[HistoryEntry]) -> list[PastItem]:
    """Stored entries as a server session is told them."""
    items: list[PastItem] = []
    for entry in entries:
        match entry.role:
            case Speaker.USER:
                items.append(PastItem("user", text=entry.text))
            case Speaker.AGENT:
                items.append(PastItem("assistant", text=entry.text))
            case Speaker.TOOL:
                arguments = json.dumps(dict(entry.args))
                items.append(PastItem("call", call_id=entry.call_id, name=entry.name, arguments=arguments))
                items.append(PastItem("output", text=entry.text, call_id=entry.call_id))
    return items


def _past_of_turn(turn: Turn) -> list[PastItem]:
    """What a fresh server session has to know of a turn that is still under way; what has sounded will be heard."""
    items = [PastItem("user", text=turn.user.certain)] if turn.user.certain else []
    for step in turn.steps:
        if isinstance(step, SpeechStep):
            if heard := step.heard(turn.samples):
                items.append(PastItem("assistant", text=heard, answering=True))
            continue
        if step.repeated:
            continue
        about: dict[str, Any] = {"call_id": step.call_id, "answering": True}
        items.append(PastItem("call", name=step.name, arguments=step.arguments, **about))
        if step.result is not None:
            items.append(PastItem("output", text=step.result, **about))
    return items
