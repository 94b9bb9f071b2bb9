"""The offline agent understands people who do not speak in its phrases, and asks back or says what it can not do."""

from __future__ import annotations

import pytest

from tests.bench.recognition import OTHERS, QUESTIONS, READ, asked
from tests.offline.asking import answer
from voice_agents.offline.brain import Brain, Message

NOT_ASKED = ("Plan a rainy afternoon in Lisbon.", "Thanks for watching.", "How far behind are we?")
TOOLS = frozenset({"get_time", "calculate", "convert_units", "set_timer", "save_note"})


@pytest.mark.parametrize(
    ("text", "skills"),
    [
        ("I need a timer for ten minutes.", ["set_timer"]),
        ("Could you maybe remind me in, um, ten minutes to check the oven?", ["set_timer"]),
        ("Do you know what the time is in Paris?", ["time"]),
        ("I was wondering if you could tell me what time it is in New York.", ["time"]),
        ("I'd love to hear a joke.", ["joke"]),
        ("Got any good jokes?", ["joke"]),
        ("Would you mind telling me a story?", ["story"]),
        ("Um, so, can you, uh, flip a coin and then roll two dice, please?", ["coin", "dice"]),
        ("Set a timer for five minutes and tell me a joke.", ["set_timer", "joke"]),
        ("My name is Anna, and what time is it in Berlin?", ["introduction", "time"]),
        ("Okay thanks, could you just tell me how much time is left on my timer?", ["list_timers"]),
        ("What have I got in my notes?", ["list_notes"]),
        ("Put milk on my list.", ["save_note"]),
        ("How much is 12 times 12, please?", ["sum"]),
        ("Actually, cancel the timer.", ["cancel_timers"]),
        ("Let's flip a coin.", ["coin"]),
        ("How much longer does the timer have to run?", ["list_timers"]),
        ("When does my timer go off?", ["list_timers"]),
        ("How many minutes are left?", ["list_timers"]),
        ("Two hundred pounds, how many kilos is that?", ["units"]),
        ("What did I tell you to remember?", ["list_notes"]),
        ("Show me what I have written down.", ["list_notes"]),
        ("Do you still know what I'm called?", ["ask_name"]),
        ("Sorry, what was that?", ["repeat"]),
        ("Oh well, never mind.", ["stop"]),
        ("Thanks, that's all.", ["thanks"]),
        ("What are you able to do?", ["help"]),
        ("Okay, and how about Sydney?", ["time"]),
        ("Yes, and roll the dice.", ["dice"]),
        ("Set a timer for an eight minutes.", ["set_timer"]),
        ("Said a time or four-twenty minutes.", ["set_timer"]),
        ("What kind of things can you help me with?", ["help"]),
        ("I've never done this. What do I say?", ["help"]),
        ("Take the note by milk.", ["save_note"]),
        ("So what is it that you can do?", ["help"]),
        ("Which notes have I saved?", ["list_notes"]),
        ("Could you tell me today's date?", ["date"]),
        ("What have you got on my list so far?", ["list_notes"]),
        ("Well, count to five then.", ["count"]),
        ("Split a bill of ninety six dollars between four people.", ["sum"]),
        ("Alright then, good night.", ["goodbye"]),
        ("Pick a number between one and ten.", ["dice"]),
        ("Do you like music?", ["who_are_you"]),
        ("What's the time over in Japan?", ["time"]),
        ("How far ahead of New York is Berlin?", ["time"]),
        ("What time is it in Lisbon at the moment?", ["time"]),
        ("Which time zone is Chicago in?", ["time"]),
        ("Would it be late in Melbourne right now?", ["time"]),
        ("I've got rice on the stove, can you give me a shout in twelve minutes?", ["set_timer"]),
        ("Put ten minutes on the clock.", ["set_timer"]),
        ("Let me know when five minutes are up.", ["set_timer"]),
        ("What is thirty percent off eighty dollars?", ["sum"]),
        ("Take nine from thirty.", ["sum"]),
        ("How do I change pounds into kilograms?", ["units"]),
        ("How much is a gallon?", ["which_unit"]),
        ("Help me roll a six sided die.", ["dice"]),
        ("Let's flip for it.", ["coin"]),
        ("Remind me to", ["which_note"]),
        ("Can you add paper towels to the shopping list?", ["save_note"]),
        ("Never let me forget to lock the door.", ["save_note"]),
        ("Did I put bread on my shopping list?", ["list_notes"]),
        ("I need to know what is on my to do list.", ["list_notes"]),
        ("Take milk off my list.", ["one_of_all"]),
        ("Could you erase everything on my list?", ["delete_notes"]),
        ("What day will it be in ten days?", ["date"]),
        ("My friends call me Maggie.", ["introduction"]),
        ("What name do you have for me?", ["ask_name"]),
        ("Run that by me once more.", ["repeat"]),
        ("Which company built you?", ["who_are_you"]),
        ("What topics can I ask you about?", ["help"]),
        ("Cancel that last request.", ["stop"]),
        ("I can not thank you enough, I really appreciate it.", ["thanks"]),
        ("It was nice talking to you.", ["goodbye"]),
        ("Oh nice. Okay, so what time is it in Rome?", ["time"]),
        ("I'm bored, so got any jokes, and how much is nine times nine?", ["joke", "sum"]),
        ("Right. I want to make some pasta, so please set a timer for, um, eight minutes.", ["set_timer"]),
    ],
)
def test_words_of_ones_own(text: str, skills: list[str]) -> None:
    assert [name for name, _ in asked(text)] == skills


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("Set a timer for ten, no, fifteen minutes.", ("set_timer", {"duration": 900.0})),
        ("Set a timer for ten minutes, sorry, fifteen minutes.", ("set_timer", {"duration": 900.0})),
        ("What time is it in London, I mean Paris?", ("time", {"place": "paris"})),
        ("Flip a coin, wait, no, roll a dice.", ("dice", {})),
    ],
)
def test_who_corrects_himself_is_taken_at_his_last_word(text: str, request_: tuple[str, dict[str, object]]) -> None:
    assert asked(text) == [request_]


