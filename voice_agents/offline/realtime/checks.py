"""What a Realtime client may send, checked against the types of the vendor's own SDK, and the errors it is answered."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, Optional

from openai.types import realtime as vendor
from openai.types.realtime.realtime_response_create_params_param import RealtimeResponseCreateParamsParam
from openai.types.realtime.realtime_session_create_request_param import RealtimeSessionCreateRequestParam
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

INVALID_REQUEST, SERVER_ERROR = "invalid_request_error", "server_error"

Event = dict[str, Any]
"""A JSON object with a ``type``, in either direction."""


class Rejected(Exception):
    """A client's event cannot be obeyed; nothing of it took effect. ``str(error)`` is the vendor's message."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def error_event(
    message: str,
    code: str | None = None,
    param: str | None = None,
    event_id: str | None = None,
    kind: str = INVALID_REQUEST,
) -> Event:
    """The ``error`` event; ``event_id`` is that of the client's event that caused it."""
    return {
        "type": "error",
        "error": {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id},
    }


def new_id(prefix: str) -> str:
    """``item_``, ``resp_``, ``event_`` and so on with random letters after it; at most 32 characters."""
    return f"{prefix}_{secrets.token_hex(10)}"


class _SessionUpdate(TypedDict):
    type: Literal["session.update"]
    session: RealtimeSessionCreateRequestParam
    event_id: NotRequired[str | None]


class _ResponseCreate(TypedDict):
    type: Literal["response.create"]
    response: NotRequired[RealtimeResponseCreateParamsParam]
    event_id: NotRequired[str | None]


_TYPES: dict[str, Any] = {
    "session.update": _SessionUpdate,
    "input_audio_buffer.append": vendor.InputAudioBufferAppendEventParam,
    "input_audio_buffer.commit": vendor.InputAudioBufferCommitEventParam,
    "input_audio_buffer.clear": vendor.InputAudioBufferClearEventParam,
    "conversation.item.create": vendor.ConversationItemCreateEventParam,
    "conversation.item.retrieve": vendor.ConversationItemRetrieveEventParam,
    "conversation.item.delete": vendor.ConversationItemDeleteEventParam,
    "conversation.item.truncate": vendor.ConversationItemTruncateEventParam,
    "response.create": _ResponseCreate,
    "response.cancel": vendor.ResponseCancelEventParam,
}
_STRICT = ConfigDict(extra="forbid", strict=True)
# pydantic takes a configuration for what is no class of its own only
_EVENTS = {name: TypeAdapter[Any](Optional[kind], config=_STRICT) for name, kind in _TYPES.items()}  # noqa: UP045
_RANGES: Mapping[str, tuple[float, float]] = {
    "session.max_output_tokens": (1, 4096),
    "response.max_output_tokens": (1, 4096),
    "session.audio.output.speed": (0.25, 1.5),
    "session.audio.input.turn_detection.threshold": (0.0, 1.0),
    "session.audio.input.turn_detection.prefix_padding_ms": (0, float("inf")),
    "session.audio.input.turn_detection.silence_duration_ms": (0, float("inf")),
    "content_index": (0, float("inf")),
    "audio_end_ms": (0, float("inf")),
}
"""What the vendor's documentation says and its types do not."""
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "session.audio.input.format.type": ("audio/pcm", None),
    "session.audio.output.format.type": ("audio/pcm", None),
    "response.audio.output.format.type": ("audio/pcm", None),
    "session.audio.input.turn_detection.idle_timeout_ms": (None,),
    "response.conversation": ("auto", None),
    "response.input": (None,),
}
"""What of the protocol is offered here where it is not all."""
_MAY_BE_NULL = frozenset(
    {
        *("event_id", "previous_item_id", "response_id", "noise_reduction", "transcription", "transcript", "language"),
        *("description", "parameters", "prompt", "include", "tracing", "metadata", "reasoning"),
    }
)
"""What clients may turn off or leave out so, whatever the types say."""
_TAGS = ("type", "role")
"""What tells the kinds of a thing apart."""
_JSON_TYPES = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_EXPECTED = {"string": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "iterable": list}


def parse_json(text_message: str) -> Event:
    """A message as an object. Raises Rejected."""
    try:
        event: Any = json.loads(text_message)
    except ValueError:
        raise Rejected("The message is not JSON.", "invalid_json") from None
    if not isinstance(event, dict):
        raise Rejected("The message is not a JSON object.", "invalid_type")
    return event


