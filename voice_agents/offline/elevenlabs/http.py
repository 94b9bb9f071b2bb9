"""ElevenLabs over HTTP: text to speech, whole and streamed, single-use tokens, voices and models."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from voice_agents.offline.bodies import faulty_body
from voice_agents.offline.elevenlabs.access import TOKEN_TYPES, Access, refusal_body
from voice_agents.offline.elevenlabs.options import DEFAULT_FORMAT, SOCKET_MODELS, BadInput, TtsRequest, check_asked
from voice_agents.offline.elevenlabs.speech import Alignment, CharTime, Encoder, speak
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.services import Services
from voice_agents.offline.tts import SAMPLE_RATE, VOICES, OfflineVoice, find_voice

Handler = Callable[[Request], Awaitable[Response]]

_STATUS = {"voice_not_found": 404, "output_format_not_allowed": 403, "model_not_found": 400}
_JSON = "application/json"
_ENGLISH = [{"language_id": "en", "name": "English"}]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A checked request for speech."""

    text: str
    voice_id: str
    output_format: str
    speed: float


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Audio as it is sent, and when its characters sound, from the start of the speech."""

    audio: bytes
    chars: tuple[CharTime, ...]


def routes(services: Services, access: Access) -> list[BaseRoute]:
    """Text to speech, voices, models and tokens. All need a key (401 without)."""

    def guarded(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def guard(request: Request) -> Response:
            if not access.has_key(request):
                return JSONResponse(refusal_body(401), 401)
            try:
                return await handler(request)
            except BadInput as rejected:
                return _error(rejected.name, str(rejected), _STATUS.get(rejected.name, 422))

        return guard

    async def token(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in TOKEN_TYPES:
            return JSONResponse(refusal_body(404), 404)
        return JSONResponse({"token": access.new_token(kind)})

    speech = _SpeechEndpoints(services)
    base = "/v1/text-to-speech/{voice_id}"
    return [
        Route(base, guarded(speech.stream), methods=["POST"]),
        Route(f"{base}/with-timestamps", guarded(speech.whole_with_timestamps), methods=["POST"]),
        Route(f"{base}/stream", guarded(speech.stream), methods=["POST"]),
        Route(f"{base}/stream/with-timestamps", guarded(speech.stream_with_timestamps), methods=["POST"]),
        Route("/v1/single-use-token/{kind}", guarded(token), methods=["POST"]),
        Route("/v1/voices", guarded(_voices)),
        Route("/v2/voices", guarded(_voices)),
        Route("/v1/voices/{voice_id}", guarded(_one_voice)),
        Route("/v1/voices/{voice_id}/settings", guarded(_voice_settings)),
        # OpenAI's path, too; its clients do not come here, see chat.routes
        Route("/v1/models", guarded(_models)),
    ]


class _SpeechEndpoints:
    """The ways to ask for speech over HTTP; the faults of ``tts-http`` strike them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def stream(self, request: Request) -> Response:
        """Audio as it is made, in a chunked body; for the endpoint without ``/stream``, too."""
        return await self._answer(request, self._audio)

    async def stream_with_timestamps(self, request: Request) -> Response:
        """One JSON object a line: audio and the times of its characters, in seconds from the start of the speech."""
        return await self._answer(request, self._timed_lines, _JSON)

    async def whole_with_timestamps(self, request: Request) -> Response:
        """One JSON object: all the audio and the times of all characters, in seconds."""
        return await self._answer(request, self._timed_whole, _JSON)

    async def _answer(
        self, request: Request, spoken: Callable[[_Asked], AsyncGenerator[bytes, None]], media_type: str | None = None
    ) -> Response:
        """``spoken`` makes the body; its type is the output format's unless given. Raises BadInput."""
        faults = self._services.faults.begin(Service.TTS_HTTP)
        if (refusal := faults.refusal) is not None:
            return JSONResponse(refusal_body(refusal.status), refusal.status)
        if (error := faults.of(FaultKind.ERROR_FRAME)) is not None:
            return _error(error.name, error.name, error.status or 400)
        asked = await _parse(request)
        body = faulty_body(spoken(asked), faults, request.scope, malformed=b"<html>Bad gateway</html>\n")
        return StreamingResponse(
            body, media_type=media_type or ("audio/mpeg" if asked.output_format.startswith("mp3") else "audio/pcm")
        )

    async def _audio(self, asked: _Asked) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._spoken(asked, Alignment.NONE)) as pieces:
            async for piece in pieces:
                yield piece.audio

    async def _timed_lines(self, asked: _Asked) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._spoken(asked, Alignment.EACH)) as pieces:
            async for piece in pieces:
                yield _timed(piece) + b"\n"

    async def _timed_whole(self, asked: _Asked) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._spoken(asked, Alignment.EACH)) as pieces:
            all_pieces = [piece async for piece in pieces]
        chars = tuple(timed for piece in all_pieces for timed in piece.chars)
        yield _timed(_Spoken(b"".join(piece.audio for piece in all_pieces), chars))

    async def _spoken(self, asked: _Asked, alignment: Alignment) -> AsyncGenerator[_Spoken, None]:
        not_before = time.monotonic() + self._services.pace.tts_first_audio_s
        encoder = Encoder(asked.output_format)
        at_ms = 0.0
        chunks = speak(self._services.voice, asked.text, asked.voice_id, alignment, asked.speed)
        with self._services.connections.opened(Service.TTS_HTTP):
            async with aclosing(chunks):
                async for chunk in chunks:
                    await asyncio.sleep(not_before - time.monotonic())
                    chars = tuple(replace(timed, start_ms=at_ms + timed.start_ms) for timed in chunk.chars)
                    yield _Spoken(await encoder.feed(chunk.pcm, last=chunk.last), chars)
                    at_ms += len(chunk.pcm) * 1000 / SAMPLE_RATE


