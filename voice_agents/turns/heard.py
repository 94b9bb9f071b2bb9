"""What was heard of an answer: words with known times, and where what was written was cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voice_agents.turns.sentences import speakable


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

    Compared word by word, letters and digits only: the spoken text has lost markdown and may differ in spaces.
    """
    wanted = [word for word in heard.split() if _bare(word)]
    end, position = 0, 0
    for word in written.split():
        start = written.index(word, position)
        position = start + len(word)
        bare = _bare(word)
        if bare and (not wanted or bare != _bare(wanted[0])):
            break
        if bare:
            wanted.pop(0)
        end = position
    return written[:end], written[end:], " ".join(wanted)


def _bare(word: str) -> str:
    return "".join(c for c in word if c.isalnum()).lower()
