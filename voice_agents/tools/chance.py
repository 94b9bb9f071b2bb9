"""Dice and coins."""

from __future__ import annotations

from random import Random, SystemRandom
from typing import Annotated

from pydantic import Field

from voice_agents.tools.registry import Tool
from voice_agents.tools.words import listing, spell

_VOWEL_SOUNDS = ("eight", "eleven")


class Chance:
    """Tools that need luck. ``random`` is given in tests."""

    def __init__(self, random: Random | None = None) -> None:
        self._random = random or SystemRandom()

    def tools(self) -> list[Tool]:
        """What the agent can do with it."""
        return [Tool.of(tool, side_effects=False) for tool in (self.roll_dice, self.flip_coin)]

    async def roll_dice(
        self,
        sides: Annotated[int, Field(ge=2, le=1000, description="Sides of each die.")] = 6,
        count: Annotated[int, Field(ge=1, le=20, description="How many dice.")] = 1,
    ) -> str:
        """Roll one die or several."""
        rolled = [self._random.randint(1, sides) for _ in range(count)]
        if count == 1:
            return f"You rolled {_with_article(rolled[0])}."
        return f"You rolled {listing([spell(one) for one in rolled])}, which makes {spell(sum(rolled))}."

    async def flip_coin(self) -> str:
        """Flip a coin."""
        return f"It is {self._random.choice(('heads', 'tails'))}."


def _with_article(number: int) -> str:
    word = spell(number)
    return f"{'an' if word.startswith(_VOWEL_SOUNDS) else 'a'} {word}"
