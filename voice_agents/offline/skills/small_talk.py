"""Skills that answer by themselves."""

from __future__ import annotations

from datetime import date

from voice_agents.offline.skills import stories
from voice_agents.offline.skills.model import Act, Say, Skill, Step, Talk
from voice_agents.offline.skills.phrases import Slots
from voice_agents.tools.words import spell
from voice_agents.turns.english.numbers import ordinal

COUNT_LIMIT = 100

LISTENING = "I am listening."

ABOUT_ME = (
    "I am a small offline agent made of rules, not a person and not a language model. "
    "I run on this machine alone, without any account or network."
)


def _next(texts: tuple[str, ...], talk: Talk) -> Say:
    """The first that was not told yet; from the start again when all were."""
    told = sum(any(answer and text.startswith(answer[:20]) for text in texts) for answer in talk.answers)
    return Say(texts[told % len(texts)])


def _says(*texts: str) -> Act:
    """Answers with these texts, one after the other."""
    return lambda slots, talk: _next(texts, talk)


def _hello(slots: Slots, talk: Talk) -> Step:
    return Say("Hello again." if talk.answers else "Hello, it is good to hear you. What can I do for you?")


def _goodbye(slots: Slots, talk: Talk) -> Step:
    name = talk.recall("name")
    return Say(f"Goodbye, {name}. It was nice to talk to you." if name else "Goodbye. It was nice to talk to you.")


def _name(slots: Slots, talk: Talk) -> Step:
    return Say(f"Nice to meet you, {slots['name']}.")


def _ask_name(slots: Slots, talk: Talk) -> Step:
    name = talk.recall("name")
    return Say(f"Your name is {name}." if name else "You have not told me your name yet.")


def _said(slots: Slots, talk: Talk) -> Step:
    return Say(f"You said: {_sentence(talk.requests[-1])}" if talk.requests else "You have not said anything before.")


def _repeat(slots: Slots, talk: Talk) -> Step:
    return Say(talk.answers[-1] if talk.answers else "I have not said anything yet.")


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text[-1:] in (".", "!", "?") else f"{text}."


def _topic(slots: Slots, talk: Talk) -> Step:
    return Say(stories.TOPICS[slots["topic"]]) if "topic" in slots else _next(tuple(stories.TOPICS.values()), talk)


def _count(slots: Slots, talk: Talk) -> Step:
    last = slots["number"]
    if not 1 <= last <= COUNT_LIMIT or last != int(last):
        return Say(f"I can only count from one to {spell(COUNT_LIMIT)}.")
    counted = [spell(number) for number in range(1, int(last) + 1)][:: -1 if "down" in slots else 1]
    tens = [", ".join(counted[first : first + 10]) for first in range(0, len(counted), 10)]
    return Say(" ".join(f"{ten.capitalize()}." for ten in tens))


GO_ON = Skill(
    "go_on",
    ("go on", "continue"),
    _says(LISTENING),
    ("Go on.", "Please continue."),
    typed=("[yes | yeah | mm hmm | uh huh] [please] (go (on | ahead) | continue | keep going | carry on)",),
)
"""Asks for the rest of an answer that was cut. Which that is only the messages show, so here nothing is left to say."""


def _date(slots: Slots, talk: Talk) -> Step:
    today = date.today()
    return Say(f"Today is {today:%A}, the {ordinal(str(today.day))} of {today:%B}.")


