"""The formats of the offline Realtime server: what the recogniser hears of what a client sends, and how soon."""

from __future__ import annotations

import numpy as np
import pytest

from voice_agents.audio import Pcm, rms_dbfs
from voice_agents.offline.realtime.audio import ENGINE_RATE, AudioFormat, Decoder, Encoder, joined

FORMATS = list(AudioFormat)


def tone(hertz: float, rate: int, seconds: float = 1.0) -> Pcm:
    time = np.arange(round(rate * seconds)) / rate
    return np.asarray(8000 * np.sin(2 * np.pi * hertz * time), dtype=np.int16)


def decoded(audio_format: AudioFormat, pcm: Pcm) -> Pcm:
    decoder = Decoder(audio_format)
    size = audio_format.rate // 50
    return joined([decoder.feed(pcm[start : start + size]) for start in range(0, len(pcm), size)])


@pytest.mark.parametrize("audio_format", FORMATS)
def test_nothing_is_held_back(audio_format: AudioFormat) -> None:
    decoder = Decoder(audio_format)
    heard = 0
    for chunk in range(1, 51):
        heard += len(decoder.feed(np.zeros(audio_format.rate // 50, dtype=np.int16)))
        assert heard / ENGINE_RATE == pytest.approx(chunk / 50, abs=0.001)


@pytest.mark.parametrize("audio_format", FORMATS)
@pytest.mark.parametrize("hertz", [200, 1000, 2500])
def test_a_voice_passes_unchanged(audio_format: AudioFormat, hertz: float) -> None:
    heard = decoded(audio_format, tone(hertz, audio_format.rate))[1600:-1600]
    assert rms_dbfs(heard) == pytest.approx(rms_dbfs(tone(hertz, ENGINE_RATE)), abs=1.0)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    peak_hertz = float(np.argmax(spectrum)) * ENGINE_RATE / len(heard)
    assert peak_hertz == pytest.approx(hertz, abs=5)


def test_what_16_khz_cannot_hold_does_not_come_back_as_something_else() -> None:
    heard = decoded(AudioFormat.PCM, tone(10_500, 24_000))[1600:-1600]
    assert rms_dbfs(heard) < rms_dbfs(tone(10_500, 24_000)) - 30


def test_a_telephone_tone_leaves_no_image_above_it() -> None:
    heard = decoded(AudioFormat.PCMU, tone(2500, 8_000))[1600:-1600]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    image = spectrum[len(spectrum) * 5 // 8 :].sum()
    assert image < spectrum.sum() / 1000


@pytest.mark.parametrize("audio_format", FORMATS)
def test_what_is_sent_has_its_length(audio_format: AudioFormat) -> None:
    encoder, pcm = Encoder(audio_format), tone(440, 24_000)
    data = b"".join(encoder.feed(pcm[start : start + 1440]) for start in range(0, len(pcm), 1440)) + encoder.end()
    assert len(audio_format.unpack(data)) == pytest.approx(audio_format.rate, abs=2)


def test_half_a_sample_is_not_audio() -> None:
    with pytest.raises(ValueError, match="middle of a sample"):
        AudioFormat.PCM.unpack(b"abc")
