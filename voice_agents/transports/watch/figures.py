"""The figures of all sessions for Prometheus; every one is defined where it is declared."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, fields

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from voice_agents.errors import ProviderError, Role, VoiceAgentError
from voice_agents.events import (
    AgentAudio,
    AgentDucked,
    AgentPaused,
    AgentResumed,
    AgentText,
    BegunEarly,
    Event,
    Failed,
    Interrupted,
    Notice,
    ProviderUsed,
    SpeechStarted,
    ToolCalled,
    ToolReturned,
    TurnDone,
)
from voice_agents.settings import Settings
from voice_agents.transports.live import Ending, LiveSession, Transport, Watcher
from voice_agents.turns.latency import TurnLatency

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Bounds of the histogram: from our own share of an answer to a model that thinks."""
STAGES = (*(field.name for field in fields(TurnLatency)), "overhead")
SAME_SOUND_S = 0.3
"""The agent may have paused so long before a voice begins, for its breath or its first soft sound."""
SAME_MOMENT_S = 0.02
"""A voice is told of and the agent stopped in one step."""


@dataclass(slots=True)
class _Talk:
    """What is remembered of a session while it lives."""

    engine: str
    transport: Transport = Transport.TYPED
    gave_way: tuple[str, float] | None = None
    """The stage, and when, of what no voice was told of yet."""
    ducked: bool = False
    voice: SpeechStarted | None = None
    answered: set[int] = field(default_factory=set)
    """Turns whose answer has begun and is not over."""
    cut: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)

    @property
    def way(self) -> tuple[str, str]:
        """Its first two labels: how it is made, and how it is carried now."""
        return self.engine, self.transport


_OfFloor = SpeechStarted | AgentDucked | AgentPaused | AgentResumed | Interrupted
WAY = ("engine", "transport")


