"""ElevenLabs text-to-speech over one warm multi-context socket, one context per turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_agents.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Retry,
    Role,
)
from voice_agents.providers.elevenlabs_http import speech_name
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState, SpeechStream
from voice_agents.providers.sockets import Backoff, open_socket
from voice_agents.providers.speech_stream import ContextStream, TtsTimeouts
from voice_agents.settings import Endpoint

INACTIVITY_S = 180
"""The longest the vendor allows a context (and an idle socket) to wait for text."""


class ElevenLabsTts:
    """A :class:`TextToSpeech`. The voice is part of the socket's address: another voice is another socket."""

    def __init__(
        self, endpoint: Endpoint, *, on_connection: ConnectionListener, timeouts: TtsTimeouts | None = None
    ) -> None:
        self._endpoint = endpoint
        self._on_connection = on_connection
        self._timeouts = timeouts or TtsTimeouts()
        self._voice = endpoint.voice
        self._lines: list[_Line] = []

    async def __aenter__(self) -> Self:
        self._new_line()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        lines, self._lines = self._lines, []
        await asyncio.gather(*(line.close() for line in lines))

    def open(self) -> SpeechStream:
        """See :class:`~voice_agents.providers.interfaces.TextToSpeech`."""
        line = self._lines[-1]
        if line.voice != self._voice or line.failed:
            line = self._new_line()
        return line.open()

    def set_voice(self, voice: str) -> None:
        """See :class:`~voice_agents.providers.interfaces.TextToSpeech`; the new socket is opened at once."""
        if voice and voice != self._voice:
            self._voice = voice
            if self._lines:
                self._new_line()

    def _new_line(self) -> _Line:
        self._lines = [line for line in self._lines if not line.ended]
        for line in self._lines:
            line.retire()
        self._lines.append(_Line(self._endpoint, self._voice, self._timeouts, self._on_connection))
        return self._lines[-1]


class _Line:
    """The socket of one voice, opened again whenever it is lost."""

    def __init__(
        self, endpoint: Endpoint, voice: str, timeouts: TtsTimeouts, on_connection: ConnectionListener
    ) -> None:
        self.voice = voice
        self.failed = False
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._on_connection = on_connection
        self._streams: dict[str, ContextStream] = {}
        self._outgoing: asyncio.Queue[Mapping[str, Any]] | None = None
        self._retired = asyncio.Event()
        self._wanted = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def ended(self) -> bool:
        """No socket will be opened any more."""
        return self._task.done()

    def open(self) -> ContextStream:
        """A stream in a context of its own."""
        stream = ContextStream(self._endpoint, self.voice, self._timeouts, self._forget)
        self._streams[stream.id] = stream
        self._wanted.set()
        if self._outgoing is not None:
            stream.attach(self._outgoing.put_nowait)
        return stream

    def retire(self) -> None:
        """Close when the streams that are open have ended."""
        self._retired.set()
        self._forget("")

    async def close(self) -> None:
        """Close now."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _forget(self, stream_id: str) -> None:
        self._streams.pop(stream_id, None)
        if self._retired.is_set() and not self._streams:
            self._task.cancel()

    async def _run(self) -> None:
        backoff = Backoff()
        self._tell(ConnectionState.CONNECTING, None)
        while True:
            try:
                error = await self._converse(backoff)
            except ProviderError as refused:
                error = refused
            self._outgoing = None
            if error is not None:
                for stream in tuple(self._streams.values()):
                    stream.lost(error)
                if error.retry is Retry.NEVER:
                    self.failed = True
                    return self._tell(ConnectionState.FAILED, error)
                self._tell(ConnectionState.RECONNECTING, error)
            await backoff.wait(self._wanted, at_once=error is None)

    async def _converse(self, backoff: Backoff) -> ProviderError | None:
        """One socket's life; why it ended, None for an ordinary end nobody was waiting through."""
        query = {
            "model_id": self._endpoint.model,
            "output_format": "pcm_24000",
            "auto_mode": "true",
            "sync_alignment": "true",
            "inactivity_timeout": INACTIVITY_S,
        }
        path = f"/v1/text-to-speech/{self.voice}/multi-stream-input?{urlencode(query)}"
        async with open_socket(self._endpoint, path, Role.TTS, self._timeouts.connect_s) as socket:
            self._outgoing = asyncio.Queue()
            backoff.opened()
            for stream in tuple(self._streams.values()):
                stream.attach(self._outgoing.put_nowait)
            self._tell(ConnectionState.OPEN, None)
            writing = asyncio.create_task(_write(socket, self._outgoing))
            try:
                return await self._read(socket)
            finally:
                writing.cancel()
                await asyncio.wait([writing])

    async def _read(self, socket: ClientConnection) -> ProviderError | None:
        error: ProviderError | None = None
        try:
            async for frame in socket:
                error = self._take(frame) or error
        except ConnectionClosed:
            error = error or self._dropped()
        return error or (self._dropped() if self._streams else None)

    def _take(self, frame: str | bytes) -> ProviderError | None:
        """Handle one frame; an error frame announces the end of the socket."""
        try:
            message = json.loads(frame)
            context = message.get("contextId") or message.get("context_id")
            if message.get("error") and not message.get("audio"):
                return self._error(message)
            if context is None and len(self._streams) == 1:
                context = next(iter(self._streams))
            if context in self._streams:
                self._streams[context].take(message)
        except (ValueError, TypeError, AttributeError):
            name = speech_name(self._endpoint)
            sentence = f"{name} sent something that could not be understood. Please try again."
            return ProtocolViolation(Role.TTS, name, sentence)
        return None

    def _error(self, message: Mapping[str, Any]) -> ProviderError | None:
        name, code = speech_name(self._endpoint), f"{message.get('error')} {message.get('message')}".lower()
        if "input_timeout" in code and not self._streams:
            return None
        if "quota" in code or "credits" in code:
            return QuotaExceeded(Role.TTS, name, f"The {name} account has no credits left: check its plan.")
        if "auth" in code or "api_key" in code or "api key" in code:
            sentence = f"{name} does not accept the API key: check ELEVENLABS_API_KEY."
            return AuthenticationFailed(Role.TTS, name, sentence)
        if "voice" in code or "model" in code:
            sentence = f"{name} does not have this voice or model: check ELEVENLABS_VOICE_ID and ELEVENLABS_TTS_MODEL."
            return RequestRejected(Role.TTS, name, sentence)
        if "rate" in code or "max_active" in code or "too many" in code:
            return RateLimited(Role.TTS, name, f"{name} gets too many requests at the moment. Please wait a little.")
        return ProviderUnavailable(Role.TTS, name, f"{name} reported a problem ({message.get('error')}).")

    def _dropped(self) -> ProviderError:
        name = speech_name(self._endpoint)
        return ProviderUnavailable(Role.TTS, name, f"The connection to {name} for the voice was lost.")

    def _tell(self, state: ConnectionState, error: ProviderError | None) -> None:
        if not self._retired.is_set():
            self._on_connection(state, error)


async def _write(socket: ClientConnection, outgoing: asyncio.Queue[Mapping[str, Any]]) -> None:
    """Send what is queued; the reader notices when the socket is gone."""
    try:
        while True:
            await socket.send(json.dumps(await outgoing.get()))
    except ConnectionClosed:
        return
