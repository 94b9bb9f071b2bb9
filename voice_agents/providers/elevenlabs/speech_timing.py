"""How long a voice may be silent before it has stalled, or has said everything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TtsTimeouts:
    """Seconds the voice's client waits for things."""

    connect_s: float = 5.0
    stall_s: float = 4.0
    """Text was sent, and no audio comes."""
    quiet_s: float = 1.0
    """All text seems spoken, and the server does not say that it was the last audio."""
    keep_alive_s: float = 10.0
    """A context without text for 20 s is closed by servers that know no longer timeout."""
    http_s: float = 10.0
    """The same as ``stall_s``, over HTTP."""


STAND_IN_VOICE = TtsTimeouts(connect_s=1.0, stall_s=2.0, http_s=2.0)
"""For a voice on this machine that speaks in another one's place: the user has waited already."""


class SpeechTiming:
    """The silences of one stream's server, on the running loop's clock."""

    def __init__(self, timeouts: TtsTimeouts) -> None:
        self._timeouts = timeouts
        self._clock = asyncio.get_running_loop().time
        self._asked_at = self._heard_at = self._clock()
        self._longest_gap_s = 0.0

    def asked(self) -> None:
        """A server that owed nothing has been given something to answer; what is added to it changes nothing."""
        self._asked_at = self._clock()

    def heard(self) -> None:
        """A frame has come."""
        self._longest_gap_s = max(self._longest_gap_s, self._clock() - self._silent_since)
        self._heard_at = self._clock()

    @property
    def stalls_at(self) -> float:
        """When a server that owes sound is given up."""
        return self._silent_since + self._timeouts.stall_s

    def ends_at(self, sound_missing: bool) -> float:
        """When no more is to come of what seems spoken; ``sound_missing``: not quite, by the times reported."""
        return self._silent_since + self._quiet_s(sound_missing)

    def has_ended(self, sound_missing: bool) -> bool:
        """No frame has come for so long that none of what seems spoken is to come."""
        return self._clock() - self._heard_at > self._quiet_s(sound_missing)

    @property
    def keep_alive_at(self) -> float:
        """When a context that waits for text needs a sign of life, if nothing happens until then."""
        return self._clock() + self._timeouts.keep_alive_s

    @property
    def _silent_since(self) -> float:
        return max(self._asked_at, self._heard_at)

    def _quiet_s(self, sound_missing: bool) -> float:
        """Of a slow server more than of a quick one."""
        slow_s = self._timeouts.stall_s if sound_missing else 2 * self._longest_gap_s
        return min(self._timeouts.stall_s, max(self._timeouts.quiet_s, slow_s))
