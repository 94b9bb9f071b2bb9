"""How much one client may send, and how long it may say nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voice_agents.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """For every socket of the API. What is allowed per second may be saved up to the ``burst``."""

    first_message_s: float = 20.0
    """A socket that says nothing at all is closed; until its first message it takes no place."""
    quiet_s: float = 60.0
    """One that says no more is closed, unless an answer is under way or a timer is running."""
    sound_per_s: float = 10.0
    """Seconds of audio per second: recordings may be sent faster than they were spoken."""
    sound_burst_s: float = 60.0
    messages_per_s: float = 200.0
    messages_burst: float = 8000.0
    """Two minutes of 20 ms each: what comes at once when this computer was asleep, or the network away."""
    bytes_per_s: float = 2_000_000.0
    bytes_burst: float = 10_000_000.0
    closing_s: float = 2.0
    """How long a client is given to take its last messages."""


class Allowance:
    """So much per second, saved up to ``burst``."""

    def __init__(self, per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._left, self._at = burst, clock()

    def take(self, amount: float) -> bool:
        """Whether it was allowed."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s) - amount
        self._at = now
        return self._left >= 0


class TooMuch(InvalidInput):
    """A client sends more than it may; its socket is closed."""


class Intake:
    """Counts what one client sends."""

    def __init__(self, limits: SocketLimits, clock: Callable[[], float]) -> None:
        self._sound = Allowance(limits.sound_per_s, limits.sound_burst_s, clock)
        self._messages = Allowance(limits.messages_per_s, limits.messages_burst, clock)
        self._bytes = Allowance(limits.bytes_per_s, limits.bytes_burst, clock)
        self._limits = limits

    def message(self, size: int) -> None:
        """A message of so many bytes came. Raises TooMuch."""
        if not (self._messages.take(1) and self._bytes.take(size)):
            raise TooMuch("Too many messages came too fast, so this socket is closed.")

    def sound(self, seconds: float) -> None:
        """Audio came. Raises TooMuch."""
        if not self._sound.take(seconds):
            raise TooMuch(
                f"Audio came more than {self._limits.sound_per_s:g} times as fast as it is spoken for too long, "
                "so this socket is closed."
            )
