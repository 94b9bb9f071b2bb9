"""What became of one kind of attack."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

SHARE = 4
"""In the short form every way in gets every so many variant, by turns, so that none of either is left out."""

First = TypeVar("First")
Second = TypeVar("Second")


def dealt(ways: Iterable[First], variants: Iterable[Second], short: bool) -> list[tuple[First, Second]]:
    """Each variant on each way; in the short form each on some way, and on each way some."""
    first, second = list(ways), list(variants)
    share = max(1, min(SHARE, len(first), len(second))) if short else 1
    return [
        (way, variant)
        for row, way in enumerate(first)
        for column, variant in enumerate(second)
        if (row + column) % share == 0
    ]


@dataclass(slots=True)
class Outcome:
    """``tried`` variants, of which ``broke`` did not hold, each in one line."""

    name: str
    tried: int = 0
    broke: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """Figures worth a word in the table."""

    @property
    def held(self) -> int:
        return self.tried - len(self.broke)

    def expect(self, held: bool, variant: object) -> None:
        """One variant was tried."""
        self.tried += 1
        if not held:
            self.broke.append(str(variant))
