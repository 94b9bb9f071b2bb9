"""How a session stands, from who has the floor and how its providers are reached."""

from __future__ import annotations

from voice_agents.errors import Role
from voice_agents.events import Status
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.turns.floor import FloorState

_BY_FLOOR = {
    FloorState.LISTENING: Status.LISTENING,
    FloorState.USER_SPEAKING: Status.HEARING,
    FloorState.THINKING: Status.THINKING,
    FloorState.AGENT_SPEAKING: Status.SPEAKING,
    FloorState.AGENT_PAUSED: Status.PAUSED,
}
_BY_CONNECTION = {
    ConnectionState.CONNECTING: Status.CONNECTING,
    ConnectionState.RECONNECTING: Status.RECONNECTING,
    ConnectionState.FAILED: Status.ERROR,
}


class Standing:
    """Remembers the connections of a session's providers."""

    def __init__(self, *roles: Role) -> None:
        self._states = dict.fromkeys(roles, ConnectionState.CONNECTING)

    def status(self, floor: FloorState) -> Status:
        """The one word the page shows: the worst connection while nobody speaks, else the floor."""
        if floor is FloorState.LISTENING:
            for state, status in reversed(_BY_CONNECTION.items()):
                if state in self._states.values():
                    return status
        return _BY_FLOOR[floor]

    def change(self, role: Role, state: ConnectionState) -> None:
        """A provider's connection has changed."""
        self._states[role] = state
