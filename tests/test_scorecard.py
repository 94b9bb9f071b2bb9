"""The scorecard counts what its definitions say, in recordings made for it: tones for the agent and for the user."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.bench.conversation import figures, markdown
from tests.bench.hesitations import MODES, hesitate
from tests.bench.lines import track
from tests.bench.scoring import Meant, Said, Score, share
from tests.stories.clock import play
from voice_agents.audio import Pcm, silence

RATE = 8000
LENGTH_S = 30.0
Stretch = tuple[float, float]


def tone(seconds: float, level: float = 6000, fades_s: float = 0.0) -> Pcm:
    """Full voice; it dies away in the last ``fades_s`` as the end of a word does."""
    wave = level * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)
    if fading := round(fades_s * RATE):
        wave[-fading:] *= np.geomspace(1, 1e-4, fading)
    return wave.astype(np.int16)


def recording(*stretches: Stretch, fades_s: float = 0.0) -> Pcm:
    """Voice from ... to ..., seconds."""
    return track([(start, tone(end - start, fades_s=fades_s)) for start, end in stretches], RATE, 0.0, LENGTH_S)


def score(said: list[tuple[Meant, list[Stretch]]], agent: Pcm) -> Score:
    """Of a user who says each in these stretches of sound."""
    user = recording(*(stretch for _, stretches in said for stretch in stretches))
    result = Score()
    result.add([Said(meant, each[0][0] - 0.1, each[-1][1] + 0.1) for meant, each in said], user, agent, RATE, RATE)
    return result


TURN = (Meant.TURN, [(1.0, 2.0)])


def test_a_response_counts_from_the_end_of_the_turn() -> None:
    result = score([TURN], recording((2.7, 5.0)))
    assert result.responses == pytest.approx([0.7], abs=0.011)
    assert result.answered == [True]
    assert result.dead_air == 0


def test_who_has_to_speak_again_was_not_answered() -> None:
    result = score([TURN, (Meant.TURN, [(7.0, 8.0)])], recording((8.5, 9.0)))
    assert result.answered == [False, True]
    assert result.responses == pytest.approx([0.5], abs=0.011)
    assert result.dead_air == 1


def test_a_turn_that_ends_while_the_agent_speaks_has_no_response_latency() -> None:
    result = score([TURN], recording((0.5, 9.0)))
    assert not result.responses
    assert not result.answered


def test_a_real_interruption_is_yielded_to_within_two_seconds_or_not() -> None:
    yields = score([(Meant.TURN, [(5.0, 8.0)])], recording((3.0, 5.4), (8.6, 9.0)))
    assert yields.yields == pytest.approx([0.4], abs=0.011)
    assert yields.yielded == [True]
    goes_on = score([(Meant.TURN, [(5.0, 8.0)])], recording((3.0, 7.1)))
    assert not goes_on.yields
    assert goes_on.yielded == [False]


def test_a_question_while_nobody_speaks_interrupts_nobody() -> None:
    assert not score([TURN], recording((2.7, 5.0))).yielded


def test_the_agent_that_begins_while_the_user_speaks_interrupts() -> None:
    assert score([TURN], recording((1.5, 4.0))).interruptions_by_agent == 1
    assert score([TURN], recording((2.5, 4.0))).interruptions_by_agent == 0
    twice = score([(Meant.TURN, [(1.0, 6.0)])], recording((2.0, 2.5), (4.0, 4.5)))
    assert twice.interruptions_by_agent == 2 and twice.turns == 1


@pytest.mark.parametrize("meant", [Meant.BACKCHANNEL, Meant.TIC, Meant.ASIDE])
def test_what_is_no_interruption_is_ignored_or_not(meant: Meant) -> None:
    murmur = (meant, [(5.0, 5.4)])
    assert score([murmur], recording((3.0, 9.0))).ignored[meant] == [True]
    assert score([murmur], recording((3.0, 5.5))).ignored[meant] == [False]
    taken_back = score([murmur], recording((3.0, 5.2), (5.6, 9.0)))
    assert taken_back.ignored[meant] == [False]
    assert taken_back.stutters == 1
    assert not taken_back.yielded
    assert score([murmur], recording((3.0, 6.2))).ignored[meant] == [True]


def test_a_dip_is_no_silence() -> None:
    ducked = recording((3.0, 9.0))
    ducked[round(5.1 * RATE) : round(5.6 * RATE)] = ducked[round(5.1 * RATE) : round(5.6 * RATE)] // 6
    result = score([(Meant.BACKCHANNEL, [(5.0, 5.4)])], ducked)
    assert result.ignored[Meant.BACKCHANNEL] == [True]
    assert result.stutters == 0


@pytest.mark.parametrize("meant", [Meant.TIC, Meant.ASIDE])
def test_what_is_not_meant_for_the_agent_is_not_answered(meant: Meant) -> None:
    alone = (meant, [(5.0, 5.4)])
    assert score([alone], silence(LENGTH_S, RATE)).ignored[meant] == [True]
    assert score([alone], recording((7.0, 9.0))).ignored[meant] == [False]
    assert score([alone], recording((7.6, 9.0))).ignored[meant] == [True]


def test_a_backchannel_to_nobody_is_not_counted() -> None:
    assert not score([(Meant.BACKCHANNEL, [(5.0, 5.4)])], silence(LENGTH_S, RATE)).ignored[Meant.BACKCHANNEL]


def test_an_answer_to_the_next_question_is_none_to_a_cough_before_it() -> None:
    result = score([(Meant.TIC, [(5.0, 5.4)]), (Meant.TURN, [(6.0, 6.5)])], recording((7.0, 8.0)))
    assert result.ignored[Meant.TIC] == [True]


def test_a_turn_taken_in_a_pause_and_spoken_over_is_a_false_cut_off() -> None:
    hesitating = (Meant.TURN, [(1.0, 2.0), (2.7, 4.0)])
    assert score([hesitating], recording((2.5, 3.0))).hesitations == [True]
    assert score([hesitating], recording((4.5, 6.0))).hesitations == [False]
    assert not score([(Meant.TURN, [(1.0, 2.0), (2.2, 4.0)])], recording((4.5, 6.0))).hesitations


def test_a_gap_in_full_voice_is_a_stutter_and_a_pause_between_words_is_none() -> None:
    assert score([TURN], recording((2.5, 4.0), (4.06, 6.0))).stutters == 1
    assert score([TURN], recording((2.5, 4.0), (4.02, 6.0))).stutters == 0
    words = score([TURN], recording((2.5, 4.0), (4.06, 6.0), (6.5, 8.0), fades_s=0.15))
    assert words.stutters == 0
    assert words.agent_s == pytest.approx(5.5, abs=0.1)


def test_a_gap_that_the_user_asked_for_is_no_stutter() -> None:
    assert score([(Meant.TURN, [(5.0, 6.0)])], recording((3.0, 5.3), (6.5, 9.0))).stutters == 0


def test_both_talking_for_over_half_a_second_is_an_overlap() -> None:
    interrupted = score([(Meant.TURN, [(5.0, 7.0)])], recording((3.0, 5.7)))
    assert interrupted.overlaps == pytest.approx([0.7], abs=0.02)
    assert interrupted.overlaps_by_agent == 0
    cut_in = score([(Meant.TURN, [(5.0, 7.0)])], recording((5.5, 6.5)))
    assert cut_in.overlaps == pytest.approx([1.0], abs=0.02)
    assert cut_in.overlaps_by_agent == 1
    assert not score([(Meant.TURN, [(5.0, 7.0)])], recording((3.0, 5.4))).overlaps
    assert not score([(Meant.ASIDE, [(5.0, 7.0)])], recording((3.0, 9.0))).overlaps


def test_shares_of_few_events_are_not_shown() -> None:
    assert share([True] * 9) is None
    assert share([True] * 8 + [False] * 2) == 0.8
    few = score([TURN], recording((2.7, 5.0)))
    assert set(figures(few).values()) == {"-"}
    many = Score(responses=[0.8] * 10, answered=[True] * 9 + [False], turns=10, interruptions_by_agent=2)
    assert markdown("Ours", many) == "| Ours | 0.80 | - | 0.90 | - | 0.20 | - | - | - |"


def test_a_silent_user_is_an_error_of_the_script() -> None:
    with pytest.raises(ValueError, match="silent"):
        Score().add([Said(Meant.TURN, 1.0, 2.0)], silence(5.0, RATE), silence(5.0, RATE), RATE, RATE)


def test_sound_lies_in_the_recording_where_it_sounded() -> None:
    whole = track([(9.5, tone(1.0)), (10.8, tone(5.0))], RATE, 10.0, 2.0)
    loud = np.flatnonzero(np.abs(whole) > 100) / RATE
    assert len(whole) == 2 * RATE
    assert loud[0] < 0.01
    assert loud[-1] > 1.99
    assert not len(loud[(loud > 0.51) & (loud < 0.79)])


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "SPECULATION=off"])
@pytest.mark.parametrize(
    ("parts", "cut_off"),
    [(("tell me what time", "it is in rome"), False), (("what's the weather like today", "in rome"), True)],
)
def test_a_sentence_that_seems_whole_in_its_pause_is_cut_off(
    tmp_path: Path, parts: tuple[str, str], cut_off: bool, mode: str
) -> None:
    said = play(hesitate(tmp_path, "questions", parts, random.Random(2), mode))
    assert said.cut_off is cut_off
    assert not said.lost
