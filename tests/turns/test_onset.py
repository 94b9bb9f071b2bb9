"""How soon a sudden sound is noticed, what does not count as one, and what it takes after a wrong guess."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings

from tests.chance import SEEDS
from tests.voices import RATE, espeak, flite, onset
from voice_agents.audio import Pcm, silence
from voice_agents.turns.onset import Guess, SoundOnset
from voice_agents.turns.vad import SoundIgnored, SoundStarted, VoiceActivity, VoiceStarted

PHRASES = ("so where were we", "what about the weather", "very good", "just leave it", "zero seven nine", "hush now")
VOICES = ("slt", "rms", "awb", "kal16")
QUIET_DB = -70.0


def noise(seconds: float, dbfs: float, seed: int = 0) -> Pcm:
    scale = 32768 * 10 ** (dbfs / 20)
    return np.random.default_rng(seed).normal(scale=scale, size=round(seconds * RATE)).astype(np.int16)


def guesses(*sounds: Pcm, onset: SoundOnset | None = None, noise_db: float = QUIET_DB) -> list[tuple[Guess, float]]:
    """What is guessed, and after how many seconds."""
    onset, pcm = onset or SoundOnset(), np.concatenate(sounds)
    return [
        (guess, (start + 320) / RATE)
        for start in range(0, len(pcm), 320)
        for guess in onset.feed(pcm[start : start + 320], noise_db)
    ]


def quiet(seconds: float) -> Pcm:
    return silence(seconds, RATE)


def test_a_sudden_sound_is_reported_and_taken_back_when_it_was_short() -> None:
    (first, begins), (second, ends) = guesses(quiet(1), noise(0.1, -30), quiet(1))
    assert (first, second) == (Guess.BEGINS, Guess.NOTHING)
    assert begins <= 1.04
    assert 1.3 <= ends <= 1.34


def test_a_sound_that_goes_on_unconfirmed_is_taken_back_too_and_not_reported_again() -> None:
    (_, _), (last, at) = guesses(quiet(1), noise(20, -30))
    assert last is Guess.NOTHING
    assert 1.35 <= at <= 1.5


def test_a_click_is_no_sound() -> None:
    assert guesses(quiet(1), noise(0.01, -10), quiet(1)) == []


def test_what_sounded_already_is_not_sudden() -> None:
    onset = SoundOnset()
    onset.reset()
    assert guesses(noise(3, -30), onset=onset) == []


@pytest.mark.parametrize("room_db", [-60.0, -45.0])
def test_a_noisy_room_is_not_a_sound_but_what_stands_out_of_it_is(room_db: float) -> None:
    room = noise(60, room_db)
    assert guesses(room, noise_db=room_db) == []
    assert [guess for guess, _ in guesses(room, noise(1, room_db + 20, 1), noise_db=room_db)] == list(Guess)


def test_strokes_like_the_one_that_was_nothing_do_not_count_again_until_it_is_forgotten() -> None:
    onset = SoundOnset()
    strokes = [sound for seed in range(20) for sound in (noise(0.03, -35, seed), quiet(0.3))]
    assert len(guesses(quiet(1), *strokes, onset=onset)) == 2
    assert [guess for guess, _ in guesses(noise(0.2, -20), quiet(0.5), onset=onset)] == list(Guess)
    onset.reset()
    assert guesses(quiet(1), *strokes, onset=onset) == []
    onset.forgive(60 * RATE)
    assert len(guesses(quiet(1), *strokes, onset=onset)) == 2


def test_loud_strokes_stop_the_agent_twice_at_most() -> None:
    strokes = [sound for seed in range(20) for sound in (noise(0.03, -15, seed), quiet(0.3))]
    assert len(guesses(quiet(1), *strokes)) == 4


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
def test_after_a_slam_a_voice_is_noticed_all_the_same(voice: str) -> None:
    onset_, speech = SoundOnset(), flite(PHRASES[1], voice)
    assert len(guesses(quiet(1), noise(0.2, -10), quiet(3), onset=onset_)) == 2
    (guess, after), *_ = guesses(speech, onset=onset_)
    assert guess is Guess.BEGINS
    assert after - onset(speech) / RATE < 0.15


def test_whoever_spoke_need_not_outdo_what_was_before() -> None:
    onset = SoundOnset()
    guesses(quiet(1), noise(0.1, -15), quiet(1), noise(0.1, -5), quiet(1), onset=onset)
    onset.confirm()
    assert [guess for guess, _ in guesses(quiet(1), noise(0.1, -40), quiet(1), onset=onset)] == list(Guess)


def test_a_confirmed_sound_is_not_taken_back() -> None:
    onset = SoundOnset()
    assert [guess for guess, _ in guesses(quiet(1), noise(0.05, -30), onset=onset)] == [Guess.BEGINS]
    assert onset.guessing
    onset.confirm()
    assert not onset.guessing
    assert guesses(quiet(1), onset=onset) == []


@given(seed=SEEDS)
@settings(max_examples=5)
def test_the_cutting_of_the_samples_changes_nothing(seed: int) -> None:
    dice, sound = random.Random(seed), np.concatenate([quiet(0.5), noise(0.3, -30), quiet(0.5), noise(1, -20)])
    onset, found, at = SoundOnset(), list[Guess](), 0
    while at < len(sound):
        size = dice.randrange(0, 3000)
        found += onset.feed(sound[at : at + size], QUIET_DB)
        at += size
    assert found == [guess for guess, _ in guesses(sound)]


def stopped(speech: Pcm) -> float:
    """When an agent that stops at each guess has fallen silent for good, in seconds after the speech begins."""
    voice, silent, begin = VoiceActivity(), list[float](), 1.5
    voice.eager = True
    pcm = np.concatenate([quiet(begin), speech, quiet(1)])
    for start in range(0, len(pcm), 320):
        for event in voice.feed(pcm[start : start + 320]):
            if isinstance(event, SoundIgnored):
                silent.clear()
            else:
                silent.append((start + 320) / RATE - begin)
            if isinstance(event, VoiceStarted):
                return silent[0]
    raise AssertionError("the voice was not noticed")


def test_an_eager_detector_notices_speech_within_a_few_frames_of_its_first_sample() -> None:
    speeches = [flite(phrase, voice) for phrase, voice in itertools.product(PHRASES, VOICES)]
    speeches += [espeak(phrase, voice) for phrase, voice in itertools.product(PHRASES, ("en-us", "en-gb+f3"))]
    delays = [stopped(speech) - onset(speech) / RATE for speech in speeches]
    assert np.median(delays) <= 0.03
    assert max(delays) <= 0.1


def test_a_detector_that_is_not_eager_reports_voices_only() -> None:
    voice = VoiceActivity()
    assert voice.feed(np.concatenate([quiet(1), noise(0.1, -30), quiet(1)])) == []
    voice.eager = True
    assert not voice.guessing
    assert [type(event) for event in voice.feed(quiet(0.5))] == []
    found = [event for _ in range(25) for event in voice.feed(noise(0.02, -30))]
    assert [type(event) for event in found] == [SoundStarted, SoundIgnored]
