"""Skills that call the tools."""

from __future__ import annotations

import re

from voice_agents.offline.skills.model import Say, Skill, Step, Talk, Use
from voice_agents.offline.skills.phrases import Slots
from voice_agents.offline.skills.rules import places_in
from voice_agents.tools.words import digits

HOW_LONG = "For how long shall I set the timer?"
WHICH_UNIT = "Into which unit shall I convert that?"
WHICH_NOTE = "What shall I write down?"
WHICH_SUM = "What shall I calculate?"
ONE_OF_ALL = "I can only take away all of them at once: say, cancel all timers, or, delete all my notes."
WHICH_PLACE = "In which city?"
ASKED_BACK = frozenset({HOW_LONG, WHICH_UNIT, WHICH_NOTE, WHICH_SUM, WHICH_PLACE})
"Questions about what is missing; the answer belongs to the request before."


def _asks_back(name: str, question: str, typed: str, free: str = "") -> Skill:
    """For a request that lacks something."""
    return Skill(name, "", lambda slots, talk: Say(question), (), typed=typed, free=free)


def _time(slots: Slots, talk: Talk) -> tuple[Step, ...]:
    named = places_in(talk.text, *reversed(talk.requests))
    if "apart" in slots or "there" in slots:
        places = (named or [talk.recall("place")])[: 2 if "apart" in slots else 1]
        places += [""] * ("apart" in slots and len(places) < 2)
    else:
        places = [slots[slot] for slot in ("place", "city") if slot in slots]
    if None in places:
        return (Say(WHICH_PLACE),)
    return tuple(Use("get_time", {"place": place}) for place in places or [""])


def _sum(slots: Slots, talk: Talk) -> Step:
    return Use("calculate", {"expression": slots.get("sum") or f"{slots['whole']} / {slots['parts']}"})


def _convert(slots: Slots, talk: Talk) -> Step:
    if "feet" in slots:
        slots = {**slots, "amount": 12 * slots["feet"] + slots["inches"], "unit": "inches"}
    value, source = float(slots.get("amount", 1)), slots.get("unit", slots.get("measure"))
    return Use("convert_units", {"value": value, "from_unit": source, "to_unit": slots["target"]})


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
    *_, last = ["", *re.findall(r"\d+(?:\.\d+)?", digits(" ".join(talk.answers[-1:])))]
    return Use("calculate", {"expression": slots["operation"].replace("it", last)}) if last else Say(WHICH_SUM)


def _bare_duration(slots: Slots, talk: Talk) -> Step | tuple[Step, ...]:
    if talk.answers and talk.answers[-1] == HOW_LONG:
        return _set_timer(slots, talk)
    return Say("Shall I set a timer? Then say, set a timer, and for how long.")


_REMOVE = "(cancel | stop | delete | remove | erase | clear | cross [off] | get rid of | scratch | forget | end | wipe)"
_LIST = "(note | notes | reminder | reminders | list | lists | tasks | chores | to do)"
_ALERT = "((remind | alert | wake | warn | ping | tell) me [up] | let me know | give me a (call | shout | reminder))"
_ASK_TIME = "(what time is it | what is the time | tell me the time)"

