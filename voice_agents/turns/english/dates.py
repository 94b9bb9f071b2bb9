"""Days and times of day as people say them."""

from __future__ import annotations

import re

from voice_agents.turns.english.numbers import cardinal, number, one_by_one, ordinal, year
from voice_agents.turns.english.rule import rule

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November"),
    "December",
)
_SHORT = {name[:3]: name for name in MONTHS} | {"Sept": "September"}
_DAYS = {"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday"}
_DAYS |= {"Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"}
_MONTH = r"(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_TIME = r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?(?:\s?([ap])(?:\.m\.|m)(?![a-z]))?"
_BEFORE, _AFTER = r"(?<![\w:.,/$-])", r"(?![\w:]|[.,]\d)"


def _date(year_digits: str, month: str, day: str) -> str | None:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    return f"{MONTHS[int(month) - 1]} {ordinal(day)}, {year(year_digits)}"


def _iso(match: re.Match[str]) -> str | None:
    date = _date(match[1], match[2], match[3])
    if date is None or match[4] is None:
        return date
    zone = {None: "", "Z": " UTC"}.get(match[6]) or _zone("UTC", match[6]) if match[6] else ""
    return f"{date}, at {_clock(match[4], match[5])}{zone}"


def _zone(name: str, offset: str) -> str:
    hours, minutes = re.findall(r"\d\d", f"{offset}00".replace(":", "").zfill(4))[:2]
    said = f"{cardinal(str(int(hours)))}{f' {cardinal(minutes)}' if int(minutes) else ''}"
    return f" {name} {'plus' if offset[0] == '+' else 'minus'} {said}"


def _numeric(match: re.Match[str]) -> str | None:
    """Month first, as in America, unless that cannot be."""
    first, second = match[1], match[3]
    month, day = (second, first) if int(first) > 12 or match[2] == "." else (first, second)
    return _date(match[4], month, day)


def _month_day(match: re.Match[str]) -> str:
    month, day, other, last = match.groups()
    to = f" to {f'{_SHORT[other]} ' if other else ''}{ordinal(last)}" if last else ""
    return f"{_SHORT[month]} {ordinal(day)}{to}"


def _clock(hour: str, minute: str, half: str | None = None) -> str:
    value = int(hour)
    if value in (0, 24) and not half:
        value, half = 12, "a"
    late = value > 12 and not half
    whole = "" if half else " hundred" if late else " o'clock"
    minutes = (
        whole if minute == "00" else f" oh {one_by_one(minute[1])}" if minute[0] == "0" else f" {cardinal(minute)}"
    )
    return f"{cardinal(str(value))}{minutes}{f' {half.upper()}M' if half else ''}"


def _half(letter: str | None) -> str | None:
    return letter.lower() if letter else None


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = match.groups()
    seconds = f" and {number(str(int(second)))} second{'' if int(second) == 1 else 's'}" if second else ""
    stop = "." if match[0].endswith(".m.") and re.match(r"\s+[A-Z]|\s*$", match.string[match.end() :]) else ""
    return _clock(hour, minute, _half(half)) + seconds + stop


def _times(match: re.Match[str]) -> str:
    hour, minute, _, half, to_hour, to_minute, _, to_half = match.groups()
    return f"{_clock(hour, minute, _half(half))} to {_clock(to_hour, to_minute, _half(to_half))}"


def _hours(match: re.Match[str]) -> str:
    first, half, last, to_half = match.groups()
    begin = f"{cardinal(first)}{f' {half.upper()}M' if half else ''}"
    return f"{begin} to {cardinal(last)} {to_half.upper()}M"


def _offset(match: re.Match[str]) -> str:
    return _zone(match[1], f"{'+' if match[2] == '+' else '-'}{match[3].zfill(2)}{match[4] or '00'}").strip()


RULES = (
    rule(
        r"(?<![\w/.-])(\d{4})-(\d{2})-(\d{2})"
        r"(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?(?![\w/-])",
        _iso,
    ),
    rule(r"(?<![\w/.-])(\d{4})/(\d{1,2})/(\d{1,2})(?![\w/])", lambda m: _date(m[1], m[2], m[3])),
    rule(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?![\w/-])", _numeric),
    rule(r"(?<![\w/.-])(\d{1,2})(/)(\d{1,2})/(\d{2})(?![\w/-])", _numeric),
    rule(rf"\b{_MONTH}\s?{_DAY}(?:\s?[-–—]\s?(?:{_MONTH}\s?)?{_DAY})?(?![\w:]|[.,]\d)", _month_day),
    rule(
        rf"(?<![\w.,:/-]){_DAY}\s{_MONTH}(?=,?\s(?:\d{{4}}|[a-z(])|[,.;:!?]?$|[,;:!?])",
        lambda m: f"{ordinal(m[1])} of {_SHORT[m[2]]}",
    ),
    rule(rf"\b{_MONTH}\s(?=\d{{4}}\b)", lambda m: f"{_SHORT[m[1]]} "),
    rule(rf"\b({'|'.join(_DAYS)})\b\.?(?=,?\s(?:{'|'.join((*_SHORT, *MONTHS))})\b)", lambda m: _DAYS[m[1]]),
    rule(
        rf"\b({'|'.join(_DAYS)})\.?\s?[-–—]\s?({'|'.join(_DAYS)})\b",
        lambda m: f"{_DAYS[m[1]]} to {_DAYS[m[2]]}",
    ),
    rule(rf"{_BEFORE}{_TIME}\s?[-–—]\s?{_TIME}{_AFTER}", _times, ignore_case=True),
    rule(rf"{_BEFORE}{_TIME}{_AFTER}", _time, ignore_case=True),
    rule(
        rf"{_BEFORE}(1[0-2]|[1-9])\s?(?:([ap])\.?m\.?)?\s?[-–—]\s?(1[0-2]|[1-9])\s?([ap])(?:\.m\.|m)(?![a-z])",
        _hours,
        ignore_case=True,
    ),
    rule(rf"{_BEFORE}(1[0-2]|[1-9])([ap])m\b", lambda m: f"{cardinal(m[1])} {m[2].upper()}M", ignore_case=True),
    rule(
        rf"{_BEFORE}(1[0-2]|0?[1-9])\.([0-5]\d)()\s?([ap])(?:\.m\.|m)(?![a-z])",
        _time,
        ignore_case=True,
    ),
    rule(r"\b(UTC|GMT)\s?([+−-])\s?(\d{1,2})(?::?(\d{2}))?\b", _offset),
)
