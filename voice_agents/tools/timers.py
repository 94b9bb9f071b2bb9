"""Timers that speak up when they fire."""

from __future__ import annotations

from collections.abc import Callable


class Timers:
    """The running timers of one session; they do not outlive it.

    ``on_fire`` is called in the event loop with the sentence to say ("Your timer for tea is done.").
    """

    def __init__(self, on_fire: Callable[[str], None]) -> None:
        self._on_fire = on_fire

    def close(self) -> None:
        """Cancel all timers; none fires afterwards."""
        raise NotImplementedError
