"""What a word or two said alone were: the guesses of both models together; either has the right one late at times.

Both spell one word in several ways ("Two.", "2", "two,"), which share its probability: alone none looks sure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from voice_agents.offline.stt.expected import plain
from voice_agents.offline.stt.moonshine import Heard
from voice_agents.offline.stt.spelling import MURMUR, UH_HUH, spelled
from voice_agents.turns.english.numbers import cardinal

Guesses = Mapping[str, float]
"""Words in lower case without signs -> log probability that they were said, over all their spellings."""

_SURE, _SURE_OF_USUAL = -0.1, -0.5
"""Log probability above which the first model is right by itself: of any words, and of those people say alone
(measured: 57 of 57, and 78 of 78 words in four voices)."""
_FIRST_COUNTS = 0.5
"""The second model is better at single words: the first one's opinion counts half."""
_UNKNOWN = 1.0
"""What one model does not think of at all is so much less likely than its last guess."""
_USUAL = 1.0
"""So much more likely are words that people say alone."""
_LETTERS = re.compile(r"(?<=\b\w)[. ]+(?=\w\b)")


def guesses(variants: Iterable[Heard]) -> Guesses:
    """Spellings with their log probabilities (``score`` is that of the whole here), by the words they stand for."""
    found: dict[str, float] = {}
    for heard in variants:
        if words := said(heard.text):
            found[words] = _sum(found.get(words, -math.inf), heard.score)
    return found


def said(text: str) -> str:
    """The words of a text, numbers in letters."""
    words = _LETTERS.sub("", plain(spelled(text)))
    if plain(murmur := spelled(words.replace(" ", ""))) in (plain(MURMUR), plain(UH_HUH)):
        return plain(murmur)
    return re.sub(r"\d+", lambda found: cardinal(found[0]).replace("-", " "), words)


def sure(first: Guesses, usual: frozenset[str]) -> Heard | None:
    """What the first model is sure of by itself, if it is."""
    best = max(first, key=lambda words: first[words], default="")
    if best and first[best] > (_SURE_OF_USUAL if best in usual else _SURE):
        return Heard(best, first[best])
    return None


def likeliest(first: Guesses, second: Guesses, usual: frozenset[str]) -> Heard:
    """What both models together find likeliest; "" if there are no guesses. Words that were said score above -6."""
    unknown = [min(each.values(), default=0.0) - _UNKNOWN for each in (first, second)]
    scores = {
        words: _FIRST_COUNTS * first.get(words, unknown[0]) + second.get(words, unknown[1])
        for words in {**first, **second}
    }
    best = max(scores, key=lambda words: scores[words] + _USUAL * (words in usual), default="")
    return Heard(best, scores.get(best, 0.0))


def _sum(one: float, other: float) -> float:
    """The logarithm of the sum of two numbers whose logarithms are given."""
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
