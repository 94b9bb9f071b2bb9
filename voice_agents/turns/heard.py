"""What was heard of an answer: words with known times, and where what was written was cut."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from voice_agents.turns.markdown import plain
from voice_agents.turns.sentences import speakable

UNSAID = 8
"""Within so many written words the next one that was heard is found again: a citation between them is not said."""
_WORD = re.compile(r"\S+")
_MARKED = re.compile(r"[\[\]【】&<>$\\\ue200]")


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """One word of the text that was sent, with the samples it sounds at (24 kHz, from the start of its stream)."""

    text: str
    start: int
    end: int


class AlignedWords:
    """One message whose voice says when each word sounds; positions are samples of the turn's sound."""

    def __init__(self) -> None:
        self.text = ""
        """As it was written."""
        self._spoken: list[SpokenWord] = []

    def add_text(self, text: str) -> None:
        """More of what is written."""
        self.text += text

    def add_words(self, words: Iterable[SpokenWord]) -> None:
        """Words whose times became known, in order."""
        self._spoken += words

    def say_again(self) -> None:
        """Nobody could hear any of it: it will be spoken once more."""
        self._spoken.clear()

    def heard(self, position: int) -> str:
        """The words of which at least half lies before ``position``; all of them: the text as it was written."""
        words = [word.text for word in self._spoken if (word.start + word.end) / 2 <= position]
        heard = " ".join(words)
        return self.text if heard and heard.split() == speakable(self.text).split() else heard


def split_heard(written: str, heard: str) -> tuple[str, str, str]:
    """Where an interrupted answer was cut: (heard part, unheard part, what of ``heard`` is left for later lines).

    Compared word by word, letters and digits only: the spoken text has lost markdown and citations and may differ in
    spaces.
    """
    wanted = deque(word for word in heard.split() if _bare(word))
    words = list(_WORD.finditer(written))
    end = 0
    for index, word in enumerate(words):
        bare = _heard_as(word[0])
        if bare and (not wanted or bare != _bare(wanted[0])):
            if not wanted or all(
                _heard_as(later[0]) != _bare(wanted[0]) for later in words[index + 1 : index + UNSAID]
            ):
                break
        elif bare:
            wanted.popleft()
        end = word.end()
    return written[:end], written[end:], " ".join(wanted)


@lru_cache(maxsize=2048)
def _heard_as(word: str) -> str:
    """What is compared of a written word; it may be half a link or a citation."""
    if not _MARKED.search(word):
        return _bare(word)
    return _bare(plain(word.partition("](")[0] if "](" in word else word, line_start=False))


def _bare(word: str) -> str:
    return "".join(c for c in word if c.isalnum()).lower()
