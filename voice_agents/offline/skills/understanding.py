"""What a text asks for: the skills it matches, one request after the other, and the pieces nothing matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from voice_agents.offline.skills.model import Skill
from voice_agents.offline.skills.phrases import Pattern, Rule, Slots, alternatives
from voice_agents.offline.skills.sentence import Pause, Sentence

MAX_REQUESTS = 4
"""How many requests of one text are looked for."""
MAX_JOINTS = 8
"""At how many places a text is tried to be split, so that no text takes noticeable time."""

_LEAD = """[(hello | hi | hey) [there] | good (morning | afternoon | evening)] [ai]
    [oh | ah | wow | nice | cool | interesting | perfect | fine | good]
    ([(and | end | but)] [then] [also] | so | well | okay | right | all right | sorry | thanks | great) [now | then]
    [please | (can | could | would | will) you [please | maybe | just | kindly] [please] [(tell me | let me know)]
    | i (want | would like | need) (you to | to [know]) | i was wondering if you could | do you think you could
    | would you [mind] | go ahead and | just | let us | show me | [please] help me [to]
    | tell me | let me know | do you know | quick question]"""
_TAIL = """[for me] [right now | now | again | today | then | instead | this time | at the moment | currently]
    [if you (can | could | like | want | do not mind)] [please] [thanks | thank you]"""
FILLERS = frozenset({"um", "uh", "uhm", "er", "erm", "eh", "hm", "hmm", "mm", "basically", "actually", "please"})
"""Words that may stand anywhere and mean nothing."""
CORRECTIONS = (
    *(("no", "wait"), ("no", "sorry"), ("no", "make", "that"), ("no", "make", "it"), ("oh", "no"), ("wait", "no")),
    *(("i", "mean"), ("sorry", "i", "meant"), ("i", "meant"), ("or", "rather"), ("make", "that"), ("make", "it")),
    *(("scratch", "that"), ("no", "not"), ("no",), ("sorry",), ("rather",)),
)
"""What people say before they say it better."""
_JOINTS = (("and", "then"), ("and", "also"), ("and",), ("then",), ("also",))


@dataclass(frozen=True, slots=True)
class Request:
    """A skill the user asks for, and what with."""

    skill: Skill
    slots: Slots


@dataclass(frozen=True, slots=True)
class Understanding:
    """The requests of a text, and the pieces of it that were not understood, in order."""

    requests: tuple[Request, ...]
    missed: tuple[str, ...] = ()


class SkillMatcher:
    """Matches text against skills; what it found for a text is kept, so asking again costs nothing."""

    def __init__(self, skills: Sequence[Skill], rules: Iterable[Rule]) -> None:
        known = {rule.name: rule for rule in rules}

        def patterns(phrases: Callable[[Skill], str], open: bool = True) -> list[tuple[Skill, Pattern]]:
            return [(skill, Pattern(p, known, open=open)) for skill in skills for p in alternatives(phrases(skill))]

        self._closed = patterns(lambda skill: skill.phrases, open=False)
        self._open = patterns(lambda skill: f"{skill.phrases}; {skill.typed}")
        self._free = patterns(lambda skill: skill.free)
        self._lead = Pattern(_LEAD, known, open=False)
        self._tail = Pattern(_TAIL, known, open=False)
        self.understand = lru_cache(maxsize=1024)(self._wishes)

    def likely(self) -> Iterator[str]:
        """Every example of the skills, and each with something else in its slots."""
        for skill, pattern in self._closed:
            for example in skill.examples:
                yield example
                yield from pattern.variants(Sentence.of(example))

    def whole(self, text: str) -> bool:
        """Whether all of a text is understood as the phrases say it."""
        understood = self._read(Sentence.of(text).without(FILLERS))
        return bool(understood.requests) and not understood.missed

    def _wishes(self, text: str) -> Understanding:
        """An "okay", a "no" or a "nice to meet you" beside something else is no wish of its own."""
        understood = self._understand(text)
        names = {request.skill.name for request in understood.requests}
        beside = {"yes", "no", "pleased", "impressed"} | (set() if names <= {"thanks", "goodbye"} else {"thanks"})
        wishes = tuple(request for request in understood.requests if request.skill.name not in beside)
        return Understanding(wishes, understood.missed) if wishes or understood.missed else understood

    def _understand(self, text: str) -> Understanding:
        sentence = Sentence.of(text)
        plain = sentence.without(FILLERS)
        corrected = self._corrected(plain)
        if corrected is not None:
            return Understanding((corrected,))
        understood = self._read(sentence)
        if understood.missed and len(plain.words) < len(sentence.words):
            understood = min(understood, self._read(plain), key=lambda reading: len(reading.missed))
        return self._freely(understood) if understood.missed else understood

    def _corrected(self, sentence: Sentence) -> Request | None:
        """The request of who corrects himself: "a timer for ten, no, fifteen minutes"."""
        for at, size in _corrections(sentence):
            rest = sentence.words[at + size :]
            for kept in range(at - 1, 0 if size == 1 else -1, -1):
                found = self._request(Sentence(sentence.source, sentence.words[:kept] + rest), self._closed)
                found = found or self._request(Sentence(sentence.source, sentence.words[:kept] + rest), self._open)
                if found:
                    return found
        return None

    def _freely(self, understood: Understanding) -> Understanding:
        """What the missed pieces ask for in words of their own."""
        requests, missed = list(understood.requests), list[str]()
        for piece in understood.missed:
            found = self._found(Sentence.of(piece).without(FILLERS))
            requests += found
            missed += [] if found else [piece]
        if not requests and len(missed) > 1 and (found := self._found(Sentence.of(" ".join(missed)))):
            return Understanding(tuple(found))  # "I call a friend in Rome. Is it late there?"
        return Understanding(tuple(requests[:MAX_REQUESTS]), tuple(missed))

    def _found(self, sentence: Sentence) -> list[Request]:
        """The skill that is asked for somewhere in some words, or the two if there is one on each side of an "and"."""
        for end, start in islice(_joints(sentence), MAX_JOINTS):
            parts = sentence.part(0, end), sentence.part(start, len(sentence.words))
            both = [self._request(part, self._open) or self._somewhere(part) for part in parts] if start > end else []
            if both and all(both) and both[0] != both[1]:
                return [request for request in both if request]
        return list(filter(None, [self._somewhere(sentence)]))

    def _somewhere(self, sentence: Sentence) -> Request | None:
        slots = ((skill, pattern.find(sentence)) for skill, pattern in self._free)
        return next((Request(skill, filled) for skill, filled in slots if filled is not None), None)

    def _read(self, sentence: Sentence) -> Understanding:
        """As the phrases say it."""
        for patterns in (self._closed, self._open):
            whole = self._request(sentence, patterns)
            if whole:
                return Understanding((whole,))
            parts = self._split(sentence, patterns, MAX_REQUESTS)
            if parts:
                return Understanding(tuple(parts))
        return self._sentences(sentence)

    def _sentences(self, sentence: Sentence) -> Understanding:
        """Every sentence for itself, when the whole makes no sense."""
        requests: list[Request] = []
        missed: list[str] = []
        for piece in _pieces(sentence):
            found = self._request(piece, self._open)
            parts = [found] if found else self._split(piece, self._open, MAX_REQUESTS)
            requests += parts
            if not parts:
                missed.append(piece.original)
        return Understanding(tuple(requests[:MAX_REQUESTS]), tuple(missed))

    def _split(self, sentence: Sentence, patterns: list[tuple[Skill, Pattern]], most: int) -> list[Request]:
        """Requests that together are all of the words; none if there is no such reading."""
        if most < 2:
            return []
        for end, start in islice(_joints(sentence), MAX_JOINTS):
            first = self._request(sentence.part(0, end), patterns)
            if not first:
                continue
            rest = sentence.part(start, len(sentence.words))
            second = self._request(rest, patterns)
            others = [second] if second else self._split(rest, patterns, most - 1)
            if others:
                return [first, *others]
        return []

    def _request(self, sentence: Sentence, patterns: list[tuple[Skill, Pattern]]) -> Request | None:
        """The skill all the words ask for, as they are or without polite words around them."""
        for words in self._readings(sentence):
            for skill, pattern in patterns:
                slots = pattern.match(words)
                if slots is not None:
                    return Request(skill, slots)
        return None

    def _readings(self, sentence: Sentence) -> Iterator[Sentence]:
        """The words as they are, then without what may stand before and after a request."""
        yield sentence
        count = len(sentence.words)
        first = self._longest(self._lead, [(sentence.part(0, n), n) for n in range(min(7, count - 1), 0, -1)])
        last = self._longest(
            self._tail, [(sentence.part(count - n, count), n) for n in range(min(7, count - 1), 0, -1)]
        )
        for start, end in {(first, 0): None, (0, last): None, (first, last): None}:
            if (start or end) and start + end < count:
                yield sentence.part(start, count - end)

    @staticmethod
    def _longest(pattern: Pattern, candidates: list[tuple[Sentence, int]]) -> int:
        return next((length for words, length in candidates if pattern.match(words) is not None), 0)


def _corrections(sentence: Sentence) -> Iterator[tuple[int, int]]:
    """Where somebody takes back what he said, and in how many words; a single one needs a pause before it."""
    words = [word.text for word in sentence.words]
    for mark in CORRECTIONS:
        for at in reversed(range(1, len(words) - len(mark))):
            if tuple(words[at : at + len(mark)]) == mark and (len(mark) > 1 or sentence.words[at - 1].pause):
                yield at, len(mark)


def _joints(sentence: Sentence) -> Iterator[tuple[int, int]]:
    """Where one request may end and the next begin: at punctuation and at "and" or "then"."""
    words = [word.text for word in sentence.words]
    for at in range(1, len(words)):
        joint = next((joint for joint in _JOINTS if tuple(words[at : at + len(joint)]) == joint), ())
        if joint and at + len(joint) < len(words):
            yield at, at + len(joint)
        elif sentence.words[at - 1].pause is not Pause.NONE:
            yield at, at


def _pieces(sentence: Sentence) -> Iterator[Sentence]:
    """The sentences, by their punctuation."""
    first = 0
    for at, word in enumerate(sentence.words, 1):
        if word.pause is Pause.STOP or at == len(sentence.words):
            yield sentence.part(first, at)
            first = at
