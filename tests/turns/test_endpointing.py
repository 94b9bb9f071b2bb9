"""When the user's turn ends: exact to the sample, and fitting the words and the person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from voice_agents.settings import Speculation, TurnMode, TurnSettings
from voice_agents.turns.completeness import Completeness, completeness
from voice_agents.turns.endings.likelihood import likelihood
from voice_agents.turns.endpointing import Endpointer, TurnEnd

RATE = 16_000
PLAIN = TurnSettings(silence_s=0.5, adaptive=False)
ADAPTIVE = TurnSettings(silence_s=0.5, speculation=Speculation.OFF)


def said(endpointer: Endpointer, start_s: float, end_s: float, words: str = "") -> None:
    """The user speaks from ``start_s`` to ``end_s``."""
    endpointer.speech_started(round(start_s * RATE))
    endpointer.speech_heard(round(end_s * RATE))
    if words:
        endpointer.partial(words)


def ended(endpointer: Endpointer, position_s: float) -> TurnEnd | None:
    return endpointer.advance(round(position_s * RATE))


def test_the_turn_ends_on_the_sample() -> None:
    endpointer = Endpointer(PLAIN)
    said(endpointer, 1.0, 2.0)
    assert endpointer.deadline == 40_000
    assert endpointer.advance(39_999) is None
    assert endpointer.advance(40_000) == TurnEnd(32_000, 0.5)
    assert endpointer.advance(50_000) is None
    assert endpointer.deadline is None


def test_the_newest_end_of_speech_counts_even_if_it_is_earlier() -> None:
    endpointer = Endpointer(PLAIN)
    said(endpointer, 1.0, 2.0)
    endpointer.speech_heard(31_500)
    assert endpointer.advance(39_500) == TurnEnd(31_500, 0.5)


def test_a_pause_shorter_than_the_silence_keeps_the_turn_open() -> None:
    endpointer = Endpointer(PLAIN)
    said(endpointer, 1.0, 2.0)
    assert ended(endpointer, 2.45) is None
    said(endpointer, 2.4, 3.0)
    assert ended(endpointer, 3.4) is None
    assert ended(endpointer, 3.5) == TurnEnd(48_000, 0.5)


def test_without_speech_and_after_cancel_nothing_ends() -> None:
    endpointer = Endpointer(PLAIN)
    endpointer.speech_heard(16_000)
    endpointer.partial("hello")
    assert ended(endpointer, 100) is None
    said(endpointer, 101, 102)
    endpointer.cancel()
    assert ended(endpointer, 200) is None


def test_push_to_talk_never_ends_by_itself() -> None:
    endpointer = Endpointer(replace(PLAIN, mode=TurnMode.PUSH_TO_TALK))
    said(endpointer, 1, 2, "What time is it?")
    assert endpointer.deadline is None
    assert ended(endpointer, 60) is None
    endpointer.configure(PLAIN)
    assert ended(endpointer, 60) is not None


@pytest.mark.parametrize(
    ("words", "silence_s"),
    [("", 0.5), ("What time is it?", 0.3), ("My name is", 0.8), ("I would like some tea", 0.5)],
)
def test_the_silence_fits_the_words(words: str, silence_s: float) -> None:
    endpointer = Endpointer(ADAPTIVE)
    said(endpointer, 1, 2, words)
    assert endpointer.silence_s == pytest.approx(silence_s)
    assert ended(endpointer, 2 + silence_s - 0.001) is None
    end = ended(endpointer, 2 + silence_s)
    assert end is not None and end.speech_end == 2 * RATE


@pytest.mark.parametrize(
    ("words", "silence_s"),
    [("", 1.0), ("What time is it?", 0.3), ("My name is", 1.0), ("I would like some tea", 1.0)],
)
def test_whose_answer_is_begun_early_may_take_longer(words: str, silence_s: float) -> None:
    endpointer = Endpointer(replace(ADAPTIVE, speculation=Speculation.CAREFUL))
    said(endpointer, 1, 2, words)
    assert endpointer.silence_s == pytest.approx(silence_s)


@pytest.mark.parametrize(("patience_s", "complete_s", "open_s"), [(0.2, 0.2, 0.32), (0.4, 0.3, 0.64), (2.0, 1.2, 3.2)])
def test_words_change_the_patience_within_bounds(patience_s: float, complete_s: float, open_s: float) -> None:
    endpointer = Endpointer(replace(ADAPTIVE, silence_s=patience_s))
    said(endpointer, 1, 2, "What time is it?")
    assert endpointer.silence_s == pytest.approx(complete_s)
    endpointer.partial("What time is it, and")
    assert endpointer.silence_s == pytest.approx(open_s)


def test_a_late_partial_takes_effect_at_once_and_an_old_one_not_on_the_next_turn() -> None:
    endpointer = Endpointer(ADAPTIVE)
    said(endpointer, 1, 2, "Set a timer for")
    assert ended(endpointer, 2.6) is None
    endpointer.partial("Set a timer for five minutes")
    assert ended(endpointer, 2.6) is not None
    endpointer.partial("and")
    said(endpointer, 9, 10)
    assert endpointer.silence_s == 0.5


def test_who_is_cut_off_again_and_again_gets_more_time_and_loses_it_slowly() -> None:
    endpointer = Endpointer(ADAPTIVE)
    at = 0.0
    for _ in range(6):  # six turns that go on 0.6 s after they seemed to be over
        said(endpointer, at, at + 1)
        if ended(endpointer, at + 1.55) is None:
            break
        endpointer.cancel()  # as an engine does when it has taken the turn
        at += 1.6
    assert 0.5 < endpointer.silence_s <= 0.8
    learned = endpointer.silence_s
    endpointer.cancel()
    for _ in range(20):
        at += 10
        said(endpointer, at, at + 1)
        assert ended(endpointer, at + 2) is not None
    said(endpointer, at + 10, at + 11)
    assert endpointer.silence_s == 0.5 < learned


def test_long_silences_are_never_learned_beyond_the_bound() -> None:
    endpointer = Endpointer(ADAPTIVE)
    for turn in range(20):
        said(endpointer, turn * 2.4, turn * 2.4 + 1)
        ended(endpointer, turn * 2.4 + 1.9)
    assert endpointer.silence_s <= 0.8


def test_a_new_question_after_the_answer_is_no_pause() -> None:
    endpointer = Endpointer(ADAPTIVE)
    for turn in range(10):
        said(endpointer, turn * 5, turn * 5 + 1)
        assert ended(endpointer, turn * 5 + 1.5) is not None
    assert endpointer.silence_s == 0.5


PHRASES = [
    "what time is it in Tokyo",
    "what is five times seven",
    "what's twelve plus thirty",
    "set a timer for five minutes",
    "set a timer for ten",
    "convert ten miles to kilometers",
    "flip a coin",
    "roll two dice",
    "remember that I like tea",
    "what do you know about me",
    "my name is Anna",
    "what is my name",
    "tell me a joke",
    "hello",
    "how are you",
    "thank you",
    "who are you talking to",
    "what is it for",
    "turn the light on",
    "call me at five five five one two three four",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_whole_phrase_is_never_waited_for_longer_than_the_patience(phrase: str) -> None:
    assert completeness(phrase) is not Completeness.OPEN
    endpointer = Endpointer(ADAPTIVE)
    said(endpointer, 1, 2, phrase)
    assert endpointer.silence_s <= 0.5


@pytest.mark.parametrize(
    "words",
    [
        "I was thinking and",
        "set a timer for",
        "tell me about the",
        "my name is",
        "what is the",
        "well I...",
        "my number is five five five",
        "it is 555 12",
        "remind me to",
        "could you set an alarm",
        "okay so can you show me",
        "what's the forecast in",
        "how tall is the",
        "why is the grass",
        "when does the library",
        "he asked me if they",
        "the thing with my car is that",
        "please translate",
        "how much is nineteen",
        "the code is seven",
        "let's say at eight no",
        "tea, milk,",
        "tell me which train",
    ],
)
def test_clearly_unfinished_words_are_waited_for(words: str) -> None:
    assert completeness(words) is Completeness.OPEN


@pytest.mark.parametrize(
    "words",
    [
        "set a timer",
        "what is five",
        "is it?",
        "set a timer for five",
        "I like",
        "",
        "is there a pharmacy",
        "find me a doctor",
        "what my brother said",
        "is it true that",
        "what is the meaning",
        "what I really like is",
        "when we arrived",
        "I'd love to read",
        "I need a taxi",
    ],
)
def test_what_may_go_on_is_not_called_complete(words: str) -> None:
    assert completeness(words) is not Completeness.COMPLETE


@pytest.mark.parametrize(
    "words",
    [
        "What time is it in Tokyo",
        "what time is it",
        "okay tell me more",
        "what day is it",
        "how old are you",
        "tell me a joke",
        "what did you say",
        "can you repeat that",
        "can you please set an alarm for nine in the morning",
        "what's eleven times twelve",
        "how much is three percent of ninety",
        "read my messages",
        "um okay so what's the weather like today",
        "why is the sky blue",
        "can you tell me a joke",
        "where can I find a good dentist",
        "turn off the light in the kitchen",
        "add butter to the shopping list",
        "remind me to call my brother",
        "can I get a large pepperoni pizza",
        "do you have any vegetarian dishes",
        "I'd like two tickets please",
        "Is there a pharmacy?",
        "hello there, how much is nineteen plus twenty three",
        "Good morning. What can you do?",
        "thank you, and what is my name",
        "Hello there.",
        "good morning",
        "yes thank you",
    ],
)
def test_whole_questions_and_commands_are_answered_soon(words: str) -> None:
    assert completeness(words) is Completeness.COMPLETE


@pytest.mark.parametrize(
    "words",
    [
        "turn the fan on",
        "I am so sorry",
        "what is this about",
        "what's my address",
        "what will the traffic be like",
        "why is the grass green",
        "tell me another joke",
        "I have a question",
        "can you see me",
        "my name is Julia",
        "that sounds good",
    ],
)
def test_what_may_be_whole_is_begun_early(words: str) -> None:
    """ "What's my address on file", "tell me another joke about cats"."""
    assert completeness(words) is not Completeness.OPEN


@pytest.mark.parametrize(
    "words",
    [
        "could you send a copy of the bill to my new address",
        "how long will it take to get to the station by bus",
        "I am looking for a cheap hotel in the centre of town",
        "what is the weather going to be like in Denver tomorrow",
    ],
)
def test_a_sentence_is_likeliest_whole_at_its_end(words: str) -> None:
    spoken = words.lower().split()
    odds = [likelihood(spoken[:end]) for end in range(1, len(spoken) + 1)]
    assert max(odds) == odds[-1] > 0
