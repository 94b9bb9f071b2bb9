"""Which words were heard of a voice that gives no times, judged by a voice whose times are known."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from voice_agents.audio import Pcm, silence
from voice_agents.offline.skills.stories import TOPICS
from voice_agents.offline.tts import VOICES, Voice
from voice_agents.turns.voiced import RATE, VoicedWords, VoiceHabit

ANSWERS = (
    "In Tokyo it is 3:45 in the afternoon, on Wednesday, the 25th of November 2026.",
    *list(TOPICS.values())[:2],
    "Hello Anna, nice to meet you! What can I do for you today? I can tell the time, calculate, and set timers.",
)


@dataclass(frozen=True)
class Spoken:
    """A text, its sound, and where each word begins (samples)."""

    text: str
    pcm: Pcm
    starts: Sequence[float]

    def heard(self, position: float) -> int:
        """How many words were at least half played."""
        ends = [*self.starts[1:], len(self.pcm)]
        return sum((start + end) / 2 <= position for start, end in zip(self.starts, ends, strict=True))

    def send(self, words: VoicedWords, until: float, lead_s: float, chunk_s: float = 0.2) -> None:
        """As a server does that is ``lead_s`` ahead with its text; whole if ``until`` lies behind the end."""
        pieces = re.findall(r"\S+\s*", self.text)
        sent, said = 0, 0
        while sent < min(until, len(self.pcm)):
            chunk = self.pcm[sent : sent + round(chunk_s * RATE)]
            due = sum(start < sent + len(chunk) + lead_s * RATE for start in self.starts)
            if lead_s < 0:
                words.add_sound(chunk)
            if due > said:
                words.add_text("".join(pieces[said:due]))
            if lead_s >= 0:
                words.add_sound(chunk)
            sent, said = sent + len(chunk), max(said, due)
        if sent >= len(self.pcm):
            if said < len(pieces):
                words.add_text("".join(pieces[said:]))
            words.finish()


@cache
def spoken() -> tuple[Spoken, ...]:
    async def speak() -> list[Spoken]:
        found = []
        async with Voice() as voice:
            for number, text in enumerate(ANSWERS):
                parts = [part async for part in voice.speak(text, VOICES[number % 3].voice_id)]
                starts = [word.start_ms * RATE / 1000 for part in parts for word in part.words]
                found.append(Spoken(text, np.concatenate([part.pcm for part in parts]), starts))
        return found

    return tuple(asyncio.run(speak()))


def errors(lead_s: float, ahead_s: float, habit: VoiceHabit | None = None) -> list[int]:
    """Words too many or too few, at positions all over the answers, when so much sound has come beyond them."""
    found = []
    for answer in spoken():
        for position in np.linspace(0, len(answer.pcm), 25):
            words = VoicedWords(habit or VoiceHabit())
            answer.send(words, position + ahead_s * RATE, lead_s)
            found.append(len(words.heard(int(position)).split()) - answer.heard(position))
    return found


@pytest.mark.parametrize("ahead_s", [1.0, 1000.0], ids=["still coming", "whole"])
def test_words_that_come_with_their_sound_are_known_within_one_nearly_always(ahead_s: float) -> None:
    wrong = np.abs(errors(0.0, ahead_s))
    assert np.mean(wrong <= 1) > 0.95
    assert wrong.max() <= 2


@pytest.mark.parametrize("ahead_s", [1.0, 1000.0], ids=["still coming", "whole"])
def test_words_that_come_after_their_sound_are_hardly_ever_wrong_by_more(ahead_s: float) -> None:
    found = np.abs(errors(-0.2, ahead_s))
    assert np.mean(found <= 1) >= 0.95
    assert found.max() <= 2


@pytest.mark.parametrize(("ahead_s", "most"), [(1.0, 0.9), (1000.0, 0.95)], ids=["still coming", "whole"])
def test_words_that_came_long_before_their_sound_take_their_share_of_it(ahead_s: float, most: float) -> None:
    found = np.abs(errors(1000.0, ahead_s))
    assert np.mean(found <= 1) >= most
    assert found.max() <= 4


def test_a_pause_is_the_full_stop_that_is_due() -> None:
    words = VoicedWords()
    words.add_text("This is quickly said. And then a much longer sentence follows that nobody needs to hear out.")
    words.add_sound(np.concatenate([np.full(RATE // 2, 5000, dtype=np.int16), silence(0.5, RATE)]))
    words.add_sound(np.full(RATE // 10, 5000, dtype=np.int16))
    assert words.heard(RATE) == "This is quickly said."


def test_a_pause_far_from_any_mark_is_only_a_pause() -> None:
    words = VoicedWords()
    words.add_text("nobody knows why this sentence goes on and on without any rest, and then it ends")
    words.add_sound(np.concatenate([np.full(RATE, 5000, dtype=np.int16), silence(0.5, RATE)]))
    assert 3 <= len(words.heard(round(1.5 * RATE)).split()) <= 5


def test_a_voice_that_was_heard_before_is_judged_by_its_own_pace() -> None:
    slow = VoiceHabit()
    for _ in range(5):
        whole = VoicedWords(slow)
        whole.add_text("one two three four five six seven eight nine ten")
        whole.add_sound(np.full(10 * RATE, 5000, dtype=np.int16))
        whole.finish()
    words = VoicedWords(slow)
    words.add_text("one two three four five six seven eight nine ten")
    words.add_sound(np.full(3 * RATE, 5000, dtype=np.int16))
    assert len(words.heard(3 * RATE).split()) <= 4
    assert len(words.heard(3 * RATE).split()) < 10


def test_a_pause_in_the_sound_moves_no_word() -> None:
    words = VoicedWords()
    words.add_text("before the pause after the pause")
    loud = np.full(RATE, 5000, dtype=np.int16)
    words.add_sound(np.concatenate([loud, silence(3.0, RATE), loud]))
    words.finish()
    assert words.heard(RATE) == words.heard(3 * RATE) == "before the pause"


def test_nothing_played_is_nothing_heard_and_all_played_is_all_heard() -> None:
    words = VoicedWords()
    assert words.heard(0) == words.heard(1000) == ""
    words.add_text("Hello there.")
    assert words.heard(1000) == ""
    words.add_sound(np.full(RATE, 5000, dtype=np.int16))
    words.finish()
    assert words.heard(0) == ""
    assert words.heard(words.samples) == "Hello there."


def test_a_message_that_breaks_off_keeps_the_words_that_have_sound() -> None:
    words = VoicedWords()
    for word in ["one", "two", "three", "four"]:
        words.add_text(f" {word}")
        words.add_sound(np.full(RATE // 3, 5000, dtype=np.int16))
    words.add_text(" five six seven eight")
    words.break_off()
    assert words.heard(words.samples) in ("one two three four", "one two three four five")
    assert words.complete
