"""Numbers: how they are said, what said or typed ones are worth, and arithmetic in words."""

from __future__ import annotations

import re

from voice_agents.offline.skills.phrases import Rule
from voice_agents.offline.skills.sentence import Sentence

Number = int | float

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_SMALL = _DIGITS + _TEENS
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_NUMBER_WORDS = "|".join([*_VALUES, "hundred", *_SCALES, "and", "point", "a", "an", "minus", "negative"])

_OPERATORS = {
    **{sign: sign for sign in "+-*/()"},
    **{"plus": "+", "minus": "-", "x": "*", "times": "*", "multiplied by": "*", "over": "/", "divided by": "/"},
    **{"^": "**", "to the power of": "**", "percent of": "/ 100 *", "squared": "** 2", "cubed": "** 3"},
}
_IMPERATIVES = {"multiply": "multiplied by", "divide": "divided by"}
_BETWEEN = {"+", "-", "*", "/", "**", "/ 100 *"}
_SYMBOLS = {"+", "-", "*", "/", "(", ")", "**", "100", "2", "3"}
_MAX_DIGITS = 15


def value_of(words: list[str]) -> Number | None:
    """The value of a number in words or digits; None for anything else."""
    sign = 1
    if words and words[0] in ("minus", "negative", "-"):
        sign, words = -1, words[1:]
    whole, point, fraction = _split(words, "point")
    value = _whole(whole)
    if value is None or not point:
        return None if value is None else sign * value
    digits = [word if word.isdecimal() else str(_VALUES.get(word, "")) for word in fraction]
    if not digits or not all(len(digit) == 1 for digit in digits):
        return None
    return sign * float(f"{value}.{''.join(digits)}")


def _split(words: list[str], at: str) -> tuple[list[str], bool, list[str]]:
    if at not in words:
        return words, False, []
    place = words.index(at)
    return words[:place], True, words[place + 1 :]


def _whole(words: list[str]) -> Number | None:
    """Digits, or a whole number in words."""
    if len(words) == 1 and words[0][:1].isdecimal():
        return _digits(words[0])
    if words in (["a"], ["an"]):
        return 1
    if not words or "and" in (words[0], words[-1]) or "and and" in " ".join(words):
        return None
    return _in_words(words)


def _in_words(words: list[str]) -> int | None:
    """A whole number in words."""
    total = group = 0
    last = 1_000_000
    for word in words:
        if word in ("a", "an"):
            word = "one"
        if word in _VALUES:
            if not _follows(_VALUES[word], last):
                return None
            last = _VALUES[word]
            group += last
        elif word == "hundred" and group <= 9:
            group, last = max(group, 1) * 100, 100
        elif word in _SCALES:
            total, group, last = total + max(group, 1) * _SCALES[word], 0, 1_000_000
        elif word != "and":
            return None
    return total + group


def _follows(value: int, last: int) -> bool:
    """Whether a number word may stand after the last one: "twenty one", not "one twenty"."""
    return last >= 100 or (last >= 20 and 0 < value < 10)


def _digits(text: str) -> Number | None:
    """``1,000`` is a thousand, ``2,5`` and ``2.5`` are two and a half."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    text = text.replace(",", ".")
    if text.count(".") > 1 or len(text) > _MAX_DIGITS:
        return None
    return float(text) if "." in text else int(text)


def say(number: Number) -> str:
    """A number below a million as it is spoken; decimals digit by digit."""
    if number < 0:
        return f"minus {say(-number)}"
    if number != int(number):
        whole, _, fraction = f"{number:.6f}".rstrip("0").partition(".")
        return f"{say(int(whole))} point {' '.join(_SMALL[int(digit)] for digit in fraction)}"
    number = int(number)
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else "")
    size, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    many, rest = divmod(number, size)
    return f"{say(many)} {name}" + (f" {'and ' if rest < 100 else ''}{say(rest)}" if rest else "")


def expression_of(words: list[str]) -> str | None:
    """Arithmetic in words or symbols as an expression like ``7 * 8``; None without an operator or with odd words."""
    text = f" {' '.join(words)} "
    roots = text.count(" square root of ")
    text = re.sub(r" (the )?square root of ", " ", text)
    for operator in sorted(_OPERATORS, key=len, reverse=True):
        text = text.replace(f" {operator} ", f"  {_OPERATORS[operator]}  ")
    parts: list[str] = []
    for piece in re.split(r"\s{2,}", text.strip()):
        if not set(piece.split()) <= _SYMBOLS:
            number = value_of(piece.split())
            if number is None:
                return None
            piece = f"{number}"
        parts.append(piece)
    if roots:
        return f"{parts[0]} ** 0.5" if roots == 1 and len(parts) == 1 else None
    if len(parts) < 2 or parts[-1] in _BETWEEN or parts[0] in _BETWEEN - {"-"}:
        return None
    return " ".join(parts)


def _number(heard: Sentence) -> Number | None:
    return value_of(heard.text.split())


def _expression(heard: Sentence) -> str | None:
    return expression_of(heard.text.split())


def _imperative(heard: Sentence) -> str | None:
    """ "multiply six by seven" as "six multiplied by seven"."""
    verb, *words = heard.text.split()
    at = words.index("by")
    return expression_of([*words[:at], *_IMPERATIVES[verb].split(), *words[at + 1 :]])


_TYPED_NUMBER = rf"(?: -)?(?: \d[\d.,]*| (?:{_NUMBER_WORDS}))(?: (?:{_NUMBER_WORDS}|\d[\d.,]*))*"
_TYPED_SUM_WORD = rf"(?: (?:\d[\d.,]*|{_NUMBER_WORDS}|[-+*/^()x]|plus|times|over|squared|cubed|percent of))"
_TYPED_SUM = rf"(?:(?: the)? square root of| multiplied by| divided by| to the power of|{_TYPED_SUM_WORD})+"

_COUNTS = tuple(say(count) for count in (*range(1, 21), *range(25, 101, 5)))
_SUMS = tuple(
    f"{say(first)} {operator} {say(second)}"
    for operator in ("plus", "minus", "times", "divided by")
    for first in range(1, 13)
    for second in range(1, 13)
)

RULES = (
    Rule("number", "", _number, _TYPED_NUMBER, _COUNTS),
    Rule("amount", "", _number, _TYPED_NUMBER, _COUNTS),
    Rule("quantity", "", _number, _TYPED_NUMBER),
    Rule("few", "|".join(_SMALL[1:13]), _number, r" \d+", _SMALL[1:13]),
    Rule("sum", "", _expression, _TYPED_SUM, _SUMS),
    Rule("imperative", "(multiply | divide) <number> by <number>", _imperative),
)
