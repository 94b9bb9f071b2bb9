"""The whole Sandwich, pointed by environment variables at servers that are not ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.engines.live import Live, engine_at, live
from tests.providers.other_server import OtherServer, OtherSocket
from tests.providers.other_voice import sound, speaks
from tests.providers.test_chat_on_another_server import DONE, delta, no_choices, sse
from voice_agents.engines.engine import SandwichTimeouts
from voice_agents.settings import Settings

SPEECH_KEY, CHAT_KEY = "xi-1234", "chat-5678"
ANSWER = "You said something, and this is the answer."


async def hears(socket: OtherSocket) -> None:
    """Understands "hello there" whatever it gets, with a partial before."""
    await socket.send(message_type="session_started", session_id="s", config={})
    while True:
        first = await socket.receive()
        if not first["commit"]:
            await socket.send(message_type="partial_transcript", text="hello")
            await socket.utterance()
        await socket.final("hello there")


async def either(socket: OtherSocket) -> None:
    """One address for both, as at the vendor."""
    await (hears(socket) if "speech-to-text" in socket.path else speaks()(socket))


async def chat(request: Request) -> Response:
    if request.method != "POST":
        return JSONResponse({"error": {"message": "there is no list of models here"}}, 404)
    words = [delta(content=word + " ") for word in ANSWER.split()]
    return sse((no_choices(prompt_filter_results=[]), delta(role="assistant", content=""), *words, delta("stop"), DONE))


AZURE = {
    "AZURE_OPENAI_ENDPOINT": "{url}",
    "AZURE_OPENAI_API_KEY": CHAT_KEY,
    "AZURE_OPENAI_DEPLOYMENT": "my-deployment",
}
OPENAI = {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": CHAT_KEY, "OPENAI_MODEL": "my-model"}
SPEECH = {
    "ELEVENLABS_BASE_URL": "{url}",
    "ELEVENLABS_API_KEY": SPEECH_KEY,
    "ELEVENLABS_VOICE_ID": "my-voice",
    "ELEVENLABS_TTS_MODEL": "my-tts",
    "ELEVENLABS_STT_MODEL": "my-stt",
}


@asynccontextmanager
async def elsewhere(env: Mapping[str, str], folder: Path) -> AsyncIterator[tuple[OtherServer, Live]]:
    async with OtherServer(either, answer=chat) as server:
        values = {name: value.format(url=server.url) for name, value in {**SPEECH, **env}.items()}
        settings = Settings.from_env(values, None)
        async with engine_at(settings, folder, SandwichTimeouts()) as engine, live(engine) as somebody:
            yield server, somebody


@pytest.mark.parametrize(
    ("env", "path", "model"),
    [(AZURE, "/openai/v1/chat/completions", "my-deployment"), (OPENAI, "/v1/chat/completions", "my-model")],
    ids=["azure", "openai"],
)
async def test_a_spoken_and_a_typed_turn_on_another_server(
    tmp_path: Path, env: Mapping[str, str], path: str, model: str
) -> None:
    async with elsewhere(env, tmp_path) as (server, somebody):
        spoken = await somebody.turn()
        typed = await somebody.turn("And typed?")
        for done in (spoken, typed):
            assert done.heard_text.split() == ANSWER.split()
            assert np.array_equal(somebody.sound(done.turn), sound(ANSWER))
        assert (somebody.heard(1), somebody.heard(2)) == ("hello there", "And typed?")
        assert somebody.sentences == []

        asked = [(request, json.loads(body)) for request, body in server.requests if request.method == "POST"]
        assert [request.url.path for request, _ in asked] == [path, path]
        for request, body in asked:
            assert request.headers["authorization"] == f"Bearer {CHAT_KEY}"
            assert request.headers.get("api-key") == (CHAT_KEY if env is AZURE else None)
            assert request.url.query == ""
            assert body["model"] == model and body["stream"] is True
            assert {tool["type"] for tool in body["tools"]} == {"function"}
            assert "temperature" not in body
        assert shape(asked[0][1]) == [("system", None), ("user", "hello there")]
        assert shape(asked[1][1])[1:] == [("user", "hello there"), ("assistant", ANSWER), ("user", "And typed?")]

        stt = next(socket for socket in server.sockets if "speech-to-text" in socket.path)
        tts = next(socket for socket in server.sockets if "text-to-speech" in socket.path)
        assert stt.query == {"model_id": "my-stt", "audio_format": "pcm_16000", "commit_strategy": "manual"}
        assert tts.path == "/v1/text-to-speech/my-voice/multi-stream-input"
        assert tts.query["model_id"] == "my-tts" and tts.query["output_format"] == "pcm_24000"
        assert {socket.headers["xi-api-key"] for socket in (stt, tts)} == {SPEECH_KEY}
        assert server.requests[0][0].method == "GET", "the connection was opened ahead"


def shape(body: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Who said what; the instructions are somebody else's test."""
    return [
        (message["role"], None if message["role"] == "system" else message["content"].strip())
        for message in body["messages"]
    ]
