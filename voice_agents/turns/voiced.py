"""Which words were heard, where a voice gives text and sound but no times: words take their share of the voiced sound.

Pauses count for nothing, so a long breath between two sentences does not shift the words after it; and a pause where
a full stop or comma is due must be that one. Many servers send the words in step with their sound; where that shows,
the order of arrival says more than any rate of speech.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from voice_agents.audio import Pcm, mean_squares

RATE = 24_000
"""Hz of the sound."""
FRAME = 240
"""Samples judged at once (10 ms)."""
VOICED_RMS = 200.0
"""RMS above which a frame counts as voiced (-44 dBFS)."""
PACE = 0.18
"""Characters in a voiced frame, before anything is known of a voice: 18 a second, pauses left out."""
PRIOR_FRAMES = 100
"""How many voiced frames that assumption is worth when real ones come in."""
LEAD_FRAMES = 50
"""Words that come no longer than so many voiced frames before their sound come in step with it."""
TOO_MANY = 1.2
"""Times the usual pace: so many words cannot have sounded yet, the text runs ahead of the sound."""
LONG_FRAMES = 150
"""A message with fewer voiced frames does not tell whether words come in step."""
FEW_CHARACTERS = 16
"""What may come before the first sound without running ahead of it."""
PAUSE_FRAMES = 25
"""A voice that is silent for so long pauses at a mark of punctuation ..."""
PAUSE_NEAR, PAUSE_DRIFT = 14, 0.25
"""... that is due: no further away than so many characters, or that part of what was said since the last pause."""
_MARKS = re.compile(r"[.!?,;:](?=\s)")

DIGIT = 4
"""Characters a digit stands for when it is read out."""


@dataclass(slots=True)
class VoiceHabit:
    """What was learned of a voice and its server from whole messages; shared by the messages of a session."""

    in_step: bool | None = None
    """Words come with their sound; None: not known yet."""
    characters: float = PACE * PRIOR_FRAMES
    frames: float = PRIOR_FRAMES

    @property
    def pace(self) -> float:
        """Characters in a voiced frame."""
        return self.characters / self.frames

    def learn(self, characters: int, frames: int) -> None:
        """A whole message had so many."""
        self.characters += characters
        self.frames += frames


class VoicedWords:
    """One spoken message: its sound and its text come in pieces, in any order."""

    def __init__(self, habit: VoiceHabit | None = None) -> None:
        self.text = ""
        self._length = 0
        """Characters of the text, as it is read out."""
        self.samples = 0
        self.complete = False
        """No more sound or text will come."""
        self._habit = habit or VoiceHabit()
        self._voiced: list[int] = [0]
        """How many of the first n frames are voiced."""
        self._rest = np.zeros(0, dtype=np.int16)
        self._arrived: list[tuple[int, int]] = []
        """For each piece of text: the voiced frames, and the characters, that were there before it came."""

    def add_sound(self, pcm: Pcm) -> None:
        """The next samples."""
        self.samples += len(pcm)
        data = np.concatenate([self._rest, pcm])
        whole = len(data) // FRAME * FRAME
        self._rest = data[whole:]
        for power in mean_squares(data[:whole], FRAME):
            self._voiced.append(self._voiced[-1] + (power >= VOICED_RMS**2))

    def add_text(self, text: str) -> None:
        """More of what is said."""
        self._arrived.append((self._voiced[-1], self._length))
        self.text += text
        self._length += _length(text)

    def finish(self) -> None:
        """All sound and all text have come."""
        if self.complete:
            return
        self.complete = True
        if self._voiced[-1] and self.text:
            self._habit.learn(self._length, self._voiced[-1])
            if self._voiced[-1] >= LONG_FRAMES:
                self._habit.in_step = self._is_in_step()

    def break_off(self) -> None:
        """No more will come; words that would have sounded after the last sample are not said."""
        if not self.complete:
            self.text = self.heard(self.samples)
            self._length = _length(self.text)
            self.complete = True

    def heard(self, position: int) -> str:
        """The words of which at least half lies before sample ``position``, joined by spaces."""
        words = self.text.split()
        if self.complete and position >= self.samples:
            return " ".join(words)
        reached = self._voiced[max(0, min(position // FRAME, len(self._voiced) - 1))]
        frames, characters = zip(*self._points(), strict=True)
        return " ".join(self._words_until(words, float(np.interp(reached, frames, characters))))

    def _points(self) -> list[tuple[float, float]]:
        """Which character sounds in which voiced frame, in order."""
        total, frames = self._length, self._voiced[-1]
        in_step = self._is_in_step() if self.complete else self._seems_in_step()
        if not in_step:
            return self._by_pace()
        lags = self._arrived[0][0] > 0
        """The first sound came before the first word: each piece of text ends where it came."""
        points: dict[float, float] = {0: 0}
        for index, (frame, before) in enumerate(self._arrived):
            after = self._arrived[index + 1][1] if index + 1 < len(self._arrived) else total
            points[frame] = max(points.get(frame, 0), after) if lags else points.get(frame, before)
        if frames > max(points):
            points[frames] = total
        elif not lags:
            last = self._arrived[-1][1]
            points[max(points) + max(1.0, (total - last) / self._habit.pace)] = total
        return sorted(points.items())

    def _by_pace(self) -> list[tuple[float, float]]:
        """Points where the text came long before its sound: the pauses that are punctuation, and the end."""
        total, frames = self._length, self._voiced[-1]
        pace = total / max(1, frames) if self.complete else self._habit.pace
        marks = [_length(self.text[: mark.end()]) for mark in _MARKS.finditer(self.text)]
        points: list[tuple[float, float]] = [(0, 0)]
        for frame in self._pauses():
            since, before = points[-1]
            due = before + (frame - since) * pace
            mark = min((mark for mark in marks if mark > before), key=lambda mark: abs(mark - due), default=None)
            if mark is not None and abs(mark - due) <= max(PAUSE_NEAR, PAUSE_DRIFT * (due - before)):
                points.append((frame, mark))
                if not self.complete and frame >= LONG_FRAMES:
                    pace = mark / frame
        since, before = points[-1]
        end = frames if self.complete else max(frames, since + (total - before) / pace)
        return [*points, (max(since + 1, end), total)]

    def _pauses(self) -> list[int]:
        """The voiced frames before each pause inside the sound so far."""
        spoken = np.flatnonzero(np.diff(self._voiced))
        return (np.flatnonzero(np.diff(spoken) > PAUSE_FRAMES) + 1).tolist()

    def _is_in_step(self) -> bool:
        """Of a whole message: its text came in pieces, the first and the last one near their sound."""
        if len({frame for frame, _ in self._arrived}) < 3 or self._early() > FEW_CHARACTERS:
            return False
        frame, before = self._arrived[-1]
        needs = (self._length - before) * self._voiced[-1] / max(1, self._length)
        return self._voiced[-1] - frame <= needs + LEAD_FRAMES

    def _seems_in_step(self) -> bool:
        """Of a message that is still coming: as its voice was found to do, or if nothing speaks against it."""
        if self._habit.in_step is not None and not self._habit.in_step:
            return False
        if len({frame for frame, _ in self._arrived}) < 3 or self._early() > FEW_CHARACTERS:
            return False
        frame, before = self._arrived[-1]
        return before <= FEW_CHARACTERS + frame * self._habit.pace * TOO_MANY

    def _early(self) -> int:
        """Characters that came before the first sound."""
        return next((before for frame, before in self._arrived if frame), self._length)

    def _words_until(self, words: list[str], reached: float) -> list[str]:
        """The words of which at least half lies before a number of characters."""
        begin, length = 0, 0
        for index, word in enumerate(words):
            at = self.text.index(word, begin)
            length += at - begin
            if length + _length(word) / 2 > reached:
                return words[:index]
            begin, length = at + len(word), length + _length(word)
        return words


def _length(text: str) -> int:
    """Characters as they are read out."""
    return len(text) + (DIGIT - 1) * sum(map(str.isdigit, text))
