"""What the offline agent understands, spoken and typed, and which tool it calls or what it answers."""

from __future__ import annotations

import re

import pytest

from tests.offline.asking import Calls, answer, calls, heard
from voice_agents.offline.brain import EXAMPLES
from voice_agents.offline.skills import RULES, SKILLS, Skill, expected
from voice_agents.offline.skills.numbers import expression_of, value_of
from voice_agents.offline.skills.phrases import pieces
from voice_agents.offline.skills.rules import UNITS, duration_of
from voice_agents.offline.skills.stories import JOKES, STORIES, TOPICS
from voice_agents.tools.places import zone_of
from voice_agents.tools.units import convert_units
from voice_agents.tools.words import spell


def spoken(example: str) -> str:
    """As the recogniser writes it."""
    return re.sub(r"[^\w' ]", "", example).lower()


EXAMPLES_OF_ALL = [(skill, example) for skill in SKILLS for example in skill.examples]

# Every skill with one of its examples, and what the agent does: a tool call, or how its answer begins.
DOES: dict[str, tuple[str, Calls | str]] = {
    "time": ("What time is it in New York?", [("get_time", {"place": "New York"})]),
    "sum": ("What's seven times eight?", [("calculate", {"expression": "7 * 8"})]),
    "units": (
        "Convert ten miles to kilometers.",
        [("convert_units", {"value": 10.0, "from_unit": "miles", "to_unit": "kilometers"})],
    ),
    "dice": ("Roll a dice.", [("roll_dice", {"sides": 6, "count": 1})]),
    "coin": ("Flip a coin.", [("flip_coin", {})]),
    "set_timer": ("Set a timer for ten seconds.", [("set_timer", {"seconds": 10.0, "label": ""})]),
    "list_timers": ("How much time is left?", [("list_timers", {})]),
    "cancel_timers": ("Cancel the timer.", [("cancel_timers", {})]),
    "save_note": ("Take a note: buy milk.", [("save_note", {"text": "buy milk"})]),
    "list_notes": ("Read my notes.", [("list_notes", {})]),
    "delete_notes": ("Delete my notes.", [("delete_notes", {})]),
    "introduction": ("My name is Robert.", "Nice to meet you, Robert."),
    "ask_name": ("What's my name?", "You have not told me"),
    "story": ("Tell me a story.", "Sure, here is a story."),
    "topic": ("Tell me about the moon.", "Sure, let me tell you about the moon."),
    "joke": ("Tell me a joke.", JOKES[0]),
    "count": ("Count from one to ten.", "One, two, three, four, five, six, seven, eight, nine, ten."),
    "said_before": ("What did I say before?", "You have not said anything"),
    "repeat": ("Repeat that.", "I have not said anything"),
    "hello": ("Hello!", "Hello"),
    "how_are_you": ("How are you?", "I am fine"),
    "who_are_you": (
        "Are you real?",
        "I am a small offline agent made of rules, not a person",
    ),
    "hear_me": ("Can you hear me?", "Yes, I can hear you."),
    "thanks": ("Thank you.", "You are welcome."),
    "goodbye": ("Goodbye.", "Goodbye."),
    "stop": ("Never mind.", "Okay."),
    "go_on": ("Go on.", "I am listening."),
    "yes": ("Yes.", "Good."),
    "no": ("No, thank you.", "All right."),
    "help": ("What can you do?", "I can tell the time in a city, do arithmetic"),
}


# Spoken


@pytest.mark.parametrize(("skill", "example"), EXAMPLES_OF_ALL, ids=[example for _, example in EXAMPLES_OF_ALL])
def test_every_example_is_expected_and_understood_spoken_as_typed(skill: Skill, example: str) -> None:
    assert example in expected()
    assert calls(spoken(example)) == calls(example)
    if not calls(example):
        assert answer(spoken(example)).lower() == answer(example).lower()
        assert "do not understand" not in answer(example)


def test_examples_are_expected_about_other_things_too() -> None:
    phrases = expected()

    assert {
        "What time is it in Berlin?",
        "Set a timer for fifteen minutes.",
        "I'm Sarah.",
        "What's three plus nine?",
    } <= {*phrases}
    assert len(phrases) == len(set(phrases)) < 5500


