"""Checks JSON against a shape, with the vendor's error for what does not fit and where.

A check takes a value and its path (``session.audio.input.format``) and returns the value, or raises ``Rejected``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voice_agents.offline.realtime.errors import Rejected

Check = Callable[[Any, str], Any]

_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a decimal"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
    (type(None), "null"),
)


def anything(value: Any, path: str) -> Any:
    """Accepted as it is: stored and shown, without effect here."""
    return value


def text(value: Any, path: str) -> str:
    """A string."""
    return str(_typed(value, path, str, "a string"))


def flag(value: Any, path: str) -> bool:
    """True or false."""
    return bool(_typed(value, path, bool, "a boolean"))


def mapping(value: Any, path: str) -> dict[str, Any]:
    """Any object."""
    checked: dict[str, Any] = _typed(value, path, dict, "an object")
    return checked


def integer(low: int, high: int | None = None) -> Check:
    """A whole number in a range, ends included."""

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(value, path, "an integer")
        return _ranged(value, path, low, high, "integer")

    return check


def number(low: float, high: float) -> Check:
    """A number in a range, ends included."""

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong_type(value, path, "a decimal")
        return _ranged(value, path, low, high, "decimal")

    return check


def choice(*known: str | int) -> Check:
    """One of these values."""

    def check(value: Any, path: str) -> Any:
        if isinstance(value, bool) or value not in known:
            raise invalid_value(value, path, known)
        return value

    return check


def optional(inner: Check) -> Check:
    """``inner``, or null."""

    def check(value: Any, path: str) -> Any:
        return None if value is None else inner(value, path)

    return check


def either(*checks: Check) -> Check:
    """The first check that accepts; the last one's error when none does."""

    def check(value: Any, path: str) -> Any:
        for option in checks[:-1]:
            try:
                return option(value, path)
            except Rejected:
                continue
        return checks[-1](value, path)

    return check


def plain_or_object(plain: Check, structured: Check) -> Check:
    """One check for an object, another for anything else."""

    def check(value: Any, path: str) -> Any:
        return structured(value, path) if isinstance(value, dict) else plain(value, path)

    return check


def array(inner: Check) -> Check:
    """A list of such values."""

    def check(value: Any, path: str) -> list[Any]:
        items: list[Any] = _typed(value, path, list, "an array")
        return [inner(item, f"{path}[{index}]") for index, item in enumerate(items)]

    return check


def fields(known: Mapping[str, Check], required: Sequence[str] = ()) -> Check:
    """An object of these fields and no others."""

    def check(value: Any, path: str) -> dict[str, Any]:
        given = mapping(value, path)
        for name in required:
            if name not in given:
                raise missing(_below(path, name))
        for name in given:
            if name not in known:
                where = _below(path, name)
                raise Rejected(f"Unknown parameter: '{where}'.", "unknown_parameter", where)
        return {name: known[name](inner, _below(path, name)) for name, inner in given.items()}

    return check


def tagged(kinds: Mapping[str, Check]) -> Check:
    """An object whose ``type`` says which of these it is."""

    def check(value: Any, path: str) -> Any:
        given = mapping(value, path)
        if "type" not in given:
            raise missing(_below(path, "type"))
        kind = given["type"]
        if not isinstance(kind, str) or kind not in kinds:
            raise invalid_value(kind, _below(path, "type"), tuple(kinds))
        return kinds[kind](given, path)

    return check


def missing(path: str) -> Rejected:
    """The error for a field that must be there."""
    return Rejected(f"Missing required parameter: '{path}'.", "missing_required_parameter", path)


def invalid_value(value: Any, path: str, known: Sequence[str | int]) -> Rejected:
    """The error for a value that is none of the known ones."""
    shown = repr(value) if isinstance(value, str | int) else type(value).__name__
    names = [repr(name) for name in known]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]}"
    verb = "Supported values are" if len(names) > 1 else "The only supported value is"
    return Rejected(f"Invalid value: {shown}. {verb}: {listed}.", "invalid_value", path)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _typed(value: Any, path: str, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise _wrong_type(value, path, name)
    return value


def _wrong_type(value: Any, path: str, expected: str) -> Rejected:
    got = next((name for kind, name in _TYPE_NAMES if isinstance(value, kind)), type(value).__name__)
    return Rejected(f"Invalid type for '{path}': expected {expected}, but got {got} instead.", "invalid_type", path)


def _ranged(value: float, path: str, low: float, high: float | None, kind: str) -> float:
    if value < low:
        bound, sign, code = low, ">=", f"{kind}_below_min_value"
    elif high is not None and value > high:
        bound, sign, code = high, "<=", f"{kind}_above_max_value"
    else:
        return value
    side = "below minimum" if sign == ">=" else "above maximum"
    message = f"Invalid '{path}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
    raise Rejected(message, code, path)
