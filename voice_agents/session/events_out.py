"""All that a session tells: its events in order, its status word, and each trouble of its providers once."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from voice_agents.errors import SESSION_BROKE, TURN_BROKE, InternalError, ProviderError, Role, VoiceAgentError
from voice_agents.events import AgentAudio, Event, Failed, Notice, ProviderReplaced, Status, StatusChanged
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.turns.floor import TALKING, FloorState

logger = logging.getLogger(__name__)

_BY_FLOOR = {
    FloorState.LISTENING: Status.LISTENING,
    FloorState.USER_SPEAKING: Status.HEARING,
    FloorState.THINKING: Status.THINKING,
    FloorState.AGENT_SPEAKING: Status.SPEAKING,
    FloorState.AGENT_DUCKED: Status.SPEAKING,
    FloorState.AGENT_PAUSED: Status.PAUSED,
}
_BY_CONNECTION = {
    ConnectionState.FAILED: Status.ERROR,
    ConnectionState.RECONNECTING: Status.RECONNECTING,
    ConnectionState.CONNECTING: Status.CONNECTING,
}


class EventsOut:
    """One per session; iterate it from one task. ``epoch`` says which audio is still wanted when it is taken out."""

    def __init__(self, clock: Callable[[], float], epoch: Callable[[], int]) -> None:
        self.turn = 0
        """The number of the last turn; what events belong to unless they say otherwise."""
        self.complained_at = -math.inf
        """When the user was last told that something is wrong."""
        self.complained_in: int | None = None
        """... and in which turn."""
        self.troubles = Troubles(self._tell_trouble, lambda: self.turn)
        self._clock = clock
        self._epoch = epoch
        self._carried = False
        self._connections: dict[Role, ConnectionState] = {}
        self._replaced: dict[Role, str] = {}
        """Whose work the offline provider does at present."""
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self._status: Status | None = None
        self._floor: FloorState | None = None
        """None: the session is not open yet, there is no status to tell."""

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, AgentAudio) and event.epoch < self._epoch():
                    continue
                yield event
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()

    def emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        """Tell one event; ``values`` are its own fields."""
        if kind is Failed or kind is Notice:
            self.complained_at, self.complained_in = self._clock(), self.turn
        self.put(kind(turn=self.turn if turn is None else turn, at=self._clock(), **values))

    def put(self, event: Event) -> None:
        """Tell this event. After :meth:`close` nothing is told any more."""
        if not self._closed:
            self._events.append(event)
            self._ready.set()

    def fail(self, error: Exception, *, turn: int | None = None) -> None:
        """Tell why a turn could not go on or be stored; an error nobody raises on purpose is a mistake, and logged."""
        if not isinstance(error, VoiceAgentError):
            logger.error("A turn failed", exc_info=error)
            error = InternalError(TURN_BROKE)
        self.emit(Failed, turn=turn, error=error)

    def break_off(self) -> None:
        """The session cannot go on, by a mistake that was logged: its last events say so."""
        self.emit(Failed, error=InternalError(SESSION_BROKE))
        self._tell_status(Status.ERROR)
        self.close()

    def close(self) -> None:
        """End the iteration after the events already told."""
        self._closed = True
        self._ready.set()

    # The status

    def show(self, floor: FloorState) -> None:
        """Tell the status word for who has the floor now, if it is another one than before."""
        self._floor = floor
        self._tell_status(self._status_at(floor))

    def carried_by(self, role: Role) -> None:
        """One connection carries the whole conversation: without it nobody hears the user, and nobody thinks."""
        self._carried = True
        self._connections[role] = ConnectionState.CONNECTING

    def connection(self, role: Role, state: ConnectionState, error: ProviderError | None) -> None:
        """A provider's connection has changed; the status word shows it, each trouble is told once."""
        before, self._connections[role] = self._connections.get(role), state
        if ConnectionState.REPLACED in (before, state) and before is not state:
            self._tell_replaced(role, error)
            self.troubles.connection(role, ConnectionState.OPEN, None)  # what is to be done is done
        else:
            self.troubles.connection(role, state, error)
        if self._floor is not None:
            self.show(self._floor)

    def _status_at(self, floor: FloorState) -> Status:
        """The worst connection while nobody speaks (if it carries all: while the agent does not), else the floor."""
        matters = floor is FloorState.LISTENING or (self._carried and floor not in TALKING)
        for state, status in _BY_CONNECTION.items():
            if matters and state in self._connections.values():
                return status
        return _BY_FLOOR[floor]

    def _tell_status(self, status: Status) -> None:
        if status is not self._status:
            self._status = status
            self.emit(StatusChanged, status=status)

    def _tell_replaced(self, role: Role, error: ProviderError | None) -> None:
        """The offline provider does the work of one that fails (``error`` says so), or does it no longer."""
        self.emit(ProviderReplaced, role=role, offline=error is not None)
        if error is not None:
            self._replaced[role] = error.provider
            self._tell_trouble(error, False)
        else:
            self.emit(Notice, level="info", text=f"{self._replaced.pop(role)} works again for {role.value}.")

    def _tell_trouble(self, error: ProviderError, failed: bool) -> None:
        if failed:
            self.emit(Failed, error=error)
        else:
            self.emit(Notice, level="warning", text=str(error), error=error)


