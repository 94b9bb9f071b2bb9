"""What a text-to-speech client asked for, checked, and the rule by which gathered text becomes speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from starlette.datastructures import QueryParams

from voice_agents.offline.elevenlabs.speech import DEFAULT_FORMAT, OutputFormat, UnsupportedFormat

SOCKET_MODELS = (
    "eleven_flash_v2_5",
    "eleven_flash_v2",
    "eleven_turbo_v2_5",
    "eleven_turbo_v2",
    "eleven_multilingual_v2",
    "eleven_multilingual_v1",
    "eleven_monolingual_v1",
)
DEFAULT_MODEL = "eleven_multilingual_v2"
DEFAULT_SCHEDULE = (120, 160, 250, 290)
"""Characters that must be gathered before the first, second ... piece is spoken."""
MIN_TRIGGER_CHARS = 50
DEFAULT_INACTIVITY_S, MAX_INACTIVITY_S = 20.0, 180.0

_SETTING_RANGES = {"stability": (0.0, 1.0), "similarity_boost": (0.0, 1.0), "style": (0.0, 1.0), "speed": (0.7, 1.2)}


class BadInput(Exception):
    """The client asked for something it may not; ``name`` is the vendor's name of the error."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class TtsOptions:
    """The path and query string of a text-to-speech socket or request."""

    voice_id: str
    model_id: str
    output: OutputFormat
    auto_mode: bool
    sync_alignment: bool
    inactivity_s: float

    @classmethod
    def parse(cls, voice_id: str, query: QueryParams) -> Self:
        """Raises BadInput."""
        check_voice(voice_id)
        model_id = query.get("model_id", DEFAULT_MODEL)
        if model_id not in SOCKET_MODELS:
            raise BadInput("model_not_found", f"The model {model_id!r} is not served on text-to-speech sockets.")
        if query.get("apply_text_normalization") == "on" and model_id.endswith("v2_5"):
            raise BadInput("invalid_input_message", f"apply_text_normalization cannot be on for {model_id}.")
        return cls(
            voice_id,
            model_id,
            parse_format(query.get("output_format", DEFAULT_FORMAT)),
            auto_mode=_flag(query, "auto_mode"),
            sync_alignment=_flag(query, "sync_alignment"),
            inactivity_s=_inactivity(query),
        )


def check_voice(voice_id: str) -> None:
    """Any id is taken for the default voice, so that clients keep theirs; only "unknown..." is not found."""
    if voice_id.lower().startswith("unknown"):
        raise BadInput("voice_not_found", f"A voice for the voice_id {voice_id!r} was not found.")


def parse_format(name: str) -> OutputFormat:
    """Raises BadInput for a format that is not served here."""
    try:
        return OutputFormat.parse(name)
    except UnsupportedFormat as error:
        raise BadInput("output_format_not_allowed", str(error)) from None


def parse_speed(voice_settings: Any) -> float:
    """The speed in a ``voice_settings`` object, all of which is checked. Raises BadInput."""
    if voice_settings is None:
        return 1.0
    if not isinstance(voice_settings, dict):
        raise BadInput("invalid_input_message", "voice_settings must be an object")
    for name, (low, high) in _SETTING_RANGES.items():
        value = voice_settings.get(name)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            raise BadInput("invalid_input_message", f"voice_settings.{name} must be between {low} and {high}")
    speed = voice_settings.get("speed")
    return 1.0 if speed is None else float(speed)


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """What the first message of a context fixes for all of it."""

    voice_settings: Any
    generation_config: Any
    speed: float
    schedule: tuple[int, ...]

    @classmethod
    def parse(cls, first: dict[str, Any]) -> Self:
        """Raises BadInput."""
        voice_settings, config = first.get("voice_settings"), first.get("generation_config")
        schedule = config.get("chunk_length_schedule") if isinstance(config, dict) else None
        schedule = DEFAULT_SCHEDULE if schedule is None else schedule
        if not schedule or not all(isinstance(length, int) and 50 <= length <= 500 for length in schedule):
            raise BadInput("invalid_input_message", "chunk_length_schedule values must be between 50 and 500")
        return cls(voice_settings, config, parse_speed(voice_settings), tuple(schedule))

    def check_unchanged(self, message: dict[str, Any]) -> None:
        """Raises BadInput if a later message brings other settings."""
        for name, fixed in (("voice_settings", self.voice_settings), ("generation_config", self.generation_config)):
            if message.get(name) not in (None, fixed):
                raise BadInput("invalid_input_message", f"{name} can only be set in the first message of a context")


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


def _flag(query: QueryParams, name: str) -> bool:
    return query.get(name, "false").lower() in ("true", "1")


def _inactivity(query: QueryParams) -> float:
    try:
        seconds = float(query.get("inactivity_timeout", DEFAULT_INACTIVITY_S))
    except ValueError:
        raise BadInput("invalid_input_message", "inactivity_timeout must be a number of seconds") from None
    if not 0 < seconds <= MAX_INACTIVITY_S:
        raise BadInput("invalid_input_message", f"inactivity_timeout must be at most {MAX_INACTIVITY_S:g} seconds")
    return seconds
