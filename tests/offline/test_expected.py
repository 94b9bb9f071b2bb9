"""Phrases that are expected, and what sounds just like them."""

from __future__ import annotations

import pytest

from voice_agents.offline.stt.expected import Expected

PHRASES = ("Take a note: buy milk.", "Set a timer for two minutes.", "What time is it?")


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("take a note by milk", "Take a note: buy milk."),
        ("Take the note by milk.", "Take a note: buy milk."),
        ("Set the timer for to minutes.", "Set a timer for two minutes."),
        ("Take a note: buy silk.", ""),
        ("Set timer for two minutes.", ""),
        ("", ""),
    ],
)
def test_what_sounds_just_like_an_expected_phrase_is_that_phrase(heard: str, meant: str) -> None:
    assert Expected(PHRASES).same(heard) == meant
