"""What every offline protocol is served from: local engines, faults to come, provider delays, open connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from voice_agents.offline.faults import FaultPlan, Service

if TYPE_CHECKING:
    from voice_agents.offline.brain import Brain
    from voice_agents.offline.stt import Recogniser
    from voice_agents.offline.tts import Voice


@dataclass(slots=True)
class Pace:
    """Artificial provider delays in seconds, for benchmarks; 0 = as fast as the local engine is.

    A delay is a floor, not an addition: what the engine takes itself counts towards it.
    """

    stt_commit_s: float = 0.0
    """Commit received -> final transcript sent."""
    chat_first_token_s: float = 0.0
    """Request received -> first token sent."""
    chat_token_s: float = 0.0
    """One token -> the next."""
    tts_first_audio_s: float = 0.0
    """Text that can be spoken received -> first audio of its context sent."""


class Connections:
    """How many connections and running requests each service has open now."""

    def __init__(self) -> None:
        self._open: Counter[Service] = Counter()

    @contextmanager
    def opened(self, service: Service) -> Iterator[None]:
        """Counts one for as long as the block runs."""
        self._open[service] += 1
        try:
            yield
        finally:
            self._open[service] -= 1

    def counts(self) -> dict[str, int]:
        """Open connections by service name, all services."""
        return {service.value: self._open[service] for service in Service}


@dataclass(slots=True)
class Services:
    """Shared by all routes of one offline server."""

    recogniser: Recogniser
    voice: Voice
    brain: Brain
    faults: FaultPlan = field(default_factory=FaultPlan)
    pace: Pace = field(default_factory=Pace)
    connections: Connections = field(default_factory=Connections)
