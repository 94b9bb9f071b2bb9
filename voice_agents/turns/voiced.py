"""Which words were heard, where a voice gives text and sound but no times: words take their share of the voiced sound.

Pauses count for nothing, so a long breath between two sentences does not shift the words after it.
"""

from __future__ import annotations

import numpy as np

from voice_agents.audio import Pcm

RATE = 24_000
"""Hz of the sound."""
FRAME = 240
"""Samples judged at once (10 ms)."""
VOICED_RMS = 200.0
"""RMS above which a frame counts as voiced (-44 dBFS)."""
CHARACTERS_PER_S = 16.0
"""Assumed pace while the sound of a text is still coming in."""


class VoicedWords:
    """One spoken message: its sound and its text come in pieces, in any order."""

    def __init__(self) -> None:
        self.text = ""
        self.samples = 0
        self.complete = False
        """No more sound or text will come; set by the owner."""
        self._voiced: list[int] = [0]
        self._rest = np.zeros(0, dtype=np.int16)

    def add_sound(self, pcm: Pcm) -> None:
        """The next samples."""
        self.samples += len(pcm)
        data = np.concatenate([self._rest, pcm])
        whole = len(data) // FRAME * FRAME
        self._rest = data[whole:]
        frames = data[:whole].reshape(-1, FRAME).astype(np.float32)
        loud = np.sqrt(np.mean(np.square(frames), axis=1)) >= VOICED_RMS if len(frames) else np.zeros(0, dtype=bool)
        self._voiced += (self._voiced[-1] + np.cumsum(loud)).tolist()

    def add_text(self, text: str) -> None:
        """More of what is said."""
        self.text += text

    def break_off(self) -> None:
        """No more will come; words that would have sounded after the last sample are not said."""
        if not self.complete:
            self.text = self.heard(self.samples)
            self.complete = True

    def heard(self, position: int) -> str:
        """The words of which at least half lies before sample ``position``, joined by spaces."""
        words = self.text.split()
        if self.complete and position >= self.samples:
            return " ".join(words)
        reached = self._voiced[min(position // FRAME, len(self._voiced) - 1)]
        return " ".join(words[: self._words_until(words, reached)])

    def _words_until(self, words: list[str], reached: int) -> int:
        """How many words fit into ``reached`` voiced frames."""
        total = sum(len(word) + 1 for word in words)
        frames = self._voiced[-1]
        if not self.complete:
            frames = max(frames, round(total / CHARACTERS_PER_S * RATE / FRAME))
        if not frames or not total:
            return 0
        characters, count = reached / frames * total, 0
        for word in words:
            characters -= (len(word) + 1) / 2
            if characters < 0:
                break
            characters -= (len(word) + 1) / 2
            count += 1
        return count
