"""Tells from the first third of a second of a voice, before any words, whether it begins a sentence or is a murmur.

Silero's voice detector remembers what it has heard in 256 numbers, and what it remembers of "mm-hmm" differs from what
it remembers of "could you": how these numbers stand and how they have moved, with seven measures of how the voice
sounds (a sentence changes fast and keeps its pitch up), is weighed by logistic regression. There are three sets of
weights: for a voice that has just begun, for one that goes on, and for one that has fallen silent again, which was a
word or a murmur. ``python -m tests.bench.prosody --write`` makes them again and tries them with other voices.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm

RATE = 16_000
SHORTEST_S, LONGEST_S = 0.14, 1.0
"""Less sound says nothing; of more, the end is looked at."""
GOES_ON_S = 0.36
"""A voice that has lasted longer is weighed by the second set."""
WEIGHTS = Path(__file__).with_name("prosody.npz")
_CHUNK, _UNITS = 512, 128
_HOP, _WINDOW, _FFT = 160, 400, 512
_BANDS, _LOWEST_HZ, _HIGHEST_HZ = 20, 100.0, 4000.0
_LOW_BANDS, _HIGH_BANDS = 8, 14
"""Up to some 700 Hz, and from some 1.8 kHz on."""
_FLOOR = 100.0
_AUDIBLE_DB, _CLIP_DB = 20.0, 40.0
_STEP = 5
"""Frames (50 ms) between which the spectrum's change is looked at: less than a syllable."""
_PITCH_WINDOW, _SHORTEST_PERIOD, _LONGEST_PERIOD = 640, 40, 267
"""In samples: 60 to 400 Hz."""
_VOICED, _OCTAVE_ERROR, _FEWEST_PITCHES, _PITCH_ENDS = 0.6, 6.0, 6, 5

_Values = NDArray[np.float64]


class RemembersSpeech(Protocol):
    """A voice detector that remembers what it heard; see :class:`~voice_agents.turns.vad.SileroVad`."""

    @property
    def memory(self) -> NDArray[np.float32]:
        """256 numbers: how it was left by the last chunk, and its cells."""

    def reset(self) -> None:
        """Forget everything."""

    def probability(self, chunk: Pcm) -> float:
        """Hear the next 512 samples."""


class VoiceJudge:
    """Judges how a voice sounds; has a detector for itself."""

    def __init__(self, model: RemembersSpeech) -> None:
        self._model = model

    def __call__(self, pcm: Pcm, over: bool = False) -> float:
        """What a voice has said so far (int16 mono at 16 kHz, from its first sample) -> the logarithm of the odds that
        it begins a sentence, or is a word (``over``: it has been silent for a moment): above 0 more likely than a
        murmur. 0 for less than :data:`SHORTEST_S`. Takes two milliseconds for a quarter of a second, six for a whole.
        """
        if len(pcm) < SHORTEST_S * RATE:
            return 0.0
        weights = _weights()[2 if over else int(len(pcm) > GOES_ON_S * RATE)]
        return float(traits(pcm, self._model) @ weights[:-1] + weights[-1])


def traits(pcm: Pcm, model: RemembersSpeech) -> _Values:
    """What is weighed: the detector's memory at the end and how it moved, the seven measures, and the length."""
    pcm = pcm[-round(LONGEST_S * RATE) :]
    model.reset()
    likely, memories = [], []
    for chunk in pcm[len(pcm) % _CHUNK :].reshape(-1, _CHUNK):
        likely.append(model.probability(chunk))
        memories.append(model.memory)
    put_out, cells = np.array(memories, dtype=np.float64).reshape(-1, 2, _UNITS).swapaxes(0, 1)
    cells = np.tanh(cells)
    moved = [put_out[-1], cells[-1], put_out.mean(axis=0), cells.mean(axis=0), put_out.std(axis=0)]
    return np.concatenate([*moved, measures(pcm), [likely[-1], np.mean(likely), len(pcm) / RATE]])