@pytest.mark.parametrize("name", [skill.name for skill in SKILLS if skill.phrases])
def test_every_skill_does_what_it_is_asked(name: str) -> None:
    example, does = DOES[name]
    assert example in next(skill for skill in SKILLS if skill.name == name).examples
    if isinstance(does, str):
        assert answer(spoken(example)).lower().startswith(does.lower())
    else:
        assert [(name, {k: str(v).lower() for k, v in args.items()}) for name, args in calls(spoken(example))] == [
            (name, {k: str(v).lower() for k, v in args.items()}) for name, args in does
        ]
        assert calls(example) == does


@pytest.mark.parametrize(
    "text",
    [
        "please flip a coin",
        "can you tell me a joke please",
        "flip a coin and roll a dice",
        "what's nine hundred ninety nine minus one",
        "what is the time in hong kong",
        "i'm sarah",
        "please roll two dice for me",
        "can you flip a coin for me please",
        "hi my name is peter",
        "hello i'm peter",
        "tell me what time it is in paris",
        "how many kilometers are ten miles",
        "can you continue please",
    ],
)
def test_more_that_is_understood(text: str) -> None:
    assert "do not understand" not in heard(text).text


def test_there_are_examples_for_the_page() -> None:
    assert len(EXAMPLES) >= 10
    assert len(set(EXAMPLES)) == len(EXAMPLES)


# Typed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What's 7 * 8?", [("calculate", {"expression": "7 * 8"})]),
        ("whats 7 x 8", [("calculate", {"expression": "7 * 8"})]),
        ("2+2=", [("calculate", {"expression": "2 + 2"})]),
        ("what is (3+4)*2 please", [("calculate", {"expression": "( 3 + 4 ) * 2"})]),
        ("What is 15% of 1,000?", [("calculate", {"expression": "15 / 100 * 1000"})]),
        ("compute 2^10", [("calculate", {"expression": "2 ** 10"})]),
        ("three point five plus minus two", [("calculate", {"expression": "3.5 + - 2"})]),
        ("What time is it in Kuala Lumpur right now?", [("get_time", {"place": "Kuala Lumpur"})]),
        ("Could you please tell me what time it is in tbilisi", [("get_time", {"place": "Tbilisi"})]),
        ("time in Washington D.C.?", [("get_time", {"place": "Washington D.C"})]),
        ("what time is it?", [("get_time", {"place": ""})]),
        ("5 km in miles", [("convert_units", {"value": 5.0, "from_unit": "kilometers", "to_unit": "miles"})]),
        ("20°C to F", [("convert_units", {"value": 20.0, "from_unit": "celsius", "to_unit": "fahrenheit"})]),
        ("how many inches in a foot", [("convert_units", {"value": 1.0, "from_unit": "feet", "to_unit": "inches"})]),
        ("Convert 3 stone to knots", [("convert_units", {"value": 3.0, "from_unit": "stone", "to_unit": "knots"})]),
        ("roll 2d20", [("roll_dice", {"sides": 20, "count": 2})]),
        ("set a 10 minute tea timer", [("set_timer", {"seconds": 600.0, "label": "tea"})]),
        ("timer 90s", [("set_timer", {"seconds": 90.0, "label": ""})]),
        ("Set a timer for 1.5 hours", [("set_timer", {"seconds": 5400.0, "label": ""})]),
        ("remind me to call Ann in 5 minutes", [("set_timer", {"seconds": 300.0, "label": "call Ann"})]),
        ("Note that Zoë's train is at 9:15.", [("save_note", {"text": "Zoë's train is at 9:15"})]),
        ("remember to buy bread and eggs", [("save_note", {"text": "buy bread and eggs"})]),
        ("DELETE ALL MY NOTES!!!", [("delete_notes", {})]),
        ("hey, flip the coin", [("flip_coin", {})]),
        ("what time is it right now in Sydney", [("get_time", {"place": "Sydney"})]),
        ("multiply six by seven", [("calculate", {"expression": "6 * 7"})]),
        ("Divide 100 by 2.5 please", [("calculate", {"expression": "100 / 2.5"})]),
        ("good morning can you flip a coin", [("flip_coin", {})]),
    ],
)
def test_typed_requests_are_taken_as_they_are_written(text: str, expected: Calls) -> None:
    assert calls(text) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("what time is it in paris and in tokyo", ["get_time", "get_time"]),
        ("flip a coin and roll a dice", ["flip_coin", "roll_dice"]),
        ("Flip a coin. Then tell me a joke.", ["flip_coin"]),
        ("set a timer for two minutes and ten seconds and flip a coin, then list my notes", [
            "set_timer", "flip_coin", "list_notes",
        ]),
        ("Hello, what's two plus two?", ["calculate"]),
    ],
)  # fmt: skip
def test_several_requests_at_once_are_all_done(text: str, names: list[str]) -> None:
    assert [name for name, _ in calls(text)] == names


