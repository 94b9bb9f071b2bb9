"""What ElevenLabs clients ask for, checked: query strings, messages, voice settings and output formats.

Names, ranges and defaults are those of the vendor's SDK and AsyncAPI documents. What needs the vendor's own models
(entities, no_verbatim ...) has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.datastructures import QueryParams

from voice_agents.offline.elevenlabs.access import BadInput
from voice_agents.offline.vad import ServerVad

ENGINE_RATE = 16_000
"""Hz. What the recogniser hears, whatever the client sends."""
SOCKET_MODELS = (
    *("eleven_flash_v2_5", "eleven_flash_v2", "eleven_turbo_v2_5", "eleven_turbo_v2"),
    *("eleven_multilingual_v2", "eleven_multilingual_v1", "eleven_monolingual_v1"),
)
DEFAULT_SCHEDULE = (120, 160, 250, 290)
"""Characters that must be gathered before the first, second ... piece is spoken."""
MIN_TRIGGER_CHARS = 50

FORMATS = frozenset(
    {f"pcm_{rate}" for rate in (8000, 16000, 22050, 24000, 32000, 44100, 48000)}
    | {"mp3_22050_32", "mp3_24000_48", "mp3_44100_64", "mp3_44100_128"}
)
"""Output formats: kind, Hz, and kbit/s of MP3."""
DEFAULT_FORMAT = "mp3_44100_128"
"""What the vendor sends when nothing is asked for."""


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, asked: Any, error: str) -> Self:
        """``asked``: JSON text or an object. Raises BadInput with that name, which says what is wrong where."""
        try:
            return cls.model_validate_json(asked) if isinstance(asked, str) else cls.model_validate(asked)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "message"
            raise BadInput(error, f"{place}: {first['msg']}") from None


class SttOptions(_Asked):
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


class AudioChunk(_Asked):
    """The one message a speech-to-text client sends."""

    model_config = ConfigDict(strict=True, extra="ignore")

    message_type: Literal["input_audio_chunk"]
    audio_base_64: str
    commit: bool
    sample_rate: int
    previous_text: str | None = None


class VoiceSettings(_Asked):
    """Of these only the speed is heard here."""

    stability: float | None = Field(None, ge=0, le=1)
    similarity_boost: float | None = Field(None, ge=0, le=1)
    style: float | None = Field(None, ge=0, le=1)
    speed: float | None = Field(None, ge=0.7, le=1.2)


class _GenerationConfig(_Asked):
    chunk_length_schedule: list[Annotated[int, Field(ge=50, le=500)]] | None = Field(None, min_length=1)


class _Speech(_Asked):
    voice_settings: VoiceSettings | None = None

    @property
    def speed(self) -> float:
        """1.0 is normal."""
        return (self.voice_settings and self.voice_settings.speed) or 1.0


class TtsMessage(_Speech):
    """Any message of the text-to-speech sockets."""

    text: str | None = None
    flush: bool = False
    try_trigger_generation: bool = False
    context_id: str | None = None
    close_context: bool = False
    close_socket: bool = False
    generation_config: _GenerationConfig | None = None

    @property
    def schedule(self) -> tuple[int, ...]:
        """How much text is gathered before it is spoken."""
        return tuple((self.generation_config and self.generation_config.chunk_length_schedule) or DEFAULT_SCHEDULE)

    def check_same_settings(self, first: TtsMessage) -> None:
        """Raises BadInput if this brings other settings than the first message of its context."""
        for name in ("voice_settings", "generation_config"):
            if getattr(self, name) not in (None, getattr(first, name)):
                raise BadInput("invalid_input_message", f"{name} can only be set in the first message of a context")


class TtsOptions(_Asked):
    """The path and query string of a text-to-speech socket or request.

    Any voice is taken, so that clients keep theirs; only "unknown..." is not found.
    """

    voice_id: str
    model_id: str = "eleven_multilingual_v2"
    output_format: str = DEFAULT_FORMAT
    auto_mode: bool = False
    sync_alignment: bool = False
    inactivity_timeout: float = Field(20.0, gt=0, le=180)
    apply_text_normalization: str = "auto"

    @classmethod
    def parse(cls, voice_id: str, query: Mapping[str, str], model_id: str | None = None) -> Self:
        """Raises BadInput."""
        model = {} if model_id is None else {"model_id": model_id}
        return cls.read({**query, **model, "voice_id": voice_id}, "invalid_input_message")

    @model_validator(mode="after")
    def _are_offered(self) -> Self:
        if self.voice_id.lower().startswith("unknown"):
            raise BadInput("voice_not_found", f"A voice for the voice_id {self.voice_id!r} was not found.")
        if self.model_id not in SOCKET_MODELS:
            raise BadInput("model_not_found", f"The model {self.model_id!r} is not served offline.")
        if self.output_format not in FORMATS:
            served = ", ".join(sorted(FORMATS))
            message = f"output_format {self.output_format} is not served offline; ask for one of {served}."
            raise BadInput("output_format_not_allowed", message)
        if self.apply_text_normalization == "on" and self.model_id.endswith("v2_5"):
            raise BadInput("invalid_input_message", f"apply_text_normalization cannot be on for {self.model_id}.")
        return self


class TtsRequest(_Speech):
    """The body of a text-to-speech request."""

    text: str = Field(pattern=r"\S")
    model_id: str | None = None


class TextBuffer:
    """Gathers text and says which pieces of it are spoken now.

    ``auto_mode``: every message is a piece. Otherwise a piece ends at the last space once as many characters are
    there as the schedule asks for (50 when the client triggers), or wherever the client flushes.
    """

    def __init__(self, auto_mode: bool, schedule: tuple[int, ...]) -> None:
        self._auto_mode = auto_mode
        self._schedule = list(schedule)
        self._text = ""

    def add(self, text: str, *, flush: bool = False, trigger: bool = False) -> list[str]:
        """More text; the pieces to be spoken, at most one, never blank."""
        self._text += text
        if flush or self._auto_mode:
            return self._take(len(self._text))
        needed = MIN_TRIGGER_CHARS if trigger else self._schedule[0]
        return self._take(self._text.rfind(" ") + 1) if len(self._text) >= needed else []

    def _take(self, length: int) -> list[str]:
        piece, self._text = self._text[:length], self._text[length:]
        if not piece.strip():
            return []
        if len(self._schedule) > 1:
            self._schedule.pop(0)
        return [piece]
