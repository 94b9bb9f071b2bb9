"""Guesses within some 20 ms that somebody begins to speak, from loudness alone; what it was is decided afterwards.

A voice model needs 30 to 300 ms to be sure of an "s", a "w" or a hum before a plosive. While the agent talks that is
too long to go on talking, and a wrong guess costs a short hold only, so here a sudden sound is enough.
"""

from __future__ import annotations

import math
from enum import Enum, auto

import numpy as np

from voice_agents.audio import EMPTY, Pcm, mean_squares

RATE = 16_000
FRAME = 64
"""Samples whose loudness is looked at together (4 ms at 16 kHz)."""
_WINDOW, _LOUD_FRAMES = 6, 4
"""A sound begins when so many of the last frames are loud: clicks of 15 ms are none."""
_ABOVE_NOISE_DB = 12.0
_SOFTEST_DB = -52.0
_REST = 10
"""Frames of quiet (40 ms) before a sound counts as sudden."""
_OVER = 50
"""Frames of quiet (200 ms) after which an unconfirmed sound is over; so long may a voice falter after a soft "w"."""
_LONGEST = 100
"""Frames (400 ms) a sound may go on without being confirmed: the voice model is slower than 300 ms for hardly any."""
_OUTDO_DB = 6.0
_FORGIVE_DB_PER_S = 0.5
"""A sound that was nothing must be outdone by 6 dB to count again, half a dB less with every second, until somebody
speaks. So typing or a humming machine stop the agent once or twice, not at every stroke."""
_MILD_DB = -28.0
"""The most that must be outdone after the first such sound: a voice still stops the agent at once after a slam."""


class Guess(Enum):
    """What became known."""

    BEGINS = auto()
    """A sudden sound: perhaps the user."""
    NOTHING = auto()
    """The sound that began last was not confirmed to be speech."""


class _State(Enum):
    BUSY = auto()
    """There is sound, and it was not sudden, or is known already."""
    READY = auto()
    GUESSED = auto()


class SoundOnset:
    """Feed it while the agent talks; :meth:`reset` whenever it begins to."""

    def __init__(self) -> None:
        self._bar_db = -math.inf
        self._wrong = 0
        """Guesses in a row that were wrong."""
        self.reset()

    def reset(self) -> None:
        """Listen anew; what was outdone before must still be outdone."""
        self._state, self._quiet, self._rest = _State.BUSY, 0, EMPTY
        self._loud: list[bool] = []
        self._age = 0
        self._peak_db = -math.inf

    def confirm(self) -> None:
        """The voice detector has recognised speech: the guess was right, or is not needed."""
        self._state, self._quiet, self._rest = _State.BUSY, 0, EMPTY
        self._bar_db, self._wrong = -math.inf, 0

    def forgive(self, samples: int) -> None:
        """So much sound has gone by."""
        self._bar_db -= _FORGIVE_DB_PER_S * samples / RATE

    @property
    def guessing(self) -> bool:
        """A sound has begun, and nobody knows what it is."""
        return self._state is _State.GUESSED

    def feed(self, pcm: Pcm, noise_db: float) -> list[Guess]:
        """The next samples (int16 mono, 16 kHz, any length) and the level of the room's noise (dBFS) -> what is new."""
        self.forgive(len(pcm))
        waiting = np.concatenate([self._rest, pcm])
        whole = len(waiting) // FRAME * FRAME
        self._rest = waiting[whole:].copy()
        powers = mean_squares(waiting[:whole], FRAME)
        guesses = (self._judge(10 * math.log10(power / 32768**2 + 1e-12), noise_db) for power in powers)
        return [guess for guess in guesses if guess is not None]

    def _judge(self, level_db: float, noise_db: float) -> Guess | None:
        loud = level_db > max(_SOFTEST_DB, noise_db + _ABOVE_NOISE_DB)
        self._quiet = 0 if loud else self._quiet + 1
        match self._state:
            case _State.BUSY:
                if self._quiet >= _REST:
                    self._state, self._loud = _State.READY, []
            case _State.READY:
                self._loud = [*self._loud[1 - _WINDOW :], loud and level_db > self._bar_db]
                if sum(self._loud) >= _LOUD_FRAMES:
                    self._state, self._age, self._peak_db = _State.GUESSED, 0, level_db
                    return Guess.BEGINS
            case _State.GUESSED:
                self._age += 1
                self._peak_db = max(self._peak_db, level_db)
                if self._quiet >= _OVER or self._age >= _LONGEST:
                    self._wrong += 1
                    self._bar_db = self._peak_db + _OUTDO_DB
                    if self._wrong == 1:
                        self._bar_db = min(self._bar_db, _MILD_DB)
                    self._state = _State.BUSY
                    return Guess.NOTHING
        return None
