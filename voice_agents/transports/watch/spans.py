"""One OpenTelemetry trace for every turn, in the words of the GenAI semantic conventions.

A turn is a span ``invoke_agent``; what providers and tools did for it are its children: ``speech_to_text``, ``chat``,
``execute_tool``, ``text_to_speech``, or for a Realtime server one ``chat`` that hears and speaks. They are made from a
session's events when the turn is over, so that nothing is measured twice and a server without traces does nothing.
The conventions are named here as text: https://opentelemetry.io/docs/specs/semconv/gen-ai/ (1.39, in development).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.util.re import parse_env_headers

from voice_agents.errors import ProviderError, Role, VoiceAgentError
from voice_agents.events import (
    AgentAudio,
    AgentText,
    Event,
    Failed,
    Interrupted,
    ProviderUsed,
    SpeechEnded,
    SpeechStarted,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.settings import Endpoint, Provider, Settings
from voice_agents.transports.live import Ending, LiveSession, Watcher
from voice_agents.turns.latency import TurnLatency

TRACES_PATH = "/v1/traces"
EXPORT_EVERY_S = 5.0
EXPORT_TIMEOUT_S = 5.0
KEPT_TURNS = 8
_PROVIDERS = {Provider.AZURE: "azure.ai.openai", Provider.OPENAI: "openai", Provider.ELEVENLABS: "elevenlabs"}
_OPERATIONS = {
    Role.STT: "speech_to_text",
    Role.CHAT: "chat",
    Role.TTS: "text_to_speech",
    Role.REALTIME: "chat",
}
_OUTPUTS = {Role.STT: "text", Role.CHAT: "text", Role.TTS: "speech", Role.REALTIME: "speech"}

Attributes = dict[str, Any]


def otlp_exporter(settings: Settings) -> SpanExporter:
    """Sends to ``OTEL_EXPORTER_OTLP_ENDPOINT`` over HTTP."""
    headers = parse_env_headers(settings.otlp_headers, liberal=True)
    endpoint = settings.otlp_endpoint.removesuffix(TRACES_PATH) + TRACES_PATH
    return OTLPSpanExporter(endpoint=endpoint, headers=headers, timeout=EXPORT_TIMEOUT_S)


@dataclass(slots=True)
class _Work:
    """What one provider or tool did in a turn, in seconds of the session's clock."""

    name: str
    kind: SpanKind
    begin: float
    end: float
    attributes: Attributes = field(default_factory=dict)
    error: str = ""


@dataclass(slots=True)
class _Turn:
    """What was told of a turn so far."""

    began: float
    taken: float | None = None
    words_at: float | None = None
    heard: str = ""
    written: str = ""
    first_text: float | None = None
    last_text: float | None = None
    first_sound: float | None = None
    last_sound: float | None = None
    hears: bool = False
    cut: bool = False
    tools: dict[str, _Work] = field(default_factory=dict)
    used: dict[Role, Attributes] = field(default_factory=dict)
    errors: list[VoiceAgentError] = field(default_factory=list)


class Spans(Watcher):
    """One per server; :meth:`close` sends what has not been sent."""

    def __init__(self, settings: Settings, exporter: SpanExporter, version: str, realtime: str) -> None:
        """``realtime``: the kind of session that speaks to a Realtime server."""
        self._settings = settings
        self._content = settings.log_content
        self._realtime = realtime
        resource = Resource.create({"service.name": settings.otlp_service, "service.version": version})
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_S * 1000))
        self._tracer = self._tracers.get_tracer("voice_agents", version)
        self._turns: dict[LiveSession, dict[int, _Turn]] = {}

    def close(self) -> None:
        """Blocks until everything is sent, or the collector has not taken it in time."""
        self._tracers.shutdown()

    # What happens

    def opened(self, live: LiveSession) -> None:
        """A session begins, with no turns yet."""
        self._turns[live] = {}

    def ended(self, live: LiveSession, why: Ending) -> None:
        """The session is over: turns still under way are told as cut."""
        for number, turn in self._turns.pop(live).items():
            if turn.taken is not None or turn.first_text is not None:
                turn.cut = True
                known = (turn.began, turn.taken, turn.words_at, turn.last_text, turn.last_sound)
                self._tell(live, number, turn, max(at for at in known if at is not None))

    def event(self, live: LiveSession, event: Event) -> None:
        """Note the moments of a turn; when it is done, it is told as spans."""
        turns = self._turns[live]
        match event:
            case TurnDone(turn=number, at=at, latency=latency):
                if (turn := turns.pop(number, None)) is not None:
                    self._tell(live, number, turn, at, latency)
                for old in [other for other in turns if other < number - KEPT_TURNS]:
                    del turns[old]  # told of after its end
            case SpeechStarted(turn=number, at=at, began=began):
                turns.setdefault(number, _Turn(at if began is None else began)).hears = True
            case (
                SpeechEnded() | UserTranscript() | AgentText() | AgentAudio() | ToolCalled() | ToolReturned()
                | ProviderUsed() | Interrupted() | Failed()
            ):  # fmt: skip
                _note(turns.setdefault(event.turn, _Turn(event.at)), event)

    def _tell(
        self, live: LiveSession, number: int, turn: _Turn, end: float, latency: TurnLatency | None = None
    ) -> None:
        clock = _wall_clock()
        attributes: Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": live.request.kind,
            "gen_ai.conversation.id": live.name,
            "gen_ai.output.type": "text" if turn.first_sound is None else "speech",
            "voice_agents.turn": number,
            "voice_agents.transport": live.transport.value,
            "voice_agents.interrupted": turn.cut,
            **_figures(latency),
        }
        if self._content:
            attributes |= _content(turn)
        span = self._tracer.start_span(
            f"invoke_agent {live.request.kind}", attributes=attributes, start_time=clock(turn.began)
        )
        for work in self._works(live, turn, end):
            self._child(span, work, clock)
        if turn.errors:
            error = turn.errors[-1]
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR, str(error)))
        span.end(clock(end))

    def _child(self, parent: Span, work: _Work, clock: Callable[[float], int]) -> None:
        child = self._tracer.start_span(
            work.name,
            context=set_span_in_context(parent),
            kind=work.kind,
            attributes=work.attributes,
            start_time=clock(work.begin),
        )
        if work.error:
            child.set_status(StatusCode.ERROR)
            child.set_attribute("error.type", work.error)
        child.end(clock(work.end))

    def _works(self, live: LiveSession, turn: _Turn, end: float) -> list[_Work]:
        works = list(turn.tools.values())
        failed = {error.role: type(error).__name__ for error in turn.errors if isinstance(error, ProviderError)}
        for work in works:
            if not self._content:
                work.attributes = {k: v for k, v in work.attributes.items() if k not in _TOOL_CONTENT}
        for role, begin, until in self._spells(live, turn, end):
            endpoint = self._settings.endpoint(role)
            attributes = _about(role, endpoint) | turn.used.get(role, {})
            name = f"{_OPERATIONS[role]} {endpoint.model}".strip()
            works.append(_Work(name, SpanKind.CLIENT, begin, max(begin, until), attributes, failed.get(role, "")))
        return works

    def _spells(self, live: LiveSession, turn: _Turn, end: float) -> list[tuple[Role, float, float]]:
        """When each provider was at work."""
        asked = turn.taken if turn.words_at is None else turn.words_at
        asked = turn.began if asked is None else asked
        done = end if turn.last_text is None else turn.last_text
        if live.request.kind == self._realtime:
            return [(Role.REALTIME, turn.began if turn.hears else asked, turn.last_sound or done)]
        spells = []
        if turn.hears:
            spells.append((Role.STT, turn.began, asked))
        if turn.first_text is not None or Role.CHAT in turn.used:
            spells.append((Role.CHAT, asked, done))
        if turn.first_text is not None and (turn.first_sound is not None or Role.TTS in turn.used):
            spells.append((Role.TTS, turn.first_text, turn.last_sound or end))
        return spells


