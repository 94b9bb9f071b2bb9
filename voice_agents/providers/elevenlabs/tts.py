"""ElevenLabs text-to-speech over one warm multi-context socket, one context per turn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_agents.errors import ProtocolViolation, ProviderError, ProviderUnavailable, Retry, Role
from voice_agents.providers.elevenlabs.socket import open_socket, unexpected
from voice_agents.providers.elevenlabs.speech_frames import check_shape, is_error, plain_error
from voice_agents.providers.elevenlabs.speech_stream import ContextStream
from voice_agents.providers.elevenlabs.speech_timing import TtsTimeouts
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState, SpeechStream
from voice_agents.providers.names import inside, speech_name, why_gone
from voice_agents.providers.outbox import Outbox
from voice_agents.providers.sockets import Backoff
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
        self._connections: list[_Connection] = []
        """The last is the one for new turns; turns with an earlier voice are spoken to their end over the others."""

    async def __aenter__(self) -> Self:
        self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connections, self._connections = self._connections, []
        await asyncio.gather(*(connection.close() for connection in connections))

    def open(self) -> SpeechStream:
        """A new stream, for one turn; over a new socket if the present one failed, or speaks with another voice."""
        connection = self._connections[-1]
        if connection.voice != self._voice or connection.failed or connection.ended:
            connection = self._connect()
        return connection.open()

    def set_voice(self, voice: str) -> None:
        """Streams opened from now on speak with this voice; its socket is opened at once."""
        if voice and voice != self._voice:
            self._voice = voice
            if self._connections:
                self._connect()

    def _connect(self) -> _Connection:
        self._connections = [connection for connection in self._connections if not connection.ended]
        for connection in self._connections:
            connection.retire()
        self._connections.append(_Connection(self._endpoint, self._voice, self._timeouts, self._on_connection))
        return self._connections[-1]


class _Connection:
    """The socket of one voice, opened again whenever it is lost."""

    def __init__(
        self, endpoint: Endpoint, voice: str, timeouts: TtsTimeouts, on_connection: ConnectionListener
    ) -> None:
        self.voice = voice
        self.failed = False
        """Trying again cannot help."""
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._on_connection = on_connection
        self._streams: dict[str, ContextStream] = {}
        self._outbox: Outbox | None = None
        self._stall: asyncio.Future[ProviderError | None] | None = None
        """Of the present socket: set when it has stopped answering."""
        self._retired = False
        self._wanted = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def ended(self) -> bool:
        """No socket is open, and none will be opened any more."""
        return self._task.done()

    def open(self) -> ContextStream:
        """A stream in a context of its own."""
        stream = ContextStream(self._endpoint, self.voice, self._timeouts, self)
        self._streams[stream.id] = stream
        self._wanted.set()
        if self._outbox is not None:
            stream.attach(partial(_send, self._outbox))
        return stream

    def retire(self) -> None:
        """Close when the streams that are open have ended."""
        self._retired = True
        self._leave_when_done()

    async def close(self) -> None:
        """Close now."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def forget(self, stream_id: str) -> None:
        """A stream needs no more frames; a socket that was replaced closes after its last stream."""
        self._streams.pop(stream_id, None)
        self._leave_when_done()

    def _leave_when_done(self) -> None:
        if self._retired and not self._streams:
            self._task.cancel()

    def stalled(self, error: ProviderError) -> None:
        """The socket has stopped answering: the next turn gets a new one."""
        if self._stall is not None and not self._stall.done():
            self._stall.set_result(error)

    async def _run(self) -> None:
        backoff = Backoff()
        self._tell(ConnectionState.CONNECTING, None)
        while not self.failed:
            try:
                error = await self._converse(backoff)
            except ProviderError as refused:
                error = refused
                self._drop(error)
            except Exception as surprise:
                error = unexpected(surprise, self._endpoint, Role.TTS)
                self._drop(error)
            if not self.failed:
                await backoff.wait(self._wanted, at_once=error is None)

    async def _converse(self, backoff: Backoff) -> ProviderError | None:
        """One socket's life; why it ended, None for an end nobody was waiting through."""
        query = {
            "model_id": self._endpoint.model,
            "output_format": "pcm_24000",
            "auto_mode": "true",
            "sync_alignment": "true",
            "inactivity_timeout": INACTIVITY_S,
        }
        path = f"/v1/text-to-speech/{quote(self.voice, safe='')}/multi-stream-input?{urlencode(query)}"
        async with open_socket(self._endpoint, path, Role.TTS, self._timeouts.connect_s) as socket:
            self._outbox = Outbox(socket)
            self._stall = asyncio.get_running_loop().create_future()
            backoff.opened()
            for stream in tuple(self._streams.values()):
                stream.attach(partial(_send, self._outbox))
            self._tell(ConnectionState.OPEN, None)
            writing = asyncio.create_task(self._outbox.run())
            reading = asyncio.create_task(self._read(socket))
            try:
                ends: list[asyncio.Future[ProviderError | None]] = [reading, self._stall]
                done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                error = next(iter(done)).result()
                self._drop(error)
                return error
            finally:
                self._stall = self._outbox = None
                for task in (reading, writing):
                    task.cancel()
                await asyncio.wait([reading, writing])

    def _drop(self, error: ProviderError | None) -> None:
        """There is no socket any more; who waited for it goes on without, before the closing handshake."""
        self._outbox = None
        self.failed = error is not None and error.retry is Retry.NEVER
        for stream in tuple(self._streams.values()):
            stream.lost(error)
        if error is not None:
            self._tell(ConnectionState.FAILED if self.failed else ConnectionState.RECONNECTING, error)

    async def _read(self, socket: ClientConnection) -> ProviderError | None:
        """Handle the frames until the socket is of no more use; why, None for an end nobody was waiting through."""
        with suppress(ConnectionClosed):
            async for frame in socket:
                error, last = self._take(frame)
                if last:
                    return error
                await asyncio.sleep(0)  # a sentence may come in one go: other conversations have their turn in between
        return self._lost()

    def _lost(self) -> ProviderError | None:
        """The socket closed without a word; None if nobody need know."""
        if not self._waited_for:
            return None
        name = speech_name(self._endpoint)
        sentence = why_gone(self._endpoint, f"The connection to {inside(name)} for the voice was lost.")
        return ProviderUnavailable(Role.TTS, name, sentence)

    def _take(self, frame: str | bytes) -> tuple[ProviderError | None, bool]:
        """Handle one frame: an error to speak of, and whether the socket is of no more use."""
        name = speech_name(self._endpoint)
        try:
            message = json.loads(frame)
            if is_error(message):
                error = plain_error(message, name)
                return (error if self._waited_for or error.retry is Retry.NEVER else None), True
            stream = self._stream_of(message)
            if stream is not None:
                check_shape(message)
                stream.take(message)
        except (ValueError, TypeError, AttributeError):
            sentence = f"{name} sent something for the voice that could not be understood."
            return ProtocolViolation(Role.TTS, name, sentence), True
        return None, False

    def _stream_of(self, message: Mapping[str, Any]) -> ContextStream | None:
        """Whose frame it is; None for one of a context that is over."""
        context = message.get("contextId") or message.get("context_id")
        if context is None and len(self._streams) == 1:
            return next(iter(self._streams.values()))
        return self._streams.get(str(context))

    @property
    def _waited_for(self) -> bool:
        """Somebody would notice if the socket went now."""
        return any(stream.waiting for stream in self._streams.values())

    def _tell(self, state: ConnectionState, error: ProviderError | None) -> None:
        if not self._retired:
            self._on_connection(state, error)


def _send(outbox: Outbox, frame: Mapping[str, Any]) -> None:
    outbox.put(json.dumps(frame))
