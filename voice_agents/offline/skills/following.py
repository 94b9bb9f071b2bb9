"""What means something only after the request before it: "and in Madrid?", "make it fifteen", "another one"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from voice_agents.offline.skills.model import Skill
from voice_agents.offline.skills.phrases import Pattern, Rule, Slots, alternatives
from voice_agents.offline.skills.rules import places_in
from voice_agents.offline.skills.sentence import Sentence, counted
from voice_agents.offline.skills.understanding import FILLERS, Request

_LEAD = """[no | nope | yes | oh | okay | hmm | wow | nice | interesting | cool | great | all right | perfect]
    [wait | sorry] [and | end | or | but | so | well | then | now | actually] [then | also | better | if [i | we | you]]
    [(can | could) (you | i) | i (want | need | would like) [you to]]
    [(what | how) about | what (if [it (is | was) | i said] | would) | (what | how much) is (it | that) [as]
    | make (it | that | them) | i (meant | mean | said) | give me | [the] same [again] | (do | set | start | add) [me]
    | let us (say | make it | have) | say | try | tell me | [(do | have) you] (have | got | know) [any]]"""
_TAIL = "[(instead | then | too | also | as well | please | i mean | rather | now | be | is better)] [please]"

_OTHER_VALUES: Mapping[str, str] = {
    "time": "[(in | for | over in | at)] <city:place>; in <place>",
    "sum": "<sum>; [what is] <operation>; [of] <number:last>",
    "units": "[(in | to | into | for)] <unit:target>; [in] <amount> <unit>; <amount> [of them]",
    "dice": "[with] <few> [(dice | die | of them)]; [with] <number:sides> (sides | sided)",
    "count": "[(up to | to)] <number>; <down>",
    "save_note": """[(add | note | put)] [(that | down | also)] <errand> (too | as well | to (it | [the | my] list));
        [and] (also | another (one | note)) [(add | note | put)] [that | to] <errand>; add [that | to] <errand>;
        i [also] (have | need | ought) to <errand>""",
    "topic": "[about] [the] <topic>",
    "set_timer": """[(for | to)] <duration>; [make] the <label> <duration>;
        [another [one] | one [more] | a second one] for [the] <label> [(for | is | are | takes)] <duration>;
        (another [one] | one more | a second one) [for] <duration> [for [the] <label>]; [for] <number:few>;
        <duration:more> [more] to (it | that | the timer); [and] <duration:more> (more | longer)""",
}
"""Skill -> what may be said to have it done once more with something else in its slots."""
_MENTIONED: Mapping[str, str] = {
    "time": "<city:place>",
    "set_timer": """(make it | make that | be | better | rather) <duration>;
        (make it | make that | be | better) <number:few>""",
    "units": "(in | to | into) <unit:target>; <amount> <unit>",
}
"""... and what stands somewhere in words of which nothing else is understood: "my brother, he is in Toronto"."""
_AGAIN = """[(do | roll | rule | flip | toss | throw | try | go)] [(it | that | them)]
    (again | once more | one more time | another time | more);
    (another | one more | a (different | new | longer | shorter | better | funnier | good) | something else | more)
    [(one | time | go | try | number | joke | story)] [(for me | for us)]"""
_REPEATABLE = frozenset({"coin", "dice", "joke", "story", "topic"})
_THAT = "(it | that | [all of] (them | those | these) [all] | everything | all [of it])"
_ABOUT_IT: Mapping[str, str] = {
    "cancel_timers": f"""(cancel | stop | delete | end | kill | turn off | switch off | get rid of) {_THAT};
        (turn | switch) (it | that | them) off [again]""",
    "list_timers": """(how (long | much longer | much [more] time | many minutes | much) | when) ...
        (it | that | they | left | to go | have i got | i have | ready | done | remaining);
        (is | are | what is) [(it | that | they | there)] [still] [(anything | one)] (running | on | done | set | gone);
        (how long | how much longer) [(until | till | for) ...]; which [one] ... (first | next);
        (how | what) (is | are) (it | that | they | the <label>) [still] (doing | looking | at | going)""",
    "repeat": """what (do (they | those) | does (it | that) | is (it | that | the total) | was the total)
        [(add up to | make | come to)] [(together | in total)]""",
    "list_notes": """read (it | that | them | me the whole thing | everything) [(back | out)] [to me];
        (is | what is | what do i have | what have i got | do i have) [anything] [on] (there | it | that | empty)""",
    "delete_notes": f"""[you can]
        (delete | erase | remove | clear | forget | wipe | scratch | throw [away] | get rid of) {_THAT} [away]""",
}
"""Skill -> how it is asked for of what was spoken of just now."""
_SPOKEN_OF = {
    **dict.fromkeys(("cancel_timers", "list_timers"), frozenset({"set_timer", "list_timers"})),
    "repeat": frozenset({"dice", "coin"}),
    **dict.fromkeys(("list_notes", "delete_notes"), frozenset({"save_note", "list_notes"})),
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
_COUNTED = frozenset({"sum", "units", "dice", "count", "set_timer"})
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
        self._mentioned = {name: self._patterns(phrases, known, "", "") for name, phrases in _MENTIONED.items()}
        self._again = self._patterns(_AGAIN, known)
        self._loose = [self._others["save_note"]]
        self._about_it = {name: self._patterns(phrases, known) for name, phrases in _ABOUT_IT.items()}

    def may_follow(self, text: str) -> bool:
        """Whether a text asks for something after some request."""
        sentence = Sentence.of(text).without(FILLERS)
        kinds = [self._again, *self._about_it.values(), *self._others.values()]
        found = (_matched(patterns, sentence) for patterns in kinds if patterns not in self._loose)
        return any(slots is not None and ("place" not in slots or places_in(text)) for slots in found)

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
        "What a text asks for after that request; None if nothing."
        pieces = list(_last_first(Sentence.of(text).without(FILLERS)))
        if before.skill.name in _COUNTED:
            pieces += [counted(piece) for piece in pieces]
        return next(filter(None, (self._follow(piece, before) for piece in pieces)), None)

    def mentioned(self, text: str, before: Request) -> Request | None:
        """What the words may mean after that request, if they mean nothing by themselves."""
        sentence = Sentence.of(text).without(FILLERS)
        found = (pattern.find(sentence) for pattern in self._mentioned.get(before.skill.name, ()))
        return next((self._once_more(before, slots, sentence) for slots in found if slots), None)

    def _follow(self, sentence: Sentence, before: Request) -> Request | None:
        name = before.skill.name
        if name in _REPEATABLE and _matched(self._again, sentence) is not None:
            return Request(before.skill, {}) if name == "topic" else before
        for asked, patterns in self._about_it.items():
            if name in _SPOKEN_OF[asked] and _matched(patterns, sentence) is not None:
                return Request(self._skills[asked], {})
        if name == "save_note" and _asks_about(sentence, before.slots["errand"]):
            return Request(self._skills["list_notes"], {})
        found = _matched(self._others.get(name, ()), sentence)
        if not found or found.get("target", "") == before.slots.get("unit"):
            return None
        return self._once_more(before, found, sentence)

    @staticmethod
    def _once_more(before: Request, found: Slots, sentence: Sentence) -> Request:
        slots = _changed(before.slots, found)
        said = {word.text for word in sentence.words}
        one_more = "label" in found or ("more" not in found and not _ONE_MORE.isdisjoint(said))
        instead = before.skill.name == "set_timer" and not one_more
        return Request(before.skill, {**slots, "instead": True} if instead else slots)

    @staticmethod
    def _patterns(phrases: str, rules: Mapping[str, Rule], lead: str = _LEAD, tail: str = _TAIL) -> list[Pattern]:
        return [Pattern(f"{lead} {phrase} {tail}", rules, open=True) for phrase in alternatives(phrases)]


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
    if "more" in new:
        return {**old, "duration": old.get("duration", 0) + new["more"]}
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
