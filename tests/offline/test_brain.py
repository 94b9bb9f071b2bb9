"""What the offline agent remembers, what it does with its tools, and what it says when it does not understand."""

from __future__ import annotations

import re

import pytest

from tests.offline.asking import TOOLS, answer, calls, heard
from voice_agents.offline.brain import GREETING, Brain, FunctionCall, Message, Reply
from voice_agents.offline.skills.small_talk import LISTENING
from voice_agents.offline.skills.stories import JOKES, STORIES

# Not understood


@pytest.mark.parametrize(
    "text",
    [
        "What is the weather like in Paris?",
        "Who is the president of France?",
        "I am hungry",
        "I am German",
        "Tell me about quantum physics",
        "What's the meaning of life?",
        "Book me a flight to Rome tomorrow",
        "what is five",
        "seven times",
        "Translate good morning into French",
        "play some music",
        "What about lunch?",
        "How far is the moon?",
        "set the table for two",
        "call the police",
        "Write a poem about autumn leaves and read it slowly",
        "asdf qwer zxcv",
        "你好,今天天气怎么样",
        "Quelle heure est-il à Paris ?",
        "<script>alert(1)</script>",
    ],
)
def test_what_is_not_understood_is_said_in_one_sentence_with_what_was_heard(text: str) -> None:
    said = answer(text)
    assert "do not understand" in said or "but I can not " in said
    first_word = re.findall(r"[^\W\d_]+", text)[0]
    assert first_word in said
    assert "offline agent" in said
    assert re.search(r"\bcan \w+", said)
    assert re.findall(r"[.!?](?=\s|$)", said) == ["."]
    assert not re.search(r"[<>*#_`]", said)


def test_not_understanding_is_worded_differently_from_time_to_time() -> None:
    said = {answer(f"talk to me about subject {number}").split('"')[0] for number in "abcdefghij"}
    assert len(said) > 1


@pytest.mark.parametrize("text", ["", "   ", "...", "🙂"])
def test_without_words_nothing_was_heard(text: str) -> None:
    assert answer(text) == "I did not hear any words."


# Memory


def told(*turns: tuple[str, str]) -> list[Message]:
    return [message for user, agent in turns for message in (Message("user", user), Message("assistant", agent))]


def test_a_name_is_remembered_after_many_turns() -> None:
    talk = told(
        ("I'm Ann. What time is it?", "It is noon."), ("My name is Zoë", "Nice"), *[("flip a coin", "Heads.")] * 40
    )
    assert answer("what's my name", *talk) == "Your name is Zoë."
    assert answer("goodbye", *talk).startswith("Goodbye, Zoë.")


def test_what_was_said_can_be_asked_for() -> None:
    talk = told(("tell me a joke", "Why not?"), ("flip a coin", "It is heads."))
    assert answer("what did i say before", *talk) == "You said: flip a coin."
    assert answer("repeat that", *talk) == "It is heads."


def test_nothing_is_told_twice_in_a_row() -> None:
    assert answer("tell me another joke", *told(("tell me a joke", JOKES[0]))) == JOKES[1]
    assert answer("tell me a story", *told(("tell me a story", STORIES[0][:60]))) == STORIES[1]


def test_a_timer_without_a_length_is_asked_about() -> None:
    asked = answer("set a timer")
    assert asked.endswith("?")
    assert calls("ten minutes", *told(("set a timer", asked))) == [("set_timer", {"seconds": 600.0, "label": ""})]
    assert not calls("ten minutes", *told(("hello", "Hello.")))


def test_a_request_taken_for_two_turns_because_of_a_pause_is_still_understood() -> None:
    first = Message("user", "what time is it in")
    nonsense = Message("user", "well I wonder")
    assert calls("new york", first) == [("get_time", {"place": "New York"})]
    assert '"flowers grow"' in answer("flowers grow", nonsense)


def test_an_answer_that_was_cut_does_no_harm() -> None:
    assert answer("stop", *told(("tell me a story", "Sure, here is a"))) == "Okay."


def test_after_an_answer_nothing_is_left_to_say() -> None:
    assert Brain().reply(told(("stop", "Okay.")), TOOLS).text == LISTENING
    assert Brain().reply(told(("tell me a story", "No, I would rather not.")), TOOLS).text == LISTENING


@pytest.mark.parametrize("messages", [[], [Message("system", "Be brief.")]])
def test_it_begins_with_a_greeting(messages: list[Message]) -> None:
    assert Brain().reply(messages, TOOLS).text == GREETING


# Tools


def after(text: str, *results: str) -> str:
    """What is said when the tools have answered."""
    asked = Message("user", text)
    reply = Brain().reply([asked], TOOLS)
    answers = [
        Message("tool", result, tool_call_id=call.id) for call, result in zip(reply.tool_calls, results, strict=True)
    ]
    said = Brain().reply([asked, Message("assistant", "", reply.tool_calls), *answers], TOOLS)
    assert not said.tool_calls
    return said.text


def test_results_are_spoken_in_the_order_of_the_requests() -> None:
    said = after("my name is Bob, flip a coin, tell me a joke and roll a dice", "It is heads.", "You rolled a two.")
    assert said == f"Nice to meet you, Bob. It is heads. {JOKES[0]} You rolled a two."