TroubleListener = Callable[[ProviderError, bool], None]
"""Gets the error and whether something failed by it; False: it is being mended, or was."""


class Troubles:
    """Follows the connections of a session and the work that depends on them.

    While work depends on a provider, a lost connection is not spoken of: either the work succeeds all the same and then
    that is told, or it fails and then only its failure is. Otherwise an outage is told once, until it is over; and one
    that is over and back again and again while a turn is answered, once in that turn.
    """

    def __init__(self, tell: TroubleListener, turn: Callable[[], int] = lambda: 0) -> None:
        """``turn``: the number of the turn that is answered; 0 before the first."""
        self._tell = tell
        self._turn = turn
        self._last = (0, "")
        """The turn in which something was told last, and what."""
        self._open: set[Role] = set()
        self._working: set[Role] = set()
        self._held: dict[Role, tuple[ProviderError, bool]] = {}
        self._told_early: set[Role] = set()
        """Providers whose trouble was told while work depends on them; its success says nothing new."""
        self._told: dict[Role, tuple[str, bool]] = {}

    def connection(self, role: Role, state: ConnectionState, error: ProviderError | None) -> None:
        """A connection changed; see :class:`~voice_agents.providers.interfaces.ConnectionListener`."""
        if state is ConnectionState.OPEN:
            self._open.add(role)
            self._told.pop(role, None)
            return
        if state is ConnectionState.CONNECTING and self._told.get(role, ("", False))[1]:
            self._told.pop(role)  # who tries anew after a failure may fail anew
        self._open.discard(role)
        if error is None:
            return
        if role in self._told_early:
            return
        if role in self._working:
            self._held.setdefault(role, (error, False))
        else:
            self._report(role, error, state is ConnectionState.FAILED)

    @contextmanager
    def depending_on(self, role: Role) -> Iterator[None]:
        """The block depends on this provider; how it ends decides what is told."""
        self.begins(role)
        try:
            yield
        except ProviderError as error:
            self.ends(role, error)
            raise
        finally:
            self.ends(role)

    def begins(self, role: Role) -> None:
        """Something depends on this provider now."""
        self._working.add(role)
        self._told.pop(role, None)

    def tell_held(self, role: Role) -> bool:
        """Tell what is known of this provider before its outcome is, if anything; whether there was."""
        held = self._held.pop(role, None)
        if held is not None:
            self._told_early.add(role)
            self._report(role, *held)
        return held is not None

    def ends(self, role: Role, error: BaseException | None = None) -> None:
        """It does no longer; ``error`` if it failed. Does nothing the second time."""
        if role not in self._working:
            return
        self._working.discard(role)
        self._told_early.discard(role)
        held = self._held.pop(role, None)
        if isinstance(error, ProviderError) and error.role is role:
            self._report(role, error, True)
        elif held is not None:
            self._report(role, *held)

    def _report(self, role: Role, error: ProviderError, failed: bool) -> None:
        """What one provider of two roles refuses is told once; what trying again cannot mend, beside the attempt."""
        told = self._told.get(role)
        if told is not None and (told[1] or not failed):
            return
        news = (str(error), failed)
        known = news in self._told.values()
        if role not in self._open or failed:
            self._told[role] = news
        if not known:
            self._tell_in_turn(error, failed)

    def _tell_in_turn(self, error: ProviderError, failed: bool) -> None:
        last, self._last = self._last, (self._turn(), str(error))
        if failed or not self._turn() or self._last != last:
            self._tell(error, failed)
