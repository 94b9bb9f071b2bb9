"""Which word sounds when: from the characters' times a voice reports, or estimated where it reports none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from voice_agents.providers.interfaces import TTS_RATE
from voice_agents.turns.heard import SpokenWord

CHARACTERS_PER_S = 15.0
"""How fast a voice speaks where nothing better is known (English, about 170 words a minute)."""
UNALIGNED = round(1.0 * TTS_RATE)
"""A voice that reports times and then lets so many samples pass without any has stopped reporting them."""
SLACK = round(0.1 * TTS_RATE)
"""By so many samples may reported times go beyond the sound."""
_LOOK_AHEAD = 6
"""Words within which the reported text is found again after it differed ("$5" is reported as "five dollars")."""

_Span = tuple[int, int]


class SpokenWords:
    """Gives every word of the text that was sent once and in order, however its times are reported.

    Characters may be timed chunk by chunk, for a whole piece of text at once, in normalised spelling, or not at all.
    A word is given when half of it has been received: that is also when it counts as heard.
    """

    def __init__(self, start: int = 0) -> None:
        """``start``: the stream's sample at which the first word may begin."""
        self.received = start
        """Samples of the stream so far."""
        self.given = 0
        """Words given so far."""
        self.aligned = False
        """Times are reported."""
        self._words: list[str] = []
        self._times: list[_Span] = []
        self._edge = start
        """Where the last word known ends."""
        self._untimed = start
        """Where the sound begins that no times were reported for."""
        self._token = ""
        self._token_at: _Span = (start, start)
        self._foreign: list[_Span] = []
        """Reported words that are not in the text as they are: they stand for words that are."""

    def add(self, text: str) -> None:
        """More text that will be spoken."""
        self._words += text.split()

    def audio(self, samples: int, alignment: Mapping[str, Any] | None) -> list[SpokenWord]:
        """The next samples and what was reported with them -> the words now known.

        Times are milliseconds from the first of these samples; without samples, from the first that had no times.
        """
        before, self.received = self.received, self.received + samples
        if alignment is not None:
            offset, self._untimed = before if samples else self._untimed, self.received
            try:
                self._align(alignment, offset)
            except (TypeError, ValueError, OverflowError):
                self._token = ""  # the sound is good without it
        return self._due()

    def flush(self) -> list[SpokenWord]:
        """All audio has come: the words that are left."""
        self._end_token()
        left = len(self._words) - len(self._times)
        if self._foreign:
            self._share(left)
        words = self._due()
        for number in range(self.given, len(self._words)):
            word = self._words[number]
            words.append(self._give(word, self._times[number] if number < len(self._times) else self._expected(word)))
        return [SpokenWord(w.text, min(w.start, self.received), min(w.end, self.received)) for w in words]

    @property
    def all_sounded(self) -> bool:
        """All text has sounded, as far as one can tell: to the last word where times are reported."""
        if self.aligned:
            return len(self._words) - self.given <= len(self._foreign) + bool(self._token)
        fastest_s = sum(len(word) + 1 for word in self._words) / (2 * CHARACTERS_PER_S)
        return self.received / TTS_RATE >= fastest_s

    @property
    def sound_missing(self) -> bool:
        """The last word that is known ends in sound that has not come."""
        return self.received + SLACK < self._edge

    def _due(self) -> list[SpokenWord]:
        words: list[SpokenWord] = []
        while self.given < len(self._words):
            word = self._words[self.given]
            known = self.given < len(self._times)
            if not known and self.aligned and self.received < self._edge + UNALIGNED:
                break
            span = self._times[self.given] if known else self._expected(word)
            if sum(span) / 2 > self.received:
                break
            words.append(self._give(word, span))
        return words

    def _give(self, word: str, span: _Span) -> SpokenWord:
        self.given += 1
        self._edge = max(self._edge, span[1])
        return SpokenWord(word, *span)

    def _expected(self, word: str) -> _Span:
        return self._edge, self._edge + round((len(word) + 1) / CHARACTERS_PER_S * TTS_RATE)

    def _align(self, alignment: Mapping[str, Any], offset: int) -> None:
        chars, starts, durations = (_field(alignment, *names) for names in _FIELDS)
        for char, start_ms, duration_ms in zip(chars, starts, durations, strict=False):
            self.aligned = True
            if str(char).isspace():
                self._end_token()
                continue
            start = offset + round(float(start_ms) * TTS_RATE / 1000)
            end = start + round(float(duration_ms) * TTS_RATE / 1000)
            self._token_at = (self._token_at[0] if self._token else start), end
            self._token += str(char)
            number = len(self._times)
            if not self._foreign and number < len(self._words) and self._token == self._words[number]:
                self._token = ""  # two pieces may be reported without a space between them
                self._time(self._token_at)

    def _end_token(self) -> None:
        """A reported word is complete: find it in the text."""
        token, self._token = self._token, ""
        number = len(self._times)
        if not token or number == len(self._words):
            return
        for ahead, word in enumerate(self._words[number : number + _LOOK_AHEAD]):
            if _key(word) == _key(token):
                self._share(ahead)
                self._time(self._token_at)
                return
        self._foreign.append(self._token_at)

    def _share(self, count: int) -> None:
        """The next ``count`` words take equal parts of the time in which something else was reported."""
        foreign, self._foreign = self._foreign, []
        start, end = (foreign[0][0], foreign[-1][1]) if foreign else (self._token_at[0], self._token_at[0])
        for number in range(count):
            part = (end - start) / count
            self._time((round(start + number * part), round(start + (number + 1) * part)))

    def _time(self, span: _Span) -> None:
        before = self._times[-1][0] if self._times else 0
        start = max(before, span[0])
        self._times.append((start, max(start, span[1])))
        self._edge = max(self._edge, self._times[-1][1])


def reported_times(message: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The alignment in a server's message: of the text as it was sent, else of the text as it was spoken."""
    for name in ("alignment", "normalizedAlignment", "normalized_alignment"):
        found = message.get(name)
        if isinstance(found, dict) and _field(found, *_FIELDS[0]):
            return found
    return None


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


def _key(word: str) -> str:
    """Words are the same whatever their case and the punctuation around them."""
    letters = word.casefold()
    while letters and not letters[0].isalnum():
        letters = letters[1:]
    while letters and not letters[-1].isalnum():
        letters = letters[:-1]
    return letters or word
