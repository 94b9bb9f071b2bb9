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
    **dict.fromkeys(("three quarters of an", "three quarters of a", "3 quarters of an", "3 quarters of a"), 0.75),
}
_OTHER_WORDS = "and point a an minus negative half quarter quarters third thirds pair couple dozen of"
NUMBER_WORDS = "|".join([*_VALUES, "hundred", *_SCALES, *_OTHER_WORDS.split()])

_OPERATORS = {
    **{sign: sign for sign in "+-*/()"},
    **{"plus": "+", "minus": "-", "x": "*", "times": "*", "multiplied by": "*", "of": "*", "over": "/"},
    **dict.fromkeys(("divided by", "divided into"), "/"),
    **{"half of": "0.5 *", "a quarter of": "0.25 *", "a third of": "1 / 3 *", "two thirds of": "2 / 3 *"},
    **{"double": "2 *", "triple": "3 *", "add": "+", "subtract": "-", "take away": "-"},
    **{"^": "**", "to the power of": "**", "squared": "** 2", "cubed": "** 3"},
    **dict.fromkeys(("percent off", "percent off of"), "/ -100 + 1) *"),
    **dict.fromkeys(("percent of", "percent on", "percent tip on", "percent from"), "/ 100 *"),
}
_IMPERATIVES = tuple(
    (re.compile(rf"(?:{verb}) (.+?) {joint} (.+)"), infix)
    for verb, joint, infix in (
        *(("multiply", "(?:by|with|and)", r"\1 multiplied by \2"), ("divide", "(?:by|into)", r"\1 divided by \2")),
        *(("add", "(?:and|to)", r"\1 plus \2"), ("subtract|take|deduct", "(?:from|off|away from)", r"\2 minus \1")),
        ("split|share", "(?:by|between|among|in|into)", r"\1 divided by \2"),
    )
)
_ASIDE = re.compile(r" (?:dollars?|bucks|euros?|cents|ways|parts|people|persons|of us|the)(?= |$)|^ sum of(?= )")
"""What is counted makes no difference to a sum."""
_ABOUT_IT = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"^(?:split|share|divide)(?: it)?(?: up)?(?: by| between| among| in| into)? (?!it$)", "divide it by "),
        (r"^(?:take|subtract|deduct|take away) (?!away)(.+?)(?: (?:off|away|from))*(?: it)?$", r"minus \1"),
        (r"^add (.+?)(?: to it)?$", r"plus \1"),
        (r"^(?:it )?(?:doubled|twice)$|^double$", "double it"),
        (r"^(?:it )?halved$|^(?:halve|half)(?: it)?$", "it divided by two"),
    )
)
"""What is done to a result, in other words."""
_BETWEEN = {"+", "-", "*", "/", "**", "/ 100 *", "/ -100 + 1) *"}
_SYMBOLS = {*"+-*/()123", "**", "100", "-100", "1)", "0.5", "0.25", "it"}
_MAX_DIGITS = 15


def value_of(words: list[str]) -> Number | None:
    """The value of a number in words or digits: "two and a half", "a couple of"; None for anything else."""
    if (known := _PHRASES.get(" ".join(words))) is not None:
        return known
    if words[-3:] in (["and", "a", "half"], ["and", "a", "quarter"]):
        whole = _whole(words[:-3])
        return None if whole is None else whole + _PHRASES[words[-1]]
    if words[:1] in (["a"], ["an"]) and _whole(words) is None:  # who hesitates is heard to say "an eight minutes"
        words = words[1:]
    sign = 1
    if words and words[0] in ("minus", "negative", "-"):
        sign, words = -1, words[1:]
    whole_words, point, fraction = " ".join(words).partition(" point ")
    value = _whole(whole_words.split())
    if value is None or not point:
        return None if value is None else sign * value
    digits = [word if word.isdecimal() else str(_VALUES.get(word, "")) for word in fraction.split()]
    if not digits or not all(len(digit) == 1 for digit in digits):
        return None
    return sign * float(f"{value}.{''.join(digits)}")


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
    text = _ASIDE.sub("", f" {' '.join(words)}") + " "
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
    return f"{'(' * ('/ -100 + 1) *' in parts)}{' '.join(parts)}"


def _number(heard: Sentence) -> Number | None:
    return value_of(heard.text.split())


def _expression(heard: Sentence) -> str | None:
    return _expression_of(heard.text.strip())


def _expression_of(text: str) -> str | None:
    """ "multiply six by seven" as "six multiplied by seven"; other words as they are."""
    said = next((found.expand(infix) for verb, infix in _IMPERATIVES if (found := verb.fullmatch(text))), text)
    return expression_of(said.split())


def _operation(heard: Sentence) -> str | None:
    """Arithmetic with a number that was spoken of, "it" in the expression: "times two" as "it * 2"."""
    text = _ASIDE.sub("", re.sub(" (that|this)(?= |$)", " it", heard.text)).strip()
    text = next((pattern.sub(said, text) for pattern, said in _ABOUT_IT if pattern.search(text)), text)
    text = re.sub(r"\bpercent$", "percent of", text)
    if "it" not in text.split():
        text = f"{text} it" if text.endswith(" of") else f"it {text}"
    return _expression_of(text)


_TYPED_NUMBER = rf"(?: -)?(?: \d[\d.,]*| (?:{NUMBER_WORDS}))(?: (?:{NUMBER_WORDS}|\d[\d.,]*))*"
_TYPED_SUM_WORD = (
    rf"(?: (?:\d[\d.,]*|{NUMBER_WORDS}|[-+*/^()x]|plus|times|over|squared|cubed|percent (?:of|off|on|tip on|from)"
    r"|dollars?|bucks|euros?|take away|to the power of))"
)
_TYPED_SUM = rf"(?:(?: the)? square root of| multiplied by| divided (?:by|into)|{_TYPED_SUM_WORD})+"
_TYPED_OPERATION = (
    rf"(?:(?: the)? square root of|{_TYPED_SUM_WORD}| (?:it|that|this|by|percent|to|from|off|away|between|among|in|into"
    r"|ways|parts|people|doubled?|triple|twice|halved?|multipl[iy](?:ed)?|divided?|add|subtract|take|split|share))+"
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
    Rule(
        "imperative",
        "(multiply | divide | add | subtract | take | deduct | split | share) <number>"
        " (by | with | and | to | from | off | into | between) <number>",
        _expression,
    ),
)
