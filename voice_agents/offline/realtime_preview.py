"""The preview's names and flat session shape, for clients that come the preview way; everything inside speaks GA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from voice_agents.offline.realtime_errors import Event


class Shape(Protocol):
    """How one generation of clients words the protocol."""

    def incoming(self, event: Event, session: dict[str, Any]) -> Event:
        """A client's event in GA's words. ``session``: what holds now. Raises Rejected."""

    def outgoing(self, event: Event) -> Sequence[Event]:
        """What the client is sent in place of a GA event."""


class GaShape:
    """Nothing to translate."""

    def incoming(self, event: Event, session: dict[str, Any]) -> Event:
        return event

    def outgoing(self, event: Event) -> Sequence[Event]:
        return (event,)
