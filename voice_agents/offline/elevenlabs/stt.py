"""ElevenLabs speech-to-text, answered by the local recogniser: the realtime socket, and whole recordings."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import av
import numpy as np
from pydantic import ConfigDict, Field
from starlette.datastructures import QueryParams, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.audio import EMPTY, Pcm, Resampler, from_bytes
from voice_agents.offline.elevenlabs.access import Asked, BadInput, refusal
from voice_agents.offline.faults import FaultKind, Service
from voice_agents.offline.services import AnyUtterance, Services
from voice_agents.offline.sockets import Message, Tasks, VendorDialect, VendorSocket, pcm_of, serve
from voice_agents.offline.vad import ServerVad, SpeechOver, TurnDetector
from voice_agents.turns.vad import RATE as ENGINE_RATE

IDLE_S = 15.0
"""A socket that gets no audio for this long is closed normally, without a message."""
MIN_COMMIT_S = 0.3
"""Less uncommitted audio than this is not committed."""
MAX_UNCOMMITTED_S = 90.0
"""That much uncommitted audio is committed without being asked."""
PARTIAL_INTERVAL_S = 0.1
"""Partials come at most this often, and only when they have changed."""
LONGEST_S = 600.0
"""A longer recording is refused: nobody waits for it to be heard here."""
MOST_BYTES = 64 << 20

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
_NORMAL_END = frozenset({"session_time_limit_exceeded", "insufficient_audio_activity"})


class SttOptions(Asked):
    """The query string of the speech-to-text socket."""

    model_id: Literal["scribe_v2_realtime", "scribe_v2_realtime_turbo", "scribe_v3_live"]
    audio_format: Literal["pcm_8000", "pcm_16000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000"] = "pcm_16000"
    commit_strategy: Literal["manual", "vad"] = "manual"
    vad_silence_threshold_secs: float = Field(1.5, ge=0.3, le=3.0)
    vad_threshold: float = Field(0.4, ge=0.1, le=0.9)
    min_speech_duration_ms: int = Field(100, ge=50, le=2000)
    min_silence_duration_ms: int = Field(100, ge=50, le=2000)
    language_code: str | None = None
    include_timestamps: bool = False
    include_language_detection: bool = False
    keyterms: list[Annotated[str, Field(max_length=20)]] = Field([], max_length=50)

    @classmethod
    def parse(cls, query: QueryParams) -> Self:
        """Raises BadInput."""
        return cls.read({**query, "keyterms": query.getlist("keyterms")}, "invalid_request")

    @property
    def rate(self) -> int:
        """Hz of the audio the client sends."""
        return int(self.audio_format.removeprefix("pcm_"))

    @property
    def detection(self) -> ServerVad:
        """When a segment is over, with ``commit_strategy=vad``."""
        silence_ms = max(round(1000 * self.vad_silence_threshold_secs), self.min_silence_duration_ms)
        return ServerVad(self.vad_threshold, 0, silence_ms, create_response=False, interrupt_response=False)


class AudioChunk(Asked):
    """The one message a speech-to-text client sends."""

    model_config = ConfigDict(strict=True, extra="ignore")

    message_type: Literal["input_audio_chunk"]
    audio_base_64: str
    commit: bool
    sample_rate: int
    previous_text: str | None = None


def _close_code(name: str) -> int | None:
    if name in ("commit_throttled", "warning"):
        return None
    return 1000 if name in _NORMAL_END else 1008


DIALECT = VendorDialect(
    lambda message: str(message.get("message_type", "")),
    refusal,
    lambda name, message: {"message_type": name, "error": message or _ERRORS.get(name, name)},
    _close_code,
)
"""Message types and errors as in the vendor's SDK: ``{"message_type": ..., "error": ...}``."""


