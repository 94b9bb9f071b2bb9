"""Each latency figure is what its definition says."""

from __future__ import annotations

from dataclasses import fields

import pytest

from voice_agents.turns.latency import LatencyHistory, TurnLatency, TurnMarks


def spoken_turn() -> TurnMarks:
    return TurnMarks(
        speech_end=10.0,
        turn_taken=10.51,
        transcript_final=10.63,
        first_token=11.43,
        first_piece_written=11.48,
        first_text_sent=11.49,
        first_audio=11.64,
        first_played=11.65,
        silence_s=0.5,
        tool_s=0.5,
    )


def test_figures_of_a_spoken_turn() -> None:
    figures = spoken_turn().result()
    expected = {
        "endpointing": 0.51,
        "silence": 0.5,
        "transcription": 0.12,
        "tools": 0.5,
        "first_token": 0.3,
        "text_wait": 0.05,
        "first_sentence": 0.06,
        "first_audio": 0.15,
        "playout": 0.01,
        "voice_to_voice": 1.65,
    }
    assert {field.name for field in fields(TurnLatency)} == set(expected)
    for name, value in expected.items():
        assert getattr(figures, name) == pytest.approx(value), name


def test_overhead_is_what_is_left_of_voice_to_voice() -> None:
    overhead = spoken_turn().result().overhead
    assert overhead == pytest.approx(0.01 + 0.01 + 0.01)  # taking the turn, handing the text over, playing


def test_a_typed_turn_begins_when_its_text_arrives() -> None:
    marks = TurnMarks(turn_taken=5.0, transcript_final=5.0, first_token=5.3, first_played=5.6, silence_s=0.5)
    figures = marks.result()
    assert figures.voice_to_voice == pytest.approx(0.6)
    assert (figures.endpointing, figures.silence, figures.transcription, figures.tools) == (None, None, None, None)


def test_a_turn_without_sound_has_no_voice_to_voice() -> None:
    figures = TurnMarks(speech_end=1.0, turn_taken=1.5).result()
    assert figures.voice_to_voice is None and figures.overhead is None
    assert figures.endpointing == 0.5


def test_the_first_reading_of_a_mark_stays() -> None:
    marks = TurnMarks()
    marks.mark("first_token", 1.0)
    marks.mark("first_token", 2.0)
    assert marks.first_token == 1.0


def test_medians_are_taken_over_the_turns_that_have_the_figure() -> None:
    history = LatencyHistory(size=3)
    for voice_to_voice, tools in ((9.0, None), (1.0, None), (3.0, 0.2), (2.0, None)):
        history.add(TurnLatency(voice_to_voice=voice_to_voice, tools=tools))
    assert len(history) == 3
    assert history.median("voice_to_voice") == 2.0
    assert history.median("tools") == 0.2
    assert history.median("playout") is None


def test_the_median_overhead_is_that_of_the_turns_not_that_of_the_medians() -> None:
    history = LatencyHistory()
    typed = TurnLatency(voice_to_voice=0.401, first_token=0.4)
    for turn in (spoken_turn().result(), typed, typed):
        history.add(turn)
    assert history.median("overhead") == pytest.approx(0.001)
