"""What English voices read badly, and how people say it.

Plain words are never touched, nor numbers that every voice reads right ("seven times 8 is 56"). The rules are those of
American English where habits differ (01/02/2023 is in January).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from voice_agents.turns.english import counts, dates, links, measures, signs
from voice_agents.turns.said import Found, Rule, Said, said
from voice_agents.turns.tex import find_bare_tex, find_tex, tex_in_words

__all__ = ["RULES", "in_english"]

_MARKED = re.compile(r"[^\w\s.,;:!?'’‘\"“”()…—–-]|[\d²³¹¼-¾⁰-₉⅐-⅞]|_|\w[.(]\w|\(\)|(?<!\S)(?:\.|--?)\w")
"""Without any of these a text is plain words."""


def _formulas(find: Callable[[str], Iterable[Found]]) -> Rule:
    def say(text: str) -> Iterator[Found]:
        for start, end, tex in find(text):
            yield start, end, tex_in_words(tex)

    return say


RULES: tuple[Rule, ...] = (
    _formulas(find_tex),
    *links.RULES,
    _formulas(find_bare_tex),
    *dates.RULES,
    *signs.BEFORE_NUMBERS,
    *measures.RULES,
    *counts.RULES,
    *signs.RULES,
)
"""In the order in which they count."""


def in_english(text: str, before: str = "") -> list[Said]:
    """A text of one line as an English voice should be given it; plain words cost next to nothing."""
    return said(text, RULES if _MARKED.search(text) else (), before)
