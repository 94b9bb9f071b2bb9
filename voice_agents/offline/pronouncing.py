"""How Piper's voice is given words: abbreviations in full, and of what stands around a word what makes a pause.

What numbers, addresses and signs mean is told by :mod:`voice_agents.turns.english`, for every voice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from voice_agents.turns.english import in_english

_ABBREVIATIONS = {
    **{"dr.": "doctor", "mr.": "mister", "mrs.": "misses", "ms.": "miz", "st.": "saint", "prof.": "professor"},
    **{"vs.": "versus", "etc.": "et cetera.", "e.g.": "for example", "i.e.": "that is", "approx.": "approximately"},
    **{"a.m.": "A M", "p.m.": "P M"},
}
_AROUND = re.compile(r"^([\"'“‘(\[*_]*)(.*?)([\"'”’)\]*_]*[,;:.!?…]*[\"'”’)\]*_]*)$", re.DOTALL)


def sayings(sentence: str) -> Iterator[tuple[int, str]]:
    """Where each word of a sentence stands, or several that belong together, and how it is said."""
    at = 0
    for group in in_english(sentence):
        start = sentence.index(group.written[0], at)
        at = start
        for word in group.written:
            at = sentence.index(word, at) + len(word)
        if text := " ".join(map(spoken, group.text.split())):
            yield start, text


def spoken(token: str) -> str:
    """The words of a token; punctuation stays where it makes a pause."""
    known = _ABBREVIATIONS.get(token.casefold())
    if known is not None:
        return known
    match = _AROUND.match(token)
    if match is None:
        return token
    _, core, behind = match.groups()
    stop = next((sign for sign in behind.replace("…", ".") if sign in ",;:.!?"), "")
    return _core(core) + stop


def _core(core: str) -> str:
    """A token without what stands around it."""
    if core in ("AM", "PM"):
        return " ".join(core)
    known = _ABBREVIATIONS.get(core.casefold()) or _ABBREVIATIONS.get(f"{core.casefold()}.", "")
    if known and core.casefold() not in ("no", "st", "ms"):
        return known
    return re.sub(r"[–—]", ", ", re.sub(r"[\"“”*_#|<>\[\](){}~^]", " ", core))
