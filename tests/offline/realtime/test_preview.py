"""Clients that come the preview way get the preview's event names and flat session, and the same service."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import websockets
from openai import AsyncAzureOpenAI, AsyncOpenAI

from tests.offline.conftest import WORD_S
from tests.offline.realtime.caller import Caller, Event, HeldVoice, ScriptedBrain, calling, serving, sound
from voice_agents.audio import resample, to_bytes
from voice_agents.offline.brain import Reply, ToolCall
from voice_agents.offline.checks import Rejected
from voice_agents.offline.realtime.preview import PreviewShape
from voice_agents.offline.server import OfflineServer

ANSWER = "It is ten past nine."
MODEL = "gpt-4o-realtime-preview"
"""The vendor's preview types allow only names of its own."""
VERSION = "2025-04-01-preview"
TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}


@pytest.fixture
def brain() -> ScriptedBrain:
    return ScriptedBrain(ANSWER)


@pytest.fixture
async def server(brain: ScriptedBrain) -> AsyncIterator[OfflineServer]:
    async with serving(brain) as running:
        yield running


def azure(server: OfflineServer) -> AbstractAsyncContextManager[Caller]:
    query: dict[str, Any] = {"api-version": VERSION, "deployment": MODEL}
    return calling(server, "/openai/realtime", preview=True, **query)


def openai(server: OfflineServer) -> AbstractAsyncContextManager[Caller]:
    headers = {"Authorization": "Bearer k", "OpenAI-Beta": "realtime=v1"}
    return calling(server, "/v1/realtime", headers, preview=True, model=MODEL)


async def configure(caller: Caller, **session: Any) -> Event:
    await caller.tell("session.update", session=session)
    updated: Event = (await caller.until("session.updated"))["session"]
    return updated


async def write(caller: Caller, text: str, role: str = "user") -> None:
    content = [{"type": "text" if role == "assistant" else "input_text", "text": text}]
    await caller.tell("conversation.item.create", item={"type": "message", "role": role, "content": content})
    await caller.until("conversation.item.created")


@pytest.mark.parametrize("way", [azure, openai])
async def test_the_session_is_flat(server: OfflineServer, way: Any) -> None:
    async with way(server) as caller:
        session = caller.heard[0]["session"]
        assert session["modalities"] == ["audio", "text"]
        assert (session["input_audio_format"], session["output_audio_format"]) == ("pcm16", "pcm16")
        assert session["turn_detection"]["type"] == "server_vad" and session["input_audio_transcription"] is None
        assert (session["temperature"], session["max_response_output_tokens"]) == (0.8, "inf")
        assert not {"type", "audio", "output_modalities"} & set(session)
        updated = await configure(
            caller,
            modalities=["text"],
            instructions="Be brief.",
            voice="ash",
            temperature=0.7,
            input_audio_format="pcm16",
            input_audio_transcription={"model": "whisper-1"},
            turn_detection={"silence_duration_ms": 900},
            tools=[TIME],
            tool_choice="required",
            max_response_output_tokens=100,
        )
        assert updated["modalities"] == ["text"] and updated["temperature"] == 0.7
        assert (updated["voice"], updated["input_audio_format"]) == ("ash", "pcm16")
        assert updated["turn_detection"] == session["turn_detection"] | {"silence_duration_ms": 900}
        assert updated["max_response_output_tokens"] == 100


async def test_a_spoken_answer_has_the_previews_names(server: OfflineServer) -> None:
    async with azure(server) as caller:
        await write(caller, "hello")
        await caller.tell("response.create")
        response = await caller.done()
        kinds = {event["type"] for event in caller.heard}
        assert {
            "response.audio.delta",
            "response.audio.done",
            "response.audio_transcript.delta",
            "response.audio_transcript.done",
            "conversation.item.created",
        } <= kinds
        assert not [kind for kind in kinds if "output_audio" in kind]
        assert not kinds & {"conversation.item.added", "conversation.item.done"}
        assert response["output"][0]["content"] == [{"type": "audio", "transcript": ANSWER}]
        assert (response["modalities"], response["voice"]) == (["audio", "text"], "marin")
        sound_bytes = b"".join(base64.b64decode(event["delta"]) for event in caller.of("response.audio.delta"))
        assert len(sound_bytes) == round(len(ANSWER.split()) * WORD_S * 48_000)


async def test_a_written_answer_has_the_previews_names(server: OfflineServer) -> None:
    async with azure(server) as caller:
        await write(caller, "hello")
        await caller.tell("response.create", response={"modalities": ["text"], "temperature": 0.9})
        response = await caller.done()
        assert "".join(event["delta"] for event in caller.of("response.text.delta")) == ANSWER
        assert response["output"][0]["content"] == [{"type": "text", "text": ANSWER}]


