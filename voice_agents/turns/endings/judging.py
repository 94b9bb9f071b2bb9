"""Judges from the words alone whether a sentence seems finished, by what a language's table says of its words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto


class Completeness(Enum):
    """How finished the words sound."""

    COMPLETE = auto()
    UNKNOWN = auto()
    OPEN = auto()
    """Something must follow."""


def words_of(text: str) -> frozenset[str]:
    """Words that are written with spaces between them."""
    return frozenset(text.split())


def phrases_of(text: str) -> tuple[str, ...]:
    """Phrases that are written with commas between them."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(",") if phrase.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Endings:
    """How sentences of one language begin and end; all of it in lower case, as recognisers write it."""

    fillers: frozenset[str]
    """What people say before they begin, and when they do not know how to go on."""
    never_last: frozenset[str]
    """Conjunctions, articles, prepositions, possessives and the like: another word follows."""
    particles: frozenset[str] = frozenset()
    """Prepositions that also stand at the end, as a part of a verb ..."""
    with_particles: frozenset[str] = frozenset()
    """... of these: "mach das Licht an". After any other verb another word follows."""
    links: frozenset[str] = frozenset()
    """Forms of to be, to have and modal verbs: at the end of a statement another word follows ..."""
    links_need: frozenset[str] = frozenset()
    """... where one of these stands right before it; empty: everywhere."""
    open_phrases: tuple[str, ...]
    """At the end of what was said they are no end."""
    questions: frozenset[str]
    """First words of questions."""
    verb_first: frozenset[str]
    """First words of questions that ask for yes or no."""
    verb_last: frozenset[str] = frozenset()
    """First words of a sentence whose other verb stands at its end ..."""
    last_verb: re.Pattern[str] | None = None
    """... which looks so. Without it the sentence is not whole."""
    conditions: frozenset[str]
    """First words of a clause that another one follows."""
    subjects: frozenset[str]
    """Words for who does it: after a word that also asks ("quand") they make a clause of it."""
    commands: frozenset[str]
    """First words of what is to be done."""
    of_something: frozenset[str] = frozenset()
    """Nouns that are of something: "what is the capital" goes on."""
    needs: tuple[tuple[str, str], ...] = ()
    """How a command begins, and what it is not whole without (patterns)."""
    closing: frozenset[str]
    """At the end of a longer sentence nothing is missing any more."""
    whole: tuple[str, ...]
    """What is whole although it is short."""
    digits: frozenset[str]
    dictated: frozenset[str]
    """After these digits are dictated."""
    _open: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        """Phrases are looked for at once."""
        ends = "|".join(map(re.escape, sorted(self.open_phrases, key=len, reverse=True)))
        object.__setattr__(self, "_open", re.compile(rf"(?:^|\s)(?:{ends})$"))

    def judge(self, text: str) -> Completeness:
        """The words of a turn so far, with or without punctuation -> how finished they sound."""
        words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*'?", text.lower().replace("’", "'"))
        if not words:
            return Completeness.UNKNOWN
        if " ".join(words) in self.whole:
            return Completeness.COMPLETE
        core = list(words)
        while core and core[0] in self.fillers:
            core.pop(0)
        if not core or self._is_open(text.rstrip(), words, core):
            return Completeness.OPEN
        return Completeness.COMPLETE if self._is_complete(text.rstrip(), words, core) else Completeness.UNKNOWN

    # What must go on

    def _is_open(self, text: str, words: Sequence[str], core: Sequence[str]) -> bool:
        last, said = core[-1], " ".join(core)
        if text.endswith(("...", "…", "-", "—", "–", ",", ":")) or words[-1] in self.never_last:
            return True
        if len(core) > 1 and last in self.fillers and last not in self.closing and said not in self.whole:
            return True
        if last in self.particles and not self.with_particles.intersection(core[:-1]):
            return True
        if self._open.search(" ".join(words)) or (self._asks(core) and last in self.of_something):
            return True
        return self._lacks_a_verb(core) or self._lacks_a_clause(core) or self._lacks_more(said, words)

    def _lacks_a_verb(self, core: Sequence[str]) -> bool:
        if core[-1] not in self.links or len(core) < 2 or self.questions.intersection(core[:-1]):
            return False
        return not self.links_need or core[-2] in self.links_need

    def _lacks_a_clause(self, core: Sequence[str]) -> bool:
        return core[0] in self.conditions and len(core) <= _LONGEST_CONDITION and not self._asks(core)

    def _lacks_more(self, said: str, words: Sequence[str]) -> bool:
        if any(re.match(begins, said) and not re.search(needs, said) for begins, needs in self.needs):
            return True
        digits = 0
        for word in reversed(words):
            if word not in self.digits and not word.isdigit():
                break
            digits += len(word) if word.isdigit() else 1
        named = bool(self.dictated.intersection(words))
        return digits in _HALF_A_NUMBER or (named and 0 < digits < _FEWEST_DIGITS)

    # What may be the end

    def _asks(self, core: Sequence[str]) -> bool:
        clause = core[0] in self.conditions and (len(core) < 2 or core[1] in self.subjects)
        return core[0] in self.questions | self.verb_first and not clause

    def _is_complete(self, text: str, words: Sequence[str], core: Sequence[str]) -> bool:
        if words[-1] in self.digits or words[-1].isdigit():
            return False
        if core[0] in self.verb_last and (self.last_verb is None or not self.last_verb.search(core[-1])):
            return False
        if text.endswith("?"):
            return len(words) >= 3
        if len(words) < _FEWEST_WORDS:
            return False
        return words[-1] in self.closing or self._asks(core) or core[0] in self.commands


_LONGEST_CONDITION = 6
"""Words of "when I come home tomorrow"; what is longer may hold what follows from it."""
_HALF_A_NUMBER = (3, 4, 5, 6, 8, 9)
"""Digits in a row after which more are likely."""
_FEWEST_DIGITS = 4
_FEWEST_WORDS = 4
"""What is shorter may always go on."""