@pytest.mark.parametrize("text", ["hi my name is Bob", "Hello there, my name is Bob.", "good evening my name is Bob"])
def test_a_greeting_may_lead_a_request(text: str) -> None:
    assert answer(text) == "Nice to meet you, Bob."


def test_of_a_text_half_understood_the_other_half_is_named() -> None:
    assert answer("My name is Bob. Collect my stamps.") == (
        'Nice to meet you, Bob. But I do not understand "Collect my stamps".'
    )


def test_the_tools_know_every_place_and_unit_that_is_listened_for() -> None:
    places = next(rule for rule in RULES if rule.name == "place").phrase.split("|")
    assert [place for place in places if zone_of(place) is None] == []


@pytest.mark.parametrize("unit", UNITS)
async def test_the_tools_know_every_unit(unit: str) -> None:
    assert await convert_units(1.0, unit, unit)


# Answers


@pytest.mark.parametrize("text", [*STORIES, *TOPICS.values()])
def test_long_answers_are_long_and_made_for_listening(text: str) -> None:
    assert 6 <= len(re.findall(r"\.(?=\s|$)", text)) <= 10
    assert not re.search(r"[^\w\s.,'-]|\d", text)


# Numbers and phrases


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("twenty one", 21),
        ("nine hundred and five", 905),
        ("two thousand five hundred", 2500),
        ("a hundred", 100),
        ("1,000,000", 1_000_000),
        ("2,5", 2.5),
        ("minus three point one four", -3.14),
        ("one twenty", None),
        ("five and", None),
        ("point", None),
        ("1.2.3", None),
        ("banana", None),
    ],
)
def test_numbers_are_read(words: str, value: float | None) -> None:
    assert value_of(words.split()) == value


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "zero"), (21, "twenty-one"), (105, "one hundred and five"), (2340, "two thousand three hundred and forty"),
     (-2.5, "minus two point five")],
)  # fmt: skip
def test_numbers_are_said(number: float, words: str) -> None:
    assert spell(number) == words


@pytest.mark.parametrize("words", ["", "seven", "seven apples plus two", "five and six"])
def test_what_is_no_arithmetic_is_not_calculated(words: str) -> None:
    assert expression_of(words.split()) is None


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("half a minute", 30),
        ("an hour and a half", 5400),
        ("two and a half minutes", 150),
        ("a quarter of an hour", 900),
        ("1 hour and 5 minutes and 3 seconds", 3903),
        ("ten", None),
        ("zero seconds", None),
        ("many minutes", None),
    ],
)
def test_durations_are_read(words: str, seconds: float | None) -> None:
    assert duration_of(words.split()) == seconds


@pytest.mark.parametrize("phrase", ["(a | b", "a | b)", "[a)", "<Upper>", "a < b"])
def test_a_phrase_that_is_not_well_formed_is_an_error(phrase: str) -> None:
    with pytest.raises(ValueError):
        pieces(phrase)


@pytest.mark.parametrize(
    ("text", "value", "source", "target"),
    [
        ("What's six foot two in centimeters?", 74, "inches", "centimeters"),
        ("How many tablespoons is half a cup?", 0.5, "cups", "tablespoons"),
        ("How fast is a hundred kilometers per hour in miles per hour?", 100, "kilometers per hour", "miles per hour"),
    ],
)
def test_units_of_the_kitchen_and_the_road(text: str, value: float, source: str, target: str) -> None:
    assert calls(text) == [("convert_units", {"value": value, "from_unit": source, "to_unit": target})]


@pytest.mark.parametrize(
    ("words", "value"),
    [("two and a half", 2.5), ("half a", 0.5), ("a couple of", 2), ("a dozen", 12), ("three and a quarter", 3.25)],
)
def test_parts_and_pairs_are_numbers(words: str, value: float) -> None:
    assert value_of(words.split()) == value


def test_counting_down() -> None:
    assert answer("Count down from three.") == answer("Count backwards from three.") == "Three, two, one."


def test_follow_ups_are_expected() -> None:
    assert {"And in Madrid?", "And in ounces?", "Make it twelve minutes.", "And plus three?", "Roll again."} <= {
        *expected()
    }
