"""What the user is told of the connection to a Realtime server: an outage is one line."""

from __future__ import annotations

from typing import Any

from voice_agents.errors import AuthenticationFailed, ProviderError, ProviderUnavailable, Role
from voice_agents.events import Event, Failed, Notice
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.session.events_out import EventsOut

OPEN, RECONNECTING, FAILED = ConnectionState.OPEN, ConnectionState.RECONNECTING, ConnectionState.FAILED


class Told(EventsOut):
    """Remembers every line; has no other use for its connection."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0, lambda: 0)
        self.lines: list[tuple[type[Event], str]] = []

    def emit(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None:
        self.lines.append((kind, values.get("text") or str(values["error"])))

    def says(self, state: ConnectionState, sentence: str = "", kind: type[ProviderError] = ProviderUnavailable) -> None:
        self.connection(Role.REALTIME, state, kind(Role.REALTIME, "x", sentence) if sentence else None)


def test_an_outage_is_one_line_however_often_and_for_whatever_reason_it_is_tried_again() -> None:
    told = Told()
    told.says(OPEN)
    for sentence in ("It was lost.", "It cannot be reached.", "It has a problem of its own.", "It was lost."):
        told.says(RECONNECTING, sentence)
    told.says(OPEN)
    assert told.lines == [(Notice, "It was lost.")]
    told.says(RECONNECTING, "It was lost.")
    assert len(told.lines) == 2


def test_a_connection_that_is_lost_over_and_over_while_a_turn_is_answered_is_one_line() -> None:
    told = Told()
    for turn in (1, 2):
        told.turn = turn
        for _ in range(3):
            told.says(OPEN)
            told.says(RECONNECTING, "It was lost.")
    assert told.lines == [(Notice, "It was lost.")] * 2
    told.says(OPEN)
    told.says(RECONNECTING, "It cannot be reached.")
    assert told.lines[2:] == [(Notice, "It cannot be reached.")]


def test_what_trying_again_cannot_mend_is_told_beside_it_and_at_every_new_attempt() -> None:
    told = Told()
    told.says(RECONNECTING, "It was lost.")
    told.says(FAILED, "The key is wrong.", AuthenticationFailed)
    assert told.lines == [(Notice, "It was lost."), (Failed, "The key is wrong.")]
    told.says(ConnectionState.CONNECTING)
    told.says(FAILED, "The key is wrong.", AuthenticationFailed)
    assert told.lines[2:] == [(Failed, "The key is wrong.")]
