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


def calculated(expression: str) -> Calls:
    return [("calculate", {"expression": expression})]


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
        ("What's thirty plus five?", "And times two?", calculated("(30 + 5) * 2")),
        ("What's thirty plus five?", "End times do.", calculated("(30 + 5) * 2")),
        ("What's thirty plus five?", "Now divide that by seven.", calculated("(30 + 5) / 7")),
        ("What's thirty plus five?", "What's the square root of that?", calculated("(30 + 5) ** 0.5")),
        ("What's fifteen percent of eighty?", "And twenty percent?", calculated("20 / 100 * 80")),
        ("What's seven times eight?", "And nine?", calculated("7 * 9")),
        ("How many ounces are in a pound?", "What about two and a half pounds?", converted(2.5, "pounds", "ounces")),
        ("How many seconds are in a day?", "And in a week?", converted(1, "weeks", "seconds")),
        ("Convert ten celsius to fahrenheit.", "And in kelvin?", converted(10, "celsius", "kelvin")),
        ("What's the weather like in Boston?", "What time is it there?", [("get_time", {"place": "Boston"})]),
        ("What time is it in Dublin?", "Is it already dark there?", [("get_time", {"place": "Dublin"})]),
        ("What time is it in Rome?", "I land in Chicago. What's the time there?", [("get_time", {"place": "Chicago"})]),
        ("Convert ten celsius to fahrenheit.", "And minus five?", converted(-5, "celsius", "fahrenheit")),
        ("Set a timer for ten minutes.", "What's still running?", [("list_timers", {})]),
        ("Roll two dice.", "Interesting. And again.", [("roll_dice", {"sides": 6, "count": 2})]),
        ("Set a timer for ten minutes.", "And one for the rice, twelve minutes.", timer(720, "rice")),
        ("Set a timer for ten minutes and remind me to call Tim.", "Sorry, half an hour.", timer(1800, "call Tim")),
        ("Set a timer for ten minutes.", "Cancel everything.", [("cancel_timers", {})]),
        ("Take a note: buy milk.", "Also add feed the cat.", [("save_note", {"text": "feed the cat"})]),
        ("Remember that I parked on level three.", "Where did I park?", [("list_notes", {})]),
        ("What time is it in Rome?", "What about my brother, he's in Toronto?", [("get_time", {"place": "Toronto"})]),
        ("What time is it in Rome?", "And in Spain?", [("get_time", {"place": "Spain"})]),
        ("What time is it in Rome?", "Same for Moscow.", [("get_time", {"place": "Moscow"})]),
        ("How many milliliters are three cups?", "No sorry, to cups.", converted(2, "cups", "milliliters")),
        ("How much is ten pounds in ounces?", "And what would eighty be?", converted(80, "pounds", "ounces")),
        ("What's forty times two?", "And if I split that three ways?", calculated("(40 * 2) / 3")),
        ("What's forty times two?", "Take ten off that.", calculated("(40 * 2) - 10")),
        ("What's forty times two?", "And half of it?", calculated("0.5 * (40 * 2)")),
        ("Set a timer for ten minutes.", "Sorry, I said ten, it should be eighteen.", timer(1080)),
        ("Set a timer for ten minutes.", "Add five minutes to that.", timer(900)),
        ("Set a timer for ten minutes.", "Which one goes off first?", [("list_timers", {})]),
        ("Set a timer for ten minutes.", "Get rid of them all.", [("cancel_timers", {})]),
        ("Take a note: buy milk.", "I also have to ring the bank.", [("save_note", {"text": "ring the bank"})]),
        ("Read my notes.", "You can throw those away now.", [("delete_notes", {})]),
    ],
)
def test_the_request_before_is_known(before: str, text: str, expected: Calls) -> None:
    assert calls(text, *talked(before)) == expected


def test_what_was_spoken_of_before_the_last_request_may_be_asked_about() -> None:
    said = talked("How much is ten pounds in ounces?", "Tell me a joke.")
    assert calls("And in grams?", *said) == converted(10, "pounds", "grams")


def test_an_answer_is_reckoned_with() -> None:
    said = [Message("user", "Convert ten miles to feet."), Message("assistant", "Ten miles are fifty-two feet.")]
    assert calls("Divide that by two.", *said) == calculated("52 / 2")


def test_a_city_nobody_named_is_asked_for() -> None:
    said = talked("Is it dark over there?")
    assert said[-1].text == "In which city?"
    assert calls("Madrid.", *said) == [("get_time", {"place": "Madrid"})]


def test_how_far_apart_two_clocks_are() -> None:
    places = [("get_time", {"place": "London"}), ("get_time", {"place": "Boston"})]
    assert calls("And the time difference to London?", *talked("What time is it in Boston?")) == places


def test_one_timer_of_several_cannot_be_cancelled() -> None:
    assert "all of them at once" in answer("Cancel the first one.", *talked("Set a timer for ten minutes."))


def test_who_corrects_his_name_is_called_by_it() -> None:
    assert answer("So what's my name?", *talked("My name is Kim.", "No, it's Tim.")) == "Your name is Tim."


def test_thanks_are_returned_once() -> None:
    assert answer("Okay great, thank you, bye.").count("welcome") == 1


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
    "text",
    [
        *("Nice to meet you. I'm Laura.", "I am baking a cake. Set a timer for ten minutes.", "That was fun. Bye!"),
        *("No worries. Tell me a joke.", "Let's see. Roll a die.", "Wow. Flip a coin.", "Thanks anyway. See you."),
        "Flip a coin. Heads I clean the kitchen, tails you do.",
    ],
)
def test_who_tells_something_beside_his_request_is_not_told_that_it_was_not_understood(text: str) -> None:
    assert "understand" not in talked(text)[-1].text


def test_a_question_beside_a_request_is_not_passed_over() -> None:
    assert '"why is the sky blue"' in talked("Set a timer for ten minutes. Why is the sky blue?")[-1].text.lower()
