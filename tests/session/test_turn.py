"""A turn holds what was said, written, done and heard, however late it comes and however it ends."""

from __future__ import annotations

import json

import numpy as np

from voice_agents.engines.realtime import past_items
from voice_agents.session.turn import SpeechStep, ToolStep, Turn, UserWords
from voice_agents.turns.heard import AlignedWords, SpokenWord
from voice_agents.turns.voiced import VoicedWords


async def test_pieces_stand_in_the_order_they_were_said_however_late_their_words_come() -> None:
    words = UserWords()
    words.expect("a")
    words.expect("b")
    words.hear("b", "in tokyo", final=True)
    assert (words.certain, words.known) == ("in tokyo", False)
    words.hear("a", "what", final=False)
    assert words.shown == "what in tokyo"
    words.hear("a", "what time is it", final=True)
    assert (words.certain, words.known) == ("what time is it in tokyo", True)


async def test_words_that_come_before_their_piece_is_taken_are_kept() -> None:
    words = UserWords()
    words.hear("a", "hello", final=True)
    assert (words.certain, words.shown) == ("", "hello")
    words.expect("a")
    assert (words.certain, words.shown, words.known) == ("hello", "hello", True)


async def test_what_is_heard_again_after_a_lost_connection_is_not_said_twice() -> None:
    words = UserWords()
    words.expect("a")
    words.hear("a", "what time is it", final=True)
    words.hear("lost", "in tok", final=False)
    words.forget_coming()
    words.hear("again", "in tokyo", final=False)
    assert words.shown == "what time is it in tokyo"


async def test_a_turn_under_way_is_told_with_its_tools_and_what_has_sounded() -> None:
    turn = Turn(1, UserWords.of_text("add"))
    voiced = VoicedWords()
    voiced.add_text("Let me see.")
    voiced.add_sound(np.full(24_000, 5000, dtype=np.int16))
    voiced.finish()
    turn.samples = 24_000
    done = ToolStep("c1", "calculate", {}, arguments=json.dumps({"expression": "1+1"}))
    turn.steps = [SpeechStep("i1", voiced), done, ToolStep("c2", "x", {})]
    done.settle("two", error=False)
    told = [(item.kind, item.text or item.call_id) for item in past_items([], turn)]
    assert told == [("user", "add"), ("assistant", "Let me see."), ("call", "c1"), ("output", "two"), ("call", "c2")]


def aligned(written: str, *words: SpokenWord) -> AlignedWords:
    message = AlignedWords()
    message.add_text(written)
    message.add_words(words)
    return message


def test_a_word_counts_when_half_of_it_was_played_and_all_of_them_are_what_was_written() -> None:
    message = aligned("Hello **there.**", SpokenWord("Hello", 0, 4800), SpokenWord("there.", 4800, 9600))
    assert message.heard(2399) == ""
    assert message.heard(2400) == message.heard(7199) == "Hello"
    assert message.heard(7200) == "Hello **there.**"


def test_words_are_known_by_the_message_they_belong_to() -> None:
    first = aligned("Let me", SpokenWord("Let", 0, 2400), SpokenWord("me", 2400, 4800))
    turn = Turn(
        1, steps=[SpeechStep("first", first), SpeechStep("second", aligned("Done.", SpokenWord("Done.", 4800, 9600)))]
    )
    assert turn.heard(2400) == {"first": "Let"}
    assert turn.unheard(2400) == "me Done."
    assert turn.heard_text(9600) == "Let me Done."
    turn.to_be_read()
    assert turn.heard(0) == {"first": "Let me", "second": "Done."}
