"""PCM helpers: nothing is lost or added on the way through bytes, files and resamplers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voice_agents.audio import (
    EMPTY,
    LiveDownsampler,
    Pcm,
    Resampler,
    SampleJoiner,
    Volume,
    first_audible,
    from_bytes,
    read_wav,
    rms_dbfs,
    to_bytes,
    write_wav,
)


def tone(rate: int, seconds: float = 1.0, hertz: float = 440.0) -> Pcm:
    time = np.arange(round(rate * seconds)) / rate
    return (10_000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def pitch(pcm: Pcm, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * rate / len(pcm)


def test_bytes_there_and_back() -> None:
    pcm = tone(16_000)
    assert np.array_equal(from_bytes(to_bytes(pcm)), pcm)
    assert len(from_bytes(b"\x01\x02\x03")) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_pieces_that_end_in_the_middle_of_a_sample_are_joined(size: int) -> None:
    pcm = tone(16_000, seconds=0.1)
    data, joiner = to_bytes(pcm), SampleJoiner()
    pieces = [joiner.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert np.array_equal(np.concatenate(pieces), pcm)


def test_a_wav_file_there_and_back(tmp_path: Path) -> None:
    pcm = tone(22_050)
    write_wav(tmp_path / "tone.wav", pcm, 22_050)
    again, rate = read_wav(tmp_path / "tone.wav")
    assert rate == 22_050
    assert np.array_equal(again, pcm)


@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (48_000, 24_000), (24_000, 48_000), (22_050, 24_000)])
def test_a_stream_keeps_length_pitch_and_level_and_has_no_clicks(source: int, target: int) -> None:
    whole, cut = Resampler(source, target), Resampler(source, target)
    pcm, parts, at = tone(source), [], 0
    for size in [1, 17, 960, 5, 480] * 200:
        parts.append(cut.feed(pcm[at : at + size]))
        at += size
    parts.append(cut.flush())
    joined = np.concatenate(parts)
    expected = np.concatenate([whole.feed(pcm), whole.flush()])
    assert np.abs(joined.astype(int) - expected.astype(int)).max() <= 3  # the converter dithers
    assert abs(len(joined) - target) <= 2
    assert pitch(joined, target) == pytest.approx(440, abs=2)
    assert rms_dbfs(joined) == pytest.approx(rms_dbfs(pcm), abs=0.2)


@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (48_000, 24_000), (24_000, 16_000), (16_000, 16_000)])
def test_live_sound_is_not_held_back_and_keeps_length_pitch_and_level(source: int, target: int) -> None:
    live, pcm, parts, heard = LiveDownsampler(source, target), tone(source), list[Pcm](), 0
    for start in range(0, len(pcm), source // 50):
        parts.append(live.feed(pcm[start : start + source // 50]))
        heard += len(parts[-1])
        assert heard == pytest.approx((start + source // 50) * target / source, abs=target / 1000)
    joined = np.concatenate(parts)
    assert pitch(joined, target) == pytest.approx(440, abs=2)
    assert rms_dbfs(joined) == pytest.approx(rms_dbfs(pcm), abs=0.2)
    spectrum = np.abs(np.fft.rfft(joined[800:-800] * np.hanning(len(joined) - 1600))) ** 2
    at_tone = int(np.argmax(spectrum))
    assert np.delete(spectrum, range(at_tone - 8, at_tone + 9)).sum() < spectrum.sum() / 10_000


@pytest.mark.parametrize(
    ("source", "target", "too_high"), [(48_000, 16_000, 10_500), (24_000, 16_000, 10_500), (48_000, 24_000, 15_000)]
)
def test_what_the_lower_rate_cannot_hold_does_not_come_back_as_something_else(
    source: int, target: int, too_high: int
) -> None:
    pcm = tone(source, hertz=too_high)
    assert rms_dbfs(LiveDownsampler(source, target).feed(pcm)[800:]) < rms_dbfs(pcm) - 30


@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (24_000, 16_000), (44_100, 16_000)])
def test_live_sound_is_the_same_in_pieces_of_any_length(source: int, target: int) -> None:
    whole, cut, pcm, at = LiveDownsampler(source, target), LiveDownsampler(source, target), tone(source), 0
    parts: list[Pcm] = []
    for size in [1, 2, 17, 960, 5, 480] * 100:
        parts.append(cut.feed(pcm[at : at + size]))
        at += size
    joined, expected = np.concatenate(parts), whole.feed(pcm)
    assert len(joined) == pytest.approx(len(expected), abs=target / 1000)
    common = min(len(joined), len(expected))
    assert np.abs(joined[:common].astype(int) - expected[:common].astype(int)).max() <= 1


def test_live_sound_is_not_upsampled() -> None:
    with pytest.raises(ValueError, match="8000"):
        LiveDownsampler(8_000, 16_000)


def test_levels_and_first_sounds() -> None:
    assert rms_dbfs(EMPTY) == float("-inf")
    assert rms_dbfs(np.full(100, 32767, np.int16)) == pytest.approx(0, abs=0.01)
    assert first_audible(np.array([0, 5, -64, 3], np.int16)) == 2
    assert first_audible(np.zeros(9, np.int16)) is None


def test_another_volume_is_reached_within_6_ms_without_a_step_and_full_volume_is_the_same_samples() -> None:
    volume, flat = Volume(24_000), np.full(4_800, 10_000, dtype=np.int16)
    assert volume.apply(flat) is flat
    volume.set(0.2)
    pieces = [volume.apply(flat[start : start + 100]) for start in range(0, 4_800, 100)]
    sound = np.concatenate(pieces).astype(int)
    assert np.abs(np.diff(sound)).max() <= 10_000 / 144 + 1 and sound[144:].max() == sound[144:].min() == 2_000
    volume.set(1.0)
    assert volume.apply(flat)[144:].min() == 10_000
    assert volume.apply(flat) is flat
    volume.set(0.2)
    volume.reset()
    assert volume.apply(flat) is flat
