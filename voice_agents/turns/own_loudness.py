"""How loud the user's own turns are, so that a murmur to an agent that speaks is known by being softer than they are.

Who only listens says "mm-hmm" under their breath; who interrupts is as loud as ever, or louder. Neither words nor
a length are needed to hear that, so it is known long before either.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm, mean_squares

RATE = 16_000
FRAME = 160
"""Samples whose power is taken together (10 ms)."""
SYLLABLE = 4
"""Frames over which loudness is judged: 40 ms, a short vowel."""
SOFTER_DB = 3.0
"""So much below the user's turns is a murmur: sentences begin 2 to 3 dB above them, so it is 5 to 6 dB softer than a
sentence that begins as it does. Measured with 13 voices: nothing said as loud as the turns is below it within 0.28 s
(softest: "stop", by 2.9 dB), and of murmurs 4, 6 and 8 dB softer than that 42, 71 and 92 % are."""
KEPT_TURNS = 5
"""The softest of them counts: who was softer once, or farther away, or drowned by the agent's own sound, is then taken
for as loud as ever."""
SHORTEST_TURN = 30
"""Frames (0.3 s); less than that says little about a voice."""
LONGEST_TURN = 6_000
"""Frames (a minute) of a turn that are looked at: its last ones."""
LOUD_SHARE, AUDIBLE_DB = 80.0, 25.0
"""A turn is as loud as its loud syllables: this percentile of what is less than so many dB below the loudest."""


class OwnLoudness:
    """One per conversation. It hears what the user says, and is told whether that was a turn."""

    def __init__(self) -> None:
        self._turns: deque[float] = deque(maxlen=KEPT_TURNS)
        """How loud the last ones were, in dB."""
        self._powers: deque[float] = deque(maxlen=LONGEST_TURN)
        """Of what is being said."""
        self._counted = False
        """The turn that was taken last is among them."""

    def hear(self, pcm: Pcm) -> None:
        """The user is heard (int16 mono at 16 kHz); what is left of 10 ms is not looked at."""
        self._powers.extend(mean_squares(pcm[: len(pcm) // FRAME * FRAME], FRAME))

    def take(self) -> None:
        """It was a turn."""
        syllables = self._syllables()
        self._counted = len(self._powers) >= SHORTEST_TURN
        if self._counted:
            heard = syllables[syllables > syllables.max() - AUDIBLE_DB]
            self._turns.append(float(np.percentile(heard, LOUD_SHARE)))
        self._powers.clear()

    def take_back(self) -> None:
        """The last turn was none after all."""
        if self._counted:
            self._turns.pop()
        self._counted = False

    def forget(self) -> None:
        """What was heard so far is of no turn."""
        self._powers.clear()

    @property
    def softer(self) -> bool:
        """What is heard now is clearly softer than the user's turns; false before the first of them."""
        if not self._turns or len(self._powers) < SYLLABLE:
            return False
        return bool(self._syllables().max() < min(self._turns) - SOFTER_DB)

    def _syllables(self) -> NDArray[np.float64]:
        """The loudness of each 40 ms, in dB."""
        if len(self._powers) < SYLLABLE:
            return np.full(1, -math.inf)
        sums = np.convolve(np.array(self._powers), np.full(SYLLABLE, 1 / SYLLABLE), "valid")
        return np.asarray(10 * np.log10(sums + 1e-9))
