"""Skills that call the tools."""

from __future__ import annotations

import re

from voice_agents.offline.skills.model import Say, Skill, Step, Talk, Use
from voice_agents.offline.skills.phrases import Slots
from voice_agents.offline.skills.rules import place_in
from voice_agents.tools.words import digits

HOW_LONG = "For how long shall I set the timer?"
WHICH_UNIT = "Into which unit shall I convert that?"
WHICH_NOTE = "What shall I write down?"
WHICH_SUM = "What shall I calculate?"
ONE_OF_ALL = "I can only take away all of them at once: say, cancel all timers, or, delete all my notes."
WHICH_PLACE = "In which city?"
ASKED_BACK = frozenset({HOW_LONG, WHICH_UNIT, WHICH_NOTE, WHICH_SUM, WHICH_PLACE})
"""Questions about what is missing; the answer belongs to the request before."""


def _asks_back(name: str, question: str, *typed: str) -> Skill:
    """For a request that lacks something."""
    return Skill(name, (), lambda slots, talk: Say(question), (), typed=typed)


def _time(slots: Slots, talk: Talk) -> tuple[Step, ...]:
    places = [slots[slot] for slot in ("place", "city") if slot in slots]
    named = [place for text in (talk.text, *reversed(talk.requests)) if (place := place_in(text))]
    if "there" in slots:
        places.append(named[0] if named else talk.recall("place"))
    if None in places:
        return (Say(WHICH_PLACE),)
    if "apart" in slots and len(places) < 2:
        places.append(next((place for place in named if place not in places), ""))
    return tuple(Use("get_time", {"place": place}) for place in places or [""])


def _sum(slots: Slots, talk: Talk) -> Step:
    return Use("calculate", {"expression": slots.get("sum") or f"{slots['whole']} / {slots['parts']}"})


def _convert(slots: Slots, talk: Talk) -> Step:
    if "feet" in slots:
        slots = {**slots, "amount": 12 * slots["feet"] + slots["inches"], "unit": "inches"}
    source = slots.get("unit", slots.get("measure"))
    return Use(
        "convert_units", {"value": float(slots.get("amount", 1)), "from_unit": source, "to_unit": slots["target"]}
    )


def _roll(slots: Slots, talk: Talk) -> Step:
    return Use("roll_dice", {"sides": int(slots.get("sides", 6)), "count": slots.get("few", 1)})


def _set_timer(slots: Slots, talk: Talk) -> Step | tuple[Step, ...]:
    label = slots.get("label", slots.get("errand", ""))
    if "duration" not in slots:
        return Say(HOW_LONG)
    timer = Use("set_timer", {"seconds": slots["duration"], "label": label})
    return (timer, Say("The one before goes on, too.")) if "instead" in slots else timer


def _reckon_on(slots: Slots, talk: Talk) -> Step:
    """With the last number that was answered."""
    numbers = re.findall(r"\d+(?:\.\d+)?", digits(" ".join(talk.answers[-1:])))
    return (
        Use("calculate", {"expression": slots["operation"].replace("it", numbers[-1])}) if numbers else Say(WHICH_SUM)
    )


def _bare_duration(slots: Slots, talk: Talk) -> Step | tuple[Step, ...]:
    if talk.answers and talk.answers[-1] == HOW_LONG:
        return _set_timer(slots, talk)
    return Say("Shall I set a timer? Then say, set a timer, and for how long.")


_DOWN = "(take | write | note | jot) (this | that | it | something) down"
_REMOVE = "(cancel | stop | delete | remove | erase | clear | cross off)"
_ASK_TIME = "(what time is it | what is the time | tell me the time)"

