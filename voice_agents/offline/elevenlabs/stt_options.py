"""The query string of the realtime speech-to-text socket, checked, and the voice-activity gate it configures.

Names, ranges and defaults are those of the vendor's SDK (``elevenlabs/realtime/scribe.py``) and AsyncAPI document.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from starlette.datastructures import QueryParams

from voice_agents.audio import EMPTY, Pcm, Resampler, from_bytes, rms_dbfs
from voice_agents.offline.g711 import decode_ulaw

ENGINE_RATE = 16_000
"""Hz. What the recogniser hears, whatever the client sends."""
MODELS = ("scribe_v2_realtime", "scribe_v2_realtime_turbo", "scribe_v3_live")
FORMATS = {f"pcm_{rate}": rate for rate in (8000, 16000, 22050, 24000, 44100, 48000)} | {"ulaw_8000": 8000}
MAX_KEYTERMS, MAX_KEYTERM_CHARS = 50, 20


class CommitStrategy(StrEnum):
    """Who ends a segment: the client, or the server after a silence."""

    MANUAL = "manual"
    VAD = "vad"


class InvalidOption(ValueError):
    """A query parameter cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class SttOptions:
    """What one connection asked for."""

    model_id: str
    audio_format: str
    strategy: CommitStrategy
    silence_s: float
    threshold: float
    min_speech_ms: int
    min_silence_ms: int
    language: str
    with_timestamps: bool
    with_language: bool
    keyterms: tuple[str, ...]

    @classmethod
    def parse(cls, query: QueryParams) -> Self:
        """Raises InvalidOption. What needs the vendor's own models (entities, no_verbatim ...) has no effect."""
        keyterms = tuple(query.getlist("keyterms"))
        if len(keyterms) > MAX_KEYTERMS or any(len(term) > MAX_KEYTERM_CHARS for term in keyterms):
            raise InvalidOption(f"keyterms: at most {MAX_KEYTERMS} terms of {MAX_KEYTERM_CHARS} characters")
        if "model_id" not in query:
            raise InvalidOption("model_id is required")
        return cls(
            model_id=_choice(query, "model_id", MODELS, ""),
            audio_format=_choice(query, "audio_format", tuple(FORMATS), "pcm_16000"),
            strategy=CommitStrategy(_choice(query, "commit_strategy", tuple(CommitStrategy), "manual")),
            silence_s=_number(query, "vad_silence_threshold_secs", 0.3, 3.0, 1.5),
            threshold=_number(query, "vad_threshold", 0.1, 0.9, 0.4),
            min_speech_ms=round(_number(query, "min_speech_duration_ms", 50, 2000, 100)),
            min_silence_ms=round(_number(query, "min_silence_duration_ms", 50, 2000, 100)),
            language=query.get("language_code", ""),
            with_timestamps=_flag(query, "include_timestamps"),
            with_language=_flag(query, "include_language_detection"),
            keyterms=keyterms,
        )

    @property
    def rate(self) -> int:
        """Hz of the audio the client sends."""
        return FORMATS[self.audio_format]

    def as_config(self) -> dict[str, Any]:
        """The ``config`` of ``session_started``."""
        return {
            "sample_rate": self.rate,
            "audio_format": self.audio_format,
            "language_code": self.language or None,
            "commit_strategy": self.strategy.value,
            "vad_silence_threshold_secs": self.silence_s,
            "vad_threshold": self.threshold,
            "min_speech_duration_ms": self.min_speech_ms,
            "min_silence_duration_ms": self.min_silence_ms,
            "model_id": self.model_id,
            "include_timestamps": self.with_timestamps,
            "include_language_detection": self.with_language,
            "keyterms": list(self.keyterms),
        }


class AudioDecoder:
    """The client's bytes, in its format -> int16 mono at 16 kHz, as a stream."""

    def __init__(self, options: SttOptions) -> None:
        self._is_ulaw = options.audio_format.startswith("ulaw")
        self._resampler = Resampler(options.rate, ENGINE_RATE)

    def feed(self, data: bytes) -> Pcm:
        """Raises ValueError for half a sample."""
        if not self._is_ulaw and len(data) % 2:
            raise ValueError("the audio ends in the middle of a sample")
        pcm = decode_ulaw(data) if self._is_ulaw else from_bytes(data)
        return self._resampler.feed(pcm) if len(pcm) else EMPTY


class SilenceGate:
    """Server-side voice activity by level: says when a segment with speech is followed by enough silence.

    ``vad_threshold`` 0.1 to 0.9 is read as a level between -52 and -32 dBFS (0.4: -45); the vendor's own detector is
    a model, this one only has to be good enough for clean test speech.
    """

    _FRAME = ENGINE_RATE // 50

    def __init__(self, options: SttOptions) -> None:
        self._level_dbfs = -55.0 + 25.0 * options.threshold
        self._min_speech_s = options.min_speech_ms / 1000
        self._silence_s = max(options.silence_s, options.min_silence_ms / 1000)
        self._rest = EMPTY
        self._speech_s = 0.0
        self._quiet_s = 0.0

    def feed(self, pcm: Pcm) -> bool:
        """More audio at 16 kHz. True once per segment, when it is over."""
        samples = np.concatenate((self._rest, pcm))
        whole = len(samples) // self._FRAME * self._FRAME
        self._rest = samples[whole:]
        return any([self._frame(frame) for frame in samples[:whole].reshape(-1, self._FRAME)])

    def _frame(self, frame: Pcm) -> bool:
        if rms_dbfs(frame) >= self._level_dbfs:
            self._speech_s += len(frame) / ENGINE_RATE
            self._quiet_s = 0.0
            return False
        self._quiet_s += len(frame) / ENGINE_RATE
        if self._quiet_s < self._silence_s:
            return False
        ended = self._speech_s >= self._min_speech_s
        self._speech_s = 0.0
        return ended


def _choice(query: QueryParams, name: str, known: tuple[str, ...], default: str) -> str:
    value = query.get(name, default)
    if value not in known:
        raise InvalidOption(f"{name}: {value!r} is not one of {', '.join(known)}")
    return value


def _number(query: QueryParams, name: str, low: float, high: float, default: float) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError:
        raise InvalidOption(f"{name}: {query[name]!r} is not a number") from None
    if not low <= value <= high:
        raise InvalidOption(f"{name}: {value:g} is not between {low:g} and {high:g}")
    return value


def _flag(query: QueryParams, name: str) -> bool:
    value = query.get(name, "false").lower()
    if value not in ("true", "false", "1", "0"):
        raise InvalidOption(f"{name}: {value!r} is not true or false")
    return value in ("true", "1")
