"""Copies of a conversation's messages for graphs, which may write into what they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from langchain_core.messages import AnyMessage

Fields = tuple[Mapping[str, Any], ...]
_fields: Callable[[AnyMessage], Fields] = attrgetter("__dict__", "__pydantic_extra__")


@dataclass(slots=True)
class Lent:
    """A conversation that a graph may write into, for one turn at a time."""

    copies: list[AnyMessage] = field(default_factory=list)
    ids: set[str | None] = field(default_factory=set)
    """Those of the messages."""
    originals: Sequence[AnyMessage] = ()
    stand: list[Fields] = field(default_factory=list)
    """What the originals hold."""
    are: list[Fields] = field(default_factory=list)
    """What the copies hold: what somebody writes into one shows there."""

    def extend_to(self, messages: Sequence[AnyMessage]) -> None:
        """It has become this; what was added is copied, too."""
        new = messages[len(self.originals) :]
        copies = [message.model_copy() for message in new]
        self.originals = messages
        self.copies += copies
        self.ids.update(message.id for message in new)
        self.stand += map(_fields, new)
        self.are += map(_fields, copies)

    def mend(self) -> None:
        """Copies that were written into are made anew."""
        if self.are == self.stand:
            return
        for index, (stands, is_now) in enumerate(zip(self.stand, self.are, strict=True)):
            if is_now != stands:
                self.copies[index] = self.originals[index].model_copy()
                self.are[index] = _fields(self.copies[index])


class Copies:
    """One session's; those that a turn's graph left as they were serve the next turn too.

    To copy an hour of talk takes milliseconds, to see that nobody wrote into the copies a tenth of that. Beside that
    nothing is done for each message in each turn: what is asked of all is kept from turn to turn.
    """

    def __init__(self) -> None:
        self._free: Lent | None = None

    def take(self, messages: Sequence[AnyMessage]) -> Lent:
        """A copy of each, for one turn."""
        lent, self._free = self._free or Lent(), None
        if not same_messages(messages[: len(lent.originals)], lent.originals):
            lent = Lent()
        lent.mend()
        lent.extend_to(messages)
        return lent

    def give_back(self, lent: Lent) -> None:
        """Nobody works with them any more."""
        self._free = lent


def same_messages(some: Sequence[AnyMessage], others: Sequence[AnyMessage]) -> bool:
    """Both hold the same messages; what is the very same object costs next to nothing to compare."""
    return some == others if type(some) is type(others) else [*some] == [*others]
