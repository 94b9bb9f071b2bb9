"""One turn's speech: over a context of the warm socket, and over HTTP for what the socket fails to speak."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol
from uuid import uuid4

from voice_agents.audio import EMPTY, Pcm, SampleJoiner
from voice_agents.errors import ProviderError, ProviderTimeout, Retry, Role
from voice_agents.providers.elevenlabs.alignment import SpokenWords, reported_times
from voice_agents.providers.elevenlabs.http import stream_speech
from voice_agents.providers.elevenlabs.speech_frames import Frame, closing, flush, is_final, keep_alive, opening, piece
from voice_agents.providers.interfaces import SpeechChunk
from voice_agents.providers.names import speech_name
from voice_agents.settings import Endpoint


@dataclass(frozen=True, slots=True)
class TtsTimeouts:
    """Seconds the voice's client waits for things."""

    connect_s: float = 5.0
    stall_s: float = 4.0
    """Text was sent, and no audio comes."""
    quiet_s: float = 1.0
    """All text seems spoken, and the server does not say that it was the last audio."""
    keep_alive_s: float = 10.0
    """A context without text for 20 s is closed by servers that know no longer timeout."""
    http_s: float = 10.0
    """The same as ``stall_s``, over HTTP."""


class _Stage(Enum):
    SOCKET = auto()
    HTTP = auto()
    FAILED = auto()
    CANCELLED = auto()


class _Context(Enum):
    """The stream's context on the present socket."""

    NONE = auto()
    OPEN = auto()
    CLOSING = auto()
    """It is spoken to its end."""


Send = Callable[[Frame], None]


class Line(Protocol):
    """The socket a stream speaks over."""

    def forget(self, stream_id: str) -> None:
        """The stream needs no more frames."""

    def stalled(self, error: ProviderError) -> None:
        """The socket has stopped answering."""


