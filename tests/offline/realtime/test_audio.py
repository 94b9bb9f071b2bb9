"""What the offline Realtime server's recogniser hears of what a client sends, and how soon."""

from __future__ import annotations

import numpy as np
import pytest

from voice_agents.audio import LiveDownsampler, Pcm, rms_dbfs
from voice_agents.offline.realtime.hearing import CLIENT_RATE
from voice_agents.turns.vad import RATE


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Pcm:
    time = np.arange(round(rate * seconds)) / rate
    return np.asarray(8000 * np.sin(2 * np.pi * hertz * time), dtype=np.int16)


def decoded(pcm: Pcm) -> Pcm:
    decoder, size = LiveDownsampler(CLIENT_RATE, RATE), CLIENT_RATE // 50
    return np.concatenate([decoder.feed(pcm[start : start + size]) for start in range(0, len(pcm), size)])


def test_nothing_is_held_back() -> None:
    decoder = LiveDownsampler(CLIENT_RATE, RATE)
    heard = 0
    for chunk in range(1, 51):
        heard += len(decoder.feed(np.zeros(CLIENT_RATE // 50, dtype=np.int16)))
        assert heard / RATE == pytest.approx(chunk / 50, abs=0.001)


@pytest.mark.parametrize("hertz", [200, 1000, 2500])
def test_a_voice_passes_unchanged(hertz: float) -> None:
    heard = decoded(tone(hertz, CLIENT_RATE))[1600:-1600]
    assert rms_dbfs(heard) == pytest.approx(rms_dbfs(tone(hertz, RATE)), abs=1.0)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    peak_hertz = float(np.argmax(spectrum)) * RATE / len(heard)
    assert peak_hertz == pytest.approx(hertz, abs=5)


def test_what_16_khz_cannot_hold_does_not_come_back_as_something_else() -> None:
    heard = decoded(tone(10_500, CLIENT_RATE))[1600:-1600]
    assert rms_dbfs(heard) < rms_dbfs(tone(10_500, CLIENT_RATE)) - 30