async def test_history_and_audio_go_in_and_calls_come_out(server: OfflineServer, brain: ScriptedBrain) -> None:
    brain._replies = [Reply(tool_calls=(ToolCall("call_1", "get_time", {}),)), Reply(ANSWER)]
    async with azure(server) as caller:
        await configure(caller, tools=[TIME], turn_detection=None, input_audio_format="pcm16")
        await write(caller, "Hello Ada.", role="assistant")
        await caller.append(to_bytes(resample(sound(2.1), 16_000, 24_000)))
        await caller.tell("input_audio_buffer.commit")
        await caller.until("conversation.item.created")
        await caller.tell("response.create")
        await caller.until("response.function_call_arguments.done")
        response = await caller.done()
        assert response["output"][0]["name"] == "get_time"
        assert brain.history == [("assistant", "Hello Ada."), ("user", "word0 word1")]


async def test_an_answer_is_truncated_and_cancelled_as_ever() -> None:
    voice, brain = HeldVoice(8), ScriptedBrain(ANSWER)
    async with serving(brain, voice) as server, azure(server) as caller:
        await write(caller, "hello")
        await caller.tell("response.create")
        await caller.until("response.audio.delta")
        await caller.tell("response.cancel")
        response = await caller.done()
        assert response["status"] == "cancelled"
        item_id = response["output"][0]["id"]
        await caller.tell("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=50)
        await caller.until("conversation.item.truncated")


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"input_audio_format": "mp3"}, "session.input_audio_format.type"),
        ({"input_audio_format": "g711_ulaw"}, "session.input_audio_format.type"),
        ({"turn_detection": {"type": "server_vad", "threshold": 3}}, "session.turn_detection.threshold"),
        ({"temperature": 3}, "session.temperature"),
        ({"speed": 9}, "session.speed"),
        ({"mood": "good"}, "session.mood"),
    ],
)
async def test_errors_name_fields_as_the_client_knows_them(
    server: OfflineServer, session: dict[str, Any], param: str
) -> None:
    async with azure(server) as caller:
        error = await caller.refused("session.update", session=session)
        assert error["param"] == param
        assert "audio.input" not in error["message"] and "audio.output" not in error["message"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update", "session": "fast"},
        {"type": "session.update"},
        {"type": "response.create", "response": {"input": "hello"}},
        {"type": "conversation.item.create", "item": {"role": "assistant", "content": ["hello", {}]}},
        {"type": "conversation.item.create", "item": 5},
    ],
)
def test_nonsense_stays_nonsense(event: Event) -> None:
    translated = PreviewShape().incoming(event)
    assert translated["type"] == event["type"]
    assert json.dumps(translated)


def test_a_function_is_chosen_in_the_previews_nested_way() -> None:
    choice = {"type": "function", "function": {"name": "get_time"}}
    translated = PreviewShape().incoming({"type": "session.update", "session": {"tool_choice": choice}})
    assert translated["session"] == {"type": "realtime", "tool_choice": {"type": "function", "name": "get_time"}}


def test_a_temperature_of_one_response_is_checked_and_forgotten() -> None:
    shape = PreviewShape()
    shape.incoming({"type": "response.create", "response": {"temperature": 1.1}})
    with pytest.raises(Rejected):
        shape.incoming({"type": "response.create", "response": {"temperature": 5}})


async def test_the_vendors_preview_clients_connect(server: OfflineServer) -> None:
    sockets = server.url.replace("http", "ws", 1)
    options: Any = {"proxy": None}
    beta = AsyncOpenAI(api_key="k", websocket_base_url=f"{sockets}/v1")
    async with beta, beta.beta.realtime.connect(model=MODEL, websocket_connection_options=options) as old:
        await old.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        )
        await old.response.create()
        kinds = []
        async for event in old:
            kinds.append(event.type)
            if event.type == "response.done":
                break
        assert "response.audio.delta" in kinds
    azure_client = AsyncAzureOpenAI(
        api_key="k", api_version=VERSION, azure_endpoint=server.url, websocket_base_url=f"{sockets}/openai"
    )
    async with azure_client, azure_client.realtime.connect(model=MODEL, websocket_connection_options=options) as now:
        assert (await now.recv()).type == "session.created"


async def test_the_preview_is_not_offered_without_its_version(server: OfflineServer) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with calling(server, "/openai/realtime", deployment=MODEL):
            pass
    assert refused.value.response.status_code == 404
