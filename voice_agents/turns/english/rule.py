"""A rule that is a pattern, and what is said for what it matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from voice_agents.turns.said import Found, Rule

Say = Callable[[re.Match[str]], str | None]
"""Words for a match; None leaves it as it is written."""


def rule(pattern: str, say: Say | str, *, ignore_case: bool = False) -> Rule:
    """``say``: a text stands for whatever matches."""
    compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)

    def find(text: str) -> Iterator[Found]:
        for match in compiled.finditer(text):
            words = say if isinstance(say, str) else say(match)
            if words is not None:
                yield match.start(), match.end(), words

    return find
