"""All that a session tells: its events in order, its status word, and how its providers' connections stand."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from voice_agents.engines.outbox import Outbox
from voice_agents.engines.sandwich.troubles import Troubles
from voice_agents.engines.standing import Standing
from voice_agents.errors import SESSION_BROKE, TURN_BROKE, InternalError, ProviderError, Role, VoiceAgentError
from voice_agents.events import Event, Failed, Notice, Status, StatusChanged
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.turns.floor_terms import FloorState

logger = logging.getLogger(__name__)


class Reporter:
    """One per session. ``epoch`` says which audio is still wanted when an event is taken out."""

    def __init__(self, clock: Callable[[], float], epoch: Callable[[], int], *roles: Role) -> None:
        """``roles``: the providers whose connections the status word takes into account."""
        self.turn = 0
        """What events belong to unless they say otherwise."""
        self.complained_in: int | None = None
        """The turn in which the user was last told that something is wrong."""
        self.troubles = Troubles(self._tell_trouble)
        self._clock = clock
        self._outbox = Outbox(epoch)
        self._standing = Standing(*roles)
        self._status: Status | None = None
        self._floor: FloorState | None = None
        """None: the session is not open yet, there is no status to tell."""

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._outbox.__aiter__()

    def emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        """Tell one event; ``values`` are its own fields."""
        if kind is Failed or kind is Notice:
            self.complained_in = self.turn
        self._outbox.put(kind(turn=self.turn if turn is None else turn, at=self._clock(), **values))

    def fail(self, error: Exception, *, turn: int | None = None) -> None:
        """Tell why a turn could not go on or be stored; an error nobody raises on purpose is a mistake, and logged."""
        if not isinstance(error, VoiceAgentError):
            logger.error("A turn failed", exc_info=error)
            error = InternalError(TURN_BROKE)
        self.emit(Failed, turn=turn, error=error)

    def break_off(self) -> None:
        """The session cannot go on, by a mistake that was logged: its last events say so."""
        self.emit(Failed, error=InternalError(SESSION_BROKE))
        self.emit(StatusChanged, status=Status.ERROR)
        self.close()

    def show(self, floor: FloorState) -> None:
        """Tell the status if it is another one than before."""
        self._floor = floor
        status = self._standing.status(floor)
        if status is not self._status:
            self._status = status
            self.emit(StatusChanged, status=status)

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
            self.emit(Notice, level="warning", text=str(error))

    def close(self) -> None:
        """No event any more after those already told."""
        self._outbox.close()
