"""How a voice sounds tells a murmur from the beginning of a sentence, mostly: before there are words."""

from __future__ import annotations

import numpy as np
import pytest

from tests.voices import RATE, espeak, flite, trimmed
from voice_agents.audio import Pcm, silence
from voice_agents.turns.floor import WORD
from voice_agents.turns.prosody import VoiceJudge, measures
from voice_agents.turns.vad import SileroVad, VoiceActivity

SENTENCES = ("tell me about the second one", "could you say that again please", "what about the train to rome")
MURMURS = ("okay", "aha", "right", "i see", "yeah", "uh-huh")


WORDS = ("stop", "wait", "hold on")
VOICES = ("slt", "rms", "awb", "en-us+f3")
HEARD_S = 0.34


@pytest.fixture
def judge() -> VoiceJudge:
    return VoiceJudge(SileroVad())


def spoken(text: str, voice: str) -> Pcm:
    return trimmed(espeak(text, voice) if "-" in voice else flite(text, voice), 300)


def share_taken_for_sentences(judge: VoiceJudge, texts: tuple[str, ...]) -> float:
    """Of what is heard of them when the agent has to decide."""
    odds = [judge(spoken(text, voice)[: round(HEARD_S * RATE)]) for text in texts for voice in VOICES]
    return float(np.mean(np.array(odds) > 0))


def share_taken_for_words(judge: VoiceJudge, texts: tuple[str, ...]) -> float:
    """Of what is over."""
    whole = [np.concatenate([spoken(text, voice), silence(0.09, RATE)]) for text in texts for voice in VOICES]
    return float(np.mean([judge(pcm, True) > WORD for pcm in whole]))


def test_sentences_are_known_by_their_sound_and_few_murmurs_are_taken_for_them(judge: VoiceJudge) -> None:
    sentences, murmurs = share_taken_for_sentences(judge, SENTENCES), share_taken_for_sentences(judge, MURMURS)
    assert sentences >= 0.8
    assert murmurs <= 0.25


def test_a_word_alone_is_told_from_a_murmur_when_it_is_over(judge: VoiceJudge) -> None:
    words, murmurs = share_taken_for_words(judge, WORDS), share_taken_for_words(judge, MURMURS)
    assert words >= 0.8
    assert murmurs <= 0.3


def test_every_sound_is_judged_by_itself(judge: VoiceJudge) -> None:
    one, other = spoken("okay", "slt")[:5000], spoken("tell me", "rms")[:5000]
    first = judge(one)
    judge(other)
    assert judge(one) == first


@pytest.mark.parametrize("sound", [silence(0.4, RATE), np.full(6400, 9000, np.int16), np.zeros(0, np.int16)])
def test_silence_and_hum_are_judged_without_a_fault(judge: VoiceJudge, sound: Pcm) -> None:
    assert np.isfinite(judge(sound)) and np.isfinite(judge(sound, True))


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

    def judge(pcm: Pcm, over: bool) -> float:
        heard.append(pcm)
        return 0.0

    voice, speech = VoiceActivity(judge=judge), flite("tell me about the second one", "slt")
    room = np.concatenate([silence(1.0, RATE), speech])
    for at in range(0, RATE + 4800, 320):
        voice.feed(room[at : at + 320])
    assert voice.sentence_odds() == 0.0
    assert np.array_equal(heard[0][-4480:], speech[320:4800])
    assert len(heard[0]) == pytest.approx(4800, abs=160)
