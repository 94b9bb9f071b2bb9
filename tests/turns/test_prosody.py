"""How a voice sounds tells a murmur from the beginning of a sentence, mostly: before there are words."""

from __future__ import annotations

import numpy as np
import pytest

from tests.voices import RATE, espeak, flite
from voice_agents.audio import Pcm, silence
from voice_agents.turns.floor import DOUBTED_S, PERHAPS
from voice_agents.turns.prosody import measures, sentence_odds
from voice_agents.turns.vad import VoiceActivity

SENTENCES = ("tell me about the second one", "could you say that again please", "what about the train to rome")
MURMURS = ("okay", "aha", "right", "i see", "yeah", "uh-huh")


def begins(text: str, voice: str) -> Pcm:
    """What is heard of it when the agent has to decide."""
    pcm = espeak(text, voice) if "-" in voice else flite(text, voice)
    return pcm[: round(DOUBTED_S * RATE)]


def share_taken_for_sentences(texts: tuple[str, ...]) -> float:
    odds = [sentence_odds(begins(text, voice)) for text in texts for voice in ("slt", "rms", "awb", "en-us+f3")]
    return float(np.mean(np.array(odds) > PERHAPS))


def test_sentences_are_known_by_their_sound_far_more_often_than_murmurs_are_taken_for_them() -> None:
    sentences, murmurs = share_taken_for_sentences(SENTENCES), share_taken_for_sentences(MURMURS)
    assert sentences >= 0.75
    assert sentences - murmurs >= 0.25


@pytest.mark.parametrize("gain", [0.25, 3.0])
def test_how_loud_it_is_changes_little(gain: float) -> None:
    sound = flite("okay", "slt")[: round(DOUBTED_S * RATE)] // 4
    other = (sound * gain).astype(np.int16)
    assert sentence_odds(other) == pytest.approx(sentence_odds(sound), abs=0.3)


@pytest.mark.parametrize("sound", [silence(0.4, RATE), np.full(6400, 9000, np.int16), np.zeros(0, np.int16)])
def test_silence_and_hum_are_judged_without_a_fault(sound: Pcm) -> None:
    assert np.isfinite(sentence_odds(sound))


def test_pitch_that_falls_and_a_dip_between_syllables_are_measured() -> None:
    time = np.arange(6400) / RATE
    pitch = 200 * 2 ** (-time / 0.4 / 2)  # half an octave down
    falling = (8000 * np.sign(np.sin(2 * np.pi * np.cumsum(pitch) / RATE))).astype(np.int16)
    falling[3000:3600] //= 30
    rises, dip = measures(falling)[-2:]
    assert -6 < rises < -3
    assert dip > 15


def test_the_voice_is_judged_from_its_first_sample_to_the_newest() -> None:
    heard: list[Pcm] = []

    def judge(pcm: Pcm) -> float:
        heard.append(pcm)
        return 0.0

    voice, speech = VoiceActivity(judge=judge), flite("tell me about the second one", "slt")
    room = np.concatenate([silence(1.0, RATE), speech])
    for at in range(0, RATE + 4800, 320):
        voice.feed(room[at : at + 320])
    assert voice.sentence_odds() == 0.0
    assert np.array_equal(heard[0][-4480:], speech[320:4800])
    assert len(heard[0]) == pytest.approx(4800, abs=160)