def check(event: Event) -> Event:
    """The event, if it is one a client may send here. Raises Rejected."""
    if "type" not in event:
        raise missing("type")
    if not isinstance(event["type"], str) or event["type"] not in _EVENTS:
        raise invalid_value(event["type"], "type", list(_EVENTS))
    for path, offered in _ONLY.items():
        if (value := _at(event, path)) not in offered:
            names = " or ".join(repr(name) for name in offered if name) or "to leave it out"
            raise Rejected(f"'{path}': {value!r} is not offered offline, only {names}.", "invalid_value", path)
    try:
        checked = _EVENTS[event["type"]].validate_python(_without_nulls(event))
    except ValidationError as error:
        raise _rejected(error, event) from None
    _read_through(checked, event, ())
    for path, (low, high) in _RANGES.items():
        in_range(_at(event, path), path, low, high)
    for at, tool in enumerate((event.get("session") or event.get("response") or {}).get("tools") or ()):
        path = f"{'session' if 'session' in event else 'response'}.tools[{at}]"
        if tool["type"] != "function":
            raise invalid_value(tool["type"], f"{path}.type", ["'function'"])
        if "name" not in tool:
            raise missing(f"{path}.name")
    return event


def in_range(value: Any, path: str, low: float, high: float) -> None:
    """Raises Rejected for a number outside, ends included; what is no number is left to the types."""
    if not isinstance(value, int | float) or low <= value <= high:
        return
    kind = "integer" if isinstance(low, int) else "decimal"
    side, bound = ("below_min", f">= {low}") if value < low else ("above_max", f"<= {high}")
    how = f"{kind} {side.replace('_', ' ')}imum value. Expected a value {bound}, but got {value} instead."
    raise Rejected(f"Invalid '{path}': {how}", f"{kind}_{side}_value", path)


def missing(path: str) -> Rejected:
    """The error for a field that must be there."""
    return Rejected(f"Missing required parameter: '{path}'.", "missing_required_parameter", path)


def invalid_value(value: Any, path: str, known: Sequence[str]) -> Rejected:
    """The error for a value that is none of the known ones."""
    shown = repr(value) if isinstance(value, str | int) else type(value).__name__
    return Rejected(f"Invalid value: {shown}. Supported values are: {', '.join(known)}.", "invalid_value", path)


def _at(event: Event, path: str) -> Any:
    value: Any = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_nulls(entry) for name, entry in value.items() if entry is not None or name not in _MAY_BE_NULL
    }


def _read_through(checked: Any, event: Event, place: tuple[str | int, ...]) -> None:
    """Pydantic looks at what the vendor calls iterable only when it is read. Raises Rejected."""
    try:
        inner = (
            checked.items() if isinstance(checked, dict) else enumerate(checked if hasattr(checked, "__next__") else ())
        )
        for at, value in inner:
            _read_through(value, event, (*place, at))
    except ValidationError as error:
        raise _rejected(error, event, place) from None


def _rejected(error: ValidationError, event: Event, place: tuple[str | int, ...] = ()) -> Rejected:
    """The vendor's error for what was found first, in the branch of a union that ``type`` and ``role`` point to."""
    found = error.errors(include_url=False)
    for tag in _TAGS:
        others = {entry["loc"][:-1] for entry in found if entry["type"] == "literal_error" and entry["loc"][-1] == tag}
        fitting = [
            entry for entry in found if not any(entry["loc"][: len(other)] == other for other in others if other)
        ]
        found = fitting or [entry for entry in found if entry["loc"][-1] == tag and entry["type"] == "literal_error"]
    lacking = (entry for tag in _TAGS for entry in found if entry["type"] == "missing" and entry["loc"][-1] == tag)
    first = next(lacking, found[0])
    path, value = _path(first, event, place)
    match first["type"]:
        case "missing":
            return missing(path)
        case "extra_forbidden":
            return Rejected(f"Unknown parameter: '{path}'.", "unknown_parameter", path)
        case "literal_error":
            known = [entry["ctx"]["expected"] for entry in found if entry["type"] == "literal_error"]
            return invalid_value(value, path, list(dict.fromkeys(known)))
        case kind:
            expected = _JSON_TYPES.get(_EXPECTED.get(kind.partition("_")[0], object), "another type")
            got = _JSON_TYPES.get(type(value), "null")
            message = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
            return Rejected(message, "invalid_type", path)


def _path(entry: ErrorDetails, event: Event, place: tuple[str | int, ...]) -> tuple[str, Any]:
    """Where in the event it is, and what stands there; the names of a union's branches are left out."""
    value: Any = event
    path = ""
    steps = (*place, *entry["loc"])
    for number, step in enumerate(steps, 1):
        is_last = number == len(steps) and entry["type"] == "missing"
        if isinstance(value, dict) and (step in value or is_last):
            path, value = (f"{path}.{step}" if path else str(step)), value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            path, value = f"{path}[{step}]", value[step]
    return path, value
