"""Numbers in English words."""

from __future__ import annotations

import re

from num2words import num2words

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}|\d+)(?:\.\d+)?"
"""Digits, perhaps with thousands and decimals."""
LONGEST = 15
"""Digits that are read as one number."""


def number(written: str) -> str:
    """``1,234.5`` -> "one thousand two hundred and thirty-four point five"; a minus is said, too."""
    digits = written.replace(",", "").replace("−", "-")
    sign = "minus " if digits.startswith("-") else ""
    whole, point, decimals = digits.lstrip("-+").partition(".")
    said = cardinal(whole or "0")
    return f"{sign}{said} point {one_by_one(decimals)}" if point and decimals else f"{sign}{said}"


def cardinal(digits: str) -> str:
    """A whole number; one that is too long, or begins with noughts, digit by digit."""
    if len(digits) > LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return one_by_one(digits)
    return str(num2words(int(digits))).replace(",", "")


def one_by_one(digits: str) -> str:
    """Each digit by itself."""
    return " ".join(str(num2words(int(digit))) for digit in digits if digit.isdigit())


def grouped(written: str) -> str:
    """A telephone number and the like: digits one by one, with a pause where a space or a dash stands."""
    return ", ".join(one_by_one(group) for group in re.findall(r"\d+", written))


def ordinal(digits: str) -> str:
    """``21`` -> "twenty-first"."""
    return str(num2words(int(digits), to="ordinal")).replace(",", "")


def year(digits: str) -> str:
    """``2024`` -> "twenty twenty-four"; of two digits, those of our time."""
    value = int(digits)
    if len(digits) == 2:
        value += 1900 if value >= 70 else 2000
    return str(num2words(value, to="year"))


def span(first: str, last: str | None) -> str:
    """A number, or "from to" two of them; years as years."""
    if not last:
        return number(first)
    if all(re.fullmatch(r"1[0-9]\d\d|20\d\d", each) for each in (first, last)):
        return f"{year(first)} to {year(last)}"
    return f"{number(first)} to {number(last)}"


def is_one(written: str) -> bool:
    """Whether what is counted stands in the singular."""
    return written.lstrip("-−+") == "1"
