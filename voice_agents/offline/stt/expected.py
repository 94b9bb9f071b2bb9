"""Phrases a listener waits for: which of them look like what was heard."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_LETTERS = "abcdefghijklmnopqrstuvwxyz "
_INDEX = {letter: at for at, letter in enumerate(_LETTERS)}
_HOMOPHONES = (
    "by buy bye|to two too|for four|one won|eight ate|read red|write right|die dye|hour our|their there|no know"
    "|a an the"
)
"""Words of which only the meaning tells which one was said; articles are hardly spoken."""
_SOUNDS_LIKE = {word: words.split()[0] for words in _HOMOPHONES.split("|") for word in words.split()}
_PAIRS = len(_LETTERS) ** 2


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a listener waits for."""

    phrases: Sequence[str] = ()
    """As they are written."""
    alone: Sequence[str] = ()
    """Words and names that are often said alone, as they are written."""
    means_something: Callable[[str], bool] = lambda text: False
    """Whether something is understood in a text."""
    is_request: Callable[[str], bool] = lambda text: False
    """Whether all of a text is understood."""


class Expected:
    """Some thousand phrases, compared with a text by their words and by their pairs of letters (2 ms)."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self.phrases = tuple(dict.fromkeys(phrases))
        self._by_sound = {_sound(phrase): phrase for phrase in self.phrases}
        self._pairs = np.stack([_pairs(phrase) for phrase in self.phrases or ("",)])
        self._sizes = self._pairs.sum(axis=1, dtype=np.int32)

    def same(self, text: str) -> str:
        """The phrase that sounds just like a text: "Take a note: buy milk." for "take a note by milk"; or ""."""
        return self._by_sound.get(_sound(text), "")

    def likeness(self, text: str) -> float:
        """How alike the most similar phrase is: 0 to 1, 1 for the same letters."""
        pairs = _pairs(text)
        common = np.minimum(self._pairs, pairs).sum(axis=1, dtype=np.int32)
        return float(np.max(2 * common / np.maximum(1, self._sizes + int(pairs.sum()))))


def plain(text: str) -> str:
    """The words alone."""
    return " ".join(re.findall(r"[\w']+", text.lower()))


def _sound(text: str) -> str:
    return " ".join(_SOUNDS_LIKE.get(word, word) for word in plain(text).split())


def _pairs(text: str) -> NDArray[np.uint8]:
    """How often every pair of letters stands in a text."""
    letters = [_INDEX[letter] for letter in f" {re.sub(r'[^a-z]+', ' ', text.lower()).strip()} "]
    counts = np.zeros(_PAIRS, np.uint8)
    for first, second in pairwise(letters):
        counts[first * len(_LETTERS) + second] += 1
    return counts
