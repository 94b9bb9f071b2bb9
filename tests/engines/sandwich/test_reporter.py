"""The status word follows the providers' connections, also while nobody says anything."""

from __future__ import annotations

from voice_agents.errors import ProviderUnavailable, Role
from voice_agents.events import Notice, Status, StatusChanged
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.session.events_out import EventsOut
from voice_agents.turns.floor import FloorState


async def told(reporter: EventsOut) -> list[str]:
    reporter.close()
    events = [event async for event in reporter]
    return [
        e.status if isinstance(e, StatusChanged) else e.text for e in events if isinstance(e, StatusChanged | Notice)
    ]


async def test_a_session_listens_as_soon_as_its_connection_stands() -> None:
    reporter = EventsOut(lambda: 0.0, lambda: 0)
    reporter.connection(Role.STT, ConnectionState.CONNECTING, None)
    reporter.show(FloorState.LISTENING)
    reporter.connection(Role.STT, ConnectionState.OPEN, None)
    assert await told(reporter) == [Status.CONNECTING, Status.LISTENING]


async def test_a_conversation_that_needs_no_connection_waits_for_none() -> None:
    reporter = EventsOut(lambda: 0.0, lambda: 0)
    reporter.show(FloorState.LISTENING)
    assert await told(reporter) == [Status.LISTENING]


async def test_a_lost_connection_is_shown_until_it_is_back() -> None:
    reporter = EventsOut(lambda: 0.0, lambda: 0)
    reporter.connection(Role.STT, ConnectionState.OPEN, None)
    reporter.show(FloorState.LISTENING)
    lost = ProviderUnavailable(Role.STT, "ElevenLabs", "ElevenLabs cannot be reached.")
    reporter.connection(Role.STT, ConnectionState.RECONNECTING, lost)
    reporter.connection(Role.STT, ConnectionState.OPEN, None)
    assert await told(reporter) == [
        Status.LISTENING,
        "ElevenLabs cannot be reached.",
        Status.RECONNECTING,
        Status.LISTENING,
    ]