def routes(services: Services) -> list[BaseRoute]:
    """The speech-to-text socket and endpoint."""

    async def realtime(websocket: WebSocket) -> None:
        async def run(socket: VendorSocket) -> None:
            await _Hearing(socket, services, SttOptions.parse(websocket.query_params)).run()

        await serve(websocket, services, Service.STT, DIALECT, run)

    async def convert(request: Request) -> Response:
        """A whole recording; the faults of ``stt`` that refuse strike it."""
        if (fault := services.faults.begin(Service.STT).refusal) is not None:
            raise refusal(fault.status)
        pcm = await _recording(request)
        utterance = services.recogniser.utterance()
        utterance.feed(pcm)
        text, length_s = await utterance.finish(), len(pcm) / ENGINE_RATE
        answer = {"language_code": "eng", "language_probability": 1.0, "text": text, "words": spread(text, 0, length_s)}
        return JSONResponse(answer | {"transcription_id": uuid.uuid4().hex, "audio_duration_secs": round(length_s, 3)})

    return [
        WebSocketRoute("/v1/speech-to-text/realtime", realtime),
        Route("/v1/speech-to-text", convert, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Commit:
    """A segment whose words are wanted. Positions are seconds since the start of the session."""

    utterance: AnyUtterance
    words: asyncio.Task[str]
    start_s: float
    end_s: float
    received: float


class _Hearing:
    """One connection: audio in, partial and committed transcripts out. Commits are answered in their order."""

    def __init__(self, socket: VendorSocket, services: Services, options: SttOptions) -> None:
        self._socket = socket
        self._services = services
        self._options = options
        self._resampler = Resampler(options.rate, ENGINE_RATE)
        self._detector = TurnDetector(options.detection) if options.commit_strategy == "vad" else None
        self._partial_changed = asyncio.Event()
        self._utterance = self._listen()
        self._samples = 0
        self._segment_start = 0
        self._tasks = Tasks()
        self._commits: asyncio.Queue[_Commit] = asyncio.Queue()
        self._answering: AnyUtterance | None = None
        """Its final words are being found; what was found by then is still sent."""
        self._last_audio = time.monotonic()

    async def run(self) -> None:
        """Until the client is gone, sends something unusable, or stays silent too long."""
        config = self._options.model_dump() | {"sample_rate": self._options.rate}
        started = {"message_type": "session_started", "session_id": uuid.uuid4().hex, "config": config}
        try:
            await self._socket.send(started)
            async with self._tasks as tasks:
                tasks.start(self._answer_commits())
                tasks.start(self._send_partials())
                with contextlib.suppress(TimeoutError):
                    await self._read()
        finally:
            self._utterance.cancel()

    async def _read(self) -> None:
        while True:
            text = await self._socket.receive(max(0.0, self._last_audio + IDLE_S - time.monotonic()))
            await self._take(AudioChunk.read(text, "invalid_request"))

    async def _take(self, message: AudioChunk) -> None:
        if message.sample_rate != self._options.rate:
            raise BadInput("input_error", f"sample_rate must be {self._options.rate}, as in audio_format")
        if message.audio_base_64:
            self._hear(message)
        if not message.commit:
            return
        if self._uncommitted_s < MIN_COMMIT_S:
            await self._socket.fail("commit_throttled")
        else:
            self._commit()

    def _hear(self, message: AudioChunk) -> None:
        if message.previous_text and self._samples:
            raise BadInput("invalid_request", "previous_text can only be sent with the first chunk of audio")
        self._last_audio = time.monotonic()
        try:
            pcm = self._resampler.feed(pcm_of(message.audio_base_64))
        except ValueError as error:
            raise BadInput("input_error", f"audio_base_64: {error}") from None
        self._utterance.feed(pcm)
        self._samples += len(pcm)
        turns = self._detector.feed(pcm) if self._detector is not None else ()
        if self._uncommitted_s >= MAX_UNCOMMITTED_S or any(isinstance(event, SpeechOver) for event in turns):
            self._commit()

    @property
    def _uncommitted_s(self) -> float:
        return (self._samples - self._segment_start) / ENGINE_RATE

    def _commit(self) -> None:
        utterance, words = self._utterance, self._tasks.start(self._utterance.finish())
        start_s, end_s = self._segment_start / ENGINE_RATE, self._samples / ENGINE_RATE
        self._commits.put_nowait(_Commit(utterance, words, start_s, end_s, time.monotonic()))
        self._segment_start = self._samples
        self._partial_changed.clear()
        self._utterance = self._listen()

    def _listen(self) -> AnyUtterance:
        return self._services.recogniser.utterance(lambda _text: self._partial_changed.set())

    async def _answer_commits(self) -> None:
        while True:
            commit = await self._commits.get()
            self._answering = commit.utterance
            await self._answer(commit)
            self._answering = None
            self._partial_changed.set()

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
        if self._options.include_timestamps or self._options.include_language_detection:
            await self._socket.send(self._timestamped(text, commit))

    def _timestamped(self, text: str, commit: _Commit) -> Message:
        words = spread(text, commit.start_s, commit.end_s) if self._options.include_timestamps else []
        return {
            "message_type": "committed_transcript_with_timestamps",
            "text": text,
            "language_code": self._options.language_code or "en",
            "words": words,
        }

    async def _send_partials(self) -> None:
        """A partial never overtakes the final of an earlier segment: the client could not tell them apart."""
        sent: tuple[AnyUtterance, str] | None = None
        while True:
            await self._partial_changed.wait()
            self._partial_changed.clear()
            utterance = self._answering or self._utterance
            current = utterance, utterance.partial
            if current[1] and current != sent:
                sent = current
                await self._socket.send({"message_type": "partial_transcript", "text": current[1]})
                await asyncio.sleep(PARTIAL_INTERVAL_S)


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


async def _recording(request: Request) -> Pcm:
    """The file of the form as samples at 16 kHz. Raises BadInput."""
    async with request.form(max_files=1) as form:
        file = form.get("file")
        if not form.get("model_id"):
            raise BadInput("invalid_content", "model_id is required.")
        if not isinstance(file, UploadFile):
            raise BadInput(
                "invalid_content",
                "file is required: a recording, up to ten minutes long. Addresses are not fetched here.",
            )
        data = await file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise BadInput("invalid_content", "file is too large: 64 MB at most.")
        if form.get("file_format") == "pcm_s16le_16":
            return from_bytes(data)
    return await asyncio.to_thread(_decoded, data)


def _decoded(data: bytes) -> Pcm:
    """Any container and codec FFmpeg knows -> mono at 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=ENGINE_RATE)
    pieces, samples = [EMPTY], 0
    try:
        with av.open(io.BytesIO(data)) as container:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    pieces.append(part.to_ndarray().reshape(-1).astype(np.int16))
                    samples += len(pieces[-1])
                if samples > LONGEST_S * ENGINE_RATE:
                    raise BadInput("invalid_content", "The recording is too long: ten minutes at most.")
            pieces += [part.to_ndarray().reshape(-1).astype(np.int16) for part in resampler.resample(None)]
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise BadInput("invalid_content", "file is no recording that can be read.") from error
    return np.concatenate(pieces)