class Figures(Watcher):
    """One per server; :meth:`page` is what ``GET /metrics`` answers. Labels come from closed lists only."""

    def __init__(self, settings: Settings, version: str) -> None:
        self._providers = {
            role: settings.endpoint(role).provider.value for role in Role if role not in settings.missing_roles
        }
        self._talks: dict[LiveSession, _Talk] = {}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._make_counters()
        self._make_gauges(settings, version)
        self._latency = Histogram(
            "voice_agents_latency_seconds",
            "Where the time of a turn went, by the words of turns/latency.py; stop: the user's first speech sample "
            "while the agent talks -> the agent is told to be silent.",
            (*WAY, "stage"),
            buckets=SECONDS,
            registry=self.registry,
        )

    def _make_counters(self) -> None:
        self._calls = self._counter("calls", "Calls begun; typed: conversations written without one.", "transport")
        self._ended = self._counter("sessions_ended", "Sessions that are over, and why.", "transport", "reason")
        self._turns = self._counter(
            "turns",
            "Turns that are over: completed, interrupted, failed, or left by their user untold.",
            "transport",
            "outcome",
        )
        self._interruptions = self._counter("interruptions", "Answers that were cut.", "transport")
        self._ducks = self._counter("ducks", "Times the agent became quieter for a sound.", "transport")
        self._pauses = self._counter("pauses", "Times the agent fell silent for a sound.", "transport")
        self._resumes = self._counter("resumes", "Times it went on: the sound was nothing.", "transport")
        self._tools = self._counter("tool_calls", "Tools that were called: ok, error.", "transport", "outcome")
        self._errors = self._counter(
            "errors",
            "What went wrong, by the provider it went wrong with (none: this program or its user); failed: a turn or "
            "the session could not go on, mended: it went on all the same.",
            *("provider", "role", "kind", "outcome"),
        )
        self._tokens = self._counter("tokens", "Tokens of language models: input, output.", "provider", "role", "type")
        self._characters = self._counter("characters", "Characters given to a voice.", "provider")
        self._early = self._counter(
            "early_answers",
            "Answers begun before it was certain that the user had finished: used, dropped.",
            *("transport", "outcome"),
        )
        self._early_saved = self._counter("early_saved_seconds", "Waited less by those that were used.", "transport")
        self._early_tokens = self._counter("early_tokens", "Tokens for those that were dropped.", "transport")
        self._early_characters = self._counter(
            "early_characters", "Characters given to a voice for those that were dropped.", "transport"
        )
        self._sound = self._counter("audio_seconds", "Audio heard from users, and played to them.", "direction")

    def _make_gauges(self, settings: Settings, version: str) -> None:
        self._sessions = Gauge("voice_agents_sessions", "Sessions that live.", WAY, registry=self.registry)
        places = Gauge("voice_agents_places", "Sessions that may live at once.", registry=self.registry)
        places.set(settings.max_sessions)
        self._tasks = Gauge("voice_agents_tasks", "Tasks of the server's event loop.", registry=self.registry)
        info = Gauge("voice_agents_info", "The running version.", ("version",), registry=self.registry)
        info.labels(version).set(1)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"voice_agents_{name}", what, ("engine", *labels), registry=self.registry)

    def page(self) -> bytes:
        """All figures in Prometheus' text format 0.0.4. Called in the server's event loop."""
        self._tasks.set(len(asyncio.all_tasks()))
        return generate_latest(self.registry)

    # What happens

    def opened(self, live: LiveSession) -> None:
        """Count a session; it is typed until somebody calls."""
        self._talks[live] = _Talk(live.request.kind)
        self._sessions.labels(live.request.kind, Transport.TYPED).inc()

    def called(self, live: LiveSession, transport: Transport) -> None:
        """Count a call, and the session as one of its transport."""
        talk = self._talks[live]
        self._sessions.labels(live.request.kind, talk.transport).dec()
        self._sessions.labels(live.request.kind, transport).inc()
        self._calls.labels(live.request.kind, transport).inc()
        talk.transport = transport

    def sound(self, live: LiveSession, seconds: float) -> None:
        """Count the seconds that came from a microphone."""
        self._sound.labels(live.request.kind, "heard").inc(seconds)

    def ended(self, live: LiveSession, why: Ending) -> None:
        """Count the session as over, by its reason, and turns it left open."""
        talk = self._talks.pop(live)
        self._sessions.labels(live.request.kind, talk.transport).dec()
        self._ended.labels(live.request.kind, talk.transport, why.name.lower()).inc()
        if talk.answered:
            self._turns.labels(*talk.way, "left").inc(len(talk.answered))

    def event(self, live: LiveSession, event: Event) -> None:
        """Count turns, interruptions, failures, tokens and seconds played."""
        engine, talk = live.request.kind, self._talks[live]
        if isinstance(event, AgentText | AgentAudio | ToolCalled):
            talk.answered.add(event.turn)
        match event:
            case AgentAudio(pcm=pcm):
                self._sound.labels(engine, "played").inc(len(pcm) / live.session.output_rate)
            case SpeechStarted() | AgentDucked() | AgentPaused() | AgentResumed() | Interrupted():
                self._on_floor(talk, event)
            case ToolReturned(error=error):
                self._tools.labels(*talk.way, "error" if error else "ok").inc()
            case BegunEarly():
                self._on_early(talk, event)
            case ProviderUsed():
                self._on_used(engine, event)
            case TurnDone(turn=turn, latency=latency):
                self._on_done(talk, turn, latency)
            case Failed(error=error):
                talk.failed.add(event.turn)
                self._count_error(engine, error, "failed")
            case Notice(error=VoiceAgentError() as error):
                self._count_error(engine, error, "mended")

    def _on_floor(self, talk: _Talk, event: _OfFloor) -> None:
        match event:
            case SpeechStarted(began=began):
                talk.voice = event
                if talk.gave_way is not None and began is not None and began - talk.gave_way[1] <= SAME_SOUND_S:
                    stage, at = talk.gave_way
                    self._observe(talk, stage, max(0.0, at - began))
                talk.gave_way = None
            case AgentDucked(at=at):
                self._ducks.labels(*talk.way).inc()
                self._gave_way(talk, "duck", at, same_s=SAME_MOMENT_S)
                talk.ducked = True
            case AgentPaused(at=at, position=position):
                self._pauses.labels(*talk.way).inc()
                if position:
                    self._gave_way(talk, "stop", at, same_s=math.inf if talk.ducked else SAME_MOMENT_S)
                talk.ducked = False
            case AgentResumed():
                self._resumes.labels(*talk.way).inc()
                talk.gave_way, talk.ducked = None, False
            case Interrupted(turn=turn):
                self._interruptions.labels(*talk.way).inc()
                talk.cut.add(turn)
                talk.gave_way, talk.ducked = None, False

    def _gave_way(self, talk: _Talk, stage: str, at: float, *, same_s: float) -> None:
        """To a voice that was told of not longer ago than ``same_s``, or will be."""
        voice = talk.voice
        if voice is not None and voice.began is not None and at - voice.at <= same_s:
            self._observe(talk, stage, at - voice.began)
        else:
            talk.gave_way = (stage, at)

    def _on_early(self, talk: _Talk, early: BegunEarly) -> None:
        self._early.labels(*talk.way, "used" if early.used else "dropped").inc()
        self._early_saved.labels(*talk.way).inc(early.saved_s)
        self._early_tokens.labels(*talk.way).inc(early.tokens)
        self._early_characters.labels(*talk.way).inc(early.characters)

    def _on_used(self, engine: str, used: ProviderUsed) -> None:
        provider = self._providers.get(used.role, "")
        for direction, tokens in (("input", used.input_tokens), ("output", used.output_tokens)):
            if tokens:
                self._tokens.labels(engine, provider, used.role.value, direction).inc(tokens)
        if used.characters:
            self._characters.labels(engine, provider).inc(used.characters)

    def _on_done(self, talk: _Talk, turn: int, latency: TurnLatency) -> None:
        outcome = "failed" if turn in talk.failed else "interrupted" if turn in talk.cut else "completed"
        self._turns.labels(*talk.way, outcome).inc()
        talk.answered.discard(turn)
        talk.failed.discard(turn)
        talk.cut.discard(turn)
        for stage in STAGES:
            if (seconds := getattr(latency, stage)) is not None:
                self._observe(talk, stage, seconds)

    def _observe(self, talk: _Talk, stage: str, seconds: float) -> None:
        self._latency.labels(*talk.way, stage).observe(seconds)

    def _count_error(self, engine: str, error: VoiceAgentError, outcome: str) -> None:
        role = error.role if isinstance(error, ProviderError) else None
        provider = self._providers.get(role, "") if role is not None else ""
        self._errors.labels(engine, provider, role or "", type(error).__name__, outcome).inc()
