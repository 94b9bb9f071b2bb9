"""JSON of OpenAI's clients checked against the types of the vendor's own SDK, with the vendor's errors for the rest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

INVALID_REQUEST, SERVER_ERROR = "invalid_request_error", "server_error"

_TAGS = ("type", "role")
"""What tells the kinds of a thing apart."""
_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_EXPECTED = {"string": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "iterable": list}


class Rejected(Exception):
    """What was asked cannot be done; nothing of it took effect. ``str(error)`` is the vendor's message."""

    def __init__(
        self,
        message: str,
        code: str | None = None,
        param: str | None = None,
        *,
        status: int = 400,
        kind: str = INVALID_REQUEST,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.param = param
        self.status = status
        self.body = error_body(message, kind, param, code)
        """Of an HTTP answer."""


def error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The JSON body of every error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """JSON text as an object; ``what`` names it in the error. Raises Rejected."""
    try:
        parsed: Any = json.loads(text)
    except ValueError:
        raise Rejected(f"We could not parse {what}: it is not JSON.", "invalid_json") from None
    if not isinstance(parsed, dict):
        raise Rejected(f"{what[:1].upper()}{what[1:]} must be a JSON object.", "invalid_type")
    return parsed


def check_type(types: TypeAdapter[Any], value: dict[str, Any]) -> None:
    """Raises Rejected, with the place, for what is not of the type."""
    try:
        _read_through(types.validate_python(value), value, ())
    except ValidationError as error:
        raise _rejected(error, value, ()) from None


def missing(path: str) -> Rejected:
    """The error for a field that must be there."""
    return Rejected(f"Missing required parameter: '{path}'.", "missing_required_parameter", path)


def invalid_value(value: Any, path: str, known: Sequence[str]) -> Rejected:
    """The error for a value that is none of the known ones."""
    shown = repr(value) if isinstance(value, str | int) else type(value).__name__
    return Rejected(f"Invalid value: {shown}. Supported values are: {', '.join(known)}.", "invalid_value", path)


def invalid_type(value: Any, path: str, expected: str) -> Rejected:
    """The error for a value of another type than the one named."""
    got = _NAMES.get(type(value), "null")
    message = f"Invalid type for '{path}': expected {expected}, but got {got} instead."
    return Rejected(message, "invalid_type", path)


def _read_through(checked: Any, value: Any, place: tuple[str | int, ...]) -> None:
    """Pydantic looks at what the vendor calls iterable only when it is read. Raises Rejected."""
    is_late = hasattr(checked, "__next__")
    if is_late and not isinstance(given := _path(place, value)[1], list):
        raise invalid_type(given, _path(place, value)[0], "an array")
    if not isinstance(checked, dict | list) and not is_late:
        return
    try:
        for at, inner in checked.items() if isinstance(checked, dict) else enumerate(checked):
            _read_through(inner, value, (*place, at))
    except ValidationError as error:
        raise _rejected(error, value, place) from None


def _rejected(error: ValidationError, value: dict[str, Any], place: tuple[str | int, ...]) -> Rejected:
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
    path, given = _path((*place, *first["loc"]), value, lacks_last=first["type"] == "missing")
    match first["type"]:
        case "missing":
            return missing(path)
        case "extra_forbidden":
            return Rejected(f"Unknown parameter: '{path}'.", "unknown_parameter", path)
        case "literal_error":
            known = [entry["ctx"]["expected"] for entry in found if entry["type"] == "literal_error"]
            return invalid_value(given, path, list(dict.fromkeys(known)))
        case _:
            return invalid_type(given, path, " or ".join(_types_named(found, first)))


def _types_named(found: Sequence[ErrorDetails], first: ErrorDetails) -> list[str]:
    """The types that would have been right in the same place."""
    size = len(first["loc"]) - 1
    there = [entry for entry in found if entry["loc"][:size] == first["loc"][:size] and len(entry["loc"]) == size + 1]
    kinds = [_NAMES.get(_EXPECTED.get(entry["type"].partition("_")[0], object), "another type") for entry in there]
    return list(dict.fromkeys(kinds))


def _path(steps: Sequence[str | int], value: Any, *, lacks_last: bool = False) -> tuple[str, Any]:
    """Where it is, and what stands there; the names of a union's branches are left out."""
    path = ""
    for number, step in enumerate(steps, 1):
        if isinstance(value, dict) and (step in value or (lacks_last and number == len(steps))):
            path, value = (f"{path}.{step}" if path else str(step)), value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            path, value = f"{path}[{step}]", value[step]
    return path, value
