"""Judges from the words alone whether a person seems to have finished, by English rules of thumb."""

from __future__ import annotations

import re
from enum import Enum, auto


class Completeness(Enum):
    """How finished the words sound."""

    COMPLETE = auto()
    UNKNOWN = auto()
    OPEN = auto()
    """Something must follow."""


def completeness(text: str) -> Completeness:
    """The words of a turn so far, with or without punctuation -> how finished they sound."""
    words = re.findall(r"[\w']+", text.lower().replace("’", "'"))
    if not words:
        return Completeness.UNKNOWN
    if _is_open(text.rstrip(), words):
        return Completeness.OPEN
    return Completeness.COMPLETE if _is_complete(text.rstrip(), words) else Completeness.UNKNOWN


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _is_open(text: str, words: list[str]) -> bool:
    if text.endswith(("...", "…", "-", "—", "–")) or words[-1] in _NEVER_LAST:
        return True
    if any(" ".join(words).endswith(phrase) for phrase in _OPEN_PHRASES):
        return True
    if words[-1] in _PREPOSITIONS and words[0] not in _QUESTIONS:
        return True
    return _trailing_digits(words) in _HALF_A_PHONE_NUMBER


def _is_complete(text: str, words: list[str]) -> bool:
    if " ".join(words) in _WHOLE_PHRASES:
        return True
    if words[-1] in _DIGITS or words[-1].isdigit() or words[-1] in _PREPOSITIONS:
        return False
    if text.endswith("?"):
        return len(words) >= 3
    return len(words) >= 4 and (words[0] in _QUESTIONS or words[0] in _COMMANDS)


def _trailing_digits(words: list[str]) -> int:
    """Digits dictated one by one or in groups at the end; 0 for a plain number."""
    count = groups = 0
    for word in reversed(words):
        if word not in _DIGITS and not word.isdigit():
            break
        count += 1 if word in _DIGITS else len(word)
        groups += 1
    return count if groups >= 2 else 0


_HALF_A_PHONE_NUMBER = (3, 4, 5, 6, 8, 9)
"""Numbers of digits after which more are likely; with 7, 10 or more the number may be whole."""
_DIGITS = _words("zero oh one two three four five six seven eight nine")
_NEVER_LAST = _words(
    "and or but because if the a an my your his her their our of than um uh er erm uhm every into between"
)
_PREPOSITIONS = _words("to for with from at about by as")
_OPEN_PHRASES = (
    "my name is",
    "number is",
    "address is",
    "i am",
    "i'm",
    "i want",
    "i need",
    "i would like",
    "i'd like",
    "call me",
    "remember that",
    "remind me",
    "can you",
    "could you",
    "so that",
)
_QUESTIONS = _words(
    "what what's how how's who who's where where's when which why is are do does did can could will would"
)
_COMMANDS = _words(
    "add calculate cancel convert delete explain flip give list make note play please read remember remind roll say "
    "set show start stop take tell throw toss translate write"
)
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
