"""Which word sounds when: from the characters' times a voice reports, or estimated where it reports none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voice_agents.providers.interfaces import TTS_RATE
from voice_agents.turns.playout import SpokenWord

CHARACTERS_PER_S = 15.0
"""How fast a voice speaks where nothing better is known (English, about 170 words a minute)."""


class AlignedWords:
    """Joins characters to words, across chunks. Times of a chunk are milliseconds from that chunk's first sample."""

    def __init__(self) -> None:
        self._text = ""
        self._start = 0
        self._end = 0

    def feed(self, alignment: Mapping[str, Any], offset: int) -> list[SpokenWord]:
        """The words that ``alignment`` completes; ``offset``: samples of the stream before its chunk."""
        chars, starts, durations = (_field(alignment, *names) for names in _FIELDS)
        words = []
        for char, start_ms, duration_ms in zip(chars, starts, durations, strict=False):
            if str(char).isspace():
                words += self.flush()
                continue
            start = offset + round(float(start_ms) * TTS_RATE / 1000)
            if not self._text:
                self._start = start
            self._text += str(char)
            self._end = start + round(float(duration_ms) * TTS_RATE / 1000)
        return words

    def flush(self) -> list[SpokenWord]:
        """The word that no space has ended: a piece of text is over."""
        if not self._text:
            return []
        word, self._text = SpokenWord(self._text, self._start, max(self._end, self._start)), ""
        return [word]


_FIELDS = (
    ("chars", "characters"),
    ("charStartTimesMs", "char_start_times_ms"),
    ("charDurationsMs", "charsDurationsMs", "char_durations_ms", "chars_durations_ms"),
)
"""The deployed names and those of newer reference pages."""


def _field(alignment: Mapping[str, Any], *names: str) -> Sequence[Any]:
    for name in names:
        values = alignment.get(name)
        if isinstance(values, list):
            return values
    return ()


class EstimatedWords:
    """Spreads the words of the text over the audio that arrives, at an even pace."""

    def __init__(self, received: int = 0) -> None:
        self._waiting: list[str] = []
        self._next = received

    def add(self, text: str) -> None:
        """More text that will be spoken."""
        self._waiting += text.split()

    def feed(self, received: int) -> list[SpokenWord]:
        """The words that have begun by the stream's sample ``received``."""
        words = []
        while self._waiting and self._next < received:
            words.append(self._word())
        return words

    def flush(self, received: int) -> list[SpokenWord]:
        """All audio has come: the words left over share its end."""
        words = []
        while self._waiting:
            word = self._word()
            words.append(SpokenWord(word.text, min(word.start, received), min(word.end, received)))
        return words

    def _word(self) -> SpokenWord:
        text = self._waiting.pop(0)
        start, self._next = self._next, self._next + round((len(text) + 1) / CHARACTERS_PER_S * TTS_RATE)
        return SpokenWord(text, start, self._next)
