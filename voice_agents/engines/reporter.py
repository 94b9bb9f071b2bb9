"""All that a session tells: its events in order, and its status word."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from voice_agents.engines.outbox import Outbox
from voice_agents.events import Event, Status, StatusChanged


class Reporter:
    """One per session. ``epoch`` says which audio is still wanted when an event is taken out."""

    def __init__(self, clock: Callable[[], float], epoch: Callable[[], int]) -> None:
        self.turn = 0
        """What events belong to unless they say otherwise."""
        self._clock = clock
        self._outbox = Outbox(epoch)
        self._status: Status | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._outbox.__aiter__()

    def emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        """Tell one event; ``values`` are its own fields."""
        self._outbox.put(kind(turn=self.turn if turn is None else turn, at=self._clock(), **values))

    def status(self, status: Status) -> None:
        """Tell the status if it is another one than before."""
        if status is not self._status:
            self._status = status
            self.emit(StatusChanged, status=status)

    def close(self) -> None:
        """No event any more after those already told."""
        self._outbox.close()
