"""How a session stands, from who has the floor and how its providers are reached."""

from __future__ import annotations

from voice_agents.errors import ProviderError, Role
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
    """Remembers the connections of a session's providers; ``role`` is the one the user waits for when listening."""

    def __init__(self, *roles: Role) -> None:
        self._states = dict.fromkeys(roles, ConnectionState.CONNECTING)
        self._told: dict[Role, str] = {}

    def status(self, floor: FloorState) -> Status:
        """The one word the page shows: the worst connection while nobody speaks, else the floor."""
        if floor is FloorState.LISTENING:
            for state, status in reversed(_BY_CONNECTION.items()):
                if state in self._states.values():
                    return status
        return _BY_FLOOR[floor]

    def change(self, role: Role, state: ConnectionState, error: ProviderError | None) -> bool:
        """Take note; True if the user has to be told of it (each trouble once, and that it is over)."""
        before, self._states[role] = self._states[role], state
        if state is ConnectionState.OPEN:
            return self._told.pop(role, None) is not None
        if error is None or (state is before and self._told.get(role) == str(error)):
            return False
        self._told[role] = str(error)
        return True
