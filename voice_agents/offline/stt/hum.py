"""Tells a hum with closed lips ("mm-hmm") from words by its sound: recognisers make "Never" or "Thank you" of it."""

from __future__ import annotations

import numpy as np

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
noisy room too. Of short words one in ten is as dark ("noon", "who", "you", "two"), so this alone decides nothing."""


def is_hum(samples: Samples) -> bool:
    """Whether nothing but a hum sounds in it, at 16 kHz; the room's own noise is left out of account."""
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if len(frames) < _FEW:
        return False
    power = np.abs(np.fft.rfft(frames * np.hanning(_FRAME), axis=1)) ** 2
    above = power[:, _ABOVE_HZ * _FRAME // RATE :].sum(axis=1)
    whole = power[:, 2:].sum(axis=1)
    sounding = whole > whole.max() * _SOUNDING
    if sounding.sum() < _FEW or not whole.max():
        return False
    noise = np.median(above[~sounding]) if (~sounding).sum() >= _FEW else 0.0
    share = np.maximum(above - noise, 0.0)[sounding] / whole[sounding]
    return bool(np.percentile(share, 80) < 10 ** (_SHARE_DB / 10))
