"""ElevenLabs realtime speech-to-text (``/v1/speech-to-text/realtime``), answered by the local recogniser."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.elevenlabs.access import Access, refusal_body
from voice_agents.offline.elevenlabs.stt_options import (
    ENGINE_RATE,
    AudioDecoder,
    CommitStrategy,
    InvalidOption,
    SilenceGate,
    SttOptions,
)
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.services import Services, Utterance
from voice_agents.offline.sockets import Message, VendorSocket, serve

IDLE_S = 15.0
"""A socket that gets no audio for this long is closed normally, without a message."""
MIN_COMMIT_S = 0.3
"""Less uncommitted audio than this is not committed."""
MAX_UNCOMMITTED_S = 90.0
"""That much uncommitted audio is committed without being asked."""
PARTIAL_INTERVAL_S = 0.1
"""Partials come at most this often, and only when they have changed."""

_ERRORS = {
    "error": "Something went wrong.",
    "auth_error": "You must be authenticated to use this endpoint.",
    "quota_exceeded": "This request exceeds your quota.",
    "commit_throttled": "Commit request ignored: less than 0.3 seconds of uncommitted audio.",
    "unaccepted_terms": "Please accept the terms of service first.",
    "rate_limited": "You are rate limited. Please try again later.",
    "queue_overflow": "The processing queue is full.",
    "resource_exhausted": "Server at capacity. Please try again later.",
    "session_time_limit_exceeded": "The maximum session time was reached.",
    "input_error": "The input could not be used.",
    "invalid_request": "The request is invalid.",
    "chunk_size_exceeded": "The audio chunk is too large.",
    "insufficient_audio_activity": "Not enough audio activity.",
    "transcriber_error": "The transcriber failed.",
}
_STAYS_OPEN = frozenset({"commit_throttled", "warning"})
_NORMAL_END = frozenset({"session_time_limit_exceeded", "insufficient_audio_activity"})


class SttDialect:
    """Message types and errors as in the vendor's SDK: ``{"message_type": ..., "error": ...}``."""

    def type_of(self, message: Message) -> str:
        return str(message.get("message_type", ""))

    def refusal(self, status: int) -> Message:
        return refusal_body(status)

    def error(self, name: str) -> Message:
        return {"message_type": name, "error": _ERRORS.get(name, name)}

    def close_code(self, name: str) -> int | None:
        if name in _STAYS_OPEN:
            return None
        return 1000 if name in _NORMAL_END else 1008


def routes(services: Services, access: Access) -> list[BaseRoute]:
    """The speech-to-text socket."""

    async def realtime(websocket: WebSocket) -> None:
        async def run(socket: VendorSocket) -> None:
            token = socket.query.get("token", "")
            if not (access.has_key(websocket) or access.redeem(token, "realtime_scribe")):
                return await socket.fail("auth_error")
            try:
                options = SttOptions.parse(websocket.query_params)
            except InvalidOption as error:
                return await socket.fail("invalid_request", _error("invalid_request", str(error)))
            return await _Session(socket, services, options).run()

        await serve(websocket, services, Service.STT, SttDialect(), run)

    return [WebSocketRoute("/v1/speech-to-text/realtime", realtime)]


@dataclass(frozen=True, slots=True)
class _Commit:
    """A segment whose words are wanted. Positions are seconds since the start of the session."""

    words: asyncio.Task[str]
    start_s: float
    end_s: float
    received: float


