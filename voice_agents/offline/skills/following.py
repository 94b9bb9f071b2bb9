"""What means something only after the request before it: "and in Madrid?", "make it fifteen", "another one"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from voice_agents.offline.skills.model import Skill
from voice_agents.offline.skills.phrases import Pattern, Rule, Slots
from voice_agents.offline.skills.rules import place_in
from voice_agents.offline.skills.sentence import Sentence
from voice_agents.offline.skills.understanding import FILLERS, Request

_LEAD = (
    "[(no | nope | yes | oh | okay | hmm | wow | nice | interesting | cool | great)] [(wait | sorry)]"
    " [(and | end | or | but | so | well | then | now | actually)] [then] [(can | could | would) you]"
    " [(what | how) about | what if (it is | it was | i said) | what is (it | that) | how much is (it | that)"
    " | make (it | that | them) | i (meant | mean | said) | i want | i would like | give me"
    " | let us (say | make it | have) | say | try | tell me | the same | [(do | have) you] (have | got | know) [any]]"
)
_TAIL = "[(instead | then | too | also | as well | please | i mean | rather)] [please]"

_OTHER_VALUES: Mapping[str, Sequence[str]] = {
    "time": ("[(in | for | over in)] <city:place>", "in <place>"),
    "sum": ("<sum>", "[what is] <operation>", "<number:last>"),
    "units": ("[(in | to | into | for)] <unit:target>", "[in] <amount> <unit>", "<amount>"),
    "dice": ("[with] <few> [(dice | die | of them)]", "[with] <number:sides> (sides | sided)"),
    "count": ("[(up to | to)] <number>",),
    "save_note": (
        "[(add | note | put)] [(that | down | also)] <errand> (too | as well | to (it | [the | my] list))",
        "[and] (also | another (one | note)) [(add | note | put)] [that | to] <errand>",
        "add [that | to] <errand>",
    ),
    "topic": ("[about] [the] <topic>",),
    "set_timer": (
        "[(for | to)] <duration>",
        "[make] the <label> <duration>",
        "[(another [one] | one [more] | a second one)] for [the] <label> [(for | is | are | takes)] <duration>",
        "(another [one] | one more | a second one) for <duration> [for [the] <label>]",
        "[for] <number:few>",
    ),
}
"""Skill -> what may be said to have it done once more with something else in its slots."""
_AGAIN = (
    "[(do | roll | rule | flip | toss | throw | try)] [(it | that | them)]"
    " (again | once more | one more time | another time)",
    "(another | one more | a (different | new | longer | shorter | better | funnier | good)) [(one | time | go | try)]"
    " [(for me | for us)]",
)
_REPEATABLE = frozenset({"coin", "dice", "joke", "story"})
_ABOUT_IT: Mapping[str, Sequence[str]] = {
    "cancel_timers": (
        "(cancel | stop | delete | end | turn off | switch off) (it | that | them | everything | all [of (it | them)])",
        "(turn | switch) (it | that | them) off [again]",
    ),
    "list_timers": (
        "(how (long | much longer | much time) | when) ... (it | that)",
        "(is (it | that) | what is) [still] (running | on | done | set)",
        "(how long | how much longer) [(is left | for ... | until ...)]",
    ),
    "repeat": (
        "what (do they | does (it | that) | is (it | that)) [(add up to | make | come to)] [(together | in total)]",
    ),
    "list_notes": ("read (it | that | them) [(back | out)] [to me]",),
    "delete_notes": (
        "(delete | erase | remove | clear | forget) (them [all] | it | that | everything | all of (it | them))",
    ),
}
"""Skill -> how it is asked for of what was spoken of just now."""
_SPOKEN_OF = {
    **dict.fromkeys(("cancel_timers", "list_timers"), frozenset({"set_timer", "list_timers"})),
    "repeat": frozenset({"dice", "coin"}),
    "list_notes": frozenset({"save_note"}),
    "delete_notes": frozenset({"list_notes", "save_note"}),
}
_EXAMPLES = (
    *("And in Madrid?", "How about Madrid?", "I meant Madrid.", "And in pounds?", "What is that in pounds?"),
    *("How much is that in pounds?", "And times two?", "What about ten minutes?", "Make it ten minutes."),
    *("Sorry, I meant ten minutes.", "Make it fifteen.", "Make that fifteen.", "What about fifteen?"),
    *("Roll again.", "Flip it again.", "Do it again.", "One more time.", "Another one.", "Give me another one."),
    *("Do you have another one?", "Turn it off.", "How long is left?", "Read it back to me."),
    "What do they add up to?",
)
_FOLLOWED = frozenset(_OTHER_VALUES) | _REPEATABLE | frozenset().union(*_SPOKEN_OF.values())
_ONE_MORE = frozenset({"another", "more", "second", "also", "too"})
_ASKING = frozenset({"what", "where", "when", "who", "which", "how", "did", "do"})
_BEGINNING = 4
_SHARE = "/ 100 *"
_UNITS_S = (3600, 60, 1)


class Follower:
    """Reads a text in the light of the request before it."""

    def __init__(self, skills: Sequence[Skill], rules: Iterable[Rule]) -> None:
        known = {rule.name: rule for rule in rules}
        self._skills = {skill.name: skill for skill in skills}
        self._others = {name: self._patterns(phrases, known) for name, phrases in _OTHER_VALUES.items()}
        self._again = self._patterns(_AGAIN, known)
        self._loose = [self._others["save_note"]]
        self._about_it = {name: self._patterns(phrases, known) for name, phrases in _ABOUT_IT.items()}

    def may_follow(self, text: str) -> bool:
        """Whether a text asks for something after some request."""
        sentence = Sentence.of(text).without(FILLERS)
        kinds = [self._again, *self._about_it.values(), *self._others.values()]
        found = (_matched(patterns, sentence) for patterns in kinds if patterns not in self._loose)
        return any(slots is not None and ("place" not in slots or place_in(text)) for slots in found)

    def likely(self) -> Iterator[str]:
        """What is often said after a request, and each with something else in its slots."""
        known = [pattern for patterns in self._others.values() for pattern in patterns]
        for sentence in map(Sentence.of, _EXAMPLES):
            yield sentence.source
            for pattern in known:
                yield from pattern.variants(sentence) if pattern.match(sentence) is not None else ()

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
        if name == "save_note" and _asks_about(sentence, before.slots["errand"]):
            return Request(self._skills["list_notes"], {})
        found = _matched(self._others.get(name, ()), sentence)
        if not found or found.get("target", "") == before.slots.get("unit"):
            return None
        slots = _changed(before.slots, found)
        one_more = "label" in found or not _ONE_MORE.isdisjoint(word.text for word in sentence.words)
        instead = name == "set_timer" and not one_more
        return Request(before.skill, {**slots, "instead": True} if instead else slots)

    @staticmethod
    def _patterns(phrases: Iterable[str], rules: Mapping[str, Rule]) -> list[Pattern]:
        return [Pattern(f"{_LEAD} {phrase} {_TAIL}", rules, open=True) for phrase in phrases]


def _matched(patterns: Iterable[Pattern], sentence: Sentence) -> Slots | None:
    found = (pattern.match(sentence) for pattern in patterns)
    return next((slots for slots in found if slots is not None), None)


def _asks_about(sentence: Sentence, note: str) -> bool:
    """Whether a question has a word of a note in it, of which the beginning is enough."""
    asked = [word.text for word in sentence.words]
    noted = {word[:_BEGINNING] for word in note.casefold().split() if len(word) >= _BEGINNING}
    return asked[0] in _ASKING and any(word[:_BEGINNING] in noted for word in asked if len(word) >= _BEGINNING)


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
    if "operation" in new:
        return {"sum": _reckoned(old["sum"], new["operation"])}
    if "last" in new:
        return {"sum": f"{old['sum'].rpartition(' ')[0]} {new['last']}"}
    if "place" in new:
        return {"place": new["place"]}
    if "sides" in new or "few" in new:
        return {**{name: value for name, value in old.items() if name != "amount"}, **new}
    if "unit" in new:
        return {**{name: value for name, value in old.items() if name != "measure"}, **new}
    return {**old, **new}


def _reckoned(old: str, operation: str) -> str:
    """A result with something done to it, or another share of the same: "and twenty percent?"."""
    of = old.partition(_SHARE)[2] if _SHARE in operation else ""
    return operation.replace("it", of.strip() or f"({old})")