async def _parse(request: Request) -> _Asked:
    """Raises BadInput."""
    voice_id = request.path_params["voice_id"]
    output_format = request.query_params.get("output_format", DEFAULT_FORMAT)
    body = TtsRequest.read((await request.body()).decode(errors="replace"), "invalid_input_message")
    check_asked(voice_id, body.model_id, output_format)
    speed = (body.voice_settings and body.voice_settings.speed) or 1.0
    return _Asked(body.text, voice_id, output_format, speed)


def _timed(spoken: _Spoken) -> bytes:
    times = {
        "characters": [timed.char for timed in spoken.chars],
        "character_start_times_seconds": [round(timed.start_ms / 1000, 3) for timed in spoken.chars],
        "character_end_times_seconds": [
            round((timed.start_ms + timed.duration_ms) / 1000, 3) for timed in spoken.chars
        ],
    }
    audio = base64.b64encode(spoken.audio).decode()
    return json.dumps({"audio_base64": audio, "alignment": times, "normalized_alignment": times}).encode()


def _error(name: str, message: str, status: int) -> JSONResponse:
    return JSONResponse({"detail": {"status": name, "message": message}}, status)


async def _voices(_request: Request) -> Response:
    """Both versions: the page form of v2 is a superset of v1."""
    voices = [_voice(voice) for voice in VOICES]
    return JSONResponse({"voices": voices, "has_more": False, "total_count": len(voices), "next_page_token": None})


async def _one_voice(request: Request) -> Response:
    """The voice that speaks for this id, which it keeps."""
    voice_id = request.path_params["voice_id"]
    check_asked(voice_id)
    return JSONResponse(_voice(find_voice(voice_id)) | {"voice_id": voice_id})


async def _voice_settings(request: Request) -> Response:
    """The one setting the voices here have, as it is when a request does not set it."""
    check_asked(request.path_params["voice_id"])
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
    return JSONResponse(
        [
            {"model_id": model, "name": model, "can_do_text_to_speech": True, "languages": _ENGLISH}
            for model in SOCKET_MODELS
        ]
    )
