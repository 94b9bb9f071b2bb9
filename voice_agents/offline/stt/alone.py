"""What a word or two said alone were: the guesses of both models together; either has the right one late at times.

Both spell one word in several ways ("Two.", "2", "two,"), which share its probability: alone none looks sure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from voice_agents.offline.stt.expected import plain
from voice_agents.offline.stt.moonshine import Heard
from voice_agents.offline.stt.spelling import MURMUR, UH_HUH, spelled
from voice_agents.turns.english.numbers import cardinal


@dataclass(frozen=True, slots=True)
class Guesses:
    """What one model thinks was said."""

    words: dict[str, float]
    """In lower case without signs -> log probability, over all their spellings."""
    least: float
    """That of the last spelling it thought of: what it did not think of at all has less."""

    def and_also(self, other: Guesses) -> Guesses:
        """With words that it was asked about, too."""
        return Guesses(other.words | self.words, self.least)

    def of(self, words: str) -> float:
        """The log probability of these words, or what it may be at most."""
        return self.words.get(words, self.least - _UNKNOWN)


_SURE, _SURE_OF_USUAL = -0.1, -0.5
"""Log probability above which the first model is right by itself: of any words, and of those people say alone
(measured: 57 of 57, and 78 of 78 words in four voices)."""
_FIRST_COUNTS = 0.5
"""The second model is better at single words: the first one's opinion counts half."""
_UNKNOWN = 0.5
"""... by so much."""
_USUAL = 1.5
"""So much more likely are words that people say alone."""
_LETTERS = re.compile(r"(?<=\b\w)[. ]+(?=\w\b)")


def guesses(variants: Iterable[Heard]) -> Guesses:
    """Of spellings with their log probabilities (``score`` is that of the whole here)."""
    found: dict[str, float] = {}
    least = 0.0
    for heard in variants:
        least = min(least, heard.score)
        if (words := said(heard.text)) and heard.score > -math.inf:
            found[words] = _sum(found.get(words, -math.inf), heard.score)
    return Guesses(found, least)


def said(text: str) -> str:
    """The words of a text, numbers in letters."""
    words = _LETTERS.sub("", plain(spelled(text)))
    if plain(murmur := spelled(words.replace(" ", ""))) in (plain(MURMUR), plain(UH_HUH)):
        return plain(murmur)
    return re.sub(r"\d+", lambda found: cardinal(found[0]).replace("-", " "), words)


def sure(first: Guesses, usual: frozenset[str]) -> Heard | None:
    """What the first model is sure of by itself, if it is."""
    best = max(first.words, key=first.of, default="")
    if best and first.of(best) > (_SURE_OF_USUAL if best in usual else _SURE):
        return Heard(best, first.of(best))
    return None


def likeliest(first: Guesses, second: Guesses, usual: frozenset[str]) -> Heard:
    """What both models together find likeliest; "" if there are no guesses. Words that were said score above -6."""
    scores = {words: _FIRST_COUNTS * first.of(words) + second.of(words) for words in {**first.words, **second.words}}
    best = max(scores, key=lambda words: scores[words] + _USUAL * (words in usual), default="")
    return Heard(best, scores.get(best, 0.0))


def _sum(one: float, other: float) -> float:
    """The logarithm of the sum of two numbers whose logarithms are given."""
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
