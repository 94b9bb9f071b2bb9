"""What people say after a request, which means something only because of it."""

from __future__ import annotations

import pytest

from tests.offline.asking import TOOLS, Calls, answer, calls
from voice_agents.offline.brain import Brain, Message


def talked(*said: str) -> list[Message]:
    """A conversation in which this was said; every tool answers with its own name."""
    messages: list[Message] = []
    for text in said:
        messages.append(Message("user", text))
        reply = Brain().reply(messages, TOOLS)
        if reply.tool_calls:
            messages.append(Message("assistant", "", reply.tool_calls))
            messages += [Message("tool", f"{call.name} it is.", tool_call_id=call.id) for call in reply.tool_calls]
            reply = Brain().reply(messages, TOOLS)
        messages.append(Message("assistant", reply.text))
    return messages


def timer(seconds: float, label: str = "") -> Calls:
    return [("set_timer", {"seconds": seconds, "label": label})]


def converted(value: float, source: str, target: str) -> Calls:
    return [("convert_units", {"value": value, "from_unit": source, "to_unit": target})]


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        ("What time is it in Singapore?", "And San Francisco?", [("get_time", {"place": "San Francisco"})]),
        ("What time is it in Singapore?", "No, I meant Seoul.", [("get_time", {"place": "Seoul"})]),
        ("How much is six hundred grams in ounces?", "And in pounds?", converted(600, "grams", "pounds")),
        ("How far is 120 kilometers in miles?", "What if it's two hundred?", converted(200, "kilometers", "miles")),
        ("Convert ten miles to kilometers.", "Twelve miles, I mean.", converted(12, "miles", "kilometers")),
        ("What's seven times six?", "No, seven times for.", [("calculate", {"expression": "7 * 4"})]),
        ("What's seven times four?", "No, seven times five.", [("calculate", {"expression": "7 * 5"})]),
        ("Roll two dice.", "Now with three.", [("roll_dice", {"sides": 6, "count": 3})]),
        ("How far is ten kilometers in miles?", "What if it's too hundred?", converted(200, "kilometers", "miles")),
        ("Set a timer for ten minutes.", "And another one for the egg is six minutes.", timer(360, "egg")),
        ("Flip a coin.", "And again, please.", [("flip_coin", {})]),
        ("Set a timer for ten minutes.", "Make it fifteen.", timer(900)),
        ("Set a timer for ten seconds.", "Sorry, twenty seconds.", timer(20)),
        ("Set a timer for ten minutes.", "Oh, and another one for the eggs, six minutes.", timer(360, "eggs")),
        ("Set a timer for ten minutes.", "Can you turn it off again?", [("cancel_timers", {})]),
        ("Set a timer for ten minutes.", "How long is left?", [("list_timers", {})]),
        ("Take a note: buy milk.", "Read it back to me.", [("list_notes", {})]),
        ("Read my notes.", "Delete them all, please.", [("delete_notes", {})]),
    ],
)
def test_the_request_before_is_known(before: str, text: str, expected: Calls) -> None:
    assert calls(text, *talked(before)) == expected


def test_one_change_after_the_other() -> None:
    said = talked("Convert ten miles to kilometers.", "Make it twelve.", "Thanks!")
    assert calls("And in feet?", *said) == converted(12, "miles", "feet")


def test_the_jokes_go_on() -> None:
    first = talked("Tell me a joke.")
    other = answer("Ha, that was a good one. Do you have one more?", *first)
    assert other
    assert other != first[-1].text


def test_a_timer_that_goes_on_beside_its_correction_is_told_of() -> None:
    assert "goes on" in talked("Set a timer for ten minutes.", "Make it fifteen.")[-1].text
    assert "goes on" not in talked("Set a timer for ten minutes.", "Another one for five minutes.")[-1].text


def test_what_the_dice_make_is_said_again() -> None:
    assert answer("What do they add up to?", *talked("Roll three dice.")) == "roll_dice it is."


@pytest.mark.parametrize(
    ("before", "text"),
    [("Tell me a joke.", "Fifteen."), ("Hello.", "Make it fifteen."), ("Flip a coin.", "And in pounds?")],
)
def test_what_does_not_follow_is_not_understood(before: str, text: str) -> None:
    assert "understand" in answer(text, *talked(before))


def test_a_name_nobody_listed_is_one_after_a_greeting() -> None:
    assert answer("Nice to meet you, I am Lauren.") == "Nice to meet you, Lauren."
    assert "understand" in answer("I am Bored.")


@pytest.mark.parametrize(
    "text", ["Nice to meet you. I'm Laura.", "I am baking a cake. Set a timer for ten minutes.", "That was fun. Bye!"]
)
def test_who_tells_something_beside_his_request_is_not_told_that_it_was_not_understood(text: str) -> None:
    assert "understand" not in talked(text)[-1].text


def test_a_question_beside_a_request_is_not_passed_over() -> None:
    assert '"why is the sky blue"' in talked("Set a timer for ten minutes. Why is the sky blue?")[-1].text.lower()
