"""All that a session tells: its events in order, and its status word."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

from voice_agents.engines.outbox import Outbox
from voice_agents.errors import SESSION_BROKE, TURN_BROKE, InternalError, VoiceAgentError
from voice_agents.events import Event, Failed, Notice, Status, StatusChanged

logger = logging.getLogger(__name__)


class Reporter:
    """One per session. ``epoch`` says which audio is still wanted when an event is taken out."""

    def __init__(self, clock: Callable[[], float], epoch: Callable[[], int]) -> None:
        self.turn = 0
        """What events belong to unless they say otherwise."""
        self.complained_at = -math.inf
        """When the user was last told that something is wrong."""
        self._clock = clock
        self._outbox = Outbox(epoch)
        self._status: Status | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._outbox.__aiter__()

    def emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        """Tell one event; ``values`` are its own fields."""
        if kind is Failed or kind is Notice:
            self.complained_at = self._clock()
        self._outbox.put(kind(turn=self.turn if turn is None else turn, at=self._clock(), **values))

    def status(self, status: Status) -> None:
        """Tell the status if it is another one than before."""
        if status is not self._status:
            self._status = status
            self.emit(StatusChanged, status=status)

    def fail(self, error: Exception, *, turn: int | None = None) -> None:
        """Tell why a turn could not go on or be stored; an error nobody raises on purpose is a mistake, and logged."""
        if not isinstance(error, VoiceAgentError):
            logger.error("A turn failed", exc_info=error)
            error = InternalError(TURN_BROKE)
        self.emit(Failed, turn=turn, error=error)

    def break_off(self) -> None:
        """The session cannot go on, by a mistake that was logged: its last events say so."""
        self.emit(Failed, error=InternalError(SESSION_BROKE))
        self.status(Status.ERROR)
        self.close()

    def close(self) -> None:
        """No event any more after those already told."""
        self._outbox.close()
