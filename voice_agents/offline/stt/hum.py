"""Tells a hum with closed lips ("mm-hmm") from words by its sound: recognisers make "Never" or "Thank you" of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voice_agents.offline.stt.moonshine import RATE, Samples

_FRAME = 512
_ABOVE_HZ = 800
"""Closed lips let hardly anything through above; an open vowel has its second formant there, a fricative everything."""
_SOUNDING = 10**-2.5
"""Frames so much softer than the loudest are the room, or breath."""
_FEW = 4
"""Fewer frames tell nothing."""
_SHARE_DB = -21.0
"""What lies above, relative to all: in four of five frames of a hum it is less, through a poor codec and mostly in a
noisy room too. Of short words one in five is as dark ("noon", "who", "you", "two") ..."""
_MOVES_DB = 5.4
"""... but the tongue moves in them: beginning, middle and end differ by at least 5.7 dB (67 dark clips of short words
in three voices), in hums by 5.1 at most (in all but one of as many, low and high)."""
_UP_TO_HZ = 3500
_FLOOR = 1e-6
"""Of the loudest: what is softer is the room."""
_FIRST_BIN = 150 * _FRAME // RATE
_SMOOTH = 5
"""Bins of 31 Hz, so that a voice whose pitch moves does not seem to say something."""


def is_hum(samples: Samples) -> bool:
    """Whether nothing but a hum sounds in it, at 16 kHz; the room's own noise is left out of account."""
    return _is_dark(samples) and not _moves(samples)


def is_dark_word(samples: Samples) -> bool:
    """Whether it sounds as dark as a hum, and says something all the same: "two", "you", "moon"."""
    return _is_dark(samples) and _moves(samples)


def _is_dark(samples: Samples) -> bool:
    power, whole = _spectra(samples, _FRAME)
    if not len(power) or not whole.max():
        return False
    above = power[:, _ABOVE_HZ * _FRAME // RATE :].sum(axis=1)
    sounding = whole > whole.max() * _SOUNDING
    if sounding.sum() < _FEW:
        return False
    noise = np.median(above[~sounding]) if (~sounding).sum() >= _FEW else 0.0
    share = np.maximum(above - noise, 0.0)[sounding] / whole[sounding]
    return bool(np.percentile(share, 80) < 10 ** (_SHARE_DB / 10))


def _moves(samples: Samples) -> bool:
    """Whether its first, second and last third sound different, as far as they sound."""
    power, whole = _spectra(samples, _FRAME // 2)
    sounding = power[whole > whole.max() * _SOUNDING][:, : _UP_TO_HZ * _FRAME // RATE]
    kernel = np.ones(_SMOOTH) / _SMOOTH
    smooth = np.array([np.convolve(spectrum, kernel, "same") for spectrum in sounding])
    level_db = 10 * np.log10(smooth[:, _FIRST_BIN:] + whole.max() * _FLOOR)
    first, middle, last = (third.mean(axis=0) for third in np.array_split(level_db, 3))
    apart_db = max(np.sqrt(((one - other) ** 2).mean()) for one, other in ((first, middle), (middle, last)))
    return bool(apart_db > _MOVES_DB)


def _spectra(samples: Samples, step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The power of every frame by frequency, and of each as a whole; nothing of what is too short to tell anything."""
    if len(samples) < _FEW * _FRAME:
        return np.zeros((0, _FRAME // 2 + 1)), np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FRAME)[::step]
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)) ** 2
    return power, power[:, 2:].sum(axis=1)
