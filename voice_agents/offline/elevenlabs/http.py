"""ElevenLabs over HTTP: text to speech, whole and streamed, single-use tokens, voices and models."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from voice_agents.offline.elevenlabs.access import TOKEN_PLACES, Access, BadInput, refusal
from voice_agents.offline.elevenlabs.options import SOCKET_MODELS, TtsOptions, TtsRequest
from voice_agents.offline.elevenlabs.speech import SpokenChunk, speak
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import faulty_body
from voice_agents.offline.tts import VOICES, OfflineVoice, find_voice

_ENGLISH = [{"language_id": "en", "name": "English"}]

Chunks = AsyncGenerator[SpokenChunk, None]


def routes(services: Services, access: Access) -> list[BaseRoute]:
    """Text to speech, voices, models and tokens."""

    async def token(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in TOKEN_PLACES:
            raise refusal(404)
        return JSONResponse({"token": access.new_token(kind)})

    def speech(body: Callable[[Chunks], AsyncGenerator[bytes, None]], media_type: str = "") -> Any:
        async def endpoint(request: Request) -> Response:
            return await _speech(services, request, body, media_type)

        return endpoint

    base, timed = "/v1/text-to-speech/{voice_id}", "application/json"
    return [
        Route(base, speech(_audio), methods=["POST"]),
        Route(f"{base}/with-timestamps", speech(_timed_whole, timed), methods=["POST"]),
        Route(f"{base}/stream", speech(_audio), methods=["POST"]),
        Route(f"{base}/stream/with-timestamps", speech(_timed_lines, timed), methods=["POST"]),
        Route("/v1/single-use-token/{kind}", token, methods=["POST"]),
        Route("/v1/voices", _voices),
        Route("/v2/voices", _voices),
        Route("/v1/voices/{voice_id}", _one_voice),
        Route("/v1/voices/{voice_id}/settings", _voice_settings),
        # OpenAI's path, too; its clients do not come here, see chat.routes
        Route("/v1/models", _models),
    ]


async def _speech(
    services: Services, request: Request, body: Callable[[Chunks], AsyncGenerator[bytes, None]], media_type: str
) -> Response:
    """``body`` makes the body of chunks; its type is the output format's unless given. Raises Refused."""
    faults = services.faults.begin(Service.TTS_HTTP)
    if (fault := faults.refusal) is not None:
        raise refusal(fault.status)
    if (fault := faults.of(FaultKind.ERROR_FRAME)) is not None:
        raise BadInput(fault.name, fault.name, fault.status or 400)
    asked = TtsRequest.read((await request.body()).decode(errors="replace"), "invalid_input_message")
    options = TtsOptions.parse(request.path_params["voice_id"], request.query_params, asked.model_id)

    async def spoken() -> Chunks:
        not_before = time.monotonic() + services.pace.tts_first_audio_s
        chunks = speak(services.voice, asked.text, options, asked.speed, each=True, not_before=not_before)
        with services.connections.opened(Service.TTS_HTTP):
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    pieces = faulty_body(body(spoken()), faults, request.scope, malformed=b"<html>Bad gateway</html>\n")
    of_format = "audio/mpeg" if options.output_format.startswith("mp3") else "audio/pcm"
    return StreamingResponse(pieces, media_type=media_type or of_format)


async def _audio(chunks: Chunks) -> AsyncGenerator[bytes, None]:
    """Audio as it is made."""
    async with aclosing(chunks):
        async for chunk in chunks:
            yield chunk.audio


async def _timed_lines(chunks: Chunks) -> AsyncGenerator[bytes, None]:
    """One JSON object a line: audio and the times of its characters, in seconds from the start of the speech."""
    async with aclosing(chunks):
        async for chunk in chunks:
            yield _timed(chunk) + b"\n"


async def _timed_whole(chunks: Chunks) -> AsyncGenerator[bytes, None]:
    """One such object with all of it."""
    async with aclosing(chunks):
        every = [chunk async for chunk in chunks]
    chars = tuple(timed for chunk in every for timed in chunk.chars)
    yield _timed(SpokenChunk(b"".join(chunk.audio for chunk in every), 0.0, chars))


def _timed(chunk: SpokenChunk) -> bytes:
    ends_ms = [timed.start_ms + timed.duration_ms for timed in chunk.chars]
    times = {
        "characters": [timed.char for timed in chunk.chars],
        "character_start_times_seconds": [round(timed.start_ms / 1000, 3) for timed in chunk.chars],
        "character_end_times_seconds": [round(end_ms / 1000, 3) for end_ms in ends_ms],
    }
    audio = base64.b64encode(chunk.audio).decode()
    return json.dumps({"audio_base64": audio, "alignment": times, "normalized_alignment": times}).encode()


async def _voices(_request: Request) -> Response:
    """Both versions: the page form of v2 is a superset of v1."""
    voices = [_voice(voice) for voice in VOICES]
    return JSONResponse({"voices": voices, "has_more": False, "total_count": len(voices), "next_page_token": None})


async def _one_voice(request: Request) -> Response:
    """The voice that speaks for this id, which it keeps."""
    voice_id = TtsOptions.parse(request.path_params["voice_id"], {}).voice_id
    return JSONResponse(_voice(find_voice(voice_id)) | {"voice_id": voice_id})


async def _voice_settings(request: Request) -> Response:
    """The one setting the voices here have, as it is when a request does not set it."""
    TtsOptions.parse(request.path_params["voice_id"], {})
    return JSONResponse({"speed": 1.0})


def _voice(voice: OfflineVoice) -> dict[str, Any]:
    engine = "espeak-ng" if voice.espeak else "piper"
    return {
        "voice_id": voice.voice_id,
        "name": f"{voice.name} (offline)",
        "category": "premade",
        "labels": {"provider": "offline", "engine": engine, "descriptive": voice.description},
        "description": f"{voice.description}; spoken on this machine",
        "preview_url": None,
        "settings": None,
    }


async def _models(_request: Request) -> Response:
    about = {"can_do_text_to_speech": True, "languages": _ENGLISH}
    return JSONResponse([{"model_id": model, "name": model} | about for model in SOCKET_MODELS])
