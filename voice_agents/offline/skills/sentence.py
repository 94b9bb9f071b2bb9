"""Typed or recognised text as the words that phrases are matched against, each with its place in the original."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

MAX_WORDS = 200
"""What comes after is not looked at."""

_PERSONS = ("i", "you", "we", "they")
_VERBS = ("do", "did", "does", "is", "are", "was", "were", "have", "has", "would", "could", "should")
CONTRACTIONS = {
    **{
        f"{word}'s": f"{word} is"
        for word in ("what", "who", "where", "when", "how", "it", "that", "there", "name", "time")
    },
    **{f"{word}'d": f"{word} would" for word in _PERSONS} | {f"{word}'ll": f"{word} will" for word in _PERSONS},
    **{f"{word}'ve": f"{word} have" for word in _PERSONS} | {f"{word}'re": f"{word} are" for word in _PERSONS[1:]},
    **{f"{word}n't": f"{word} not" for word in _VERBS},
    **{"let's": "let us", "i'm": "i am", "can't": "can not", "won't": "will not"},
}
"""Written as people speak -> as the phrases are written."""
_OTHER_WORDS = frozenset({"it's", "i'd", "i'll", "we'd", "we'll", "we're", "time's"})
"""Without the apostrophe they are."""

SPELLINGS = {
    **{short.replace("'", ""): full for short, full in CONTRACTIONS.items() if short not in _OTHER_WORDS},
    **{f"{size}metre{s}": f"{size}meter{s}" for size in ("", "kilo", "centi") for s in ("", "s")},
    **{"litre": "liter", "litres": "liters", "honeybees": "honey bees", "goodnight": "good night"},
    **{"cannot": "can not", "ok": "okay", "alright": "all right", "hiya": "hi"},
    **{"×": "*", "÷": "/", "−": "-", "%": "percent"},
}

_SOUND_LIKE_NUMBERS = {"for": "four", "won": "one", "ate": "eight", "free": "three"} | dict.fromkeys(
    ("to", "too", "do"), "two"
)
MISHEARD = re.compile(r"\b(?:time[ -](?:or|her)|timer(?= four\b))(?:([ -])four)?\b", re.IGNORECASE)
"""What is heard for a timer, or a timer for."""
_RECKONING = ("plus", "minus", "times")

_TOKEN = re.compile(
    r"(?P<word>\d+(?:[.,]\d+)*|°\s?[cCfF]|[^\W\d_]+(?:['’][^\W\d_]+)*|[+*/^()=×÷−%]|-(?![^\W\d_])|(?<![^\W\d_])-)|(?P<stop>[.!?;:\n])|(?P<comma>,)"
)


class Pause(IntEnum):
    """The punctuation after a word."""

    NONE = 0
    COMMA = 1
    STOP = 2


@dataclass(frozen=True, slots=True)
class Word:
    """A word in lower case without accents; ``start`` and ``end`` are its place in the source."""

    text: str
    start: int
    end: int
    pause: Pause = Pause.NONE


@dataclass(frozen=True)
class Sentence:
    """Some words of a source text."""

    source: str
    words: tuple[Word, ...]

    @classmethod
    def of(cls, source: str) -> Sentence:
        """The words of a text: contractions spelled out, symbols as their own words, everything else left out."""
        words: list[Word] = []
        meant = MISHEARD.sub(lambda found: ("timer for" if found[1] else "timer").ljust(len(found[0])), source)
        for match in _TOKEN.finditer(meant):
            if match["word"]:
                words += [Word(text, *match.span()) for text in _spell(match["word"])]
            elif words:
                last = words[-1]
                pause = Pause.STOP if match["stop"] else max(last.pause, Pause.COMMA)
                words[-1] = Word(last.text, last.start, last.end, pause)
            if len(words) >= MAX_WORDS:
                break
        return cls(source, tuple(map(_as_counted, [None, *words], words, [*words[1:], None])))

    @cached_property
    def text(self) -> str:
        """Every word with a space before it: what the regular expressions of phrases match."""
        return "".join(f" {word.text}" for word in self.words)

    @property
    def original(self) -> str:
        """The piece of the source these words come from."""
        return self.source[self.words[0].start : self.words[-1].end] if self.words else ""

    def without(self, words: Container[str]) -> Sentence:
        """Without some words, wherever they stand; a pause after one of them goes to the word before."""
        kept: list[Word] = []
        for word in self.words:
            if word.text not in words:
                kept.append(word)
            elif kept and word.pause > kept[-1].pause:
                kept[-1] = replace(kept[-1], pause=word.pause)
        return Sentence(self.source, tuple(kept))

    def part(self, first: int, end: int) -> Sentence:
        """The words ``first`` to ``end`` (not included)."""
        return Sentence(self.source, self.words[first:end])

    def at(self, start: int, end: int) -> Sentence:
        """The words that stand between two positions of ``text``."""
        before = self.text[:start].count(" ")
        return self.part(before, before + self.text[start:end].count(" "))


def _as_counted(before: Word | None, word: Word, after: Word | None) -> Word:
    """ "Seven times for" and "too hundred" as they were meant."""
    if (number := _SOUND_LIKE_NUMBERS.get(word.text)) is None:
        return word
    reckoned = (before and before.text in _RECKONING) or (after and after.text in _RECKONING)
    large = word.text == "too" and after and after.text in ("hundred", "thousand", "million")
    return replace(word, text=number) if reckoned or large else word


def counted(sentence: Sentence) -> Sentence:
    """With all words as numbers that sound like one: "to cups" where an amount was spoken of."""
    words = (replace(word, text=_SOUND_LIKE_NUMBERS.get(word.text, word.text)) for word in sentence.words)
    return Sentence(sentence.source, tuple(words))


def _spell(word: str) -> list[str]:
    """One word of the source as the words it stands for."""
    folded = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    plain = "".join(letter for letter in folded if not unicodedata.combining(letter))
    if plain.startswith("°"):
        return ["celsius" if plain.endswith("c") else "fahrenheit"]
    return SPELLINGS.get(plain, CONTRACTIONS.get(plain, plain)).split()
