"""Knows the words by which people show that they listen, and which are no attempt to speak."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = """
ah aha ahem aw eh er haha heh hm hmm hmmm huh mhm mhmm mm mmhm mmhmm mmm oh ok okay ooh right uh uhhuh uhm um umm wow
yeah
"""
_PHRASES = ("i see", "got it", "all right", "that's right", "of course", "makes sense")

BACKCHANNELS = frozenset(_WORDS.split()) | frozenset(_PHRASES)
"""Lower case, hyphens left out. "Yes", "no" and "sure" are not among them: they answer a question of the agent."""

_ALONE = """
again back cancel continue enough exactly excuse faster go hello help hey hi how later listen louder never next no
nope pardon pause please quiet quit repeat shush silence skip slower softer sorry stop thanks wait what when where
which who why yes
alto arrête aspetta attends basta espera ferma halt ja moment nee nein non oui para pare si sì stopp wacht warte
"""
SAID_ALONE = frozenset(_ALONE.split())
"""Words by which people interrupt that say only one, also in other languages."""


def is_doubtful(text: str) -> bool:
    """Whether it is one word that hardly anybody interrupts with: what recognisers make of a murmur, such as "Bye"."""
    words = re.findall(r"[\w']+", text.lower())
    return len(words) == 1 and words[0] not in SAID_ALONE


def is_real(
    text: str, backchannels: frozenset[str] = BACKCHANNELS, *, answers: bool = False, final: bool = True
) -> bool:
    """Whether the text is an attempt to speak. ``answers``: it follows a question, so that any word is.

    ``final``: no more words will come; else "I" may still become "I see".
    """
    if answers:
        return not is_backchannel(text, ())
    beginning = () if final else (" ".join(words[:-1]) for phrase in backchannels if len(words := phrase.split()) > 1)
    return not is_backchannel(text, (*backchannels, *beginning))


def is_backchannel(text: str, backchannels: Iterable[str] = BACKCHANNELS) -> bool:
    """Whether the text holds nothing but backchannels (in any number), or no words at all.

    Sounds a recogniser puts into brackets, such as "(coughs)", are no words.
    """
    plain = re.sub(r"\([^)]*\)|\[[^]]*\]|<[^>]*>", " ", text.lower().replace("’", "'").replace("-", ""))
    rest = " ".join(re.findall(r"[\w']+", plain))
    one = "|".join(re.escape(phrase) for phrase in sorted(backchannels, key=len, reverse=True))
    return re.fullmatch(rf"(?:(?:{one})(?: |$))*", rest) is not None
