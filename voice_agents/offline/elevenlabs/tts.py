"""ElevenLabs text-to-speech sockets (``stream-input``, ``multi-stream-input``), answered by the local voice."""

from __future__ import annotations

import asyncio
import base64
import time
from contextlib import aclosing
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.elevenlabs.access import BadInput, refusal
from voice_agents.offline.elevenlabs.options import TextBuffer, TtsMessage, TtsOptions
from voice_agents.offline.elevenlabs.speech import SpokenChunk, speak
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Message, Tasks, VendorDialect, VendorSocket, serve

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


DIALECT = VendorDialect(
    lambda message: "final" if message.get("isFinal") else "audio",
    refusal,
    lambda name, message: {"message": message or _ERRORS.get(name, name), "error": name, "code": POLICY_VIOLATION},
    lambda name: POLICY_VIOLATION,
)
"""Messages have no type; errors are ``{"message", "error", "code"}`` and close the socket with that code."""


def routes(services: Services) -> list[BaseRoute]:
    """Both text-to-speech sockets."""

    def endpoint(*, many: bool) -> Any:
        async def connect(websocket: WebSocket) -> None:
            async def run(socket: VendorSocket) -> None:
                options = TtsOptions.parse(websocket.path_params["voice_id"], websocket.query_params)
                await _Speaking(socket, services, options, many=many).run()

            await serve(websocket, services, Service.TTS, DIALECT, run)

        return connect

    base = "/v1/text-to-speech/{voice_id}"
    return [
        WebSocketRoute(f"{base}/stream-input", endpoint(many=False)),
        WebSocketRoute(f"{base}/multi-stream-input", endpoint(many=True)),
    ]


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
