"""When the offline Realtime server takes a turn: positions in the audio decide, not when or in what pieces it comes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.voices import flite
from voice_agents.audio import Pcm, silence
from voice_agents.offline.vad import (
    MS,
    Detection,
    DetectorEvent,
    Eagerness,
    SemanticVad,
    ServerVad,
    SpeechBegan,
    SpeechOver,
    TurnDetector,
)

RATE = 16_000


class Loudness:
    """Takes every loud sound for speech of a given probability."""

    def __init__(self, probability: float = 0.95) -> None:
        self._probability = probability

    def probability(self, chunk: Pcm) -> float:
        return self._probability if np.abs(chunk).max() > 1000 else 0.02

    def reset(self) -> None:
        pass


def server_vad(silence_ms: int = 500, threshold: float = 0.5) -> ServerVad:
    return ServerVad(threshold, 300, silence_ms, True, True)


def voice(seconds: float) -> Pcm:
    rng = np.random.default_rng(1)
    return np.asarray(rng.normal(0, 4000, round(seconds * RATE)).clip(-20000, 20000), dtype=np.int16)


def quiet(seconds: float) -> Pcm:
    return silence(seconds, RATE)


def run(detector: TurnDetector, pcm: Pcm, words: str = "", size: int | None = None) -> list[DetectorEvent]:
    events, at = [], 0
    while at < len(pcm):
        step = min(size or RATE, detector.until_decision(words))
        events += detector.feed(pcm[at : at + step], words)
        at += step
    return events


def detector(detection: Detection, probability: float = 0.95) -> TurnDetector:
    return TurnDetector(detection, model=Loudness(probability))


@pytest.mark.parametrize("size", [None, 100, 333])
def test_speech_and_enough_silence_are_a_turn_wherever_the_audio_is_cut(size: int | None) -> None:
    audio = np.concatenate([quiet(0.5), voice(0.64), quiet(1.0)])
    began, over = run(detector(server_vad(500)), audio, size=size)
    assert isinstance(began, SpeechBegan) and isinstance(over, SpeechOver)
    assert began.start / RATE == pytest.approx(0.5, abs=0.01)
    assert over.end / RATE == pytest.approx(1.64, abs=0.01)


@pytest.mark.parametrize("silence_ms", [200, 500, 1200])
def test_the_silence_is_as_long_as_it_was_set(silence_ms: int) -> None:
    audio = np.concatenate([voice(0.64), quiet(1.5)])
    over = run(detector(server_vad(silence_ms)), audio)[-1]
    assert isinstance(over, SpeechOver)
    assert over.end / MS == pytest.approx(640 + silence_ms, abs=10)


def test_a_pause_shorter_than_the_silence_stays_in_the_turn() -> None:
    audio = np.concatenate([voice(0.64), quiet(0.4), voice(0.64), quiet(0.6)])
    assert [type(event) for event in run(detector(server_vad(500)), audio)] == [SpeechBegan, SpeechOver]


def test_a_higher_threshold_wants_surer_speech() -> None:
    audio = np.concatenate([voice(0.64), quiet(1.0)])
    assert run(detector(server_vad(threshold=0.9), probability=0.6), audio) == []
    assert run(detector(server_vad(threshold=0.5), probability=0.6), audio) != []


@pytest.mark.parametrize(
    ("eagerness", "words", "waits_ms"),
    [
        ("auto", "what time is it in tokyo", 300),
        ("low", "what time is it in tokyo", 300),
        ("high", "tell me the", 2000),
        ("auto", "tell me the", 4000),
        ("low", "tell me the", 8000),
        ("high", "", 500),
        ("medium", "", 1000),
        ("low", "", 2000),
    ],
)
def test_semantic_detection_waits_by_the_words_and_its_eagerness(
    eagerness: Eagerness, words: str, waits_ms: int
) -> None:
    audio = np.concatenate([voice(0.64), quiet(9.0)])
    over = run(detector(SemanticVad(eagerness, True, True)), audio, words)[-1]
    assert isinstance(over, SpeechOver)
    assert over.end / MS == pytest.approx(640 + waits_ms, abs=10)


def test_positions_go_on_from_where_the_detector_came_in() -> None:
    late = TurnDetector(server_vad(), 7 * RATE, Loudness())
    began, _ = run(late, np.concatenate([quiet(0.5), voice(0.64), quiet(1.0)]))
    assert isinstance(began, SpeechBegan)
    assert began.start / RATE == pytest.approx(7.5, abs=0.01)


@pytest.mark.parametrize("name", ["slt", "rms", "awb"])
def test_spoken_phrases_are_found_where_they_are(name: str) -> None:
    speech = flite("what time is it in tokyo", name)
    audio = np.concatenate([quiet(1.0), speech, quiet(1.0)])
    began, over = run(TurnDetector(server_vad(500)), audio)
    assert isinstance(began, SpeechBegan) and isinstance(over, SpeechOver)
    assert began.start / RATE == pytest.approx(1.0, abs=0.2)
    assert over.end / RATE == pytest.approx(1.5 + len(speech) / RATE, abs=0.1)


def test_a_knock_is_not_a_turn() -> None:
    knock = np.zeros(RATE // 20, dtype=np.int16)
    knock[:40] = 25000
    assert run(TurnDetector(server_vad()), np.concatenate([quiet(1.0), knock, quiet(2.0)])) == []
