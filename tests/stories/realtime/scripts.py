"""What fake Realtime servers answer."""

from __future__ import annotations

from collections.abc import Sequence

from tests.stories.realtime.items import Item, Step

LONG = " ".join(f"word{number}" for number in range(40)) + "."


def echo(items: Sequence[Item]) -> Sequence[Step]:
    """Says what it heard last, and how many user messages it knows."""
    users = [item for item in items if item.kind == "user"]
    return [f"Sure, you said {users[-1].text}. That was number {len(users)}."]


def long_answer(_items: Sequence[Item]) -> Sequence[Step]:
    return [LONG]
