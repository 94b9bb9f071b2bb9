"""The vendor's own SDK talks, by voice, to ``python -m voice_agents.offline``: the real engines behind the socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.forked import offline_program
from tests.voices import flite, padded
from voice_agents.audio import Pcm, first_audible, from_bytes, resample, to_bytes
from voice_agents.offline.embedded import EmbeddedServer

ENDS_S = 20.0
"""A turn that takes longer hangs: the recogniser is slow on a loaded machine, but not that slow."""
TIME = {
    "type": "function",
    "name": "get_time",
    "description": "The time in a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def served() -> Iterator[EmbeddedServer]:
    """An answer's sound takes a quarter as long to arrive as to play: there is time to cancel it."""
    with EmbeddedServer(["--realtime-speed", "4"], program=offline_program()) as running:
        yield running


@pytest.fixture
async def talk(served: EmbeddedServer) -> AsyncIterator[AsyncRealtimeConnection]:
    options: Any = {"proxy": None}
    async with AsyncOpenAI(base_url=f"{served.url}/openai/v1", api_key=served.key) as client:
        connection = client.realtime.connect(model="offline", websocket_connection_options=options)
        async with connection as opened, asyncio.timeout(4 * ENDS_S):
            yield opened


async def until(talk: AsyncRealtimeConnection, kind: str, seen: list[Any] | None = None) -> Any:
    """The next event of this kind; all up to it are added to ``seen``."""
    async with asyncio.timeout(ENDS_S):
        while True:
            event: Any = await talk.recv()
            assert event.type != "error", event
            if seen is not None:
                seen.append(event)
            if event.type == kind:
                return event


async def say(talk: AsyncRealtimeConnection, pcm: Pcm) -> None:
    sound = resample(padded(pcm), 16_000, 24_000)
    for start in range(0, len(sound), 960):
        await talk.input_audio_buffer.append(audio=base64.b64encode(to_bytes(sound[start : start + 960])).decode())


def answer_of(events: list[Any]) -> tuple[str, Pcm]:
    """What was said: words and sound."""
    words = "".join(event.delta for event in events if event.type == "response.output_audio_transcript.delta")
    data = [base64.b64decode(event.delta) for event in events if event.type == "response.output_audio.delta"]
    return words, from_bytes(b"".join(data))


async def test_a_whole_conversation_by_voice(talk: AsyncRealtimeConnection) -> None:
    transcription: Any = {"model": "whisper-1", "language": "en"}
    await talk.session.update(
        session={"type": "realtime", "tools": [TIME], "audio": {"input": {"transcription": transcription}}}  # pyrefly: ignore[bad-argument-type]
    )
    await until(talk, "session.updated")

    await say(talk, flite("what time is it in tokyo"))
    events: list[Any] = []
    call = await until(talk, "response.function_call_arguments.done", events)
    assert (call.name, json.loads(call.arguments)) == ("get_time", {"place": "Tokyo"})
    done = (await until(talk, "response.done", events)).response
    assert done.status == "completed"
    words = [e.transcript for e in events if e.type.endswith("input_audio_transcription.completed")]
    assert words == ["What time is it in Tokyo?"]

    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "It is ten past nine in Tokyo."}
    await talk.conversation.item.create(item=output)
    await talk.response.create()
    events = []
    assert (await until(talk, "response.done", events)).response.status == "completed"
    said, sound = answer_of(events)
    assert said == "It is ten past nine in Tokyo."
    assert first_audible(sound) is not None and 1.0 < len(sound) / 24_000 < 5.0

    await say(talk, flite("tell me a story"))
    events = []
    for _ in range(12):
        await until(talk, "response.output_audio.delta", events)
    await talk.response.cancel()
    cancelled = (await until(talk, "response.done", events)).response
    assert (cancelled.status, cancelled.status_details.reason) == ("cancelled", "client_cancelled")
    said, sound = answer_of(events)
    played_ms = len(sound) // 24 - 50
    item_id = cancelled.output[0].id
    await talk.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=played_ms)
    assert (await until(talk, "conversation.item.truncated")).audio_end_ms == played_ms

    await say(talk, flite("what did you say"))
    events = []
    await until(talk, "response.done", events)
    repeated, _ = answer_of(events)
    heard = repeated.split()
    assert heard == said.split()[: len(heard)]
    assert len(said.split()) - 1 <= len(heard) <= len(said.split())


async def test_speech_interrupts_the_answer(talk: AsyncRealtimeConnection) -> None:
    await say(talk, flite("tell me a story", "rms"))
    await until(talk, "response.output_audio.delta")
    await say(talk, flite("what is your name", "rms"))
    events: list[Any] = []
    interrupted = (await until(talk, "response.done", events)).response
    assert (interrupted.status, interrupted.status_details.reason) == ("cancelled", "turn_detected")
    assert "input_audio_buffer.speech_started" in [event.type for event in events]
    events = []
    assert (await until(talk, "response.done", events)).response.status == "completed"
    late = [e for e in events if getattr(e, "response_id", "") == interrupted.id]
    assert late == []


@pytest.mark.parametrize("eagerness", ["high", "auto"])
async def test_semantic_detection_by_voice(talk: AsyncRealtimeConnection, eagerness: Any) -> None:
    audio: Any = {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}}
    await talk.session.update(session={"type": "realtime", "tools": [TIME], "audio": audio})  # pyrefly: ignore[bad-argument-type]
    await until(talk, "session.updated")
    await say(talk, np.concatenate([flite("what time is it in tokyo", "awb"), np.zeros(16_000, dtype=np.int16)]))
    call = await until(talk, "response.function_call_arguments.done")
    assert json.loads(call.arguments) == {"place": "Tokyo"}
