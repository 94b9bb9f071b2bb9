"""Judges from the words alone whether a person seems to have finished: English rules of thumb, tables for others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from voice_agents.turns.endings import TABLES, Completeness
from voice_agents.turns.endings.judging import words_of
from voice_agents.turns.tongue import ENGLISH, language_of

__all__ = ["Completeness", "completeness"]


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
    if " ".join(words) in _WHOLE_PHRASES or (not core and words[-2:] in _GREETINGS):
        return Completeness.COMPLETE
    if _is_open(text.rstrip(), words, core):
        return Completeness.OPEN
    return Completeness.COMPLETE if _is_complete(text.rstrip(), words, core) else Completeness.UNKNOWN


def _core(words: Sequence[str]) -> list[str]:
    """Without what people say before they begin: "okay so um please", and "can you" before a command."""
    core = list(words)
    while core and (core[0] in _BEFORE_BEGINNING or core[:2] in _GREETINGS):
        core = core[2:] if core[:2] in _GREETINGS else core[1:]
    if core[:2] and core[0] in _ASKED and core[1:2] == ["you"]:
        rest = _core(core[2:])
        if rest and (rest[0] in _COMMANDS or rest[0] in _TAKE_OBJECTS):
            return rest
    return core


def _is_open(text: str, words: list[str], core: list[str]) -> bool:
    if text.endswith(("...", "…", "-", "—", "–", ",", ":")) or words[-1] in _NEVER_LAST or not core:
        return True
    if any(f" {' '.join(words)}".endswith(f" {phrase}") for phrase in _OPEN_PHRASES):
        return True
    if len(words) >= 3 and words[-1] in _TAKES_BACK and words[-2] not in _BEFORE_VERBS | _SAID_ITSELF:
        return True
    return _lacks_a_noun(core) or _lacks_something(core) or _is_half_a_number(words)


def _lacks_a_noun(core: list[str]) -> bool:
    """ "What's the weather in", "he told me that", but not "where are you from" and "what is that"."""
    last, before = core[-1], core[-2] if len(core) > 1 else ""
    if last == "that":
        return before in _BEFORE_THAT and core[0] not in _WHAT_QUESTIONS
    if last == "so":
        return before not in _BEFORE_SO
    if last not in _PREPOSITIONS or (last in _PARTICLES and _WITH_PARTICLES.intersection(core)):
        return False
    if core[0] not in _WHAT_QUESTIONS or last == "like":
        return core[0] not in _QUESTIONS or last != "like"
    return not (
        before in _STAND_BEFORE_THE_LAST
        or (before == "it" and last in ("for", "about"))
        or (core[1] in _LINKS and core[2] in _STAND_BEFORE_THE_LAST)
    )


def _lacks_something(core: list[str]) -> bool:
    """A verb without its object or verb, a noun without what it is of, a condition without what follows from it."""
    last, question = core[-1], _asks(core)
    if last in _LINKS and len(core) > 1 and not question and not _WH.intersection(core[1:-1]):
        return True
    if last in _TAKE_OBJECTS and core[0] not in _ASK_FOR_OBJECTS and (len(core) == 1 or core[-2] in _BEFORE_VERBS):
        return True
    if question and last in _OF_SOMETHING and core[-2:-1] in (["the"], ["a"]):
        return True
    if (
        core[0] in _CONDITIONS
        and len(core) <= _LONGEST_CONDITION
        and not (question and core[1:2] and core[1] in _LINKS)
    ):
        return True
    return _lacks_what_its_command_takes(core)


def _asks(core: list[str]) -> bool:
    """It is a question; "what I want is" and "when we came" are none."""
    return core[0] in _QUESTIONS and not (core[0] in _WHAT_QUESTIONS and "'" not in core[0] and core[1:2] in _SUBJECTS)


def _lacks_what_its_command_takes(core: list[str]) -> bool:
    """ "Set a timer", "convert ten miles", "remind me": commands that come with more."""
    said = " ".join(core)
    return any(re.match(begins, said) and not re.search(needs, said) for begins, needs in _NEEDS)


def _is_complete(text: str, words: list[str], core: list[str]) -> bool:
    if core and _SUM.search(" ".join(core)):
        return True
    if _is_number(words[-1]) or (words[-1] in _PREPOSITIONS and not _asks_of_the_last(core)):
        return False
    if text.endswith("?"):
        return len(words) >= 3
    if len(core) == 3 and core[0] in _DONE_TO_SOMETHING:
        return True
    if words[-1] in _CLOSING and len(words) >= 4:
        return True
    if len(words) + ("'s" in words[0]) < 4 or not core or _may_be_told_more_of(core):
        return False
    return _asks(core) or core[0] in _COMMANDS


def _asks_of_the_last(core: list[str]) -> bool:
    """ "Where are you from", "what is the weather like"."""
    return core[0] in _WHAT_QUESTIONS and (core[-1] == "like" or core[-2] in _STAND_BEFORE_THE_LAST)


def _may_be_told_more_of(core: list[str]) -> bool:
    """ "Is there a bakery", "find a hotel", "remind me to call mum": whole sentences that mostly go on."""
    if core[0] == "remind" and not _WHEN.search(" ".join(core)):
        return True
    if core[0] in _WHAT_QUESTIONS or core[0] in _NEED_NO_MORE:
        return False
    return len(core) >= 2 and bool(_INDEFINITE.intersection(core[-3:-1]))


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
_LONGEST_CONDITION = 6
"""Words of "when I come home tomorrow"; what is longer may hold what follows from it."""
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
    "and or but because if the a an my your his her their our of than um uh er erm uhm every into between i we they "
    "he she whose which although unless whether until while very plus minus times divided during without towards "
    "upon onto per i'd i'll i've i'm we'd we'll we've we're they're he'd he'll she'd she'll you'd you'll you're "
    "won't can't don't doesn't didn't isn't aren't wasn't weren't couldn't wouldn't shouldn't"
)
_TAKES_BACK = words_of("no wait sorry actually rather")
"""At the end of words: "at seven no", which another word follows ..."""
_SAID_ITSELF = words_of("say said am i'm so very rather")
"""... but not after these: "I'd rather wait"."""
_BEFORE_THAT = words_of(
    "me him her us them is was thing know think say said says sure chance hope believe possible told find "
    "true likely clear certain sad glad good bad important"
)
_BEFORE_SO = words_of("think thought hope believe guess say said suppose do not")
_STAND_BEFORE_THE_LAST = words_of("you we they he she i this that these those")
"""... preposition: "where are you from"; but "how far is it from" goes on."""
_PREPOSITIONS = words_of("to for with from at about by as in on near under over after before since like called named")
_PARTICLES = words_of("in on over")
_WITH_PARTICLES = words_of(
    "turn turned switch switched put come go goes going went hold move carry log keep later now start"
)
"""Verbs that end with one: "turn the light on"."""
_LINKS = words_of(
    "is are am was were be been being has have had will would can could should must may might do does did it's that's "
    "there's he's she's"
)
_CONDITIONS = words_of("if when because since although while unless after before whenever once")
_SUBJECTS = (["i"], ["you"], ["we"], ["they"], ["he"], ["she"], ["my"])
"""After "what" they make it no question: "what I want is"."""
_WH = words_of("what who where when why how which whose what's who's where's")
_BEFORE_BEGINNING = words_of(
    "okay ok so well um uh er erm hey hi hello please yes yeah and oh now right alright then also"
)
_GREETINGS = (
    *(["hello", "there"], ["hi", "there"], ["hey", "there"], ["thank", "you"]),
    *(["good", "morning"], ["good", "afternoon"], ["good", "evening"]),
)
_ASKED = words_of("can could would will")
_BEFORE_VERBS = words_of(
    "to you please i we they not can could would will should must may might let's don't me him her us them and then "
    "always never just also"
)
_TAKE_OBJECTS = words_of(
    "add ask become book bring buy calculate change check choose contact convert create deliver describe divide email "
    "explain find fix get give hear invite keep know like love make mean message mention mind move multiply name need "
    "open order phone put read recommend remember remind replace reserve return say schedule see send set show spell "
    "start suggest take tell think translate try update use visit want water wish wonder write wrote"
)
_ASK_FOR_OBJECTS = words_of("what what's which who")
"""... but when that is what is asked: "what did you say"."""
_OF_SOMETHING = words_of(
    "address author average capital cause colour color currency date definition distance difference end height history "
    "length meaning name number part population president price product size square root sum temperature weight"
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
_WHAT_QUESTIONS = words_of("what what's how how's who who's where where's when which why")
_QUESTIONS = _WHAT_QUESTIONS | words_of("is are do does did can could will would")
_COMMANDS = words_of(
    "add calculate cancel convert delete explain flip give list make note play read remember remind roll say "
    "set show start stop take tell throw toss translate write"
)
_NEED_NO_MORE = words_of("explain flip roll say sing stop tell throw toss")
"""... after "a": "tell me a joke" is whole, "write a letter" mostly is not."""
_DONE_TO_SOMETHING = words_of("cancel close delete flip open pause read repeat resume roll stop throw toss")
"""... and nothing more is needed: "read my notes"."""
_INDEFINITE = words_of("a an any some")
_CLOSING = words_of("please thanks today tomorrow tonight now")
_WHEN = re.compile(
    r"\b(?:in|at|on|every|tomorrow|tonight|today|when|before|after|morning|noon|evening|o'clock|monday|tuesday|wednesday|"
    r"thursday|friday|saturday|sunday|minutes?|hours?|days?|weeks?)\b"
)
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
    {
        "bye",
        "goodbye",
        "hello",
        "hi",
        "how are you",
        "never mind",
        "no",
        "no thank you",
        "no thanks",
        "stop",
        "thank you",
        "thanks",
        "yes",
        "yes please",
    }
)
