"""ElevenLabs text-to-speech, answered by the local voice: both sockets, HTTP, and which voices and models there are."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.elevenlabs.access import TOKEN_PLACES, Access, Asked, BadInput, refusal
from voice_agents.offline.elevenlabs.speech import SOCKET_MODELS, SpokenChunk, TtsOptions, speak
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Message, Tasks, VendorDialect, VendorSocket, faulty_body, serve
from voice_agents.offline.tts import VOICES, OfflineVoice, find_voice

Chunks = AsyncGenerator[SpokenChunk, None]

DEFAULT_SCHEDULE = (120, 160, 250, 290)
"""Characters that must be gathered before the first, second ... piece is spoken."""
MIN_TRIGGER_CHARS = 50
MAX_CONTEXTS = 5
POLICY_VIOLATION = 1008
DEFAULT_CONTEXT = "default"

_ERRORS = {
    "invalid_api_key": "You must be authenticated to use this endpoint.",
    "quota_exceeded": "This request exceeds your quota.",
    "rate_limited": "You are rate limited. Please try again later.",
    "input_timeout_exceeded": "Have not received a new text input within the timeout.",
    "max_active_conversations": f"Maximum simultaneous contexts per WebSocket connection exceeded ({MAX_CONTEXTS}).",
    "voice_not_found": "A voice for the voice_id was not found.",
    "internal_server_error": "Something went wrong on our side.",
}


class VoiceSettings(Asked):
    """Of these only the speed is heard here."""

    stability: float | None = Field(None, ge=0, le=1)
    similarity_boost: float | None = Field(None, ge=0, le=1)
    style: float | None = Field(None, ge=0, le=1)
    speed: float | None = Field(None, ge=0.7, le=1.2)


class _GenerationConfig(Asked):
    chunk_length_schedule: list[Annotated[int, Field(ge=50, le=500)]] | None = Field(None, min_length=1)


class _Speech(Asked):
    voice_settings: VoiceSettings | None = None

    @property
    def speed(self) -> float:
        """1.0 is normal."""
        return (self.voice_settings and self.voice_settings.speed) or 1.0


class TtsMessage(_Speech):
    """Any message of the text-to-speech sockets."""

    text: str | None = None
    flush: bool = False
    try_trigger_generation: bool = False
    context_id: str | None = None
    close_context: bool = False
    close_socket: bool = False
    generation_config: _GenerationConfig | None = None

    @property
    def schedule(self) -> tuple[int, ...]:
        """How much text is gathered before it is spoken."""
        return tuple((self.generation_config and self.generation_config.chunk_length_schedule) or DEFAULT_SCHEDULE)

    def check_same_settings(self, first: TtsMessage) -> None:
        """Raises BadInput if this brings other settings than the first message of its context."""
        for name in ("voice_settings", "generation_config"):
            if getattr(self, name) not in (None, getattr(first, name)):
                raise BadInput("invalid_input_message", f"{name} can only be set in the first message of a context")


class TtsRequest(_Speech):
    """The body of a text-to-speech request."""

    text: str = Field(pattern=r"\S")
    model_id: str | None = None


DIALECT = VendorDialect(
    lambda message: "final" if message.get("isFinal") else "audio",
    refusal,
    lambda name, message: {"message": message or _ERRORS.get(name, name), "error": name, "code": POLICY_VIOLATION},
    lambda name: POLICY_VIOLATION,
)
"""Messages have no type; errors are ``{"message", "error", "code"}`` and close the socket with that code."""


def routes(services: Services, access: Access) -> list[BaseRoute]:
    """The sockets, text to speech over HTTP, voices, models and tokens."""

    def socket(*, many: bool) -> Any:
        async def connect(websocket: WebSocket) -> None:
            async def run(socket: VendorSocket) -> None:
                options = TtsOptions.parse(websocket.path_params["voice_id"], websocket.query_params)
                await _Speaking(socket, services, options, many=many).run()

            await serve(websocket, services, Service.TTS, DIALECT, run)

        return connect

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
        WebSocketRoute(f"{base}/stream-input", socket(many=False)),
        WebSocketRoute(f"{base}/multi-stream-input", socket(many=True)),
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


class TextBuffer:
    """Gathers text and says which pieces of it are spoken now.

    ``auto_mode``: every message is a piece. Otherwise a piece ends at the last space once as many characters are
    there as the schedule asks for (50 when the client triggers), or wherever the client flushes.
    """

    def __init__(self, auto_mode: bool, schedule: tuple[int, ...]) -> None:
        self._auto_mode = auto_mode
        self._schedule = list(schedule)
        self._text = ""

    def add(self, text: str, *, flush: bool = False, trigger: bool = False) -> list[str]:
        """More text; the pieces to be spoken, at most one, never blank."""
        self._text += text
        if flush or self._auto_mode:
            return self._take(len(self._text))
        needed = MIN_TRIGGER_CHARS if trigger else self._schedule[0]
        return self._take(self._text.rfind(" ") + 1) if len(self._text) >= needed else []

    def _take(self, length: int) -> list[str]:
        piece, self._text = self._text[:length], self._text[length:]
        if not piece.strip():
            return []
        if len(self._schedule) > 1:
            self._schedule.pop(0)
        return [piece]


class _Context:
    """One stretch of speech: gathers text, speaks its pieces in order, ends with ``isFinal``."""

    def __init__(
        self, context_id: str | None, socket: VendorSocket, services: Services, options: TtsOptions, first: TtsMessage
    ) -> None:
        self._id = context_id
        self._socket = socket
        self._services = services
        self._options = options
        self._first = first
        self._buffer = TextBuffer(options.auto_mode, first.schedule)
        self._pieces: asyncio.Queue[tuple[str, float] | None] = asyncio.Queue()

    def take(self, message: TtsMessage) -> None:
        """Text of a message, and its ``flush`` and ``try_trigger_generation``. Raises BadInput."""
        message.check_same_settings(self._first)
        self._gather(message.text or "", flush=message.flush, trigger=message.try_trigger_generation)

    def close(self, *, flush: bool) -> None:
        """No more text. What was set to be spoken is spoken; what is still gathered only with ``flush``."""
        if flush:
            self._gather("", flush=True, trigger=False)
        self._pieces.put_nowait(None)

    def _gather(self, text: str, *, flush: bool, trigger: bool) -> None:
        for piece in self._buffer.add(text, flush=flush, trigger=trigger):
            self._pieces.put_nowait((piece, time.monotonic()))

    async def run(self) -> None:
        """Speak until closed."""
        delay_s = self._services.pace.tts_first_audio_s
        while (entry := await self._pieces.get()) is not None:
            piece, received = entry
            await self._speak(piece, received + delay_s)
            delay_s = 0.0
        await self._socket.send({"audio": None, "isFinal": True} | self._tag)

    @property
    def _tag(self) -> Message:
        return {} if self._id is None else {"contextId": self._id}

    async def _speak(self, piece: str, not_before: float) -> None:
        options, first = self._options, self._first
        each, voice = options.sync_alignment, self._services.voice
        async with aclosing(speak(voice, piece, options, first.speed, each=each, not_before=not_before)) as spoken:
            async for chunk in spoken:
                audio, times = base64.b64encode(chunk.audio).decode(), _alignment(chunk)
                message = {"audio": audio, "isFinal": None, "normalizedAlignment": times, "alignment": times}
                await self._socket.send(message | self._tag)


class _Speaking:
    """One socket: with ``many`` up to five open contexts by id, else one, which an empty text ends, and the socket."""

    def __init__(self, socket: VendorSocket, services: Services, options: TtsOptions, *, many: bool) -> None:
        self._socket = socket
        self._services = services
        self._options = options
        self._many = many
        self._tasks = Tasks()
        self._contexts: dict[str | None, _Context] = {}
        self._ending = False

    async def run(self) -> None:
        """Until everything asked for is spoken. Raises BadInput when the client does something it may not."""
        async with self._tasks:
            while not self._ending:
                self._take(await self._next())
            for context in self._contexts.values():
                context.close(flush=not self._many)
            await self._tasks.finished()

    async def _next(self) -> TtsMessage:
        seconds = self._options.inactivity_timeout
        try:
            return TtsMessage.read(await self._socket.receive(seconds), "invalid_input_message")
        except TimeoutError:
            message = f"Have not received a new text input within the timeout of {seconds:g} seconds."
            raise BadInput("input_timeout_exceeded", message) from None

    def _take(self, message: TtsMessage) -> None:
        if self._many and message.close_socket:
            self._ending = True
            return
        context_id = (message.context_id or DEFAULT_CONTEXT) if self._many else None
        if context_id not in self._contexts:
            if message.text is None:
                return  # a flush or close of a context that is closed already
            self._open(context_id, message)
        if not self._many and message.text == "":
            self._ending = True
            return
        self._contexts[context_id].take(message)
        if message.close_context:
            self._contexts.pop(context_id).close(flush=False)

    def _open(self, context_id: str | None, first: TtsMessage) -> None:
        struck = self._socket.faults.on_event(FaultKind.CONTEXT_CAP) is not None
        if struck or len(self._contexts) >= MAX_CONTEXTS:
            raise BadInput("max_active_conversations", _ERRORS["max_active_conversations"])
        self._contexts[context_id] = context = _Context(context_id, self._socket, self._services, self._options, first)
        self._tasks.start(context.run())


def _alignment(chunk: SpokenChunk) -> dict[str, list[Any]] | None:
    if not chunk.chars:
        return None
    return {
        "chars": [timed.char for timed in chunk.chars],
        "charStartTimesMs": [round(max(0.0, timed.start_ms - chunk.start_ms)) for timed in chunk.chars],
        "charDurationsMs": [round(timed.duration_ms) for timed in chunk.chars],
    }


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
    about = {"can_do_text_to_speech": True, "languages": [{"language_id": "en", "name": "English"}]}
    return JSONResponse([{"model_id": model, "name": model} | about for model in SOCKET_MODELS])
