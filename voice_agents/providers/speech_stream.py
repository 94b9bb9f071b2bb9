"""One turn's speech: over a context of the warm socket, and over HTTP for what the socket fails to speak."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any
from uuid import uuid4

from voice_agents.audio import EMPTY, Pcm, from_bytes
from voice_agents.errors import ProviderError, ProviderTimeout, Retry, Role
from voice_agents.providers.alignment import CHARACTERS_PER_S, AlignedWords, EstimatedWords
from voice_agents.providers.elevenlabs_http import speech_name, stream_speech
from voice_agents.providers.interfaces import TTS_RATE, SpeechChunk
from voice_agents.settings import Endpoint
from voice_agents.turns.playout import SpokenWord


@dataclass(frozen=True, slots=True)
class TtsTimeouts:
    """Seconds the voice's client waits for things."""

    connect_s: float = 5.0
    stall_s: float = 4.0
    """Text was sent, and no audio comes."""
    quiet_s: float = 1.0
    """All text seems spoken, and the server does not say that it was the last audio."""


class _Stage(Enum):
    SOCKET = auto()
    HTTP = auto()
    CANCELLED = auto()


Send = Callable[[Mapping[str, Any]], None]


class ContextStream:
    """A :class:`SpeechStream`. The client gives it a socket to send on (:meth:`attach`) and the frames of its context.

    What the socket does not speak (it stalls, breaks, or refuses for a passing reason) is spoken over HTTP.
    """

    def __init__(self, endpoint: Endpoint, voice: str, timeouts: TtsTimeouts, closed: Callable[[str], None]) -> None:
        self.id = uuid4().hex
        self.voice = voice
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._closed = closed
        self._stage = _Stage.SOCKET
        self._send: Send | None = None
        self._pieces: list[str] = []
        self._unsent: deque[str] = deque()
        self._finished = False
        self._final = False
        self._error: ProviderError | None = None
        self._chunks: deque[SpeechChunk] = deque()
        self._changed = asyncio.Event()
        self._received = 0
        self._odd = b""
        self._aligned: AlignedWords | None = None
        self._estimated: EstimatedWords | None = None
        self._spoken_words = 0

    # What the engine does

    def send(self, text: str) -> None:
        """See :class:`~voice_agents.providers.interfaces.SpeechStream`."""
        if not text.strip() or self._finished or self._stage is _Stage.CANCELLED:
            return
        self._pieces.append(text.strip())
        self._unsent.append(text.strip())
        if self._estimated is not None:
            self._estimated.add(text)
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
        if self._send is not None and self._pieces and not self._final:
            self._send({"context_id": self.id, "close_context": True})
        self._stage, self._send = _Stage.CANCELLED, None
        self._chunks.clear()
        self._closed(self.id)
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        try:
            while (chunk := await self._next()) is not None:
                yield chunk
            if self._stage is _Stage.HTTP:
                async for chunk in self._over_http():
                    yield chunk
        finally:
            self.cancel()

    # What the client reports

    def attach(self, send: Send) -> None:
        """There is a socket now; what was said so far goes out."""
        if self._stage is _Stage.SOCKET:
            self._send = send
            self._send_waiting()

    def lost(self, error: ProviderError) -> None:
        """The socket broke or cannot be had."""
        self._send = None
        if self._stage is _Stage.SOCKET and not self._final:
            self._error = error
            self._changed.set()

    def take(self, message: Mapping[str, Any]) -> None:
        """One frame of this context. Raises ValueError when its audio is no base64."""
        if self._stage is not _Stage.SOCKET:
            return
        pcm = self._pcm(message.get("audio"))
        words = self._words(message, pcm)
        self._spoken_words += len(words)
        if len(pcm) or words:
            self._chunks.append(SpeechChunk(pcm, tuple(words)))
        if message.get("isFinal") or message.get("is_final"):
            self._final = True
            self._closed(self.id)
        self._changed.set()

    # How it works

    def _send_waiting(self) -> None:
        if self._send is None or self._stage is not _Stage.SOCKET:
            return
        while self._unsent:
            self._send({"text": self._unsent.popleft() + " ", "context_id": self.id})
        if self._finished and self._pieces:
            self._send({"context_id": self.id, "flush": True})
            self._send({"context_id": self.id, "close_context": True})

    async def _next(self) -> SpeechChunk | None:
        """The next chunk from the socket; None when it is over there."""
        while True:
            if self._chunks:
                return self._chunks.popleft()
            if self._stage is not _Stage.SOCKET or self._final or (self._finished and not self._pieces):
                return self._last_words()
            if self._error is not None:
                self._give_up_socket(self._error)
                return None
            self._changed.clear()
            patience = self._patience()
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                if self._all_spoken():
                    self._final = True
                else:
                    self._error = self._stalled()

    def _patience(self) -> float | None:
        if not self._all_spoken():
            return self._timeouts.stall_s
        return self._timeouts.quiet_s if self._finished else None

    def _all_spoken(self) -> bool:
        """All text that was sent has sounded, as far as one can tell."""
        words = sum(len(piece.split()) for piece in self._pieces)
        if self._aligned is not None:
            return self._spoken_words >= words - 1
        fastest_s = sum(len(piece) for piece in self._pieces) / (2 * CHARACTERS_PER_S)
        return self._received / TTS_RATE >= fastest_s

    def _last_words(self) -> SpeechChunk | None:
        """Once, when all audio has come: the words that were still open."""
        words: list[SpokenWord] = []
        if self._aligned is not None:
            words = self._aligned.flush()
        elif self._estimated is not None:
            words = self._estimated.flush(self._received)
        self._spoken_words += len(words)
        return SpeechChunk(EMPTY, tuple(words)) if words and self._stage is _Stage.SOCKET else None

    def _give_up_socket(self, error: ProviderError) -> None:
        """Go on over HTTP, unless the reason would be the same there."""
        if error.retry is Retry.NEVER:
            raise error
        if self._send is not None:
            self._send({"context_id": self.id, "close_context": True})
        self._stage, self._send = _Stage.HTTP, None
        self._closed(self.id)

    async def _over_http(self) -> AsyncIterator[SpeechChunk]:
        """The words that have not sounded yet, then the pieces still to come."""
        done = self._spoken_words
        self._odd = b""
        number = 0
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
        words = EstimatedWords(self._received)
        words.add(text)
        async for data in stream_speech(self._endpoint, self.voice, text):
            if self._stage is _Stage.CANCELLED:
                return
            pcm = self._joined(data)
            self._received += len(pcm)
            yield SpeechChunk(pcm, tuple(words.feed(self._received)))
        yield SpeechChunk(EMPTY, tuple(words.flush(self._received)))

    def _pcm(self, audio: Any) -> Pcm:
        if not audio:
            return EMPTY
        try:
            return self._joined(base64.b64decode(audio, validate=True))
        except (binascii.Error, TypeError) as error:
            raise ValueError("the audio is not base64") from error

    def _joined(self, data: bytes) -> Pcm:
        """Samples, across frames that end in the middle of one."""
        data = self._odd + data
        even = len(data) // 2 * 2
        self._odd = data[even:]
        return from_bytes(data[:even])

    def _words(self, message: Mapping[str, Any], pcm: Pcm) -> list[SpokenWord]:
        alignment = message.get("alignment")
        first = self._received == 0
        before, self._received = self._received, self._received + len(pcm)
        if isinstance(alignment, dict) and self._estimated is None:
            self._aligned = self._aligned or AlignedWords()
            words = self._aligned.feed(alignment, before)
            return [*words, *self._aligned.flush()] if _ends_piece(alignment) else words
        if self._aligned is None and first and len(pcm):
            self._estimated = EstimatedWords()
            for piece in self._pieces:
                self._estimated.add(piece)
        return self._estimated.feed(self._received) if self._estimated is not None else []

    def _stalled(self) -> ProviderError:
        name = speech_name(self._endpoint)
        return ProviderTimeout(Role.TTS, name, f"{name} stopped speaking in the middle of an answer. Please try again.")


def _ends_piece(alignment: Mapping[str, Any]) -> bool:
    chars = alignment.get("chars") or alignment.get("characters") or [" "]
    return str(chars[-1]).isspace()
