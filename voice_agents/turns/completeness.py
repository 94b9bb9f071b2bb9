"""Judges from the words alone whether a person seems to have finished: English as learned, tables for others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voice_agents.turns.endings import TABLES, Completeness
from voice_agents.turns.endings.judging import words_of
from voice_agents.turns.endings.likelihood import FILLERS, kind_of, likelihood
from voice_agents.turns.tongue import ENGLISH, language_of

__all__ = ["Completeness", "completeness"]

_COMPLETE_FROM, _PLAIN_FROM, _SHORT_FROM = 0.8, 0.1, -0.6
"""Logarithms of odds, chosen with corpora that nothing was learned from (``tests.bench.endings``): higher ones let more
whole sentences wait, lower ones cut more people off who pause. The others are for plain questions and commands, ..."""
_PLAIN, _SHORT = range(4, 8), 4
"""... which have so many words, or just these: who writes for a machine to read says more at once than who talks to
one, so "what day is it" is seldom whole in what was learned."""
_OPEN_BELOW, _FEW_OPEN_BELOW = -1.5, -1.8
"""The second for at most :data:`_SHORT` words."""


def completeness(text: str, language: str = "", *, usually: str = ENGLISH) -> Completeness:
    """The words of a turn so far, with or without punctuation -> how finished they sound.

    ``language``: in which they are, as ISO 639-1 writes it; "": as the words tell, ``usually`` where they do not. Of a
    language that is not known here nothing is said.
    """
    language = language or language_of(text, usually)
    if language == ENGLISH:
        return _english(text)
    return TABLES[language].judge(text) if language in TABLES else Completeness.UNKNOWN


def _english(text: str) -> Completeness:
    words = re.findall(r"[\w']+", text.lower().replace("’", "'"))
    if not words:
        return Completeness.UNKNOWN
    core = _core(words)
    if {" ".join(words), " ".join(core)} & _WHOLE_PHRASES or (not core and words[-2:] in _GREETINGS):
        return Completeness.COMPLETE
    if _is_open(text.rstrip(), words, core):
        return Completeness.OPEN
    if _SUM.search(" ".join(core)) or (len(core) == 3 and core[0] in _DONE_TO_SOMETHING):
        return Completeness.COMPLETE
    odds = likelihood([word for word in words if word not in FILLERS])
    asked = text.rstrip().endswith("?") and len(words) >= _FEWEST_ASKED
    if (asked or odds > _whole_from(core)) and not _is_number(words[-1]):
        return Completeness.COMPLETE
    switched = words[-1] in _PARTICLES and _WITH_PARTICLES.intersection(words)
    open_below = _FEW_OPEN_BELOW if len(words) <= _SHORT else _OPEN_BELOW
    return Completeness.OPEN if odds < open_below and not switched else Completeness.UNKNOWN


def _whole_from(core: list[str]) -> float:
    """The odds from which on these words are taken for all."""
    if core[0] not in _QUESTIONS | _COMMANDS:
        return _COMPLETE_FROM
    if len(core) + ("'s" in core[0]) == _SHORT and _stands(core):
        return _SHORT_FROM
    return _PLAIN_FROM if len(core) in _PLAIN else _COMPLETE_FROM


def _stands(core: list[str]) -> bool:
    """Not "is there a bakery", "is it true that" and "what my brother said", which mostly go on."""
    if core[0] not in _NEED_NO_MORE and _INDEFINITE.intersection(core[-3:-1]):
        return False
    told = core[0].startswith("wh") and "'" not in core[0] and kind_of(core[1]) in "DI"
    return not told and (core[-1] == "that" or kind_of(core[-1]) not in "PCDA")


def _core(words: Sequence[str]) -> list[str]:
    """Without what people say before they begin: "okay so um"."""
    core = list(words)
    while core and (core[0] in _BEFORE_BEGINNING or core[:2] in _GREETINGS):
        core = core[2:] if core[:2] in _GREETINGS else core[1:]
    return core


def _is_open(text: str, words: list[str], core: list[str]) -> bool:
    """Certainly: whatever these words are, another one follows."""
    if text.endswith(("...", "…", "-", "—", "–", ",", ":")) or words[-1] in _NEVER_LAST | FILLERS or not core:
        return True
    if any(f" {' '.join(words)}".endswith(f" {phrase}") for phrase in _OPEN_PHRASES):
        return True
    if words[-1] == "that" and _BEFORE_THAT.intersection(words[-2:-1]) and not core[0].startswith("wh"):
        return True
    if words[-1] == "then" and len(core) >= _FEWEST_CHAINED:
        return True
    if len(words) >= 3 and words[-1] in _TAKES_BACK and words[-2] not in _SAID_ITSELF:
        return True
    if _is_a_condition(words, core):
        return not text.endswith("?")
    return _lacks_what_its_command_takes(core) or _is_half_a_number(words)


def _is_a_condition(words: list[str], core: list[str]) -> bool:
    """ "When I come home", which something follows from."""
    begins = words[:2] == ["now", "that"] or (core[0] in _CONDITIONS and len(core) > 1 and core[1] not in _LINKS)
    return begins and len(core) <= _LONGEST_CONDITION


def _lacks_what_its_command_takes(core: list[str]) -> bool:
    """ "Set a timer", "could you translate": commands that come with more."""
    said = _ASKED_FOR.sub("", " ".join(core))
    return any(re.match(begins, said) and not re.search(needs, said) for begins, needs in _NEEDS)


def _is_number(word: str) -> bool:
    return word in _DIGITS or word.isdigit()


def _is_half_a_number(words: list[str]) -> bool:
    """Digits dictated one by one or in groups, too few of them yet; or a sum without its second number."""
    count = groups = 0
    for word in reversed(words):
        if not _is_number(word) and word not in _REPEATS:
            break
        count += 0 if word in _REPEATS else 1 if word in _DIGITS else len(word)
        groups += 1
    before = words[: len(words) - groups]
    if groups and _DICTATED.intersection(before) and count < _FEWEST_DIGITS:
        return True
    if _COUNTED.search(" ".join(words)):
        return True
    return groups >= 2 and count in _HALF_A_PHONE_NUMBER


_HALF_A_PHONE_NUMBER = (3, 4, 5, 6, 8, 9)
"""Numbers of digits after which more are likely; with 7, 10 or more the number may be whole."""
_FEWEST_DIGITS = 4
"""Of a code or a number that is called one."""
_DIGITS = words_of("zero oh one two three four five six seven eight nine")
_REPEATS = words_of("double triple")
_DICTATED = words_of("number code pin phone telephone postcode zip account digits extension serial passport")
_COUNTED = re.compile(
    r"^(?:\w+ )?(?:what's|what is|how much is|how much are|add|multiply|subtract|divide|calculate)"
    r"(?: (?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|"
    r"sixty|seventy|eighty|ninety|hundred|thousand|million|and|\d+))+$"
)
_SUM = re.compile(
    r"^(?:what's|what is|how much is|calculate) .*\b(?:times|plus|minus|by|of|root of) [\w ]*?"
    r"(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|\w+ty|hundred|thousand|million|\d+)$"
)
"""Two numbers and what to do with them."""
_NEVER_LAST = words_of(
    "and or but because if the a an my your his her their our of than every into between i we they he she whose which "
    "although unless whether until while very plus minus times divided during without towards san los las saint upon "
    "onto per i'd i'll i've i'm we'd we'll we've we're they're he'd he'll she'd she'll you'd you'll you're won't "
    "can't don't doesn't didn't isn't aren't wasn't weren't couldn't wouldn't shouldn't"
)
_TAKES_BACK = words_of("no wait sorry actually rather")
"""At the end of words: "at seven no", which another word follows ..."""
_SAID_ITSELF = words_of("say said am i'm so very rather")
"""... but not after these: "I'd rather wait"."""
_BEFORE_THAT = words_of(
    "me him her us them is was thing think say said says sure chance hope believe possible told find true likely clear "
    "certain sad glad good bad important"
)
_FEWEST_ASKED = 3
"""Words of which a question mark makes a question; full stops prove nothing: half sentences get them, too."""
_FEWEST_CHAINED = 5
"""Words before which "then" is no end: "see you then" is, "first I wash the car then" is none."""
_LONGEST_CONDITION = 6
"""Words of "when I come home tomorrow"; what is longer may hold what follows from it."""
_CONDITIONS = words_of("if when because since although while unless after before whenever once")
_LINKS = words_of("is are was were do does did can could will would should have has")
"""After "when" they make a question of it."""
_PARTICLES = words_of("in on over")
_WITH_PARTICLES = words_of(
    "turn turned switch switched put come go goes going went hold move carry log keep later now start"
)
"""Verbs that end with one: "turn the light on"."""
_QUESTIONS = words_of(
    "what what's how how's who who's where where's when which why is are do does did can could will would should may"
)
_COMMANDS = words_of(
    "add book buy calculate call cancel change check close convert delete explain find flip get give help let list "
    "make note open order play put read remember remind roll say send set show start stop switch take tell throw toss "
    "translate turn wake write"
)
_NEED_NO_MORE = words_of("explain flip roll say sing stop tell throw toss")
"""... after "a": "tell me a joke" is whole, "is there a bakery" mostly is not."""
_INDEFINITE = words_of("a an any some")
_DONE_TO_SOMETHING = words_of("cancel close delete flip open pause read repeat resume roll stop throw toss")
"""... and nothing more is needed: "read my notes"."""
_BEFORE_BEGINNING = words_of(
    "okay ok so well um uh er erm hey hi hello please yes yeah and oh now right alright then also"
)
_GREETINGS = (
    *(["hello", "there"], ["hi", "there"], ["hey", "there"], ["thank", "you"]),
    *(["good", "morning"], ["good", "afternoon"], ["good", "evening"]),
)
_OPEN_PHRASES = (
    "my name is",
    "number is",
    "address is",
    "i am",
    "i want",
    "i need",
    "i would like",
    "call me",
    "remember that",
    "remind me",
    "can you",
    "could you",
    "would you",
    "so that",
    "do you know",
    "can you tell me",
    "could you tell me",
    "please tell me",
    "let me know",
    "i think that",
    "i guess",
    "i think",
    "i wonder",
    "i mean",
    "or rather",
    "wondering",
    "used to",
    "how many",
    "how much",
    "how long",
    "how far",
    "what kind",
    "a lot",
    "you please",
    "to be honest",
    "in my opinion",
    "by the way",
    "for example",
    "first of all",
    "as far as i know",
    "a few",
    "a couple",
    "some",
    "how about",
    "what about",
    "let me think",
    "not sure",
    "the thing",
    "the problem",
    "depends",
    "maybe",
    "perhaps",
)
_ASKED_FOR = re.compile(r"^(?:can|could|would|will) you (?:please )?")
_NEEDS = (
    (r"(?:set|start|make)(?: me)? (?:a|an|the) (?:timer|alarm)", r"\b(?:for|to|at|of|in) \w|\bminutes?|\bhours?"),
    (r"convert\b", r"\b(?:to|into|in) \w"),
    (r"translate\b", r"\b(?:to|into|in) \w"),
    (r"(?:tell|show|give|help|let|bring|send|get|remind|ask|call) (?:me|us|him|her|them)$", r"$^"),
    (r"remind me to \w+$", r"$^"),
    (r"(?:take|make|write)(?: down)? (?:a|the) note$", r"$^"),
    (r"(?:divide|multiply)\b", r"\bby \w"),
    (r"how do (?:you|i|we) \w+$", r"$^"),
    (r".*\b(?:how many|how much|which|what kind of) \w+$", r"$^"),
    (r".+\bwhat (?:time|day|date|year|month|kind|sort|size|number|colou?r)$", r"$^"),
    (r"why (?:is|are|was|were|do|does|did) (?:\w+ )?\w+$", r"why (?:is|are|was|were) \w+$|\b(?:it|that|this|so)$"),
    (r"(?:\w+ )?(?:do|does|did) (?:the|my|your|his|her|their|our) \w+$", r"$^"),
    (r"(?:is|are|was|were|can|will) (?:the|my|your|his|her|their|our) \w+$", r"$^"),
)
"""How a command begins, and what it is not whole without."""
_WHOLE_PHRASES = frozenset(
    phrase.strip()
    for phrase in """
    bye, goodbye, good night, hello, hi, how are you, how are you doing, see you later, see you soon, see you tomorrow
    have a nice day, have a good day, thank you, thanks, thank you very much, thanks a lot, you're welcome
    yes, yes please, no, no thank you, no thanks, never mind, not yet, not now, not really, nothing, stop, me too
    that's right, that's wrong, that's correct, that's it, that's all, sounds good, that sounds good, let's go
    go on, go ahead, say that again, say it again, one more time, tell me more, call me back, turn it on, turn it off
    why not, how come, what else, what's new, what happened, what did you say, what can you do
    who are you, what's your name, what's my name, what time is it, what's the weather like, help me, can you help me
    are you there, can you hear me, i changed my mind, i love you
    """.replace("\n", ",").split(",")
    if phrase.strip()
)
"""What people say to each other and to assistants as it stands; not "okay", "sure" or "I see", which begin more."""
