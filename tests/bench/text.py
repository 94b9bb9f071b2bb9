"""Comparing what was said with what was heard: spelling does not count, words do."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ONES = tuple(
    [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ]
)
_TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_FULL = {
    **{"what's": "what is", "it's": "it is", "that's": "that is", "i'm": "i am", "don't": "do not", "mr": "mister"},
    **{"who's": "who is", "where's": "where is", "how's": "how is", "can't": "cannot", "i'll": "i will"},
    **{"let's": "let us", "there's": "there is", "he's": "he is", "she's": "she is", "they're": "they are"},
    **{"you're": "you are", "we're": "we are", "i've": "i have", "doesn't": "does not", "isn't": "is not"},
    **{"ok": "okay", "oh": "zero", "temp": "temperature", "nevermind": "never mind", "km": "kilometers"},
    **{"kilometres": "kilometers", "colour": "color", "flavour": "flavor", "percent": "per cent", "hm": "hmm"},
}
_SIGNS = {
    **{"%": " per cent ", "$": " dollar ", "&": " and ", "+": " plus ", "×": " times ", "=": " equals "},
    **{"°": " degrees ", "/": " ", "-": " ", "’": "'", "€": " euro "},
}


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; numbers in words, contractions in full."""
    text = text.lower()
    text = re.sub(r"(\d),(\d{3})\b", r"\1\2", text)
    text = re.sub(r"(\d)\.(\d)", r"\1 point \2", text)
    text = re.sub(r"(\d+):(\d\d)", r"\1 \2", text)
    for sign, name in _SIGNS.items():
        text = text.replace(sign, name)
    text = re.sub(r"\b(\d+)(st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"\d+", lambda found: f" {_spoken(found[0])} ", text)
    return " ".join(_FULL.get(word, word) for word in re.findall(r"[a-z']+", text)).replace("'", "").split()


def _spoken(digits: str) -> str:
    """Up to four digits as a number, more one by one."""
    if len(digits) < 5 and (digits[0] != "0" or len(digits) == 1):
        return _number(int(digits))
    return " ".join(_ONES[int(digit)] for digit in digits)


def _number(value: int) -> str:
    if value < 20:
        return _ONES[value]
    if value < 100:
        return _TENS[value // 10] + (f" {_ONES[value % 10]}" if value % 10 else "")
    size, name = (100, "hundred") if value < 1000 else (1000, "thousand")
    return f"{_number(value // size)} {name}" + (f" {_number(value % size)}" if value % size else "")


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to be replaced, left out or put in to get from one to the other."""
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        diagonal, row[0] = row[0], number
        for at, other in enumerate(heard, 1):
            diagonal, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, diagonal + (word != other))
    return row[-1]
