"""A small phrase language: what text is matched against, and what the recogniser may expect.

``hello [there]`` has an optional word, ``...`` stands for some words, ``(flip|toss) a coin`` is a choice, ``time in
<place>`` has a rule whose value fills the slot ``place``, and ``<place:second>`` fills ``second``. Phrases are in lower
case, contractions spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from voice_agents.offline.skills.sentence import Sentence

Slots = Mapping[str, Any]
"""Slot name -> value."""


def original(heard: Sentence) -> str:
    """The value of a slot that keeps what was written."""
    return heard.original


@dataclass(frozen=True, slots=True)
class Rule:
    """A named part of phrases."""

    name: str
    phrase: str
    """The words that are known; none where the ones typed make sense or not by themselves."""
    read: Callable[[Sentence], Any] = original
    """The words as a value; None if they make no sense, and then the phrase does not match."""
    typed: str = ""
    """Regular expression over words that have a space before each: what may be typed besides the phrase."""
    likely: tuple[str, ...] = ()
    """What stands there most, as it is written: the recogniser expects the examples with each of these."""


_PIECE = re.compile(r"\s*([\[\]()|]|<[a-z_:]+>|[^\s\[\]()|<>]+)")
_SIGNS = {"[": "(?:", "(": "(?:", "]": ")?", ")": ")", "|": "|", "...": r"(?: \S+){0,6}?"}


def alternatives(phrases: str) -> list[str]:
    """Phrases that are written one after the other, with semicolons between them."""
    return list(filter(None, map(str.strip, phrases.split(";"))))


@cache
def pieces(phrase: str) -> tuple[str, ...]:
    """The words, signs and references of a phrase. Raises ValueError for one that is not well formed."""
    found = _PIECE.findall(phrase)
    opened = ""
    for piece in found:
        if piece in ("[", "("):
            opened += piece
        elif piece in ("]", ")"):
            if opened[-1:] != {"]": "[", ")": "("}[piece]:
                raise ValueError(f"brackets do not match in {phrase!r}")
            opened = opened[:-1]
    if opened or "".join(found) != re.sub(r"\s", "", phrase):
        raise ValueError(f"not a phrase: {phrase!r}")
    return tuple(found)


class Pattern:
    """A phrase ready to be matched. ``open`` lets the rules take what may only be typed."""

    def __init__(self, phrase: str, rules: Mapping[str, Rule], *, open: bool) -> None:
        self._rules = rules
        self._open = open
        self._slots: dict[str, Rule] = {}
        self._written = self._render(phrase, outermost=True)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        """Compiled when it is needed first: all patterns together take half a second, which the page does not need."""
        return re.compile(self._written)

    def match(self, sentence: Sentence) -> Slots | None:
        """The slots, if all the words are this phrase."""
        return self._read(sentence, self._regex.fullmatch(sentence.text))

    @cached_property
    def _anywhere(self) -> re.Pattern[str]:
        return re.compile(f"(?:{self._written})(?= |$)")

    def find(self, sentence: Sentence) -> Slots | None:
        """The slots, if this phrase stands anywhere among the words."""
        return self._read(sentence, self._anywhere.search(sentence.text))

    def _read(self, sentence: Sentence, found: re.Match[str] | None) -> Slots | None:
        if not found:
            return None
        slots: dict[str, Any] = {}
        for slot, rule in self._slots.items():
            if found[slot] is None:
                continue
            value = rule.read(sentence.at(*found.span(slot)))
            if value is None:
                return None
            slots[slot] = value
        return slots

    def variants(self, sentence: Sentence) -> Iterator[str]:
        """A text of this phrase with one slot after the other holding everything that is likely there."""
        found = self._regex.fullmatch(sentence.text)
        for slot, rule in self._slots.items() if found else ():
            if found and found[slot] is not None:
                words = sentence.at(*found.span(slot)).words
                before, after = sentence.source[: words[0].start], sentence.source[words[-1].end :]
                yield from (f"{before}{value}{after}" for value in rule.likely)

    def _render(self, phrase: str, *, outermost: bool) -> str:
        """Its regular expression; only references of the phrase itself, not of its rules, fill slots."""
        return "".join(
            self._reference(piece[1:-1], outermost)
            if piece.startswith("<")
            else _SIGNS.get(piece) or f" {re.escape(piece)}"
            for piece in pieces(phrase)
        )

    def _reference(self, reference: str, outermost: bool) -> str:
        name, _, slot = reference.partition(":")
        rule = self._rules[name]
        regex = self._render(rule.phrase, outermost=False)
        if rule.typed and (self._open or not regex):
            regex = f"{regex}|{rule.typed}" if regex else rule.typed
        if not outermost:
            return f"(?:{regex})"
        self._slots[slot or name] = rule
        return f"(?P<{slot or name}>{regex})"
