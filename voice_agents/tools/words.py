"""Numbers, durations and lists as words, and number words as numbers: tools are heard, not read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import zip_longest

# fmt: off
_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
# fmt: on
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_LARGEST = 10**15


def spell(value: float) -> str:
    """A number as it is said: ``-3.5`` is "minus three point five". Fractions are rounded to what can be followed."""
    if value < 0:
        return f"minus {spell(-value)}"
    if value == 0 or (value < _LARGEST and value == int(value)):
        return _whole(int(value))
    if not 1e-5 <= value < _LARGEST:
        mantissa, exponent = f"{value:.3e}".split("e")
        return f"{spell(float(mantissa))} times ten to the power of {spell(int(exponent))}"
    whole, _, fraction = f"{value:.{_decimals(value)}f}".rstrip("0").partition(".")
    spoken = _whole(int(whole))
    return f"{spoken} point {' '.join(_ONES[int(digit)] for digit in fraction)}" if fraction else spoken


def is_exact(value: float) -> bool:
    """Whether :func:`spell` says the number without rounding."""
    if 1e-5 <= abs(value) < _LARGEST:
        return value == round(value, _decimals(value))
    return float(value) == float(f"{value:.3e}")


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def _decimals(value: float) -> int:
    """Five significant digits, but at least two after the point: money must come out right."""
    return max(2, 4 - math.floor(math.log10(abs(value))))


def count(number: int, singular: str, plural: str = "") -> str:
    """``count(2, "note")`` is "two notes"."""
    return f"{spell(number)} {singular if number == 1 else plural or f'{singular}s'}"


def listing(items: Sequence[str]) -> str:
    """ "one, two and three"."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1]))) if items else ""


def duration(seconds: float) -> str:
    """A time span as it is said: ``90`` is "one minute and thirty seconds"; parts of a second only below ten."""
    if seconds < 10 and seconds != int(seconds):
        return f"{spell(round(seconds, 2))} seconds"
    whole = round(seconds)
    parts = ((whole // 3600, "hour"), (whole // 60 % 60, "minute"), (whole % 60, "second"))
    return listing([count(number, unit) for number, unit in parts if number]) or "zero seconds"


def digits(text: str) -> str:
    """Number words replaced by digits: "twenty-three point five times a hundred" becomes "23.5 times 100"."""
    tokens = re.findall(r"[a-z]+|\d+(?:\.\d+)?|[^\sa-z\d]", _hyphens(text.lower()))
    out: list[str] = []
    run: list[str] = []
    for token, following in zip_longest(tokens, tokens[1:], fillvalue=""):
        joins = bool(run) and token in ("and", "point") and following in _VALUES
        article = token == "a" and following in _MULTIPLIERS
        if token in _VALUES or token in _MULTIPLIERS or joins or article:
            run.append("one" if article else token)
            continue
        out.extend(_flushed(run))
        run = []
        out.append(token)
    return " ".join([*out, *_flushed(run)])


_VALUES = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS) if word
}
_MULTIPLIERS = {word: number for number, word in _SCALES}


def _hyphens(text: str) -> str:
    return re.sub(rf"\b({'|'.join(filter(None, _TENS))})-(?=[a-z])", r"\1 ", text)


def _flushed(run: list[str]) -> list[str]:
    if not run:
        return []
    if "point" in run:
        at = run.index("point")
        fraction = "".join(str(_VALUES[word]) for word in run[at + 1 :] if word in _VALUES)
        return [f"{_number(run[:at])}.{fraction or 0}"]
    return [str(_number(run))]


def _number(run: list[str]) -> int:
    total = part = 0
    for word in run:
        if word == "and":
            continue
        if word == "hundred":
            part = max(part, 1) * 100
        elif word in _MULTIPLIERS:
            total += max(part, 1) * _MULTIPLIERS[word]
            part = 0
        else:
            part += _VALUES[word]
    return total + part


def _whole(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    for size, name in _SCALES:
        if number >= size:
            many, rest = divmod(number, size)
            joint = " and " if 0 < rest < 100 else " "
            return f"{_whole(many)} {name}" + (joint + _whole(rest) if rest else "")
    raise AssertionError(number)
