"""MP3 as a decoder finds it: the same sound, whatever lengths it was fed in, at the bit rate asked for."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from tests.test_audio import pitch, tone
from voice_agents.audio import EMPTY, Pcm, rms_dbfs
from voice_agents.offline.elevenlabs.speech import Encoder
from voice_agents.offline.tts import SAMPLE_RATE


def decoded(data: bytes) -> tuple[Pcm, int]:
    """MP3 -> samples and their rate."""
    with av.open(io.BytesIO(data), format="mp3") as container:
        frames = list(container.decode(audio=0))
    joined = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    return np.clip(joined * 32768, -32768, 32767).astype(np.int16), frames[0].sample_rate


def encoded(pcm: Pcm, rate: int, kbps: int, step: int) -> bytes:
    encoder = Encoder(f"mp3_{rate}_{kbps}")
    pieces = [encoder.feed(pcm[start : start + step]) for start in range(0, len(pcm), step)]
    return b"".join((*pieces, encoder.feed(EMPTY, last=True)))


@pytest.mark.parametrize(("rate", "kbps"), [(22_050, 32), (24_000, 48), (44_100, 64), (44_100, 128)])
def test_the_sound_comes_back_at_its_rate_pitch_level_and_length(rate: int, kbps: int) -> None:
    sound = tone(SAMPLE_RATE, 2.0)
    data = encoded(sound, rate, kbps, step=SAMPLE_RATE // 10)

    heard, heard_rate = decoded(data)
    assert heard_rate == rate
    assert 2.0 <= len(heard) / rate < 2.15
    middle = heard[rate // 2 : rate * 3 // 2]
    assert pitch(middle, rate) == pytest.approx(440, abs=2)
    assert rms_dbfs(middle) == pytest.approx(rms_dbfs(sound), abs=1)
    assert len(data) * 8 / (len(heard) / rate) == pytest.approx(kbps * 1000, rel=0.02)


def test_pieces_of_any_length_make_the_same_stream() -> None:
    sound = tone(SAMPLE_RATE)
    assert encoded(sound, 44_100, 64, step=777) == encoded(sound, 44_100, 64, step=len(sound))


def test_a_little_sound_comes_at_once() -> None:
    assert Encoder("mp3_22050_32").feed(tone(SAMPLE_RATE, 0.1))


def test_less_than_a_frame_and_nothing_at_all_end_well() -> None:
    assert len(decoded(encoded(tone(SAMPLE_RATE, 0.01), 44_100, 128, step=240))[0])
    encoder = Encoder("mp3_44100_128")
    assert encoder.feed(EMPTY) + encoder.feed(EMPTY, last=True) == b""
