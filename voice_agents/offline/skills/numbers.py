"""Numbers: how they are said, what said or typed ones are worth, and arithmetic in words."""

from __future__ import annotations

import re

from voice_agents.offline.skills.phrases import Rule
from voice_agents.offline.skills.sentence import Sentence
from voice_agents.tools.words import spell

Number = int | float

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_SMALL = _DIGITS + _TEENS
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = {word: value for value, word in enumerate(_SMALL)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_PHRASES = {
    **dict.fromkeys(("half", "half a", "half an", "half of", "a half", "one half"), 0.5),
    **dict.fromkeys(("quarter", "a quarter of", "a quarter of a", "a quarter of an"), 0.25),
    **dict.fromkeys(("a pair of", "pair of", "a couple of", "a couple"), 2),
    **dict.fromkeys(("a dozen", "dozen"), 12),
    **dict.fromkeys(("three quarters of an", "3 quarters of an"), 0.75),
}
_OTHER_WORDS = "and point a an minus negative half quarter third thirds pair couple dozen of"
_NUMBER_WORDS = "|".join([*_VALUES, "hundred", *_SCALES, *_OTHER_WORDS.split()])

_OPERATORS = {
    **{sign: sign for sign in "+-*/()"},
    **{"plus": "+", "minus": "-", "x": "*", "times": "*", "multiplied by": "*", "over": "/", "divided by": "/"},
    **{"half of": "0.5 *", "a quarter of": "0.25 *", "a third of": "1 / 3 *", "two thirds of": "2 / 3 *"},
    **{"double": "2 *", "triple": "3 *", "add": "+", "subtract": "-", "take away": "-"},
    **{"^": "**", "to the power of": "**", "percent of": "/ 100 *", "squared": "** 2", "cubed": "** 3"},
}
_IMPERATIVES = {"multiply": "multiplied by", "divide": "divided by"}
_ADDING = ("add", "subtract", "take")
_DONE_TO_IT = ("double", "triple", "take away", *_IMPERATIVES, "add", "subtract")
_BETWEEN = {"+", "-", "*", "/", "**", "/ 100 *"}
_SYMBOLS = {*"+-*/()123", "**", "100", "0.5", "0.25", "it"}
_MAX_DIGITS = 15


def value_of(words: list[str]) -> Number | None:
    """The value of a number in words or digits: "two and a half", "a couple of"; None for anything else."""
    if (known := _PHRASES.get(" ".join(words))) is not None:
        return known
    if words[-3:] in (["and", "a", "half"], ["and", "a", "quarter"]):
        whole = _whole(words[:-3])
        return None if whole is None else whole + _PHRASES[words[-1]]
    sign = 1
    if words and words[0] in ("minus", "negative", "-"):
        sign, words = -1, words[1:]
    whole_words, point, fraction = _split(words, "point")
    value = _whole(whole_words)
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
        return f"{parts[0]} ** 0.5" if roots == 1 and len(parts) == 1 and parts[0] else None
    if len(parts) < 2 + (parts[0] == "-") or parts[-1] in _BETWEEN or parts[0] in _BETWEEN - {"-"}:
        return None
    return " ".join(parts)


def _number(heard: Sentence) -> Number | None:
    return value_of(heard.text.split())


def _expression(heard: Sentence) -> str | None:
    return expression_of(heard.text.split())


def _imperative(heard: Sentence) -> str | None:
    return _imperative_of(heard.text.split())


def _imperative_of(words: list[str]) -> str | None:
    """ "multiply six by seven" as "six multiplied by seven"."""
    verb, *words = words
    at = words.index("by")
    return expression_of([*words[:at], *_IMPERATIVES[verb].split(), *words[at + 1 :]])


def _operation(heard: Sentence) -> str | None:
    """Arithmetic with a number that was spoken of, "it" in the expression: "times two" as "it * 2"."""
    words = re.sub(" (that|this)(?= |$)", " it", heard.text).split()
    if words[0] in _IMPERATIVES and "by" in words:
        return _imperative_of(words)
    if words[0] in _ADDING and words[-2:] in (["to", "it"], ["from", "it"]):
        words = words[:-2]
    if words[-1] == "percent":
        words = [*words, "of"]
    given = "it" in words
    return expression_of(words if given else [*words, "it"] if words[-1] == "of" else ["it", *words])


_TYPED_NUMBER = rf"(?: -)?(?: \d[\d.,]*| (?:{_NUMBER_WORDS}))(?: (?:{_NUMBER_WORDS}|\d[\d.,]*))*"
_TYPED_SUM_WORD = rf"(?: (?:\d[\d.,]*|{_NUMBER_WORDS}|[-+*/^()x]|plus|times|over|squared|cubed|percent of))"
_TYPED_SUM = rf"(?:(?: the)? square root of| multiplied by| divided by| to the power of|{_TYPED_SUM_WORD})+"

_TYPED_OPERATION = (
    rf"(?:(?: the)? square root of|{_TYPED_SUM_WORD}| (?:it|that|this|by|percent|to|from|{'|'.join(_DONE_TO_IT)}))+"
)

_COUNTS = tuple(spell(count) for count in (*range(1, 21), *range(25, 101, 5)))
_OPERATIONS = tuple(
    f"{operator} {spell(number)}" for operator in ("plus", "minus", "times", "divided by") for number in range(2, 13)
)
_SUMS = tuple(
    f"{spell(first)} {operator} {spell(second)}"
    for operator in ("plus", "minus", "times", "divided by")
    for first in range(1, 13)
    for second in range(1, 13)
)

RULES = (
    Rule("number", "", _number, _TYPED_NUMBER, _COUNTS),
    Rule("amount", "", _number, _TYPED_NUMBER, _COUNTS),
    Rule("quantity", "", _number, _TYPED_NUMBER),
    Rule("few", "|".join([*_SMALL[1:13], "[a] (pair | couple) of"]), _number, r" \d+", _SMALL[1:13]),
    Rule("sum", "", _expression, _TYPED_SUM, _SUMS),
    Rule("operation", "", _operation, _TYPED_OPERATION, _OPERATIONS),
    Rule("imperative", "(multiply | divide) <number> by <number>", _imperative),
)