def test_a_no_of_ones_own_is_no_correction() -> None:
    assert asked("No.") == [("no", {})]
    assert asked("No, thank you.") == [("no", {})]


@pytest.mark.parametrize("text", [*READ, *QUESTIONS, *OTHERS, "What a time we had in Paris last summer.", *NOT_ASKED])
def test_what_asks_for_nothing_is_not_taken_for_a_request(text: str) -> None:
    assert asked(text) == []


@pytest.mark.parametrize(
    ("request_", "question", "reply", "tool", "arguments"),
    [
        ("Set a timer.", "For how long", "Ten minutes.", "set_timer", {"seconds": 600.0, "label": ""}),
        (
            *("Convert ten miles.", "Into which unit", "Kilometers, please.", "convert_units"),
            {"value": 10.0, "from_unit": "miles", "to_unit": "kilometers"},
        ),
        ("Take a note.", "What shall I write", "Call the plumber.", "save_note", {"text": "Call the plumber"}),
        ("Calculate.", "What shall I calculate", "Seven times eight.", "calculate", {"expression": "7 * 8"}),
    ],
)
def test_what_is_missing_is_asked_for(
    request_: str, question: str, reply: str, tool: str, arguments: dict[str, object]
) -> None:
    asked_first = Brain().reply([Message("user", request_)], TOOLS).text
    assert asked_first.startswith(question)

    messages = [Message("user", request_), Message("assistant", asked_first), Message("user", reply)]
    calls = Brain().reply(messages, TOOLS).tool_calls
    assert [(call.name, dict(call.arguments)) for call in calls] == [(tool, arguments)]


@pytest.mark.parametrize(
    ("text", "ability"),
    [
        ("What's the weather like in Paris?", "look up the weather"),
        ("Play some music.", "play music"),
        ("Turn on the lights in the kitchen.", "control anything in your home"),
        ("Send my wife an email.", "call anybody or send messages"),
    ],
)
def test_what_it_can_not_do_it_says(text: str, ability: str) -> None:
    assert f"but I can not {ability}" in answer(text)
