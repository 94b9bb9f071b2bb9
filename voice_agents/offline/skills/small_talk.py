"""Skills that answer by themselves."""

from __future__ import annotations

from datetime import date, timedelta

from voice_agents.offline.skills import stories
from voice_agents.offline.skills.model import Act, Say, Skill, Step, Talk
from voice_agents.offline.skills.phrases import Slots
from voice_agents.tools.words import spell
from voice_agents.turns.english.numbers import ordinal, year

COUNT_LIMIT = 100
DAYS_LIMIT = 3_000

LISTENING = "I am listening."

ABOUT_ME = (
    "I am a small offline agent made of rules, not a person and not a language model. "
    "I run on this machine alone, without any account or network."
)


def _next(texts: tuple[str, ...], talk: Talk) -> Say:
    "The first that was not told yet; from the start again when all were."
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
    if "topic" in slots or "else" not in slots:
        return Say(stories.TOPICS[slots["topic"]]) if "topic" in slots else _next(tuple(stories.TOPICS.values()), talk)
    return Say("I only know something about the moon, the ocean and honey bees.")


def _count(slots: Slots, talk: Talk) -> Step:
    last = slots["number"]
    if not 1 <= last <= COUNT_LIMIT or last != int(last):
        return Say(f"I can only count from one to {spell(COUNT_LIMIT)}.")
    counted = [spell(number) for number in range(1, int(last) + 1)][:: -1 if "down" in slots else 1]
    tens = [", ".join(counted[first : first + 10]) for first in range(0, len(counted), 10)]
    return Say(" ".join(f"{ten.capitalize()}." for ten in tens))


GO_ON = Skill(
    "go_on",
    "go on; continue",
    _says(LISTENING),
    ("Go on.", "Please continue."),
    typed="[yes | yeah | mm hmm | uh huh] [please] (go (on | ahead) | continue | keep going | carry on)",
)
"""Asks for the rest of an answer that was cut. Which that is only the messages show, so here nothing is left to say."""


def _date(slots: Slots, talk: Talk) -> Step:
    days = 1 if "tomorrow" in slots else int(slots.get("days", 0)) * (7 if "weeks" in slots else 1)
    if days > DAYS_LIMIT:
        return Say("That is too far away for me.")
    when, day = {0: "Today", 1: "Tomorrow"}.get(days, "That day"), date.today() + timedelta(days)
    year_said = f", {year(str(day.year))}" if days > 300 or "year" in slots else ""
    return Say(f"{when} is {day:%A}, the {ordinal(str(day.day))} of {day:%B}{year_said}.")