SKILLS = (
    Skill(
        "time",
        f"""{_ASK_TIME} in <place> [and [in] <city>]; {_ASK_TIME} [now]; tell me what time it is in <place>;
            (what about | how about | and) [in] <city>""",
        _time,
        (
            *("What time is it in New York?", "What's the time in Tokyo?", "Tell me the time in Cape Town."),
            *("What time is it in Paris and in Tokyo?", "What time is it?", "What about London?"),
        ),
        typed="""[what is | have you [got] | do you have | give me | telling me] [the] [current | local | exact] time
            [please] [in <place>]; what time (is it | it is | do you have) [right now | now | currently] [(in | at)
            <place>] [right now | now]; how late is it [in <place>]; in <city>""",
        free="""(time | how many hours) ... <difference:apart>; (how far | how much) ... <difference:apart> ... <city>;
            (what time | (the | local | current) time | time (is it | it is) | how late | clock | what hour) [is it |
            it is | is] [right now | now | currently | over | like | at the moment] [right now | like] (in | at | for)
            <city>; (time zone | timezone) ... <city>;
            <city> ... (time is it | the time | time zone | timezone | (is | would | will) ... <day_or_night>);
            (is | be | are | will | would | it) ... <day_or_night> ... in <city>;
            (what time | the time | time is it | how late | is ... <day_or_night>) ... <there>; (time is it | time it
            is | (current | present) time | (time | late) ([it] is it | right now | now | currently))""",
        ability="tell the time in a city",
        demo=True,
    ),
    Skill(
        "sum",
        "(what is | how much is | calculate) <sum>",
        _sum,
        (
            *("What's seven times eight?", "How much is twenty one plus forty two?"),
            *("Calculate nine hundred and one divided by seventeen.", "What is fifteen percent of eighty?"),
            "What is the square root of one hundred and forty four?",
        ),
        typed="<sum> [=]; <imperative:sum>",
        free="""(split | share | divide) ... <number:whole> [dollars | euros] ... (between | by | with | in | into)
            <number:parts>; <imperative:sum>; (what | much | many | calculate | compute | work out | result | solve |
            makes | add up | know | need | give) ... <sum>;
            how many times (does | can) <number:parts> go into <number:whole>""",
        ability="do arithmetic",
        demo=True,
    ),
    Skill(
        "units",
        """convert <amount> <measure> (to | into) <measure:target>;
            (what is | how much is) <amount> <unit> in <unit:target>;
            how many <unit:target> are [there] in <amount> <unit>;
            how many <unit:target> are <quantity:amount> <unit>""",
        _convert,
        (
            *("Convert ten miles to kilometers.", "How many feet are in a mile?"),
            "What is twenty degrees celsius in fahrenheit?",
            "How much is one hundred and fifty pounds in kilograms?",
        ),
        typed="""convert <measure> to <measure:target>;
            [(what | how tall) is] <number:feet> (foot | feet) <number:inches> [inches] (in | to) <unit:target>""",
        free="""<amount> <unit> ... (in | to | into | as) <unit:target>;
            (how (many | much) | amount of) <unit:target> ... <amount> <unit>;
            <amount> <unit> ... how (many | much) <unit:target>; (convert | converted | conversion | converting |
            change | turn | go) ... <unit> [(is | are)] (to | into | in | and | from) <unit:target>;
            <unit> [(is | are)] (converted | conversion) (to | into) <unit:target>""",
        ability="convert units",
        demo=True,
    ),
    Skill(
        "dice",
        """(roll | throw) (a | the) (dice | die); (roll | throw) <few> (dice | die);
            roll a <quantity:sides> sided (dice | die)""",
        _roll,
        ("Roll a dice.", "Roll two dice.", "Roll a twenty sided die."),
        typed="roll [<few>] [a] d <number:sides>",
        free="""[<few>] [<number:sides> (sided | sides)] (dice | die) ... (roll | rolled | thrown);
            [<few>] <number:sides> sided (dice | die | ones);
            (roll | rolling | rule | throw | toss | need | want | take | use) ... <few> (dice | die);
            (roll | rolling | rule | throw | toss) ... (dice | die) [(with | of) <number:sides> sides];
            (number | pick) ... (from | between | up to) [(one | 1) (and | to)] <number:sides>""",
        ability="roll dice",
        demo=True,
    ),
    Skill(
        "coin",
        "(flip | toss) a coin; heads or tails",
        lambda slots, talk: Use("flip_coin"),
        ("Flip a coin.", "Heads or tails?"),
        free="""(flip | flipping | toss | throw) ... (coin | something | for (it | me)); coin (flip | toss | flipped);
            heads or tails""",
        ability="flip a coin",
        demo=True,
    ),
    Skill(
        "set_timer",
        "(set | start) a [<label>] timer for <duration>; remind me in <duration> to <errand>; (set | start) a timer",
        _set_timer,
        (
            *("Set a timer for ten seconds.", "Start a timer for two minutes and thirty seconds."),
            *("Set a tea timer for three minutes.", "Remind me in five minutes to check the oven."),
            "Set a timer.",
        ),
        typed="""[(set | start | make)] [a | an | another] timer (for | of) <duration> (called | for) [the] <label>;
            [(set | start | make)] [a | an | another] <duration> timer [(called | named | for) [the] <label>];
            [(set | start | make)] [a | an | another] <duration> <label> timer; (timer | countdown) [for] <duration>;
            remind me to <label> in <duration>;
            (set | start) a timer for <duration> [and (remind | tell) me] to <errand>""",
        free=f"""(timer | countdown | count down | counting down | time me | remind me | {_ALERT} ... (in | for | of |
            after | when)) ... <duration>; <duration> ... (timer | countdown | on the clock | {_ALERT});
            (set | wake) ... (alarm | reminder | me) ... <duration>;
            (set | start | need | want | make | create | get | begin | run) ... timer""",
        ability="set a timer",
        demo=True,
    ),
    _asks_back(
        *("one_of_all", ONE_OF_ALL),
        f"{_REMOVE} [the] <which> [(one | timer | note)]; {_REMOVE} the <label> (timer | one | note)",
        free=f"({_REMOVE} | take) <item> (off | from | out of | on) [my | the] ... {_LIST}",
    ),
    Skill("reckon_on", "", _reckon_on, (), typed="[what | how much] [is | if (i | we | you)] <operation>"),
    Skill("duration", "", _bare_duration, (), typed="[for] <duration>"),
    _asks_back(
        *("which_unit", WHICH_UNIT),
        """convert <amount> <measure>; convert (units | something);
            (how (much | many | long | far | heavy | tall) | what) is <amount> <unit>""",
    ),
    _asks_back(
        *("which_note", WHICH_NOTE),
        """remember (something | this | that); (take | write | note | jot) (this | that | it | something) down; (take |
            make | write | save | keep | add | set | create | need | want) [me] (a | another) (note | reminder);
            remind me [of something | to] [later]""",
    ),
    _asks_back(
        *("which_sum", WHICH_SUM),
        """(calculate | compute) [something];
            (do | with) [a | some] [quick] (calculation | sum | math | maths) [problem]""",
    ),
    Skill(
        "list_timers",
        "what timers are (running | there | set); how much time is left; (list | show) [me] (my | all | the) timers",
        lambda slots, talk: Use("list_timers"),
        ("How much time is left?", "What timers are running?", "List my timers."),
        typed="[(list | show)] timers",
        free="""(timer | timers | alarm | countdown | reminders) ... (left | remaining | running | set | active |
            going);
            (how | how long | how much (time | longer) | how many | when | any | status | check) ... (timer | timers);
            how (many (minutes | seconds) | much time) ... left""",
        demo=True,
    ),
    Skill(
        "cancel_timers",
        "(cancel | stop | delete) (the | my | all) (timer | timers)",
        lambda slots, talk: Use("cancel_timers"),
        ("Cancel the timer.", "Stop all timers."),
        typed=f"""({_REMOVE} | kill | (turn | switch) off) [all] [of] [(the | my | that | this)] (timer | timers |
            alarm)""",
    ),
    Skill(
        "list_notes",
        "(read | list | show) [me] my notes; what are my notes; what did i ask you to remember",
        lambda slots, talk: Use("list_notes"),
        ("Read my notes.", "What did I ask you to remember?"),
        typed=f"""[what is (in | on) | what do i have in] my [shopping | to do | reminder] {_LIST}; what [else] (do |
            did) i [still] (have | need | want) [to (do | buy | get | remember)] [today | again] [from the (shop |
            store)]""",
        free=f"""(read | show | list | hear | tell | what | which | how many | see | check | go | repeat | give | is |
            are | do i) ... (my ... | (the | that | any) [shopping | grocery | to do | task]) {_LIST} [list];
            (what | which | how many | any | see | read) {_LIST} (do | have | did | are); (what | things) ... i ...
            (ask | asked | tell | told | want | wanted | trying | supposed) [you] to (remember | note);
            what ... (i | you) ... (written | noted | note | write) [down];
            (did | do | have | has | does) i ... (put | add | write | jot | have | include | need) ... {_LIST}""",
        demo=True,
    ),
    Skill(
        "delete_notes",
        "(delete | clear | forget) [all] my notes",
        lambda slots, talk: Use("delete_notes"),
        ("Delete my notes.",),
        free=f"""{_REMOVE} [everything | all] [of | on | in | from | off] [all] (my | the | these | those) [whole |
            entire | shopping | grocery | to do | reminder | task] (notes | reminders | list | lists | tasks)""",
    ),
    Skill(
        "save_note",
        "(take | make) a note <errand>; (take | make) a note to <errand>; remember to <errand>; remind me to <errand>",
        lambda slots, talk: Use("save_note", {"text": slots["errand"]}),
        ("Take a note: buy milk.", "Remember to call the doctor.", "Make a note to water the plants."),
        typed=f"""(add | save | write | take | keep | make | set [up] | create) [down] [me] (a | another | new | this |
            the) [new] (note | reminder) [for me] [that | to | of | for | about | saying] <errand>;
            (note [down] | (write | jot | take) (down | this down | that down)) [that] <errand>;
            (do not | never) forget [that | to] <errand>; remember (that | this | something) <errand>;
            (make | start | create) [me] a [new] [shopping | grocery | to do] {_LIST} [with | for] <errand>;
            (set | make | give me | new) [me] [up] [a | another] reminder [for | to | that | about] <errand>""",
        free=f"""(add | put | write | include | get | place) <errand> (to | on | in | into | onto) [my | the | our] ...
            {_LIST}; i need <errand> (added to | on) (my | the) ... {_LIST};
            (on | to | in) (my | the | our) ... {_LIST} (add | put | write | include) <errand>;
            (note | write | jot) down [that | to] <errand>;
            ((do not | never) let me forget | remind me | reminded | keep in mind) [to | that | about | of] <errand>""",
        ability="keep notes",
        demo=True,
    ),
)
