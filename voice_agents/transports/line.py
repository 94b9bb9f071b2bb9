"""The line of those who wait for a place on this server: first come, first served, and each is told how it goes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from voice_agents.errors import SessionLimitReached, VoiceAgentError

LONGEST = 100
"""Who comes when so many wait is refused."""
USUAL_S = 180.0
"""How long a conversation is thought to take while none has ended yet."""
REMEMBERED = 50
"""Conversations whose lengths the estimate comes from."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Where somebody stands: ``position`` counts from 1; ``about_s`` is an estimate from the last conversations."""

    position: int
    about_s: float

    @property
    def sentence(self) -> str:
        """What to tell who waits."""
        where = "You are next" if self.position == 1 else f"You are number {self.position} in line"
        minutes = round(self.about_s / 60)
        when = "in less than a minute" if minutes < 1 else f"in about {minutes} minute{'s' if minutes > 1 else ''}"
        return (
            f"All places of this server are taken. {where}, probably {when}. It goes on by itself as soon as a place "
            "is free."
        )


T = TypeVar("T")
Told = Callable[[Wait], None]
"""Called whenever somebody's place in the line changes. Must not block and must not raise."""


@dataclass(slots=True, eq=False)
class Ticket(Generic[T]):
    """Somebody in the line who wants ``wanted``.

    ``turn`` is done when a place is kept for them, and fails when none will come.
    """

    wanted: T
    told: Told
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line(Generic[T]):
    """Knows nothing of sessions: it is told how many places are free and how long conversations were."""

    def __init__(self, places: int, longest: int = LONGEST) -> None:
        self._places = places
        self._longest = longest
        self._tickets: list[Ticket[T]] = []
        self._lengths_s: deque[float] = deque(maxlen=REMEMBERED)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def called(self) -> int:
        """Places that are kept for those whose turn it is and who have not taken them yet."""
        return len(self._tickets) - len(self._waiting)

    @property
    def _waiting(self) -> list[Ticket[T]]:
        return [ticket for ticket in self._tickets if not ticket.turn.done()]

    @property
    def waiting(self) -> list[T]:
        """What is waited for, first comes first."""
        return [ticket.wanted for ticket in self._waiting]

    def join(self, wanted: T, told: Told) -> Ticket[T]:
        """Stand at the end, and be told where that is; :meth:`leave` in any case. Raises SessionLimitReached."""
        if len(self) >= self._longest:
            raise SessionLimitReached(
                f"All {self._places} places of this server are taken, and {len(self)} are waiting for one. "
                "Please come back later."
            )
        ticket = Ticket(wanted, told)
        self._tickets.append(ticket)
        told(self._wait(len(self)))
        return ticket

    def leave(self, ticket: Ticket[T]) -> None:
        """Whatever became of it: the place was taken, or is not wanted any more."""
        self._tickets.remove(ticket)
        ticket.turn.cancel()
        if ticket.turn.cancelled():
            self._tell()
        else:
            ticket.turn.exception()  # it may have been nobody's any more

    def advance(self, free: int) -> None:
        """So many places are free; those that are kept for somebody are among them."""
        next_ones = self._waiting[: max(0, free - self.called)]
        for ticket in next_ones:
            ticket.turn.set_result(None)
        if next_ones:
            self._tell()

    def call(self, whom: Callable[[T], bool]) -> None:
        """It is the turn of all who want such a thing, wherever they stand."""
        for ticket in self._waiting:
            if whom(ticket.wanted):
                ticket.turn.set_result(None)

    def close(self, error: VoiceAgentError) -> None:
        """No place will be free any more."""
        for ticket in self._waiting:
            ticket.turn.set_exception(error)

    def lasted(self, length_s: float) -> None:
        """A conversation is over."""
        self._lengths_s.append(length_s)

    def _tell(self) -> None:
        for position, ticket in enumerate(self._waiting, 1):
            ticket.told(self._wait(position))

    def _wait(self, position: int) -> Wait:
        usual_s = sum(self._lengths_s) / len(self._lengths_s) if self._lengths_s else USUAL_S
        return Wait(position, usual_s * position / self._places)
