"""A noise that a recogniser writes down is no word of the user."""

from __future__ import annotations

import pytest

from voice_agents.providers.heard_words import words_in

NOISES = [
    *("(coughs)", "(background noise)", "(door closes) (laughs)", "[laughter]", "[BLANK_AUDIO]", "[ Silence ]"),
    *("<noise>", "<unk>", "*sighs*", "♪", "♪ upbeat music ♪", "🎵", ".", "...", "?", " - ", "♪♪", "(music)."),
]
MIXED = {
    "(coughs) What time is it?": "What time is it?",
    "Hello [laughter] there.": "Hello there.",
    "♪ la la ♪ Stop the music.": "Stop the music.",
}
WORDS = ["What time is it?", "Call (555) 123 4567.", "No.", "5", "Ja, genau.", "Is 3 < 4?", "2 * 3 * 4", "私は元気です"]


@pytest.mark.parametrize("text", NOISES)
def test_a_noise_is_nothing(text: str) -> None:
    assert words_in(text) == ""


@pytest.mark.parametrize("text", MIXED)
def test_the_words_beside_a_noise_stay(text: str) -> None:
    assert words_in(text) == MIXED[text]


@pytest.mark.parametrize("text", WORDS)
def test_words_stay_as_they_are(text: str) -> None:
    assert words_in(text) == text
