"""What means something only after the request before it: "and in Madrid?", "make it fifteen", "another one"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from voice_agents.offline.skills.model import Skill
from voice_agents.offline.skills.phrases import Pattern, Rule, Slots
from voice_agents.offline.skills.sentence import Sentence
from voice_agents.offline.skills.understanding import FILLERS, Request

_LEAD = (
    "[(no | nope | yes | oh | okay | hmm)] [(wait | sorry)] [(and | or | but | so | well | then | now | actually)]"
    " [then] [(can | could | would) you] [(what | how) about | what if (it is | it was | i said) | what is (it | that)"
    " | how much is (it | that) | make (it | that | them) | i (meant | mean | said) | i want | i would like | give me"
    " | let us (say | make it | have) | say | try | the same | (do | have) you (have | got | know)]"
)
_TAIL = "[(instead | then | too | also | as well | please | i mean | rather)] [please]"

_OTHER_VALUES: Mapping[str, Sequence[str]] = {
    "time": ("[(in | for | over in)] <city:place>", "in <place>"),
    "sum": ("<sum>",),
    "units": ("[(in | to | into | for)] <unit:target>", "<amount> <unit>", "<amount>"),
    "dice": ("[with] <few> [(dice | die | of them)]", "[with] <number:sides> (sides | sided)"),
    "count": ("[(up to | to)] <number>",),
    "topic": ("[about] [the] <topic>",),
    "set_timer": (
        "[(for | to)] <duration>",
        "[make] the <label> <duration>",
        "[(another [one] | one more | a second one)] for [the] <label> [(for | is | are | takes)] <duration>",
        "(another [one] | one more | a second one) for <duration> [for [the] <label>]",
        "[for] <number:few>",
    ),
}
"""Skill -> what may be said to have it done once more with something else in its slots."""
_AGAIN = (
    "[(do | roll | flip | toss | throw | try)] [(it | that | them)] (again | once more | one more time | another time)",
    "(another | one more) [(one | time | go | try)] [(for me | for us)]",
)
_REPEATABLE = frozenset({"coin", "dice", "joke", "story"})
_ABOUT_IT: Mapping[str, Sequence[str]] = {
    "cancel_timers": (
        "(cancel | stop | delete | end | turn off | switch off) (it | that | them)",
        "(turn | switch) (it | that | them) off [again]",
    ),
    "list_timers": (
        "(how (long | much longer | much time) | when) ... (it | that)",
        "is (it | that) [still] (running | on | done | set)",
        "how long [is left]",
    ),
    "repeat": (
        "what (do they | does (it | that) | is (it | that)) [(add up to | make | come to)] [(together | in total)]",
    ),
    "list_notes": ("read (it | that | them) [(back | out)] [to me]",),
    "delete_notes": ("(delete | erase | remove | clear) them [all]",),
}
"""Skill -> how it is asked for of what was spoken of just now."""
_SPOKEN_OF = {
    **dict.fromkeys(("cancel_timers", "list_timers"), frozenset({"set_timer", "list_timers"})),
    "repeat": frozenset({"dice"}),
    "list_notes": frozenset({"save_note"}),
    "delete_notes": frozenset({"list_notes"}),
}
_FOLLOWED = frozenset(_OTHER_VALUES) | _REPEATABLE | frozenset().union(*_SPOKEN_OF.values())
_ONE_MORE = frozenset({"another", "more", "second", "also", "too"})
_UNITS_S = (3600, 60, 1)


class Follower:
    """Reads a text in the light of the request before it."""

    def __init__(self, skills: Sequence[Skill], rules: Iterable[Rule]) -> None:
        known = {rule.name: rule for rule in rules}
        self._skills = {skill.name: skill for skill in skills}
        self._others = {name: self._patterns(phrases, known) for name, phrases in _OTHER_VALUES.items()}
        self._again = self._patterns(_AGAIN, known)
        self._about_it = {name: self._patterns(phrases, known) for name, phrases in _ABOUT_IT.items()}

    @staticmethod
    def can_follow(request: Request) -> bool:
        """Whether anything can be asked after it."""
        return request.skill.name in _FOLLOWED

    def follow(self, text: str, before: Request) -> Request | None:
        """What a text asks for after that request; None if nothing."""
        pieces = _last_first(Sentence.of(text).without(FILLERS))
        return next(filter(None, (self._follow(piece, before) for piece in pieces)), None)

    def _follow(self, sentence: Sentence, before: Request) -> Request | None:
        name = before.skill.name
        if name in _REPEATABLE and _matched(self._again, sentence) is not None:
            return before
        for asked, patterns in self._about_it.items():
            if name in _SPOKEN_OF[asked] and _matched(patterns, sentence) is not None:
                return Request(self._skills[asked], {})
        if not (found := _matched(self._others.get(name, ()), sentence)):
            return None
        slots = _changed(before.slots, found)
        instead = name == "set_timer" and not _ONE_MORE.intersection(word.text for word in sentence.words)
        return Request(before.skill, {**slots, "instead": True} if instead else slots)

    @staticmethod
    def _patterns(phrases: Iterable[str], rules: Mapping[str, Rule]) -> list[Pattern]:
        return [Pattern(f"{_LEAD} {phrase} {_TAIL}", rules, open=True) for phrase in phrases]


def _matched(patterns: Iterable[Pattern], sentence: Sentence) -> Slots | None:
    found = (pattern.match(sentence) for pattern in patterns)
    return next((slots for slots in found if slots is not None), None)


def _last_first(sentence: Sentence) -> Iterator[Sentence]:
    """The whole, then what comes after each pause: "oh, the other one, in Madrid"."""
    yield sentence
    for at in reversed(range(1, len(sentence.words))):
        if sentence.words[at - 1].pause:
            yield sentence.part(at, len(sentence.words))


def _changed(old: Slots, new: Slots) -> Slots:
    """The slots with other values in them; "fifteen" after "ten minutes" are minutes."""
    if "few" in new and "duration" in old:
        each_s = next((seconds for seconds in _UNITS_S if old["duration"] % seconds == 0), 1)
        return {**old, "duration": float(new["few"]) * each_s}
    if "place" in new:
        return {"place": new["place"]}
    if "sides" in new or "few" in new:
        return {**{name: value for name, value in old.items() if name != "amount"}, **new}
    if "unit" in new:
        return {**{name: value for name, value in old.items() if name != "measure"}, **new}
    return {**old, **new}
