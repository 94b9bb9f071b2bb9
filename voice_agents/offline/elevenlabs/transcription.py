"""ElevenLabs speech-to-text for whole recordings (``POST /v1/speech-to-text``), answered by the local recogniser."""

from __future__ import annotations

import asyncio
import io
import math
import uuid

import av
import numpy as np
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from voice_agents.audio import EMPTY, Pcm, from_bytes
from voice_agents.offline.elevenlabs.access import Access, refusal_body
from voice_agents.offline.elevenlabs.stt import spread
from voice_agents.offline.faults import Service
from voice_agents.offline.services import Services

RATE = 16_000
LONGEST_S = 600.0
"""More is refused: nobody waits for it to be heard here."""
MOST_BYTES = 64 << 20
_PIECE_S = 60
"""A recording is heard in pieces about so long, cut where it is quietest in the last seconds."""
_CUT_WITHIN_S = 5
_FRAME = RATE // 50
_RAW = "pcm_s16le_16"


class _Unusable(Exception):
    """The recording cannot be heard; the message says why."""


def routes(services: Services, access: Access) -> list[BaseRoute]:
    """The endpoint; it needs a key (401 without), and the faults of ``stt`` that refuse strike it."""

    async def convert(request: Request) -> Response:
        if not access.has_key(request):
            return JSONResponse(refusal_body(401), 401)
        if (refusal := services.faults.begin(Service.STT).refusal) is not None:
            return JSONResponse(refusal_body(refusal.status), refusal.status)
        try:
            pcm = await _recording(request)
            text = await _heard(services, pcm)
        except _Unusable as error:
            return JSONResponse({"detail": {"status": "invalid_content", "message": str(error)}}, 400)
        length_s = len(pcm) / RATE
        answer = {"language_code": "eng", "language_probability": 1.0, "text": text, "words": spread(text, 0, length_s)}
        return JSONResponse(answer | {"transcription_id": uuid.uuid4().hex, "audio_duration_secs": round(length_s, 3)})

    return [Route("/v1/speech-to-text", convert, methods=["POST"])]


async def _recording(request: Request) -> Pcm:
    """The file of the form as samples at 16 kHz. Raises _Unusable."""
    async with request.form(max_files=1) as form:
        file = form.get("file")
        if not form.get("model_id"):
            raise _Unusable("model_id is required.")
        if not isinstance(file, UploadFile):
            raise _Unusable("file is required: a recording, up to ten minutes long. Addresses are not fetched here.")
        data = await file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise _Unusable("file is too large: 64 MB at most.")
        if form.get("file_format") == _RAW:
            return from_bytes(data)
    return await asyncio.to_thread(_decoded, data)


def _decoded(data: bytes) -> Pcm:
    """Any container and codec FFmpeg knows -> mono at 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pieces, samples = [EMPTY], 0
    try:
        with av.open(io.BytesIO(data)) as container:
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    pieces.append(part.to_ndarray().reshape(-1).astype(np.int16))
                    samples += len(pieces[-1])
                if samples > LONGEST_S * RATE:
                    raise _Unusable("The recording is too long: ten minutes at most.")
            pieces += [part.to_ndarray().reshape(-1).astype(np.int16) for part in resampler.resample(None)]
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise _Unusable("file is no recording that can be read.") from error
    return np.concatenate(pieces)


async def _heard(services: Services, pcm: Pcm) -> str:
    parts = []
    while len(pcm):
        end = _cut(pcm)
        utterance = services.recogniser.utterance()
        utterance.feed(pcm[:end])
        parts.append(await utterance.finish())
        pcm = pcm[end:]
    return " ".join(filter(None, parts))


def _cut(pcm: Pcm) -> int:
    """Where the next piece ends."""
    if len(pcm) <= _PIECE_S * RATE:
        return len(pcm)
    first = (_PIECE_S - _CUT_WITHIN_S) * RATE
    frames = pcm[first : _PIECE_S * RATE].astype(np.float64).reshape(-1, _FRAME)
    return first + math.floor(int(np.argmin(np.square(frames).mean(axis=1))) * _FRAME + _FRAME / 2)