@cache
def _weights() -> _Values:
    """Shape (3, traits + 1)."""
    with np.load(WEIGHTS) as stored:
        return np.asarray(stored["weights"], dtype=np.float64)


def measures(pcm: Pcm) -> _Values:
    """What is weighed, shape (7,).

    How much it changes (dB rms per 50 ms), its brightness (dB of high against low bands), where its spectrum has its
    centre of gravity in the first and in the last third (in bands), how much its loudness varies (dB standard
    deviation), by how much its pitch rises from the beginning to the end (semitones), and its deepest dip (dB below
    both its sides).
    """
    windows = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float64), _WINDOW)[::_HOP]
    bands = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), _FFT)) ** 2 @ _filters().T
    level_db = 10 * np.log10(bands.sum(axis=1) + _FLOOR)
    audible = level_db > level_db.max() - _AUDIBLE_DB
    shape_db = 10 * np.log10(bands + _FLOOR)
    shape_db = np.maximum(shape_db, shape_db.max() - _CLIP_DB)
    shape_db -= shape_db.mean(axis=1, keepdims=True)
    change = np.sqrt(((shape_db[_STEP:] - shape_db[:-_STEP]) ** 2).mean(axis=1))[audible[_STEP:] & audible[:-_STEP]]
    high, low = (10 * np.log10(part.sum(axis=1) + _FLOOR) for part in (bands[:, _HIGH_BANDS:], bands[:, :_LOW_BANDS]))
    centre = bands @ np.arange(_BANDS) / (bands.sum(axis=1) + 1e-9)
    third = len(centre) // 3
    return np.array(
        [
            change.mean() if len(change) else 0.0,
            (high - low)[audible].mean(),
            centre[:third].mean(),
            centre[-third:].mean(),
            level_db[audible].std(),
            _pitch_rises(pcm),
            _deepest_dip(level_db),
        ]
    )


def _deepest_dip(level_db: _Values) -> float:
    """How far it falls between two louder moments."""
    smooth = np.convolve(level_db, np.full(3, 1 / 3), "valid")
    before, after = np.maximum.accumulate(smooth), np.maximum.accumulate(smooth[::-1])[::-1]
    return float((np.minimum(before, after) - smooth).max())


def _pitch_rises(pcm: Pcm) -> float:
    """Semitones from the first voiced moments to the last; 0 where there are too few."""
    windows = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float64), _PITCH_WINDOW)[::_HOP]
    windows = windows - windows.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(windows, 2 * _PITCH_WINDOW)) ** 2
    likeness = np.fft.irfft(power)[:, : _LONGEST_PERIOD + 1]
    likeness /= likeness[:, :1] + 1e-9
    likeness /= 1 - np.arange(_LONGEST_PERIOD + 1) / _PITCH_WINDOW
    periods = likeness[:, _SHORTEST_PERIOD:]
    voiced = periods.max(axis=1) > _VOICED
    pitch = -12 * np.log2(periods.argmax(axis=1)[voiced] + _SHORTEST_PERIOD)
    if len(pitch):
        pitch = pitch[np.abs(pitch - np.median(pitch)) < _OCTAVE_ERROR]
    if len(pitch) < _FEWEST_PITCHES:
        return 0.0
    return float(np.median(pitch[-_PITCH_ENDS:]) - np.median(pitch[:_PITCH_ENDS]))


@cache
def _filters() -> _Values:
    """Triangles evenly spaced in mel: shape (bands, frequencies)."""
    lowest, highest = 2595 * np.log10(1 + np.array([_LOWEST_HZ, _HIGHEST_HZ]) / 700)
    edges = 700 * (10 ** (np.linspace(lowest, highest, _BANDS + 2) / 2595) - 1)
    hertz = np.arange(_FFT // 2 + 1) * RATE / _FFT
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None))
