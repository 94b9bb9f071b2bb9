"""How many of the server's places one visitor may hold: by browser, by program, and by address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from voice_agents.transports.visitors import is_own_machine

HOUSEHOLD = 3
"""So many visitors' shares has one address: people behind one router share it, and a browser's id is easily changed."""


class Visit(Protocol):
    """The part of a session request that says whose it is."""

    @property
    def visitor(self) -> str:
        """The browser, or the address of a program; empty for whoever is not limited."""

    @property
    def address(self) -> str:
        """Where it comes from; this machine itself is not limited, its owner is there."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The most places at once. ``address`` never holds more than half of them, unless one visitor may."""

    visitor: int
    address: int

    @classmethod
    def of(cls, places: int, per_visitor: int) -> Self:
        """The shares of a server with so many places."""
        return cls(per_visitor, max(per_visitor, min(HOUSEHOLD * per_visitor, places // 2)))

    def refusal(self, wanted: Visit, taken: Iterable[Visit]) -> str:
        """Why there is no further place for this visit, and what to do; empty when there is one."""
        held = list(taken)
        if wanted.visitor and sum(visit.visitor == wanted.visitor for visit in held) >= self.visitor:
            return (
                f"You hold {self.visitor} conversations on this server already, the most that one visitor may "
                "(MAX_SESSIONS_PER_VISITOR). End one of them, or wait until one has been idle for a minute."
            )
        if is_own_machine(wanted.address):
            return ""
        if sum(visit.address == wanted.address for visit in held) >= self.address:
            return (
                f"Your network address holds {self.address} conversations on this server already, the most that one "
                "address may. End one of them, or try again in a few minutes."
            )
        return ""