_TOOL_CONTENT = ("gen_ai.tool.call.arguments", "gen_ai.tool.call.result")


def _note(turn: _Turn, event: Event) -> None:
    """One event of a turn."""
    match event:
        case SpeechEnded(at=at):
            turn.taken = at
        case UserTranscript(at=at, text=text, final=True):
            turn.words_at, turn.heard = at, text
        case AgentText(at=at, text=text):
            turn.first_text = at if turn.first_text is None else turn.first_text
            turn.last_text = at
            turn.written += text
        case AgentAudio(at=at):
            turn.first_sound = at if turn.first_sound is None else turn.first_sound
            turn.last_sound = at
        case ToolCalled() | ToolReturned():
            _note_tool(turn.tools, event)
        case ProviderUsed(role=role):
            _add(turn.used.setdefault(role, {}), event)
        case Interrupted():
            turn.cut = True
        case Failed(error=error):
            turn.errors.append(error)


def _note_tool(tools: dict[str, _Work], event: ToolCalled | ToolReturned) -> None:
    if isinstance(event, ToolCalled):
        tools[event.call_id] = _tool(event.name, event.args, event.call_id, event.at)
    elif (work := tools.get(event.call_id)) is not None:
        work.end, work.error = event.at, "tool_error" if event.error else ""
        work.attributes["gen_ai.tool.call.result"] = event.result


def _tool(name: str, args: Mapping[str, Any], call_id: str, at: float) -> _Work:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": json.dumps(dict(args), default=str),
    }
    return _Work(f"execute_tool {name}", SpanKind.INTERNAL, at, at, attributes)


def _add(attributes: Attributes, used: ProviderUsed) -> None:
    for name, amount in (
        ("gen_ai.usage.input_tokens", used.input_tokens),
        ("gen_ai.usage.output_tokens", used.output_tokens),
        ("voice_agents.usage.characters", used.characters),
    ):
        if amount:
            attributes[name] = attributes.get(name, 0) + amount


def _about(role: Role, endpoint: Endpoint) -> Attributes:
    address = urlsplit(endpoint.base_url)
    return {
        "gen_ai.operation.name": _OPERATIONS[role],
        "gen_ai.provider.name": _PROVIDERS.get(endpoint.provider, endpoint.provider.value),
        "gen_ai.request.model": endpoint.model,
        "gen_ai.output.type": _OUTPUTS[role],
        "server.address": address.hostname or "",
        "server.port": address.port or (443 if address.scheme == "https" else 80),
    }


def _figures(latency: TurnLatency | None) -> Attributes:
    found = {} if latency is None else {part.name: getattr(latency, part.name) for part in fields(latency)}
    return {f"voice_agents.latency.{name}": round(value, 4) for name, value in found.items() if value is not None}


def _content(turn: _Turn) -> Attributes:
    def messages(role: str, text: str) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)

    return {
        "gen_ai.input.messages": messages("user", turn.heard),
        "gen_ai.output.messages": messages("assistant", turn.written),
    }


def _wall_clock() -> Callable[[float], int]:
    """From readings of the event loop's clock to nanoseconds since 1970."""
    shift_ns = time.time_ns() - time.monotonic_ns()
    return lambda at: round(at * 1e9) + shift_ns
