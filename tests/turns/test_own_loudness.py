"""How loud the user's own turns are, and what is softer."""

from __future__ import annotations

import numpy as np
import pytest

from voice_agents.audio import EMPTY, Pcm
from voice_agents.turns.own_loudness import KEPT_TURNS, RATE, SOFTER_DB, OwnLoudness


def voice(level_db: float, seconds: float = 1.0) -> Pcm:
    """Syllables of 150 ms with 50 ms between them, that loud against full scale."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = 10 ** (level_db / 20) * 32767 * np.sin(2 * np.pi * 200 * time) * (time % 0.2 < 0.15)
    return sound.astype(np.int16)


def hear(loudness: OwnLoudness, pcm: Pcm, piece: int = 320) -> None:
    for start in range(0, len(pcm), piece):
        loudness.hear(pcm[start : start + piece])


def knowing(*levels_db: float) -> OwnLoudness:
    """It has heard a turn of each level."""
    loudness = OwnLoudness()
    for level_db in levels_db:
        hear(loudness, voice(level_db))
        loudness.take()
    return loudness


def softer(loudness: OwnLoudness, level_db: float, seconds: float = 0.3) -> bool:
    loudness.forget()
    hear(loudness, voice(level_db, seconds))
    return loudness.softer


def test_before_the_first_turn_nothing_is_soft() -> None:
    loudness = OwnLoudness()
    assert not loudness.softer
    assert not softer(loudness, -60.0)


@pytest.mark.parametrize("level_db", [-6.0, -20.0, -35.0])
def test_what_is_clearly_softer_than_the_users_turns_is_known_within_a_syllable(level_db: float) -> None:
    loudness = knowing(level_db)
    assert not softer(loudness, level_db) and not softer(loudness, level_db - SOFTER_DB + 1)
    assert softer(loudness, level_db - SOFTER_DB - 1, 0.05)
    assert not softer(loudness, level_db + 6.0)


def test_a_voice_that_becomes_as_loud_as_ever_is_not_soft_any_more() -> None:
    loudness = knowing(-20.0)
    assert softer(loudness, -30.0)
    hear(loudness, voice(-20.0, 0.06))
    assert not loudness.softer


def test_pauses_and_a_word_that_is_shouted_do_not_change_how_loud_a_turn_is() -> None:
    loudness = OwnLoudness()
    hear(loudness, np.concatenate([voice(-20.0, 2.0), voice(-80.0, 2.0), voice(-8.0, 0.2)]))
    loudness.take()
    assert not softer(loudness, -20.0) and softer(loudness, -20.0 - SOFTER_DB - 1)


def test_who_was_softer_in_one_of_the_last_turns_is_taken_for_as_loud_as_ever() -> None:
    assert softer(knowing(-10.0, -10.0), -20.0)
    assert not softer(knowing(-10.0, -20.0, *[-10.0] * (KEPT_TURNS - 1)), -20.0)
    assert softer(knowing(-10.0, -20.0, *[-10.0] * KEPT_TURNS), -20.0)


def test_what_was_no_turn_is_not_learned_from() -> None:
    loudness = knowing(-20.0)
    hear(loudness, voice(-3.0))
    loudness.forget()
    hear(loudness, voice(-3.0, 0.2))
    loudness.take()
    loudness.take_back()
    assert softer(loudness, -28.0) and not softer(loudness, -20.0), "too short to tell anything"
    hear(loudness, voice(-3.0))
    loudness.take()
    loudness.take_back()
    assert not softer(loudness, -20.0)


@pytest.mark.parametrize("pcm", [EMPTY, np.zeros(100, np.int16), np.zeros(RATE, np.int16)])
def test_nothing_and_silence_are_no_voice_to_learn(pcm: Pcm) -> None:
    loudness = OwnLoudness()
    loudness.hear(pcm)
    assert not loudness.softer
    loudness.take()
    assert not softer(loudness, -60.0)