class _BadMessage(Exception):
    """The client sent something unusable; ``name`` is the error it is told."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class _Session:
    """One connection: audio in, partial and committed transcripts out. Commits are answered in their order."""

    def __init__(self, socket: VendorSocket, services: Services, options: SttOptions) -> None:
        self._socket = socket
        self._services = services
        self._options = options
        self._decoder = AudioDecoder(options)
        self._gate = SilenceGate(options) if options.strategy is CommitStrategy.VAD else None
        self._utterance = services.recogniser.utterance(self._heard)
        self._samples = 0
        self._segment_start = 0
        self._commits: deque[_Commit] = deque()
        self._committed = asyncio.Event()
        self._answered = asyncio.Event()
        self._answered.set()
        self._partial_changed = asyncio.Event()
        self._had_audio = False
        self._last_audio = time.monotonic()

    async def run(self) -> None:
        """Until the client is gone, sends something unusable, or stays silent too long."""
        try:
            async with asyncio.TaskGroup() as tasks:
                started = tasks.create_task(self._start())
                background = (
                    tasks.create_task(self._answer_commits(started)),
                    tasks.create_task(self._send_partials(started)),
                )
                await self._read()
                for task in (started, *background):
                    task.cancel()
        finally:
            self._utterance.cancel()
            for commit in self._commits:
                commit.words.cancel()

    async def _start(self) -> None:
        config = self._options.as_config()
        await self._socket.send({"message_type": "session_started", "session_id": uuid.uuid4().hex, "config": config})

    async def _read(self) -> None:
        try:
            while (text := await self._socket.receive(self._idle_left_s())) is not None:
                await self._take(_parse(text))
        except TimeoutError:
            await self._socket.close(1000)
        except _BadMessage as error:
            await self._socket.fail(error.name, _error(error.name, str(error)))

    def _idle_left_s(self) -> float:
        return max(0.0, self._last_audio + IDLE_S - time.monotonic())

    async def _take(self, message: Message) -> None:
        if message["sample_rate"] != self._options.rate:
            raise _BadMessage("input_error", f"sample_rate must be {self._options.rate}, as in audio_format")
        if message["audio_base_64"]:
            self._hear(message)
        if not message["commit"]:
            return
        if self._uncommitted_s < MIN_COMMIT_S:
            await self._socket.fail("commit_throttled")
        else:
            self._commit()

    def _hear(self, message: Message) -> None:
        if message.get("previous_text") and self._had_audio:
            raise _BadMessage("invalid_request", "previous_text can only be sent with the first chunk of audio")
        self._had_audio = True
        self._last_audio = time.monotonic()
        try:
            pcm = self._decoder.feed(base64.b64decode(message["audio_base_64"], validate=True))
        except ValueError as error:
            raise _BadMessage("input_error", f"audio_base_64: {error}") from None
        self._utterance.feed(pcm)
        self._samples += len(pcm)
        over = self._gate is not None and self._gate.feed(pcm)
        if over or self._uncommitted_s >= MAX_UNCOMMITTED_S:
            self._commit()

    @property
    def _uncommitted_s(self) -> float:
        return (self._samples - self._segment_start) / ENGINE_RATE

    def _commit(self) -> None:
        words = asyncio.create_task(_finish(self._utterance))
        start_s, end_s = self._segment_start / ENGINE_RATE, self._samples / ENGINE_RATE
        self._commits.append(_Commit(words, start_s, end_s, time.monotonic()))
        self._committed.set()
        self._answered.clear()
        self._segment_start = self._samples
        self._partial_changed.clear()
        self._utterance = self._services.recogniser.utterance(self._heard)

    async def _answer_commits(self, started: asyncio.Task[None]) -> None:
        await started
        while True:
            await self._committed.wait()
            while self._commits:
                await self._answer(self._commits[0])
                self._commits.popleft()
            self._committed.clear()
            self._answered.set()

    async def _answer(self, commit: _Commit) -> None:
        text = await commit.words
        await asyncio.sleep(commit.received + self._services.pace.stt_commit_s - time.monotonic())
        faults = self._socket.faults
        late, missing = faults.on_event(FaultKind.LATE_COMMIT), faults.on_event(FaultKind.MISSING_COMMIT)
        if late is not None:
            await asyncio.sleep(late.delay_s)
        if missing is not None:
            return
        await self._socket.send({"message_type": "committed_transcript", "text": text})
        if self._options.with_timestamps or self._options.with_language:
            await self._socket.send(self._timestamped(text, commit))

    def _timestamped(self, text: str, commit: _Commit) -> Message:
        words = spread(text, commit.start_s, commit.end_s) if self._options.with_timestamps else []
        return {
            "message_type": "committed_transcript_with_timestamps",
            "text": text,
            "language_code": self._options.language or "en",
            "words": words,
        }

    def _heard(self, _text: str) -> None:
        self._partial_changed.set()

    async def _send_partials(self, started: asyncio.Task[None]) -> None:
        """A partial never overtakes the final of an earlier segment: the client could not tell them apart."""
        await started
        sent: tuple[Utterance, str] | None = None
        while True:
            await self._partial_changed.wait()
            await self._answered.wait()
            self._partial_changed.clear()
            current = self._utterance, self._utterance.partial
            if current[1] and current != sent:
                sent = current
                await self._socket.send({"message_type": "partial_transcript", "text": current[1]})
                await asyncio.sleep(PARTIAL_INTERVAL_S)


async def _finish(utterance: Utterance) -> str:
    return await utterance.finish()


def _parse(text: str) -> Message:
    """The one message a client may send, or _BadMessage."""
    try:
        message = json.loads(text)
    except ValueError:
        raise _BadMessage("invalid_request", "the message is not JSON") from None
    if not isinstance(message, dict) or message.get("message_type") != "input_audio_chunk":
        raise _BadMessage("invalid_request", "message_type must be input_audio_chunk")
    for name, kind in (("audio_base_64", str), ("commit", bool), ("sample_rate", int)):
        if not isinstance(message.get(name), kind):
            raise _BadMessage("invalid_request", f"{name} is required and must be of type {kind.__name__}")
    return message


def _error(name: str, message: str) -> Message:
    return {"message_type": name, "error": message}


def spread(text: str, start_s: float, end_s: float) -> list[dict[str, Any]]:
    """Words and the spaces between them, spread evenly by length: the recogniser gives words, but no times."""
    pieces = [piece for word in text.split() for piece in (" ", word)][1:]
    second_per_char = (end_s - start_s) / max(1, sum(map(len, pieces)))
    entries, at = [], start_s
    for piece in pieces:
        until = at + len(piece) * second_per_char
        kind = "spacing" if piece == " " else "word"
        entries.append({"text": piece, "start": round(at, 3), "end": round(until, 3), "type": kind, "logprob": 0.0})
        at = until
    return entries
