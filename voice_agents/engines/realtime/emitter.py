"""How the parts of a session say what happens in it."""

from __future__ import annotations

from typing import Any, Protocol

from voice_agents.events import Event


class Emitter(Protocol):
    """Stamps an event with the session's clock, and with the present turn where none is given."""

    def __call__(self, kind: type[Event], *, turn: int | None = None, **values: Any) -> None: ...
