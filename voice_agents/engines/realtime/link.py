"""How a Realtime session stands with its server, and what the user is told of it."""

from __future__ import annotations

from typing import Protocol

from voice_agents.engines.reporter import Reporter
from voice_agents.engines.standing import Standing
from voice_agents.errors import ProviderError, Role
from voice_agents.events import Failed, Notice, Status
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.turns.floor import FloorState


class LinkListener(Protocol):
    """What a session wants to know of its connection."""

    def on_lost(self) -> None:
        """The server session is gone; the client will ask a fresh one for what this one owed."""

    def on_given_up(self) -> None:
        """The server cannot be reached, and nothing is owed any more."""

    def on_standing(self) -> None:
        """The connection has changed."""


class RealtimeLink:
    """One per session; the client reports to :meth:`on_connection`."""

    def __init__(self, listener: LinkListener, tell: Reporter) -> None:
        self.up = False
        """The server can be told something now."""
        self._listener = listener
        self._tell = tell
        self._standing = Standing(Role.REALTIME)
        self._state = ConnectionState.CONNECTING
        self._told: str | None = None
        """The trouble the user was told of last; None: all is well."""

    def status(self, floor: FloorState) -> Status:
        """The one word the page shows. Without a connection nobody hears the user, and nobody thinks."""
        connection = self._standing.status(FloorState.LISTENING)
        playing = floor in (FloorState.AGENT_SPEAKING, FloorState.AGENT_PAUSED)
        return self._standing.status(floor) if playing or connection is Status.LISTENING else connection

    def on_connection(self, state: ConnectionState, error: ProviderError | None) -> None:
        """The client's report."""
        self._standing.change(Role.REALTIME, state)
        self._tell_trouble(state, error)
        self._state = state
        was_up, self.up = self.up, state is ConnectionState.OPEN
        if was_up and not self.up:
            self._listener.on_lost()
        if state is ConnectionState.FAILED:
            self._listener.on_given_up()
        self._listener.on_standing()

    def _tell_trouble(self, state: ConnectionState, error: ProviderError | None) -> None:
        """An outage once, and once more if trying again cannot mend it; the status tells that it is over."""
        if state is ConnectionState.OPEN:
            self._told = None
        elif error is not None and state is ConnectionState.FAILED:
            if state is not self._state or self._told != str(error):
                self._tell.emit(Failed, error=error)
            self._told = str(error)
        elif error is not None and self._told is None:
            self._told = str(error)
            self._tell.emit(Notice, level="warning", text=self._told, error=error)
