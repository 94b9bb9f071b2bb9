"""One turn's speech: over a context of the warm socket, and over HTTP for what the socket fails to speak."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from enum import Enum, auto
from typing import Protocol
from uuid import uuid4

from voice_agents.audio import EMPTY, SampleJoiner
from voice_agents.errors import ProviderError, ProviderTimeout, Retry, Role
from voice_agents.providers.elevenlabs import speech_frames as frames
from voice_agents.providers.elevenlabs.alignment import SpokenWords, reported_times
from voice_agents.providers.elevenlabs.speech_frames import Frame
from voice_agents.providers.elevenlabs.speech_http import HttpSpeech
from voice_agents.providers.elevenlabs.speech_timing import SpeechTiming, TtsTimeouts
from voice_agents.providers.interfaces import SpeechChunk
from voice_agents.providers.names import speech_name
from voice_agents.settings import Endpoint


class _Stage(Enum):
    """Where the turn stands: in its context on the present socket, over HTTP, or at its end."""

    UNOPENED = auto()
    """It has no context (yet)."""
    OPEN = auto()
    CLOSING = auto()
    """The context takes no more text and is spoken to its end."""
    FINAL = auto()
    """The server says that the context is over."""
    SPOKEN = auto()
    """Everything was spoken over the socket."""
    HTTP = auto()
    """The socket has failed: the rest is spoken over HTTP."""
    FAILED = auto()
    """Nothing more can be had."""
    CANCELLED = auto()


_ON_SOCKET = {_Stage.UNOPENED, _Stage.OPEN, _Stage.CLOSING, _Stage.FINAL}
_OVER = {_Stage.FAILED, _Stage.CANCELLED}

Send = Callable[[Frame], None]


class Connection(Protocol):
    """The socket a stream speaks over."""

    def forget(self, stream_id: str) -> None:
        """The stream needs no more frames."""

    def stalled(self, error: ProviderError) -> None:
        """The socket has stopped answering."""


class ContextStream:
    """A :class:`SpeechStream`. The client gives it a socket to send on (:meth:`attach`) and the frames of its context.

    What the socket does not speak (it stalls, breaks, or refuses for a passing reason) is spoken over HTTP.
    """

    def __init__(self, endpoint: Endpoint, voice: str, timeouts: TtsTimeouts, connection: Connection) -> None:
        self.id = uuid4().hex
        self._endpoint = endpoint
        self._voice = voice
        self._timeouts = timeouts
        self._connection = connection
        self._state = _Stage.UNOPENED
        self._finished = False
        """No more text will come."""
        self._send: Send | None = None
        self._trouble: ProviderError | None = None
        """Why there is no socket, or nothing more to be had."""
        self._pieces: deque[str] = deque()
        """Everything that is to be spoken, for HTTP."""
        self._unsent: deque[str] = deque()
        self._words = SpokenWords()
        self._samples = SampleJoiner()
        self._chunks: deque[SpeechChunk] = deque()
        self._timing = SpeechTiming(timeouts)
        self._changed = asyncio.Event()

    # What the engine does

    def send(self, text: str) -> None:
        """Speak this piece next; it waits as long as the stream has no socket."""
        text = text.strip()
        if not text or self._finished or self._state in _OVER:
            return
        self._pieces.append(text)
        if self._state in _ON_SOCKET:
            self._about_to_ask()
            self._words.add(text)
            self._unsent.append(text)
            if self._send is None and self._trouble is not None:
                self._leave_socket(self._trouble)
        self._send_waiting()
        self._changed.set()

    def finish(self) -> None:
        """No more text will come: what is still to be spoken is asked for at once."""
        if not self._finished:
            self._about_to_ask()
            self._finished = True
            self._send_waiting()
            self._changed.set()

    def cancel(self) -> None:
        """Stop now: the context is closed, and audio that still arrives is dropped."""
        if self._state is not _Stage.CANCELLED:
            self._close_context()
            self._state = _Stage.CANCELLED
            self._chunks.clear()
            self._connection.forget(self.id)
            self._changed.set()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        try:
            while (chunk := await self._next()) is not None:
                yield chunk
            if self._state is _Stage.SPOKEN and (words := self._words.flush()):
                yield SpeechChunk(EMPTY, tuple(words))
            if self._state is _Stage.HTTP:
                async for chunk in self._over_http():
                    yield chunk
            if self._state is _Stage.FAILED and self._trouble is not None:
                raise self._trouble
        finally:
            self.cancel()

    # What the client reports

    @property
    def waiting(self) -> bool:
        """Something that was to be spoken has not been heard from the socket yet."""
        if self._state is _Stage.UNOPENED:
            return bool(self._unsent)
        settled = self._words.all_sounded and self._timing.has_ended(self._words.sound_missing)
        return self._state in _ON_SOCKET and not settled

    def attach(self, send: Send) -> None:
        """There is a socket now; what was said so far goes out."""
        if self._state in _ON_SOCKET:
            self._send, self._trouble = send, None
            self._send_waiting()

    def lost(self, error: ProviderError | None) -> None:
        """The socket broke or cannot be had; None if that is nothing to speak of."""
        if self._state not in _ON_SOCKET:
            return
        waiting = self.waiting
        self._send, self._trouble = None, error
        self._state = _Stage.UNOPENED
        if error is not None and waiting:
            self._leave_socket(error)
        self._changed.set()

    def take(self, message: Frame) -> None:
        """One frame of this context. Raises ValueError when its audio is no base64."""
        if self._state not in _ON_SOCKET:
            return
        self._timing.heard()
        pcm = self._samples.feed(frames.audio(message))
        words = self._words.audio(len(pcm), reported_times(message))
        if len(pcm) or words:
            self._chunks.append(SpeechChunk(pcm, tuple(words)))
        if self._state in (_Stage.CLOSING, _Stage.FINAL) and frames.is_final(message):
            self._state = _Stage.FINAL
            if self._words.all_sounded:
                self._end()
        self._changed.set()

    # Over the socket

    def _about_to_ask(self) -> None:
        if not self._owed:
            self._timing.asked()

    def _send_waiting(self) -> None:
        if self._send is None or self._state not in _ON_SOCKET:
            return
        while self._unsent:
            if self._state is _Stage.UNOPENED:
                self._state = _Stage.OPEN
                self._send(frames.opening(self.id))
            self._send(frames.piece(self.id, self._unsent.popleft()))
        if self._finished and self._state is _Stage.OPEN:
            self._send(frames.flush(self.id))
            self._close_context()

    def _close_context(self) -> None:
        """Only so many may be open at a time; one that was flushed is spoken to its end."""
        if self._send is not None and self._state is _Stage.OPEN:
            self._send(frames.closing(self.id))
            self._state = _Stage.CLOSING

    async def _next(self) -> SpeechChunk | None:
        """The next chunk from the socket; None when it is over there."""
        while not self._chunks:
            if self._finished and self._state is _Stage.UNOPENED and not self._unsent:
                self._end()
            if self._state not in _ON_SOCKET:
                return None
            self._changed.clear()
            silent_until, then = self._patience
            try:
                async with asyncio.timeout_at(silent_until):
                    await self._changed.wait()
            except TimeoutError:
                if not self._changed.is_set():  # something may have come in the same moment
                    then()
        return self._chunks.popleft()

    @property
    def _owed(self) -> bool:
        """Text was said that has not sounded, as far as one can tell."""
        return bool(self._unsent) or not self._words.all_sounded

    @property
    def _patience(self) -> tuple[float, Callable[[], None]]:
        """Until when the server may be silent, and what is to be done then."""
        if self._state is _Stage.FINAL or (self._finished and not self._owed):
            return self._timing.ends_at(self._words.sound_missing), self._end
        if self._owed:
            return self._timing.stalls_at, self._stall
        return self._timing.keep_alive_at, self._keep_alive

    def _keep_alive(self) -> None:
        if self._send is not None and self._state is _Stage.OPEN:
            self._send(frames.keep_alive(self.id))

    def _stall(self) -> None:
        name = speech_name(self._endpoint)
        error = ProviderTimeout(Role.TTS, name, f"{name} stopped speaking before the answer was over.")
        self._leave_socket(error)
        self._connection.stalled(error)

    def _end(self) -> None:
        self._state = _Stage.SPOKEN
        self._connection.forget(self.id)

    def _leave_socket(self, error: ProviderError) -> None:
        """Go on over HTTP, unless the reason would be the same there."""
        self._close_context()
        self._trouble = error
        self._state = _Stage.FAILED if error.retry is Retry.NEVER else _Stage.HTTP
        self._connection.forget(self.id)

    async def _over_http(self) -> AsyncIterator[SpeechChunk]:
        """The words that have not sounded yet, then the pieces still to come.

        HTTP is only the way around: when it fails too, a reason the server gave on the socket is the one that counts.
        """
        first = self._trouble
        try:
            async for chunk in self._posted():
                yield chunk
        except ProviderError as second:
            if first is None or not first.explained:
                raise
            raise first from second

    async def _posted(self) -> AsyncIterator[SpeechChunk]:
        http = HttpSpeech(self._endpoint, self._voice, self._timeouts.http_s, self._words)
        while self._state not in _OVER:
            while self._pieces:
                async for chunk in http.speak(self._pieces.popleft()):
                    if self._state in _OVER:
                        return
                    yield chunk
            if self._finished:
                return
            self._changed.clear()
            await self._changed.wait()
