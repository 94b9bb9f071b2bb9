"""A word or two said alone: which of both models' guesses it was. No model runs here."""

from __future__ import annotations

import pytest

from voice_agents.offline.stt.alone import guesses, likeliest, said, sure
from voice_agents.offline.stt.moonshine import Heard

USUAL = frozenset({"two", "june", "red", "okay", "mm hmm"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two.", "two"),
        ("2", "two"),
        ("21!", "twenty one"),
        ("OK,", "okay"),
        ("Good-bye.", "goodbye"),
        ("To-day,", "today"),
        ("Mmm.", "mm hmm"),
        ("H. M. M..", "mm hmm"),
        ("uh-huh", "uh huh"),
        ("...", ""),
    ],
)
def test_spellings_of_a_word_are_one(text: str, words: str) -> None:
    assert said(text) == words


def test_spellings_share_the_probability() -> None:
    both = guesses([Heard("Six,", -0.9), Heard("Six.", -0.9), Heard("Sick.", -3.0)])

    assert both.words["six"] == pytest.approx(-0.207, abs=0.01)
    assert sure(both, frozenset()) is None
    assert sure(both, frozenset({"six"})) == Heard("six", both.words["six"])


def test_the_word_both_think_of_wins_over_each_ones_first() -> None:
    first = guesses([Heard("Right.", -0.5), Heard("Red.", -1.6), Heard("Ride.", -4.0)])
    second = guesses([Heard("Bread.", -0.9), Heard("Red.", -1.2), Heard("Fred.", -4.0)])

    assert likeliest(first, second, frozenset()).text == "red"


def test_a_usual_word_wins_where_another_is_as_likely() -> None:
    first, second = (
        guesses([Heard("Goon.", -1.0), Heard("June.", -1.1)]),
        guesses([Heard("Goon.", -1.0), Heard("June.", -1.1)]),
    )

    assert likeliest(first, second, frozenset()).text == "goon"
    assert likeliest(first, second, USUAL).text == "june"


def test_what_a_model_was_asked_about_counts_as_its_guess() -> None:
    first = guesses([Heard("No dear.", -1.3), Heard("No tea.", -2.7)]).and_also(guesses([Heard("Okay.", -5.4)]))
    second = guesses([Heard("Okay.", -2.2), Heard("Loki.", -2.3), Heard("Oh, Kay.", -6.0)])

    assert likeliest(first, second, USUAL).text == "okay"


def test_without_guesses_nothing_was_said() -> None:
    nothing = guesses([Heard("", -1.0)])

    assert likeliest(nothing, nothing, USUAL).text == ""
    assert sure(nothing, USUAL) is None
