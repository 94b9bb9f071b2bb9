"""Every turn becomes one trace in the words of the GenAI conventions; without a collector nothing is loaded."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.forked import start_python
from tests.transports.watch.collector import Collector, attributes, collector
from tests.transports.watch.script import (
    ANSWER,
    SECRET,
    SETTINGS,
    cut_turn,
    failed_turn,
    play,
    registry,
    request,
    spoken_turn,
)
from voice_agents.errors import ConfigurationError, Role
from voice_agents.events import AgentText, Event, ProviderUsed, SpeechStarted, UserTranscript
from voice_agents.transports.live import name_of
from voice_agents.transports.watch.spans import Spans, otlp_exporter
from voice_agents.ui.app import App


async def traced(*events: Event, kind: str = "sandwich", **settings: Any) -> tuple[Collector, str]:
    """What a collector gets when a session has told these; and what the session is called."""
    with collector() as found:
        told = replace(SETTINGS, otlp_endpoint=found.url, **settings)
        spans = Spans(told, otlp_exporter(told), "1.2.3", "realtime")
        try:
            async with registry([spans]) as places:
                live = await places.open(request(kind))
                await play(live, *events)
        finally:
            await asyncio.to_thread(spans.close)
        return found, name_of(live.request.conversation)


def by_name(found: Collector) -> Mapping[str, Any]:
    return {span.name: span for span in found.spans}


async def test_a_spoken_turn_is_a_trace_of_what_its_providers_and_tools_did() -> None:
    at = asyncio.get_running_loop().time()
    found, session = await traced(*spoken_turn(1, at))
    spans = by_name(found)
    turn = spans["invoke_agent sandwich"]
    children = {
        "speech_to_text scribe_v2_realtime": (0.0, 1.6),
        "chat offline": (1.6, 2.0),
        "execute_tool save_note": (1.7, 1.8),
        "text_to_speech eleven_flash_v2_5": (2.0, 2.7),
    }
    assert spans.keys() == {"invoke_agent sandwich", *children}
    for name, (begin, end) in children.items():
        child = spans[name]
        assert child.trace_id == turn.trace_id
        assert child.parent_span_id == turn.span_id
        assert child.start_time_unix_nano - turn.start_time_unix_nano == pytest.approx(begin * 1e9, abs=1e6)
        assert child.end_time_unix_nano - turn.start_time_unix_nano == pytest.approx(end * 1e9, abs=1e6)
    assert turn.parent_span_id == b""
    assert abs(turn.start_time_unix_nano - time.time_ns()) < 60e9
    assert turn.end_time_unix_nano - turn.start_time_unix_nano == pytest.approx(3e9, abs=1e6)
    assert attributes(turn) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "sandwich",
        "gen_ai.conversation.id": session,
        "gen_ai.output.type": "speech",
        "voice_agents.turn": 1,
        "voice_agents.transport": "typed",
        "voice_agents.interrupted": False,
        "voice_agents.latency.endpointing": 0.55,
        "voice_agents.latency.silence": 0.5,
        "voice_agents.latency.first_token": 0.2,
        "voice_agents.latency.first_audio": 0.12,
        "voice_agents.latency.voice_to_voice": 0.9,
    }
    assert attributes(spans["chat offline"]) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "offline",
        "gen_ai.request.model": "offline",
        "gen_ai.output.type": "text",
        "gen_ai.usage.input_tokens": 220,
        "gen_ai.usage.output_tokens": 16,
        "server.address": "127.0.0.1",
        "server.port": 1,
    }
    assert attributes(spans["execute_tool save_note"]) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "save_note",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
    }
    assert attributes(spans["text_to_speech eleven_flash_v2_5"])["voice_agents.usage.characters"] == len(ANSWER)


async def test_a_realtime_turn_has_one_provider() -> None:
    used = ProviderUsed(turn=1, at=2.0, role=Role.REALTIME, input_tokens=5, output_tokens=6)
    *events, done = spoken_turn(1, 10.0)
    events = [event for event in events if not isinstance(event, ProviderUsed)]
    found, _ = await traced(*events, used, done, kind="realtime")
    spans = by_name(found)
    assert spans.keys() == {"invoke_agent realtime", "chat offline", "execute_tool save_note"}
    assert attributes(spans["chat offline"])["gen_ai.usage.output_tokens"] == 6
    assert attributes(spans["chat offline"])["gen_ai.output.type"] == "speech"


async def test_a_cut_and_a_failed_turn_say_so() -> None:
    found, _ = await traced(*cut_turn(1, 10.0), *failed_turn(3, 30.0))
    first, second = [span for span in found.spans if span.name == "invoke_agent sandwich"]
    assert attributes(first)["voice_agents.interrupted"] is True
    assert first.status.code == 0
    assert attributes(second)["error.type"] == "ProviderTimeout"
    assert second.status.code == 2


async def test_a_turn_whose_session_ends_is_told_too() -> None:
    found, _ = await traced(
        SpeechStarted(turn=1, at=1.1, began=1.0),
        UserTranscript(turn=1, at=3.0, text=SECRET, final=True),
        AgentText(turn=1, at=3.5, text=ANSWER),
    )
    turn = by_name(found)["invoke_agent sandwich"]
    assert attributes(turn)["voice_agents.interrupted"] is True
    assert turn.end_time_unix_nano - turn.start_time_unix_nano == pytest.approx(2.5e9, abs=1e6)


async def test_what_was_said_is_left_out_unless_it_is_asked_for() -> None:
    quiet, _ = await traced(*spoken_turn(1, 10.0))
    assert not any(SECRET.encode() in body or ANSWER.encode() in body for _, _, body in quiet.requests)
    found, _ = await traced(*spoken_turn(1, 10.0), log_content=True)
    turn = attributes(by_name(found)["invoke_agent sandwich"])
    assert json.loads(turn["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": SECRET}]}
    ]
    tool = attributes(by_name(found)["execute_tool save_note"])
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"text": SECRET}
    assert tool["gen_ai.tool.call.result"] == f"noted: {SECRET}"


async def test_the_collector_is_asked_as_its_variables_say() -> None:
    found, _ = await traced(*spoken_turn(1, 10.0), otlp_headers="api-key=word,x-team=a", otlp_service="talk")
    path, headers, body = found.requests[0]
    assert path == "/v1/traces"
    sent = {name.lower(): value for name, value in headers.items()}
    assert (sent["api-key"], sent["x-team"]) == ("word", "a")
    assert b"talk" in body


async def test_without_a_collector_nothing_of_it_is_loaded() -> None:
    code = "import sys, voice_agents.ui.app; print([m for m in sys.modules if 'exporter' in m or m.endswith('.spans')])"
    loading = await start_python(["-c", code], os.environ, piped=True)
    said, _ = await loading.communicate()
    assert (loading.returncode, said.strip().splitlines()[-1]) == (0, b"[]")


def test_who_wants_traces_without_the_packages_is_told_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.delitem(sys.modules, "voice_agents.transports.watch.spans")
    with pytest.raises(ConfigurationError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT .* pip install opentelemetry-sdk"):
        App(replace(SETTINGS, otlp_endpoint="http://127.0.0.1:1"), [])


def test_a_variable_that_opentelemetry_refuses_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20")
    with pytest.raises(ConfigurationError, match=r"OpenTelemetry does not take .* OTEL_EXPORTER_OTLP_ENDPOINT"):
        App(replace(SETTINGS, otlp_endpoint="http://127.0.0.1:1"), [])