SKILLS = (
    Skill(
        "date",
        "",
        _date,
        (),
        typed="""what is today; is (it | today) <weekday> ...; [what is | what | give me | which | say | i need | do
            you have | of] [is] [the | today's] [full | exact] (date | day) [of the week] [is (it | today)] [(for | of)
            today] [is]""",
        free="""(date | day | what | when) ... in <number:days> (days | <weeks>);
            in <number:days> (days | <weeks>) ... (date | day | what);
            (date | day) ... <number:days> (days | <weeks>) from (now | today);
            (what | which | know | tell me) ... (date | day) ... <tomorrow>; <tomorrow> ... (date | day);
            (today's | today | current | todays) ... (date | day | month | <year>); (what | which | tell | show | know
            | say) ... (date | day | day of the week | month | <year>) [is] [it] [is] (today | it | now | this)""",
    ),
    Skill(
        "introduction",
        "[hello | hi] my name is <name>; [hello | hi] i am <first_name:name>; call me <person:name>",
        _name,
        ("My name is Robert.", "I'm Peter.", "Call me Alex."),
        typed="""(hello | hi | hey | good (morning | afternoon | evening) | nice to meet you) [there] i am
            <person:name>; (i am | you can) (called | call me) <name>;
            (no | actually | i am | it is | this is | i said) [(it is | i am | i said)] <first_name:name>;
            <first_name:name> is my name""",
        free="""my [real | first] name is [actually | really] <person:name>;
            (call | calls | calling | called | speak to | address) me [as | by] [the name] <person:name>;
            name [i go by] (to | is) <person:name>; i (prefer to go | go) by [the name] [of] <person:name>""",
        ability="remember your name",
        demo=True,
    ),
    Skill(
        "ask_name",
        "what is my name; do you (know | remember) my name; who am i",
        _ask_name,
        ("What's my name?", "Do you remember my name?"),
        typed="(what | who) (am i | i am) [called]; do you (know | remember) me",
        free="""(remember | know | what | tell | guess | say | recall | is) ... my name;
            (what | which | how | name) ... you ... (call me | refer to me | name for me | address me | addressing me);
            (what | the) ... (name [do you have] for me | i am called | am i called | have me saved | know me | my name
            saved) ...; (what | which) name (do | did | is | am | would) ...; (remember | know | tell me) who i am;
            what i am called""",
        demo=True,
    ),
    Skill(
        "story",
        "tell me (a | another) story",
        _says(*stories.STORIES),
        ("Tell me a story.", "Tell me another story."),
        typed="[a] story",
        free="""(hear | tell | telling | give | read | know | want | love | like | rather | another | any) ... (story |
            stories)""",
        ability="tell a story or a joke",
        demo=True,
    ),
    Skill(
        "topic",
        "tell me [something] about [the] <topic>",
        _topic,
        ("Tell me about the moon.", "Tell me something about honey bees.", "Tell me about the ocean."),
        typed="[(describe | explain | what is)] [the] <topic> [like]",
        free="""(about | know | like) ... <topic>; (tell | know | give | what | any | hear | say | have | share) ...
            (something (interesting | i do not know) | (fun | interesting | cool | random | a | any | some) (fact |
            facts) | trivia) [<else>]""",
        ability="tell you about the moon, the ocean or honey bees",
        demo=True,
    ),
    Skill(
        "joke",
        "tell me (a | another) joke",
        _says(*stories.JOKES),
        ("Tell me a joke.", "Tell me another joke."),
        typed="[(tell | say)] [me | us] (a | another | one more) [(good | funny | new)] joke",
        free="""(hear | tell | give | know | got | have | want | need | what | share | crack | any | good) ... (joke |
            jokes | pun); (something | anything) (funny | hilarious | amusing);
            (cheer me up | make (me | us) (laugh | smile | giggle) | (a | good) laugh)""",
        demo=True,
    ),
    Skill(
        "count",
        "count [from one] to <number>",
        _count,
        ("Count to twenty.", "Count from one to ten."),
        typed="count [from 1] [up] to <number>; count <down> from <number> [to (one | zero)]",
        ability="count",
        demo=True,
    ),
    Skill(
        "said_before",
        "what did i (say | ask) [before]; what was my last question",
        _said,
        ("What did I say before?",),
        typed="what (was the last thing | did) i [just] (said | say | ask [you]) [last]",
    ),
    Skill(
        "repeat",
        "(repeat | say) that [again]; what did you say; say that once more",
        _repeat,
        ("Repeat that.", "What did you say?"),
        typed="""(repeat | again | pardon [me] | excuse me | come again | what was that | one more time);
            what [did | was [it | that]] you [just] (say | said | tell me | told me)""",
        free="""(say | said | ask | run | tell | hear | read) ... (again | once more | one more time | another time);
            (repeat [(that | it | yourself | this | what you)] | that repeated);
            (did not | could not | can not | not quite) (hear | get | catch | understand) (that | you | it | what)""",
    ),
    Skill(
        "hello",
        "(hello | hi) [there]; good (morning | afternoon | evening)",
        _hello,
        ("Hello!", "Hi there.", "Good morning."),
        typed="(hey | hello | hi | greetings) [(there | you | agent | robot | everyone)]; good day",
    ),
    Skill(
        "how_are_you",
        "how are you [doing] [today]",
        _says("I am fine, thank you. What can I do for you?"),
        ("How are you?", "How are you doing today?"),
        typed="what is (up | new | going on | happening); (how do you do | how have you been | how goes it)",
        free="""how (is it going | are you | are things | is everything | is life | is your day) [all]; (how | what |
            (is | are) ...) ... you (doing | feeling | feel | been | up to) [today | okay | well | all right]""",
    ),
    Skill(
        "who_are_you",
        "who are you; what are you; are you (real | a robot | human | a person); what is your name; who made you",
        _says(ABOUT_ME),
        ("Are you real?", "Who are you?", "What's your name?"),
        typed="""are you (an ai | a human [being] | a real person | a bot | a machine | a language model | alive);
            who is (this | there | that)""",
        free="""what is your favorite; who (am i (talking | speaking) (to | with) | are you); (do | can | are) you
            (sleep | dream | eat | tired | happy | sad | lonely | like | love | need [the] internet); (your | you ...)
            (feelings | family | friends | pets | pet | hobbies | fun | free time | spare time | parents); (are | is |
            am i) (talking to | you | this | it) ... (real | live | robot | bot | human | person | computer | machine |
            ai | automated); you (are | as) ... (robot | bot | human | person | computer); (made | built | created |
            programmed | designed | invented | developed | trained | wrote | coded | named | formed) (you | this ai |
            the ai); (creator | inventor | maker | developer | designer | responsible) ... (you | ai);
            (what | which | where) ... you (live | come from | hail from | from | originate [from]);
            you [were | are | originally | was | are originally] (made | built | created | born | from | old);
            (how old | what age) ... you; your [full | own] (age | name | birthday | birth | birthplace | creator |
            maker | origin | home | nationality); (call | refer to) you; (place | country | city) of origin;
            (tell me about | describe | introduce) (you | yourself)""",
        demo=True,
    ),
    Skill(
        "hear_me",
        "can you hear me; are you (there | listening)",
        _says("Yes, I can hear you."),
        ("Can you hear me?", "Are you there?"),
        typed="(test | testing) [one two three | 1 2 3]; (do you hear | are you listening to) me; is anybody there",
        free="(can | could | does) (you | anybody | anyone | somebody | someone) hear me",
    ),
    Skill(
        "thanks",
        "(thank you | thanks) [very much]",
        _says("You are welcome.", "My pleasure.", "Any time."),
        ("Thank you.", "Thanks."),
        typed="""[many | okay | why | oh] (thank you | thanks | cheers) [(very | so) much | a lot | again | anyway |
            take care] [for (that | the | your | helping | telling | all) ... | (that | you) (is | are | was | have)
            ...]; (great | good | nice | perfect | cool | awesome | excellent | lovely) [(one | job | work | answer)];
            (that | it | this | you | your answer) (is | was | are | have been) [(a | so | really | very | just | quite
            | pretty)] [(big | good | great)] (great | good | nice | fine | perfect | cool | funny | lovely | helpful |
            help | handy) [(one | joke | story | help)]""",
        free="""(i [really | so | also | do] (appreciate | thank) | (am | so | very) (grateful | thankful | glad)) ...;
            (many thanks | thank (you | ya) so | is appreciated | appreciate (it | that))""",
    ),
    Skill(
        "impressed",
        "",
        _says("What else can I do for you?"),
        (),
        typed="""[oh] (wow | amazing | interesting | ha [ha] | haha | really | good to know | funny | maybe | perhaps |
            not much);
            i am [doing] (fine | good | well | okay | great) [(too | today)] [(thanks | thank you) [for asking]]; [i]
            (do not know | can not (say | tell | decide) | am [really] not [quite] sure | have no idea | no idea | not
            sure | who knows | i guess [so | maybe] | could (be | go) ...) [that | which | for sure]""",
    ),
    Skill(
        "pleased",
        "",
        _says("Nice to meet you, too."),
        (),
        typed="""[it is] [so | very] (nice | good | great | lovely | pleased | a pleasure) to (meet | see | hear | talk
            to | speak to) you [too | again]""",
    ),
    Skill(
        "goodbye",
        "(goodbye | bye [bye]); good night; see you [later]",
        _goodbye,
        ("Goodbye.", "See you later."),
        typed="""(ciao | adios | farewell | good bye | peace out | catch you later); (take care | until next time |
            have a (nice | good | great | lovely) (day | evening | night | one | weekend));
            (goodbye | good bye | bye | [i (have | want | need) to | time to] say (goodbye | good bye)) [ai];
            (i (have [got] to | must | need to | am) | time to) [get] (go | going | run | leave | leaving) [now]""",
        free="""(bye | see (you | ya) ... (later | soon | next | around) | (talk | speak) [to you] (later | soon) | see
            ya); (nice | great | good | pleasant | lovely | pleasure | fun | glad | cool) ... (talking | talk |
            chatting | speaking | speak | chat | conversation | conversing)""",
    ),
    Skill(
        "stop",
        "stop [it]; never mind; be quiet; forget it; stop talking",
        _says("Okay."),
        ("Stop.", "Never mind."),
        typed="""(shut up | [that is] enough | wait | hold on | quiet | silence | pause | undo | whatever | (no | not)
            matter); (stop | cancel | quit | end | leave | forget | scratch | drop | abort | halt | terminate | do not
            do) [about | doing] [(my | the | that | this | your)] [last | current | present] [(that | it | this |
            talking | speaking | what you are doing | everything | command | request | task | action | process)] [now];
            (no more | stop) talking ...; (sorry | oops) [wrong (button | word | one | thing)]""",
    ),
    GO_ON,
    Skill(
        "yes",
        "yes; (okay | sure)",
        _says("Good. What shall I do?"),
        ("Yes.", "Okay."),
        typed="""[yes | yeah] (yeah | yep | yup | of course | right | sure | why not | correct | exactly | true |
            absolutely | definitely | please | i (think | guess) so | go ahead); [i (think | believe)] (that | it |
            you) (is | are) [absolutely | definitely | very] (right | correct | true | it | good | accurate | a yes)""",
    ),
    Skill(
        "no",
        "no; no thanks; no thank you",
        _says("All right."),
        ("No.", "No, thank you."),
        typed="""[no] (nope | nah | not (now | really | at all | yet | true | right) | i do not think so | wrong |
            never); [no] [i think | i believe] (that | it) is [definitely | completely] (not ... (right | correct |
            true | it | case) | wrong | false | incorrect);
            (no way | [definitely | absolutely] not | negative | incorrect | false | i think not);
            that is (all | it) [for (now | today)]; (no more | i do not have any more | i have no more) questions""",
    ),
)
