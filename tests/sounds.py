"""Sounds in which nobody speaks, made by calculation: int16 mono at 16 kHz, the same every time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from voice_agents.audio import Pcm

RATE = 16_000
_Signal = NDArray[np.float64]


def _time(seconds: float) -> _Signal:
    return np.arange(round(seconds * RATE)) / RATE


def _noise(seconds: float, slope: float, seed: int = 1) -> _Signal:
    """Noise whose power falls with frequency: 0 white, 1 pink, 2 brown."""
    size = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=size))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (slope / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, size)
    return np.asarray(noise / np.abs(noise).max())


def _tones(seconds: float, *hertz: float, decay_s: float = 1e9) -> _Signal:
    time = _time(seconds)
    mixed = sum(np.sin(2 * np.pi * pitch * time) for pitch in hertz) / len(hertz)
    return np.asarray(mixed * np.exp(-time / decay_s))


def _fading(seconds: float, slope: float, decay_s: float, seed: int = 1) -> _Signal:
    time = _time(seconds)
    return _noise(seconds, slope, seed) * np.minimum(1, time / 0.01) * np.exp(-time / decay_s)


def _gap(seconds: float) -> _Signal:
    return np.zeros(round(seconds * RATE))


def _repeated(sound: _Signal, times: int, every_s: float) -> _Signal:
    whole = np.zeros(round(times * every_s * RATE) + len(sound))
    for number in range(times):
        start = round(number * every_s * RATE)
        whole[start : start + len(sound)] += sound
    return whole


def _sweep(seconds: float, first_hz: float, last_hz: float) -> _Signal:
    time = _time(seconds)
    return np.asarray(np.sin(2 * np.pi * (first_hz * time + (last_hz - first_hz) * time**2 / (2 * seconds))))


def _buzz(hertz: float, *formants_hz: float) -> _Signal:
    """A buzz whose loudness goes up and down four times a second, as speech does; its overtones near some pitches."""
    time = _time(3)
    overtones = np.arange(1, int(3000 / hertz) + 1)
    levels = [sum(np.exp(-(((hertz * n - peak) / 150) ** 2)) for peak in formants_hz) + 0.2 / n for n in overtones]
    tones = sum(level * np.sin(2 * np.pi * hertz * n * time) for level, n in zip(levels, overtones, strict=True))
    return np.asarray(tones * (1 + 0.9 * np.sin(2 * np.pi * 4 * time)))


def _sounds() -> dict[str, tuple[_Signal, float]]:
    breath = _noise(1.2, 1) * np.sin(np.pi * _time(1.2) / 1.2) ** 2
    cough = np.concatenate([_fading(0.35, 0.8, 0.08), _gap(0.15), _fading(0.3, 0.6, 0.07, 2)])
    wind = _noise(3, 2, 5) * (1 + np.sin(2 * np.pi * 0.7 * _time(3)))
    return {
        "silence": (_gap(2), 0.0),
        "white noise": (_noise(3, 0), 0.05),
        "pink noise": (_noise(3, 1), 0.1),
        "brown noise": (_noise(3, 2), 0.2),
        "loud white noise": (_noise(3, 0, 3), 0.5),
        "mains hum": (_tones(3, 50, 100, 150, 300), 0.2),
        "fan": (_noise(3, 1.5, 4) + 0.3 * _tones(3, 120, 240), 0.15),
        "clicks": (_repeated(_fading(0.02, 0, 0.002), 12, 0.25), 0.5),
        "typing": (_repeated(_fading(0.06, 0.3, 0.006), 20, 0.13), 0.3),
        "knocks": (_repeated(_fading(0.2, 1.8, 0.03), 4, 0.3), 0.7),
        "door slam": (_fading(1.0, 2, 0.12), 0.9),
        "clapping": (_repeated(_fading(0.15, 0.2, 0.02), 10, 0.2), 0.6),
        "cough": (cough, 0.5),
        "two coughs": (np.concatenate([cough, _gap(0.5), cough]), 0.4),
        "sneeze": (np.concatenate([breath[:8000] * 0.4, _fading(0.5, 0.2, 0.12)]), 0.6),
        "breath": (breath, 0.15),
        "beep": (_tones(1.5, 440), 0.2),
        "telephone": (_repeated(_tones(0.4, 440, 480), 3, 0.8), 0.3),
        "chime": (np.concatenate([_tones(1, 880, decay_s=0.3), _tones(1.5, 660, decay_s=0.5)]), 0.5),
        "chord": (_tones(3, 261.6, 329.6, 392, 523.3, decay_s=2), 0.4),
        "siren": (np.concatenate([_sweep(1, 600, 1200), _sweep(1, 1200, 600), _sweep(1, 600, 1200)]), 0.3),
        "whistle": (_sweep(1.2, 1500, 2500), 0.3),
        "wind": (wind / np.abs(wind).max(), 0.4),
        "buzzer": (_buzz(150, 300), 0.5),
        "talking machine": (_buzz(120, 700, 1200, 2600), 0.5),
        "rain": (_noise(3, 0.5, 6) + _repeated(_fading(0.03, 0, 0.003, 7), 100, 0.03)[: 3 * RATE], 0.15),
    }


SOUNDS: Mapping[str, Pcm] = {
    name: np.clip(signal / max(1e-9, np.abs(signal).max()) * peak * 32767, -32768, 32767).astype(np.int16)
    for name, (signal, peak) in _sounds().items()
}
"""Name -> sound."""
assert len(SOUNDS) == 26