class ContextStream:
    """A :class:`SpeechStream`. The client gives it a socket to send on (:meth:`attach`) and the frames of its context.

    What the socket does not speak (it stalls, breaks, or refuses for a passing reason) is spoken over HTTP.
    """

    def __init__(self, endpoint: Endpoint, voice: str, timeouts: TtsTimeouts, line: Line) -> None:
        self.id = uuid4().hex
        self.voice = voice
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._line = line
        self._clock = asyncio.get_running_loop().time
        self._stage = _Stage.SOCKET
        self._send: Send | None = None
        self._pieces: list[str] = []
        self._unsent: deque[str] = deque()
        self._context = _Context.NONE
        self._finished = False
        self._told_final = False
        """The server has said that the context is over, after :meth:`finish`."""
        self._over = False
        """Everything was spoken over the socket."""
        self._trouble: ProviderError | None = None
        """Why there is no socket, or nothing more to be had."""
        self._chunks: deque[SpeechChunk] = deque()
        self._changed = asyncio.Event()
        self._words = SpokenWords()
        self._last_frame_at = self._clock()
        self._longest_gap_s = 0.0
        """Between two frames, so far."""
        self._samples = SampleJoiner()

    # What the engine does

    def send(self, text: str) -> None:
        """See :class:`~voice_agents.providers.interfaces.SpeechStream`."""
        text = text.strip()
        if not text or self._finished or self._stage in (_Stage.CANCELLED, _Stage.FAILED):
            return
        self._pieces.append(text)
        if self._stage is _Stage.SOCKET:
            self._words.add(text)
            self._unsent.append(text)
            if self._send is None and self._trouble is not None:
                self._leave_socket(self._trouble)
        self._send_waiting()
        self._changed.set()

    def finish(self) -> None:
        """See :class:`~voice_agents.providers.interfaces.SpeechStream`."""
        if not self._finished:
            self._finished = True
            self._send_waiting()
            self._changed.set()

    def cancel(self) -> None:
        """See :class:`~voice_agents.providers.interfaces.SpeechStream`."""
        if self._stage is _Stage.CANCELLED:
            return
        self._close_context()
        self._stage, self._send = _Stage.CANCELLED, None
        self._chunks.clear()
        self._line.forget(self.id)
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        try:
            while (chunk := await self._next()) is not None:
                yield chunk
            if self._stage is _Stage.HTTP:
                async for chunk in self._over_http():
                    yield chunk
            if self._stage is _Stage.FAILED and self._trouble is not None:
                raise self._trouble
        finally:
            self.cancel()

    # What the client reports

    @property
    def waiting(self) -> bool:
        """Something that was to be spoken has not been heard from the socket yet."""
        if self._stage is not _Stage.SOCKET or self._over:
            return False
        return bool(self._unsent) or (self._context is not _Context.NONE and not self._settled)

    def attach(self, send: Send) -> None:
        """There is a socket now; what was said so far goes out."""
        if self._stage is _Stage.SOCKET:
            self._send, self._trouble = send, None
            self._send_waiting()

    def lost(self, error: ProviderError | None) -> None:
        """The socket broke or cannot be had; None if that is nothing to speak of."""
        waiting = self.waiting
        self._send, self._context = None, _Context.NONE
        if self._stage is not _Stage.SOCKET or self._over:
            return
        self._trouble = error
        if error is not None and waiting:
            self._leave_socket(error)
        self._changed.set()

    def take(self, message: Frame) -> None:
        """One frame of this context. Raises ValueError when its audio is no base64."""
        if self._stage is not _Stage.SOCKET or self._over:
            return
        now = self._clock()
        self._longest_gap_s = max(self._longest_gap_s, now - self._last_frame_at)
        self._last_frame_at = now
        pcm = self._pcm(message.get("audio"))
        words = self._words.audio(len(pcm), reported_times(message))
        if len(pcm) or words:
            self._chunks.append(SpeechChunk(pcm, tuple(words)))
        if self._finished and is_final(message):
            self._told_final = True
            if self._words.all_sounded:
                self._end()
        self._changed.set()

    # Over the socket

    def _send_waiting(self) -> None:
        if self._send is None or self._stage is not _Stage.SOCKET:
            return
        while self._unsent:
            if self._context is _Context.NONE:
                self._context = _Context.OPEN
                self._send(opening(self.id))
            self._send(piece(self.id, self._unsent.popleft()))
        if self._finished and self._context is _Context.OPEN:
            self._send(flush(self.id))
            self._close_context()

    def _close_context(self) -> None:
        """Only so many may be open at a time; one that was flushed is spoken to its end."""
        if self._send is not None and self._context is _Context.OPEN:
            self._send(closing(self.id))
            self._context = _Context.CLOSING

    async def _next(self) -> SpeechChunk | None:
        """The next chunk from the socket; None when it is over there."""
        while True:
            if self._chunks:
                return self._chunks.popleft()
            if self._finished and self._context is _Context.NONE and not self._unsent:
                self._end()
            if self._over and self._stage is _Stage.SOCKET and (words := self._words.flush()):
                return SpeechChunk(EMPTY, tuple(words))
            if self._over or self._stage is not _Stage.SOCKET:
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._changed.wait()
            except TimeoutError:
                self._on_silence()

    @property
    def _patience(self) -> float | None:
        all_sounded = self._words.all_sounded
        if not self._unsent and not self._finished and all_sounded:
            return self._timeouts.keep_alive_s
        return self._quiet_s if self._told_final or (self._finished and all_sounded) else self._timeouts.stall_s

    @property
    def _quiet_s(self) -> float:
        """Silence after which nothing more comes of what has sounded: of a slow server more than of a quick one."""
        slow = self._timeouts.stall_s if self._words.sound_missing else 2 * self._longest_gap_s
        return min(self._timeouts.stall_s, max(self._timeouts.quiet_s, slow))

    def _on_silence(self) -> None:
        """The server has sent nothing for as long as one may wait."""
        if not self._finished and not self._unsent and self._words.all_sounded:
            if self._send is not None and self._context is _Context.OPEN:
                self._send(keep_alive(self.id))
        elif self._words.all_sounded or self._told_final:
            self._end()
        else:
            name = speech_name(self._endpoint)
            error = ProviderTimeout(Role.TTS, name, f"{name} stopped speaking in the middle of an answer.")
            self._leave_socket(error)
            self._line.stalled(error)

    @property
    def _settled(self) -> bool:
        return self._words.all_sounded and self._clock() - self._last_frame_at > self._quiet_s

    def _end(self) -> None:
        self._over = True
        self._line.forget(self.id)

    def _leave_socket(self, error: ProviderError) -> None:
        """Go on over HTTP, unless the reason would be the same there."""
        self._close_context()
        self._trouble, self._send = error, None
        self._stage = _Stage.FAILED if error.retry is Retry.NEVER else _Stage.HTTP
        self._line.forget(self.id)

    # Over HTTP

    async def _over_http(self) -> AsyncIterator[SpeechChunk]:
        """The words that have not sounded yet, then the pieces still to come."""
        done, number = self._words.given, 0
        while True:
            while number < len(self._pieces):
                words = self._pieces[number].split()
                rest, done = " ".join(words[done:]), max(0, done - len(words))
                number += 1
                if rest:
                    async for chunk in self._piece_over_http(rest):
                        yield chunk
            if self._finished or self._stage is _Stage.CANCELLED:
                return
            self._changed.clear()
            await self._changed.wait()

    async def _piece_over_http(self, text: str) -> AsyncIterator[SpeechChunk]:
        self._words = SpokenWords(self._words.received)
        self._words.add(text)
        self._samples = SampleJoiner()
        async for data in stream_speech(self._endpoint, self.voice, text, timeout_s=self._timeouts.http_s):
            if self._stage is _Stage.CANCELLED:
                return
            pcm = self._samples.feed(data)
            yield SpeechChunk(pcm, tuple(self._words.audio(len(pcm), None)))
        yield SpeechChunk(EMPTY, tuple(self._words.flush()))

    # Samples

    def _pcm(self, audio: Any) -> Pcm:
        if not audio:
            return EMPTY
        try:
            return self._samples.feed(base64.b64decode(audio, validate=True))
        except (binascii.Error, TypeError) as error:
            raise ValueError("the audio is not base64") from error
