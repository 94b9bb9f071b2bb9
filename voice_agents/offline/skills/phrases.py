"""A small phrase language: what text is matched against, and what the recogniser may expect.

``hello [there]`` has an optional word, ``...`` stands for some words, ``(flip|toss) a coin`` is a choice, ``time in
<place>`` has a rule whose value fills the slot ``place``, and ``<place:second>`` fills ``second``. Phrases are in lower
case, contractions spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
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
    """What can be said."""
    read: Callable[[Sentence], Any] = original
    """The words as a value; None if they make no sense, and then the phrase does not match."""
    typed: str = ""
    """Regular expression over words that have a space before each: what may be typed besides the phrase."""
    likely: tuple[str, ...] = ()
    """What stands there most, as it is written: the recogniser expects the examples with each of these."""


@dataclass(frozen=True, slots=True)
class Literal:
    """One word."""

    word: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A rule, and the slot its value goes to."""

    rule: str
    slot: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these, or none if ``optional``."""

    options: tuple[Node, ...]
    optional: bool = False


Node = Literal | Reference | Sequence | Choice

_PIECE = re.compile(r"\s*([\[\]()|]|<[a-z_:]+>|[^\s\[\]()|<>]+)")


@cache
def parse(phrase: str) -> Node:
    """The tree of a phrase. Raises ValueError for one that is not well formed."""
    pieces = _PIECE.findall(phrase)
    node, end = _choice(pieces, 0, "", phrase)
    if end != len(pieces) or "".join(pieces) != re.sub(r"\s", "", phrase):
        raise ValueError(f"not a phrase: {phrase!r}")
    return node


def _choice(pieces: list[str], at: int, closing: str, phrase: str) -> tuple[Node, int]:
    """The alternatives from piece ``at`` to the closing bracket, and the position behind it."""
    options: list[Node] = []
    parts: list[Node] = []
    while at < len(pieces) and pieces[at] not in ("]", ")"):
        piece = pieces[at]
        at += 1
        if piece == "|":
            options.append(_sequence(parts))
            parts = []
        elif piece in "[(":
            inner, at = _choice(pieces, at, "]" if piece == "[" else ")", phrase)
            parts.append(Choice((inner,), optional=piece == "["))
        elif piece.startswith("<"):
            rule, _, slot = piece[1:-1].partition(":")
            parts.append(Reference(rule, slot or rule))
        else:
            parts.append(Literal(piece))
    if (pieces[at] if at < len(pieces) else "") != closing:
        raise ValueError(f"brackets do not match in {phrase!r}")
    options.append(_sequence(parts))
    return (options[0] if len(options) == 1 else Choice(tuple(options))), at + bool(closing)


def _sequence(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Sequence(tuple(parts))


class Pattern:
    """A phrase ready to be matched. ``open`` lets the rules take what may only be typed."""

    def __init__(self, phrase: str, rules: Mapping[str, Rule], *, open: bool) -> None:
        self._rules = rules
        self._open = open
        self._slots: dict[str, Rule] = {}
        self._regex = re.compile(self._render(parse(phrase), True))
        self._anywhere = re.compile(f"(?:{self._regex.pattern})(?= |$)")

    def match(self, sentence: Sentence) -> Slots | None:
        """The slots, if all the words are this phrase."""
        return self._read(sentence, self._regex.fullmatch(sentence.text))

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

    def _render(self, node: Node, outermost: bool) -> str:
        """The regular expression of a node; only references of the phrase itself, not of its rules, fill slots."""
        match node:
            case Literal("..."):
                return r"(?: \S+){0,6}?"
            case Literal(word):
                return f" {re.escape(word)}"
            case Sequence(parts):
                return "".join(self._render(part, outermost) for part in parts)
            case Choice(options, optional):
                choices = "|".join(self._render(option, outermost) for option in options)
                return f"(?:{choices}){'?' if optional else ''}"
            case Reference(name, slot):
                return self._reference(self._rules[name], slot, outermost)

    def _reference(self, rule: Rule, slot: str, outermost: bool) -> str:
        regex = self._render(parse(rule.phrase), False)
        if rule.typed and self._open:
            regex = f"{regex}|{rule.typed}"
        if not outermost:
            return f"(?:{regex})"
        self._slots[slot] = rule
        return f"(?P<{slot}>{regex})"