SKILLS = (
    Skill(
        "time",
        (
            f"{_ASK_TIME} in <place> [and [in] <city>]",
            f"{_ASK_TIME} [now]",
            "tell me what time it is in <place>",
            "(what about | how about | and) [in] <city>",
        ),
        _time,
        (
            "What time is it in New York?",
            "What's the time in Tokyo?",
            "Tell me the time in Cape Town.",
            "What time is it in Paris and in Tokyo?",
            "What time is it?",
            "What about London?",
        ),
        typed=(
            "[what is the] (current | local) time [in <place>]",
            "[the] time in <place>",
            "what time (is it | do you have) (in | at) <place> [right] now",
            "what time is it [right] now (in | at) <place>",
            "(do you know | tell me | say) what time it is [in <place>]",
            "how late is it [in <place>]",
            "in <city>",
        ),
        free=(
            "time <difference:apart> ... (between | from) <city:place> (and | to) <city>",
            "time <difference:apart> ... <city>",
            "(what time | the time | time is it | how late | the clock | local time) ... (in | at | over in) <city>",
            "in <city> ... (time is it | is it late | late is it | the time)",
            "is it ... <day_or_night> ... in <city>",
            "(what time | the time | time is it | how late | is it ... <day_or_night>) ... <there>",
            "(time is it | the time now | the current time)",
        ),
        ability="tell the time in a city",
        demo=True,
    ),
    Skill(
        "sum",
        ("(what is | how much is | calculate) <sum>",),
        _sum,
        (
            "What's seven times eight?",
            "How much is twenty one plus forty two?",
            "Calculate nine hundred and one divided by seventeen.",
            "What is fifteen percent of eighty?",
            "What is the square root of one hundred and forty four?",
        ),
        typed=(
            "(compute | solve | work out | evaluate | how many is) <sum>",
            "<sum> [=]",
            "<imperative:sum>",
        ),
        free=(
            "(what | much | how many | calculate | compute | work out | tell me | result of | solve | makes | add up)"
            " ... <sum>",
            "(split | share) [(a | the)] [(bill | check) [of]] <number:whole> ... (between | by | with) <number:parts>",
        ),
        ability="do arithmetic",
        demo=True,
    ),
    Skill(
        "units",
        (
            "convert <amount> <measure> (to | into) <measure:target>",
            "(what is | how much is) <amount> <unit> in <unit:target>",
            "how many <unit:target> are [there] in <amount> <unit>",
            "how many <unit:target> are <quantity:amount> <unit>",
        ),
        _convert,
        (
            "Convert ten miles to kilometers.",
            "How many feet are in a mile?",
            "What is twenty degrees celsius in fahrenheit?",
            "How much is one hundred and fifty pounds in kilograms?",
        ),
        typed=(
            "[what is] <amount> <unit> (in | to | into | as | =) <unit:target>",
            "(change | turn) <amount> <measure> (to | into) <measure:target>",
            "convert <measure> to <measure:target>",
            "[(what | how tall) is] <number:feet> (foot | feet) <number:inches> [inches] (in | to) <unit:target>",
        ),
        free=(
            "<amount> <unit> ... (in | to | into | as) <unit:target>",
            "how many <unit:target> ... <amount> <unit>",
            "<amount> <unit> ... how many <unit:target>",
        ),
        ability="convert units",
        demo=True,
    ),
    Skill(
        "dice",
        (
            "(roll | throw) (a | the) (dice | die)",
            "(roll | throw) <few> (dice | die)",
            "roll a <quantity:sides> sided (dice | die)",
        ),
        _roll,
        ("Roll a dice.", "Roll two dice.", "Roll a twenty sided die."),
        typed=("roll [<few>] [a] d <number:sides>", "roll <few> <number:sides> sided (dice | die)"),
        free=(
            "(roll | rule | throw | toss | need | want | take | use) ... <few> (dice | die)",
            "(roll | rule | throw | toss) ... (dice | die)",
            "(number | pick) ... (from | between) (one | 1) (and | to) <number:sides>",
        ),
        ability="roll dice",
        demo=True,
    ),
    Skill(
        "coin",
        ("(flip | toss) a coin", "heads or tails"),
        lambda slots, talk: Use("flip_coin"),
        ("Flip a coin.", "Heads or tails?"),
        typed=("coin (flip | toss)",),
        free=("(flip | toss | throw) ... coin", "a coin for (me | us)"),
        ability="flip a coin",
        demo=True,
    ),
    Skill(
        "set_timer",
        (
            "(set | start) a [<label>] timer for <duration>",
            "remind me in <duration> to <errand>",
            "(set | start) a timer",
        ),
        _set_timer,
        (
            "Set a timer for ten seconds.",
            "Start a timer for two minutes and thirty seconds.",
            "Set a tea timer for three minutes.",
            "Remind me in five minutes to check the oven.",
            "Set a timer.",
        ),
        typed=(
            "(set | start | make) (the | an | another) timer (for | to | of) <duration>",
            "[(set | start | make)] [a | an | another] timer (for | of) <duration> (called | for) [the] <label>",
            "[(set | start | make)] [a | an | another] <duration> timer [(called | named | for) [the] <label>]",
            "[(set | start | make)] [a | an | another] <duration> <label> timer",
            "(timer | countdown) [for] <duration>",
            "remind me to <label> in <duration>",
            "(set | start | make) [me] (a | an | another) (alarm | countdown | reminder) (for | in) <duration>",
            "[(set | start | make)] [a | an | another] timer for [the] <label> (it | which) (takes | needs) <duration>",
            "(set | start) a timer for <duration> [and (remind | tell) me] to <errand>",
        ),
        free=(
            "(timer | countdown | remind me | alert me | wake me | tell me) ... (in | for | of | after) <duration>",
            "(a | an | my | another) <duration> timer",
            "timer ... <duration>",
            "(set | start | need | want | make) ... timer",
        ),
        ability="set a timer",
        demo=True,
    ),
    _asks_back(
        "one_of_all",
        ONE_OF_ALL,
        f"{_REMOVE} [the] <which> [(one | timer | note)]",
        f"{_REMOVE} the <label> (timer | one | note)",
    ),
    Skill("reckon_on", (), _reckon_on, (), typed=("[(what | how much) is] <operation>",)),
    Skill("duration", (), _bare_duration, (), typed=("[for] <duration>",)),
    _asks_back("which_unit", WHICH_UNIT, "convert <amount> <measure>", "convert (units | something)"),
    _asks_back("which_note", WHICH_NOTE, "(take | make | write | save) [me] (a | another) note", _DOWN),
    _asks_back("which_sum", WHICH_SUM, "(calculate | compute) [something]", "do (a calculation | some math)"),
    Skill(
        "list_timers",
        (
            "what timers are (running | there | set)",
            "how much time is left",
            "(list | show) [me] (my | all | the) timers",
        ),
        lambda slots, talk: Use("list_timers"),
        ("How much time is left?", "What timers are running?", "List my timers."),
        typed=(
            "[(list | show)] timers",
            "(are there | do i have | have i) [any] timers [running]",
            "(how many | which | what) timers (do i have | have i got | are there) [running] [set]",
            "which timers are (running | there | set)",
        ),
        free=(
            "(timer | timers | alarm | countdown) ... (left | remaining | running)",
            "how is ... timer",
            "(how long | how much (time | longer) | when | any) ... timer",
            "how (many (minutes | seconds) | much time) ... left",
        ),
        demo=True,
    ),
    Skill(
        "cancel_timers",
        ("(cancel | stop | delete) (the | my | all) (timer | timers)",),
        lambda slots, talk: Use("cancel_timers"),
        ("Cancel the timer.", "Stop all timers."),
        typed=(
            "(cancel | stop | delete | clear | kill | (turn | switch) off) [all] [(of | the | my)]"
            " (timer | timers | alarm)",
        ),
    ),
    Skill(
        "save_note",
        (
            "(take | make) a note <errand>",
            "(take | make) a note to <errand>",
            "remember to <errand>",
            "remind me to <errand>",
        ),
        lambda slots, talk: Use("save_note", {"text": slots["errand"]}),
        ("Take a note: buy milk.", "Remember to call the doctor.", "Make a note to water the plants."),
        typed=(
            "(add | save | write) [(a | me a | down a | this)] note [that | to | of | saying] <errand>",
            "(note [down] | (write | jot) [this] down) [that] <errand>",
            "do not forget [that | to] <errand>",
            "take (this | that) down <errand>",
            "(remember | keep in mind) that <errand>",
            "(take | make) the note <errand>",
        ),
        free=(
            "(add | put | write) <errand> (to | on | in | into) my (notes | list)",
            "(note | write | jot) down [that | to] <errand>",
            "(do not let me forget | remind me) to <errand>",
        ),
        ability="keep notes",
        demo=True,
    ),
    Skill(
        "list_notes",
        (
            "(read | list | show) [me] my notes",
            "what are my notes",
            "what did i ask you to remember",
        ),
        lambda slots, talk: Use("list_notes"),
        ("Read my notes.", "What did I ask you to remember?"),
        typed=(
            "[what is in | what do i have in] my notes",
            "(do i have | are there) [any] notes [left]",
        ),
        free=(
            "(read | show | list | hear | tell | what | which | how many | see) ... notes",
            "what ... (ask | asked | tell | told) you to remember",
            "(what | read | show | hear) ... (on | is in | in) my list",
            "what (do i (have | need) to (do | buy | get | remember) | am i supposed to do)",
            "(what | show me) ... (i | you) ... (written | noted) down",
            "(read | tell) [me] what you have [got | there]",
        ),
        demo=True,
    ),
    Skill(
        "delete_notes",
        ("(delete | clear | forget) [all] my notes",),
        lambda slots, talk: Use("delete_notes"),
        ("Delete my notes.",),
        typed=("(delete | clear | erase | remove | forget) (all [of] [(my | the)] | the) notes",),
    ),
)
