"""When speech is noticed, and where it is found to begin and to end."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings

from tests.chance import SEEDS
from tests.voices import RATE, flite
from voice_agents.audio import Pcm, silence
from voice_agents.turns.vad import (
    CHUNK,
    SileroVad,
    SpeechDetector,
    VoiceActivity,
    VoiceEvent,
    VoiceStarted,
    VoiceStopped,
)

VOICES = ("slt", "rms", "awb", "kal16")
TEXTS = (
    "What time is it in Tokyo?",
    "Stop.",
    "Set a timer for five minutes please.",
    "No, I meant tomorrow.",
    "Please tell me a joke",
    "Actually, cancel that.",
)


class Scripted:
    """A model that says what the samples say: speech where they are loud."""

    def __init__(self) -> None:
        self.asked = 0

    def probability(self, chunk: Pcm) -> float:
        self.asked += 1
        return float(np.mean(np.abs(chunk) > 500))

    def reset(self) -> None:
        pass


def tone(samples: int) -> Pcm:
    return np.full(samples, 1000, dtype=np.int16)


def noise(samples: int, dbfs: float, seed: int = 0) -> Pcm:
    return (np.random.default_rng(seed).normal(size=samples) * 32768 * 10 ** (dbfs / 20)).astype(np.int16)


def events(pcm: Pcm, step: int = 320, activity: VoiceActivity | None = None) -> list[tuple[VoiceEvent, int]]:
    """What is noticed, and the position at which."""
    activity = activity or VoiceActivity()
    return [
        (event, activity.position)
        for start in range(0, len(pcm), step)
        for event in activity.feed(pcm[start : start + step])
    ]


def audible(speech: Pcm, noise_dbfs: float | None) -> tuple[int, int]:
    """Where 5 ms frames first and last come within 25 dB of the loudest one, and 3 dB above the noise."""
    frames = speech[: len(speech) // 80 * 80].reshape(-1, 80).astype(np.float64)
    level = 10 * np.log10(np.square(frames).mean(axis=1) / 32768**2 + 1e-9)
    loud = np.flatnonzero(level > max(level.max() - 25, (noise_dbfs or -90) + 3))
    return int(loud[0]) * 80, int(loud[-1] + 1) * 80


def milliseconds(samples: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(samples) * 1000 / RATE


def test_starts_and_stops_are_found_to_a_frame() -> None:
    pcm = np.concatenate([silence(1.003, RATE), tone(8000), silence(0.5, RATE)])
    found = [event for event, _ in events(pcm, activity=VoiceActivity(Scripted()))]
    assert [type(event) for event in found] == [VoiceStarted, VoiceStopped]
    started, stopped = found
    assert isinstance(started, VoiceStarted) and isinstance(stopped, VoiceStopped)
    assert abs(started.start - 16_048) <= 64
    assert abs(stopped.end - 24_048) <= 64


def test_last_speech_moves_on_while_the_user_speaks() -> None:
    activity = VoiceActivity(Scripted())
    assert activity.last_speech is None
    activity.feed(np.concatenate([silence(1, RATE), tone(16_000)]))
    assert activity.speaking
    assert activity.last_speech is not None and activity.position - activity.last_speech <= CHUNK
    last = activity.last_speech
    activity.feed(tone(1024))
    assert activity.last_speech == last + 1024


@pytest.mark.parametrize("step", [320, 480, 960])
def test_how_far_a_voice_is_heard_waits_for_no_chunk_to_fill(step: int) -> None:
    activity = VoiceActivity(Scripted())
    activity.feed(np.concatenate([silence(1, RATE), tone(8000)]))
    for _ in range(10):
        activity.feed(tone(step))
        assert activity.heard_until is not None and activity.position - activity.heard_until < 64
    before = activity.heard_until
    activity.feed(silence(0.02, RATE))
    assert before is not None and activity.heard_until is not None
    assert activity.heard_until - before < 64, "silence is not heard"


@given(seed=SEEDS)
@settings(max_examples=5)
def test_the_cutting_of_the_microphones_samples_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    pcm = np.concatenate([silence(0.7, RATE), flite(TEXTS[0]), silence(0.6, RATE)])
    activity, found, at = VoiceActivity(), list[VoiceEvent](), 0
    while at < len(pcm):
        size = rng.randrange(0, 3000)
        found += activity.feed(pcm[at : at + size])
        at += size
    assert found == [event for event, _ in events(pcm)]
    assert activity.position == len(pcm)


@pytest.mark.parametrize("room_dbfs", [None, -60.0, -45.0])
def test_a_quiet_room_stops_asking_the_model_and_speech_after_it_is_noticed(room_dbfs: float | None) -> None:
    def room(seconds: float) -> Pcm:
        return silence(seconds, RATE) if room_dbfs is None else noise(round(seconds * RATE), room_dbfs)

    model = Scripted()
    activity = VoiceActivity(model)
    activity.feed(room(60))
    assert model.asked < 60
    found = activity.feed(np.concatenate([tone(8000), room(0.5)]))
    assert [type(event) for event in found] == [VoiceStarted, VoiceStopped]


def test_sessions_share_the_model_but_not_what_they_hear() -> None:
    speech = flite(TEXTS[0])[: 20 * CHUNK]
    alone, beside, other = SileroVad(), SileroVad(), SileroVad()
    chunks = [speech[start : start + CHUNK] for start in range(0, len(speech), CHUNK)]
    expected = [alone.probability(chunk) for chunk in chunks]
    found = []
    for index, chunk in enumerate(chunks):
        found.append(beside.probability(chunk))
        other.probability(noise(CHUNK, -20, index))
    assert found == expected
    beside.reset()
    assert [beside.probability(chunk) for chunk in chunks] == expected


def test_the_model_takes_only_whole_chunks() -> None:
    with pytest.raises(ValueError, match="512"):
        SileroVad().probability(tone(480))


@pytest.mark.parametrize("sound", ["click", "thump", "cough", "hiss", "beep"])
def test_sounds_that_are_no_voice_are_not_speech(sound: str) -> None:
    time = np.arange(RATE) / RATE
    hiss = np.random.default_rng(3).normal(size=RATE)
    wave = {
        "click": hiss * np.exp(-time / 0.004) * 4000,
        "thump": np.sin(2 * np.pi * 80 * time) * np.exp(-time / 0.05) * 12_000,
        "cough": np.convolve(hiss, np.hanning(8), "same") * np.exp(-time / 0.08) * 3000,
        "hiss": hiss * np.hanning(RATE) * 1500,
        "beep": np.sin(2 * np.pi * 880 * time) * np.hanning(RATE) * 6000,
    }[sound]
    pcm = np.concatenate([noise(RATE, -60), (wave + noise(RATE, -60, 1)).astype(np.int16), noise(RATE, -60, 2)])
    assert events(pcm) == []


def test_soft_speech_never_lets_the_end_lag_far_behind_while_the_model_is_sure() -> None:
    detector = SpeechDetector()
    for _ in range(40):
        detector.feed(noise(CHUNK, -30), lambda: 0.0)
    detector.feed(tone(CHUNK) * 10, lambda: 1.0)
    for _ in range(30):
        detector.feed(noise(CHUNK, -30), lambda: 0.9)
    assert detector.last_speech is not None
    assert 71 * CHUNK - detector.last_speech <= 5 * CHUNK


@pytest.mark.parametrize("noise_dbfs", [None, -50.0, -40.0])
def test_spoken_phrases_are_noticed_quickly_and_located_closely(noise_dbfs: float | None) -> None:
    """Four voices, six phrases. Onset: audible start -> decided. End: the last sample above -54 dBFS in clean sound
    (not for awb, whose recordings end in room noise), else the last audible frame."""
    delays, ends, stops = [], [], []
    for number, (voice, text) in enumerate(itertools.product(VOICES, TEXTS)):
        speech = flite(text, voice)
        begin = RATE + 37 * number
        pcm = np.concatenate([silence(begin / RATE, RATE), speech, silence(0.7, RATE)])
        if noise_dbfs is not None:
            pcm = pcm + noise(len(pcm), noise_dbfs, number)
        found = events(pcm)
        first, decided = found[0]
        last, stopped = found[-1]
        assert isinstance(first, VoiceStarted) and isinstance(last, VoiceStopped)
        start, end = audible(speech, noise_dbfs)
        delays.append(decided - begin - start)
        stops.append(stopped - last.end)
        if noise_dbfs is not None:
            ends.append(last.end - begin - end)
        elif voice != "awb":
            ends.append(last.end - begin - len(speech))
    delay, error, stop = milliseconds(delays), np.abs(milliseconds(ends)), milliseconds(stops)
    assert np.median(delay) <= 55 and np.quantile(delay, 0.9) <= 100
    assert np.median(error) <= 15
    if noise_dbfs is None:
        assert np.median(error) <= 5 and np.quantile(error, 0.95) <= 30
    assert np.median(stop) <= 170
