"""Copies of a conversation's messages for graphs, which may write into what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from langchain_core.messages import AnyMessage


class Copies:
    """One session's; those that a turn's graph left as they were serve the next turn too.

    To copy an hour of talk takes milliseconds, to see that nobody wrote into the copies a tenth of that.
    """

    def __init__(self) -> None:
        self._originals: Sequence[AnyMessage] = ()
        self._copies: Sequence[AnyMessage] = ()

    def take(self, messages: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
        """A copy of each, for one turn."""
        free = zip(self._originals, self._copies, strict=True)
        taken = [
            pair[1] if pair is not None and pair[0] is message and _same(*pair) else message.model_copy()
            for message, pair in zip_longest(messages, free)
            if message is not None
        ]
        self._originals = self._copies = ()
        return taken

    def give_back(self, messages: Sequence[AnyMessage], copies: Sequence[AnyMessage]) -> None:
        """What was taken, when nobody works with it any more."""
        self._originals, self._copies = messages, copies


def _same(message: AnyMessage, copy: AnyMessage) -> bool:
    return message.__dict__ == copy.__dict__ and message.__pydantic_extra__ == copy.__pydantic_extra__
