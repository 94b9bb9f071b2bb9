"""JSON of OpenAI's clients checked against the types of the vendor's own SDK, with the vendor's errors for the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import HTTPConnection

INVALID_REQUEST, SERVER_ERROR = "invalid_request_error", "server_error"
REALTIME_PATHS = ("/openai/v1/realtime", "/v1/realtime")

_SERVER_FAILED = "The server had an error while processing your request. Sorry about that!"
_REFUSALS = {
    400: ("The requested operation is unsupported.", INVALID_REQUEST, "OpperationNotSupported"),
    401: ("Incorrect API key provided.", INVALID_REQUEST, "invalid_api_key"),
    403: ("You do not have access to this model.", INVALID_REQUEST, "permission_denied"),
    404: ("The API deployment for this resource does not exist.", INVALID_REQUEST, "DeploymentNotFound"),
    429: ("Rate limit reached for requests. Please try again in 1s.", "requests", "rate_limit_exceeded"),
    503: ("The server is overloaded, please try again later.", SERVER_ERROR, "server_overloaded"),
}
_ERRORS = {
    "session_expired": "Your session hit the maximum duration of 60 minutes.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "rate_limit_exceeded": "Rate limit reached. Please try again later.",
    "invalid_api_key": "Incorrect API key provided.",
}

_QUOTE = "'"


class Refused(Exception):
    """What a client asked is not done: told over HTTP with ``status`` and the JSON ``body``, on a socket by ``name``.

    All of it is worded as the vendor asked words it.
    """

    def __init__(self, message: str, name: str, status: int, body: dict[str, Any]) -> None:
        super().__init__(message)
        self.name = name
        self.status = status
        self.body = body


class Rejected(Refused):
    """What a client of OpenAI asked cannot be done; nothing of it took effect. ``str(error)`` is the message."""

    def __init__(
        self,
        message: str,
        code: str | None = None,
        param: str | None = None,
        *,
        status: int = 400,
        kind: str = INVALID_REQUEST,
    ) -> None:
        super().__init__(message, code or kind, status, error_body(message, kind, param, code))
        self.code = code
        self.param = param


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The JSON body of every error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def is_openais(asked: HTTPConnection) -> bool:
    """A client of OpenAI or Azure asks: on a path of theirs alone, or with a key (or an empty one) their way."""
    path, headers = asked.scope["path"], asked.headers
    theirs = ("authorization" in headers or "api-key" in headers) and "xi-api-key" not in headers
    return theirs or path.startswith("/openai/") or path in REALTIME_PATHS


def refusal(status: int, name: str = "") -> Rejected:
    """The error of this status; ``name`` replaces its code (``insufficient_quota``)."""
    message, kind, code = _REFUSALS.get(status, (_SERVER_FAILED, SERVER_ERROR, None))
    kind = name if name == "insufficient_quota" else kind
    return Rejected(_ERRORS.get(name, message), name or code, status=status, kind=kind)


def error_named(name: str) -> str:
    """The message of an error in the middle of a stream or session."""
    return _ERRORS.get(name, _SERVER_FAILED if name == SERVER_ERROR else name)


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """JSON text as an object; ``what`` names it in the error. Raises Rejected."""
    try:
        parsed: Any = json.loads(text)
    except ValueError:
        raise Rejected(f"We could not parse {what}: it is not JSON.", "invalid_json") from None
    if not isinstance(parsed, dict):
        raise Rejected(f"{what[:1].upper()}{what[1:]} must be a JSON object.", "invalid_type")
    return parsed


def check_type(kind: type[BaseModel] | TypeAdapter[Any], value: dict[str, Any]) -> None:
    """Raises Rejected, with the place, for what is not of the type or has fields it does not know."""
    try:
        if isinstance(kind, TypeAdapter):
            _read_through(kind.validate_python(value), value, ())
        else:
            kind.model_validate(value, strict=True, extra="forbid")
    except ValidationError as error:
        raise _rejected(error, value, ()) from None


def missing(path: str) -> Rejected:
    """The error for a field that must be there."""
    return Rejected(f"Missing required parameter: '{path}'.", "missing_required_parameter", path)


def invalid_value(value: Any, path: str, known: Sequence[str]) -> Rejected:
    """The error for a value that is none of the known ones."""
    shown = repr(value) if isinstance(value, str | int) else type(value).__name__
    return Rejected(f"Invalid value: {shown}. Supported values are: {', '.join(known)}.", "invalid_value", path)


def _read_through(checked: Any, value: Any, place: tuple[str | int, ...]) -> None:
    """Pydantic looks at what the vendor calls iterable only when it is read. Raises Rejected."""
    is_late = hasattr(checked, "__next__")
    if is_late and not isinstance(_path(place, value)[1], list):
        raise _invalid_type(_path(place, value)[0], "Input should be a valid list")
    if not isinstance(checked, (dict, list)) and not is_late:
        return
    try:
        for at, inner in checked.items() if isinstance(checked, dict) else enumerate(checked):
            _read_through(inner, value, (*place, at))
    except ValidationError as error:
        raise _rejected(error, value, place) from None


def _rejected(error: ValidationError, value: dict[str, Any], place: tuple[str | int, ...]) -> Rejected:
    """The vendor's error for what was found first, in the branch of a union that ``type`` points to."""
    found = error.errors(include_url=False)
    of_type = [entry for entry in found if entry["loc"] and entry["loc"][-1] == "type"]
    others = [entry["loc"][:-1] for entry in of_type if entry["type"] == "literal_error" and len(entry["loc"]) > 1]
    found = [e for e in found if not any(e["loc"][: len(other)] == other for other in others)] or of_type
    first = next((entry for entry in found if entry["type"] == "missing" and entry in of_type), found[0])
    path, given = _path((*place, *first["loc"]), value, lacks_last=first["type"] == "missing")
    match first["type"]:
        case "missing":
            return missing(path)
        case "union_tag_not_found":
            return missing(f"{path}.{first['ctx']['discriminator'].strip(_QUOTE)}")
        case "extra_forbidden":
            return Rejected(f"Unknown parameter: '{path}'.", "unknown_parameter", path)
        case "union_tag_invalid":
            tag = first["ctx"]["discriminator"].strip(_QUOTE)
            return invalid_value(given.get(tag), f"{path}.{tag}", [first["ctx"]["expected_tags"]])
        case "literal_error":
            known = [entry["ctx"]["expected"] for entry in found if entry["type"] == "literal_error"]
            return invalid_value(given, path, list(dict.fromkeys(known)))
        case _:
            return _invalid_type(path, first["msg"])


def _invalid_type(path: str, why: str) -> Rejected:
    return Rejected(f"Invalid type for '{path}': {why[:1].lower()}{why[1:]}.", "invalid_type", path)


def _path(steps: Sequence[str | int], value: Any, *, lacks_last: bool = False) -> tuple[str, Any]:
    """Where it is, and what stands there; the names of a union's branches are left out."""
    path = ""
    for number, step in enumerate(steps, 1):
        if isinstance(value, dict) and (step in value or (lacks_last and number == len(steps))):
            path, value = (f"{path}.{step}" if path else str(step)), value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            path, value = f"{path}[{step}]", value[step]
    return path, value
