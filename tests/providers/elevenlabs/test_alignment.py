"""When words sound, from times that are reported in a frame of their own."""

from __future__ import annotations

from typing import Any

from voice_agents.providers.elevenlabs.alignment import SpokenWords
from voice_agents.providers.interfaces import TTS_RATE

WORD_MS = 200
WORD = WORD_MS * TTS_RATE // 1000


def times(text: str) -> dict[str, Any]:
    """The characters' times of a piece of sound in which every word takes ``WORD_MS``."""
    chars = [
        (char, number, place, len(word))
        for number, word in enumerate(text.split())
        for place, char in enumerate(f"{word} ")
    ]
    return {
        "chars": [char for char, *_ in chars],
        "charStartTimesMs": [WORD_MS * (number + min(1, place / size)) for _, number, place, size in chars],
        "charDurationsMs": [0 if char == " " else WORD_MS / size for char, _, _, size in chars],
    }


def test_times_that_follow_their_sound_count_from_where_it_began() -> None:
    words = SpokenWords()
    words.add("one two three four")
    words.audio(WORD, times("one"))
    given = []
    for _ in range(3):
        given += words.audio(WORD, None)
    given += words.audio(0, times("two three four"))
    assert [(word.text, word.start, word.end) for word in given] == [
        ("two", WORD, 2 * WORD),
        ("three", 2 * WORD, 3 * WORD),
        ("four", 3 * WORD, 4 * WORD),
    ]


def test_sound_is_missing_while_the_last_word_reported_has_not_sounded_to_its_end() -> None:
    words = SpokenWords()
    words.add("one two")
    words.audio(round(1.6 * WORD), times("one two"))
    assert words.all_sounded and not words.sound_missing  # within the slack
    words = SpokenWords()
    words.add("one two three four five")
    words.audio(round(2.5 * WORD), times("one two three four five"))
    assert words.sound_missing
    words.audio(round(2.5 * WORD), None)
    assert not words.sound_missing and words.all_sounded
