"""Which turn the user's words belong to, however late they come, and for how long that is remembered."""

from __future__ import annotations

from voice_agents.engines.realtime.turns import KEPT_TURNS, UserTurns


def test_words_that_come_late_belong_to_their_own_turn() -> None:
    turns = UserTurns()
    first = turns.take("a")
    second = turns.take("b")
    assert turns.words("a", "what time is it", final=True) is first
    assert (first.user.text, second.user.text) == ("what time is it", "")


def test_a_turn_that_was_released_gets_the_item_the_server_names_next() -> None:
    turns = UserTurns()
    turn = turns.take(None)
    assert turns.adopt("a") and turns.adopt("a")
    turns.words("a", "hello", final=True)
    assert turn.user.text == "hello"
    assert not turns.adopt("b")


def test_who_goes_on_before_anything_was_heard_adds_to_the_same_turn() -> None:
    turns = UserTurns()
    turn = turns.take("a")
    turns.go_on_with(turn)
    turns.heard("b")
    assert turns.take("b") is turn and turns.number == 1
    turns.words("b", "in tokyo", final=True)
    turns.words("a", "what time is it", final=True)
    assert turn.user.text == "what time is it in tokyo"


def test_a_long_conversation_does_not_keep_all_its_turns() -> None:
    turns = UserTurns()
    for number in range(100):
        turns.take(f"item_{number}")
    found = [number for number in range(100) if turns.of(f"item_{number}") is not None]
    assert found == list(range(100 - KEPT_TURNS, 100))
