"""What a Sandwich session tells beside its events: how its providers' connections stand, each trouble once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from voice_agents.engines.reporter import Reporter
from voice_agents.engines.sandwich.troubles import Troubles
from voice_agents.engines.standing import Standing
from voice_agents.errors import ProviderError, Role
from voice_agents.events import Event, Failed, Notice
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.turns.floor import FloorState


class SandwichReporter(Reporter):
    """One per session. The status word takes those providers into account that were connected to."""

    def __init__(self, clock: Callable[[], float], epoch: Callable[[], int]) -> None:
        super().__init__(clock, epoch)
        self.complained_in: int | None = None
        """The turn in which the user was last told that something is wrong."""
        self.troubles = Troubles(self._tell_trouble)
        self._standing = Standing()
        self._floor: FloorState | None = None
        """None: the session is not open yet, there is no status to tell."""

    def emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        """See :class:`Reporter`."""
        if kind is Failed or kind is Notice:
            self.complained_in = self.turn
        super().emit(kind, turn=turn, **values)

    def show(self, floor: FloorState) -> None:
        """Tell the status word for who has the floor now."""
        self._floor = floor
        self.status(self._standing.status(floor))

    def connection(self, role: Role, state: ConnectionState, error: ProviderError | None) -> None:
        """A provider's connection has changed; the status word shows it, each trouble is told once."""
        self._standing.change(role, state)
        self.troubles.connection(role, state, error)
        if self._floor is not None:
            self.show(self._floor)

    def _tell_trouble(self, error: ProviderError, failed: bool) -> None:
        if failed:
            self.emit(Failed, error=error)
        else:
            self.emit(Notice, level="warning", text=str(error), error=error)
