"""How what is written is said: words that a voice reads badly become others, and what was said leads back to them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from voice_agents.turns.heard import SpokenWord

CONTEXT = 60
"""Characters before a piece that say what its first words mean ("your code is" 4711)."""
WHOLE = 150
"""A piece shorter than that was not cut between two words: where it ends, a line or a message ended."""

_WORD = re.compile(r"\S+")

Found = tuple[int, int, str]
"""From where to where (exclusive) of a text is said how; "" is not said at all."""
Rule = Callable[[str], Iterable[Found]]
"""Finds, in a text of one line, what is said otherwise than it is written; in order."""


@dataclass(frozen=True, slots=True)
class Said:
    """Words that belong together: as they are written, and as they are said ("" if they are not)."""

    written: tuple[str, ...]
    text: str


def said(text: str, rules: Sequence[Rule], before: str = "") -> list[Said]:
    """A text of one line, all of its words in order; ``before``: what was written just before it.

    Of rules that find the same place the first one counts. Where none finds anything a word is said as it is written.
    """
    if not rules:
        return [Said((word,), word) for word in text.split()]
    context = f"{before[-CONTEXT:]} " if before else ""
    whole = context + text
    found: list[Found] = []
    for rule in rules:
        for start, end, words in rule(whole):
            if start >= len(context) and all(end <= other[0] or start >= other[1] for other in found):
                found.append((start, end, words))
    return list(_grouped(whole, len(context), sorted(found)))


def _grouped(whole: str, at: int, found: Sequence[Found]) -> Iterator[Said]:
    """Words are what stands between white space; what is said for a part of one takes the rest of it along."""
    waiting = deque(found)
    group: list[str] = []
    text = ""
    group_end = at
    for word in _WORD.finditer(whole, at):
        start, end = word.span()
        text += " " if group and start >= group_end else ""
        group.append(word[0])
        begin = max(start, group_end)
        while waiting and waiting[0][0] < end:
            first, last, words = waiting.popleft()
            text += whole[begin:first] + words
            begin = group_end = last
        if group_end <= end:
            yield Said(tuple(group), " ".join((text + whole[begin:end]).split()))
            group, text = [], ""


class WayBack:
    """From the words a voice says to the words that were written, with their times.

    A written word is given when all that is said for it has come; words that are not said are given with the one
    before them.
    """

    def __init__(self) -> None:
        self._groups: deque[tuple[Said, int]] = deque()
        """With how many words it is said."""
        self._come: list[SpokenWord] = []
        self._edge = 0

    def add(self, groups: Iterable[Said]) -> None:
        """What the voice is given to say next."""
        self._groups += ((group, len(group.text.split())) for group in groups)

    def words(self, words: Iterable[SpokenWord]) -> list[SpokenWord]:
        """Words as they were said, in order -> words as they were written, as far as they are over."""
        written: list[SpokenWord] = []
        for word in words:
            written += self._unsaid()
            if not self._groups:
                written.append(word)  # a voice that says more than it was given
                continue
            self._come.append(word)
            self._edge = word.end
            if len(self._come) >= self._groups[0][1]:
                written += self._over()
        return [*written, *self._unsaid()]

    def rest(self) -> list[SpokenWord]:
        """The voice has said all it will: the words that it has begun."""
        return [*self._unsaid(), *(self._over() if self._come else []), *self._unsaid()]

    def _over(self) -> list[SpokenWord]:
        """The present group's words share its time by their length."""
        group, _ = self._groups.popleft()
        come, self._come = self._come, []
        lengths = [len(word) + 1 for word in group.written]
        start, length = come[0].start, come[-1].end - come[0].start
        bounds = [start + length * sum(lengths[:number]) // sum(lengths) for number in range(len(lengths) + 1)]
        return [SpokenWord(word, bounds[at], bounds[at + 1]) for at, word in enumerate(group.written)]

    def _unsaid(self) -> list[SpokenWord]:
        unsaid: list[SpokenWord] = []
        while self._groups and not self._groups[0][1]:
            unsaid += [SpokenWord(word, self._edge, self._edge) for word in self._groups.popleft()[0].written]
        return unsaid