@pytest.mark.parametrize(
    "result",
    ["Error: the zone is unknown.", "Error executing tool get_time: the zone is unknown.\n Please fix your mistakes."],
)
def test_an_error_of_a_tool_is_spoken_plainly(result: str) -> None:
    assert after("what time is it in Atlantis", result) == "Sorry, that did not work. The zone is unknown."


def test_a_result_is_spoken_as_it_is_even_of_a_call_that_was_not_ours() -> None:
    call = FunctionCall("call_x", "get_weather", {})
    messages = [
        Message("user", "how is the weather"),
        Message("assistant", "", (call,)),
        Message("tool", "It is raining.", tool_call_id="call_x"),
    ]
    assert "It is raining." in Brain().reply(messages, TOOLS).text


def test_calls_have_ids_of_their_own_and_the_same_messages_get_the_same() -> None:
    once, again = heard("flip a coin and roll a dice"), heard("flip a coin and roll a dice")
    later = heard("flip a coin and roll a dice", *told(("flip a coin", "It is heads.")))
    assert once == again
    assert len({call.id for call in once.tool_calls + later.tool_calls}) == 4


def test_a_tool_that_is_not_on_offer_is_said_to_be_missing() -> None:
    said = heard("flip a coin", tools=TOOLS - {"flip_coin"})
    assert said == Reply("I can not do that here, because the tool flip coin is not switched on.")
    both = heard("flip a coin and roll a dice", tools={"roll_dice"})
    assert [call.name for call in both.tool_calls] == ["roll_dice"]


@pytest.mark.parametrize("cuts", [(9,), (1, 40), (9, 10, 100)])
def test_an_answer_that_was_cut_is_gone_on_with(cuts: tuple[int, ...]) -> None:
    asked = Message("user", "tell me a story")
    whole = Brain().reply([asked], TOOLS).text.split()
    parts = [" ".join(whole[begin:end]) for begin, end in zip((0, *cuts), cuts, strict=False)]
    begun = [Message("assistant", part) for part in parts]
    assert Brain().reply([asked, *begun], TOOLS).text.split() == whole[cuts[-1] :]


def test_the_result_of_a_tool_that_was_cut_is_gone_on_with() -> None:
    asked = Message("user", "what is twelve times seven")
    call = Brain().reply([asked], TOOLS).tool_calls[0]
    before = [asked, Message("assistant", "", (call,)), Message("tool", "It is eighty-four.", tool_call_id=call.id)]
    assert Brain().reply([*before, Message("assistant", "It is")], TOOLS).text == "eighty-four."


# Listeners


def interrupted(asked: str, nod: str, pieces: int) -> list[Message]:
    """An answer of which five words were heard between one nod and the next."""
    words = answer(asked).split()
    talk = [Message("user", asked)]
    for begin in range(0, 5 * pieces, 5):
        talk += [Message("assistant", " ".join(words[begin : begin + 5])), Message("user", nod)]
    return talk


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize(
    "nod", ["mm-hmm", "Uh-huh.", "I see.", "(coughs)", "", "go on", "Please continue.", "Okay, go on."]
)
def test_a_nod_does_not_end_an_answer(nod: str, pieces: int) -> None:
    talk = interrupted("tell me a story", nod, pieces)
    assert Brain().reply(talk, TOOLS).text.split() == STORIES[0].split()[5 * pieces :]


def test_a_nod_before_the_answer_was_heard_changes_nothing() -> None:
    asked, nod = Message("user", "what is twelve times seven"), Message("user", "mm-hmm")
    call = Brain().reply([asked], TOOLS).tool_calls[0]
    assert calls("mm-hmm", asked) == calls(asked.text)
    called = [asked, Message("assistant", "", (call,))]
    assert Brain().reply([*called, nod], TOOLS) == Reply(LISTENING), "not called twice"
    result = Message("tool", "It is eighty-four.", tool_call_id=call.id)
    assert Brain().reply([*called, result, nod], TOOLS).text == "It is eighty-four."
    assert Brain().reply([*called, result, Message("assistant", "It is"), nod], TOOLS).text == "eighty-four."


@pytest.mark.parametrize("nod", ["mm-hmm", "go on"])
def test_a_nod_when_nothing_is_left_to_say_is_listened_to(nod: str) -> None:
    assert answer(nod) == LISTENING
    assert answer(nod, Message("system", "Be brief.")) == LISTENING
    assert answer(nod, *told(("tell me a joke", JOKES[0]))) == LISTENING
    assert answer(nod, *told(("tell me a joke", JOKES[0]), ("mm-hmm", LISTENING))) == LISTENING


def test_what_answers_the_agent_is_no_nod() -> None:
    cut = told(("tell me a story", STORIES[0][:60]))
    for said in ("okay", "yes", "no", "stop", "flip a coin"):
        assert heard(said, *cut).text == heard(said).text
    assert answer("mm-hmm", *cut, *told(("stop", "Okay."))) == LISTENING


def test_a_thousand_nods_are_survived() -> None:
    nods = told(*[("mm-hmm", "")] * 1000)
    assert Brain().reply([Message("user", "tell me a story"), *nods], TOOLS).text == STORIES[0]