SKILLS = (
    Skill(
        "date",
        (),
        _date,
        (),
        free=("(today's date | the date | what day is it | what day is today | day of the week)",),
    ),
    Skill(
        "introduction",
        ("[hello | hi] my name is <name>", "[hello | hi] i am <first_name:name>", "call me <person:name>"),
        _name,
        ("My name is Robert.", "I'm Peter.", "Call me Alex."),
        typed=(
            "(hello | hi | hey | good (morning | afternoon | evening) | nice to meet you) [there] i am <person:name>",
            "(i am | you can) (called | call me) <name>",
            "no (it is | i am | i said) <first_name:name>",
        ),
        free=("my name is <name>", "(call me | i am called) <person:name>"),
        ability="remember your name",
        demo=True,
    ),
    Skill(
        "ask_name",
        ("what is my name", "do you (know | remember) my name", "who am i"),
        _ask_name,
        ("What's my name?", "Do you remember my name?"),
        typed=(
            "(tell me | say) my name",
            "what am i called",
            "[do you (know | remember)] who i am",
        ),
        free=("(remember | know | what | tell) ... my name", "what i am called"),
        demo=True,
    ),
    Skill(
        "story",
        ("tell me (a | another) story",),
        _says(*stories.STORIES),
        ("Tell me a story.", "Tell me another story."),
        typed=("(tell | read) [me | us] (a | another | one more) [(short | long | nice | new)] story", "[a] story"),
        free=("(hear | tell | telling | give | read | know | want | love | another) ... story",),
        ability="tell a story or a joke",
        demo=True,
    ),
    Skill(
        "topic",
        ("tell me [something] about [the] <topic>",),
        _topic,
        ("Tell me about the moon.", "Tell me something about honey bees.", "Tell me about the ocean."),
        typed=("[the] <topic>", "what do you know about [the] <topic>", "(describe | explain) [the] <topic>"),
        free=("(about | know) ... <topic>", "(tell me | know) ... (something interesting | fact | facts)"),
        ability="tell you about the moon, the ocean or honey bees",
        demo=True,
    ),
    Skill(
        "joke",
        ("tell me (a | another) joke",),
        _says(*stories.JOKES),
        ("Tell me a joke.", "Tell me another joke."),
        typed=("[(tell | say)] [me | us] (a | another | one more) [(good | funny | new)] joke",),
        free=(
            "(hear | tell | give | know | got | have | want | another | crack | any) ... (joke | jokes)",
            "something funny",
            "(cheer me up | make (me | us) (laugh | smile))",
        ),
        demo=True,
    ),
    Skill(
        "count",
        ("count [from one] to <number>",),
        _count,
        ("Count to twenty.", "Count from one to ten."),
        typed=("count [from 1] [up] to <number>", "count <down> from <number> [to (one | zero)]"),
        ability="count",
        demo=True,
    ),
    Skill(
        "said_before",
        ("what did i (say | ask) [before]", "what was my last question"),
        _said,
        ("What did I say before?",),
        typed=("what (was the last thing | did) i (said | say | just say) [last]",),
    ),
    Skill(
        "repeat",
        ("(repeat | say) that [again]", "what did you say", "say that once more"),
        _repeat,
        ("Repeat that.", "What did you say?"),
        typed=(
            "(repeat | again | pardon | excuse me | come again | what was that)",
            "i did not (hear | get | catch) (that | you)",
            "what did you just say",
            "(say | repeat) (that | it) again [(slowly | more slowly | slower)]",
        ),
    ),
    Skill(
        "hello",
        ("(hello | hi) [there]", "good (morning | afternoon | evening)"),
        _hello,
        ("Hello!", "Hi there.", "Good morning."),
        typed=("(hey | hello | hi | greetings) [(there | you | agent | robot | everyone)]", "good day"),
    ),
    Skill(
        "how_are_you",
        ("how are you [doing] [today]",),
        _says("I am fine, thank you. What can I do for you?"),
        ("How are you?", "How are you doing today?"),
        typed=("(how is it going | what is up | how do you do)",),
    ),
    Skill(
        "who_are_you",
        (
            "who are you",
            "what are you",
            "are you (real | a robot | human | a person)",
            "what is your name",
            "who made you",
        ),
        _says(ABOUT_ME),
        ("Are you real?", "Who are you?", "What's your name?"),
        typed=(
            "are you (an ai | a human [being] | a real person | a bot | a machine | a language model | alive)",
            "are you there a person",
            "who (am i (talking | speaking) (to | with) | is (this | there | that))",
            "how (old | smart) are you",
            "where (are you [from] | do you live)",
            "(do | can | are) you (sleep | dream | eat | tired | happy | sad | lonely | smart | feel [pain])",
        ),
        free=("what is your favorite", "do you (like | love | have (a | any) (feelings | family | friends | name))"),
        demo=True,
    ),
    Skill(
        "hear_me",
        ("can you hear me", "are you (there | listening)"),
        _says("Yes, I can hear you."),
        ("Can you hear me?", "Are you there?"),
        typed=(
            "(test | testing) [one two three | 1 2 3]",
            "do you hear me",
        ),
        free=("(can | could | does) (you | anybody | anyone | somebody | someone) hear me",),
    ),
    Skill(
        "thanks",
        ("(thank you | thanks) [very much]",),
        _says("You are welcome.", "My pleasure.", "Any time."),
        ("Thank you.", "Thanks."),
        typed=(
            "(thank you | thanks) [(so much | a lot)] [that is (all | it | everything)]",
            "(great | good | nice | perfect | cool | awesome) [thanks]",
            "(thank you | thanks) (anyway | for (that | the (help | info | story | joke) | your help | helping [me]))",
            "(that | it | this) (is | was) [(a | so | really | very | just | quite)]"
            " (great | good | nice | fine | perfect | cool | funny | lovely | helpful) [(one | joke | story)]",
        ),
    ),
    Skill(
        "impressed",
        (),
        _says("What else can I do for you?"),
        (),
        typed=(
            "[oh] (wow | amazing | interesting | ha [ha] | haha | really | good to know | funny | maybe)",
            "i am [doing] (fine | good | well | okay | great) [too] [(thanks | thank you) [for asking]]",
        ),
    ),
    Skill(
        "pleased",
        (),
        _says("Nice to meet you, too."),
        (),
        typed=("[it is] (nice | good | great | lovely | pleased) to (meet | see | hear) you [too]",),
    ),
    Skill(
        "goodbye",
        ("(goodbye | bye [bye])", "good night", "see you [later]"),
        _goodbye,
        ("Goodbye.", "See you later."),
        typed=(
            "good bye",
            "(good bye | goodbye | bye) for now",
            "(ciao | farewell | see you soon | have a (nice | good | great) (day | evening | night | one | weekend))",
            "(talk to you (later | soon | tomorrow) | i (have to | must | need to) go [now])",
        ),
    ),
    Skill(
        "stop",
        ("stop [it]", "never mind", "be quiet", "forget it", "stop talking"),
        _says("Okay."),
        ("Stop.", "Never mind."),
        typed=("(cancel | shut up | enough | that is enough | wait | hold on | quiet | silence)",),
    ),
    GO_ON,
    Skill(
        "yes",
        ("yes", "(okay | sure)"),
        _says("Good. What shall I do?"),
        ("Yes.", "Okay."),
        typed=("(yeah | yep | yup | of course | right)",),
    ),
    Skill(
        "no",
        ("no", "no thanks", "no thank you"),
        _says("All right."),
        ("No.", "No, thank you."),
        typed=("(nope | nah | not now | that is (all | it) [for (now | today)])",),
    ),
)
