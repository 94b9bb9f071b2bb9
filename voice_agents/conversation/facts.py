"""What is kept of a turn beside its words: which engine answered, when, how fast, and what nobody heard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage

from voice_agents.turns.latency import TurnLatency

_KEY = "turn"
"""In ``additional_kwargs`` of a turn's first message: stored with it, shown to no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFacts:
    """One turn's; all of it may be missing in what an earlier version stored."""

    engine: str = ""
    at: float = field(default_factory=time.time)
    """When the turn was over, in seconds since 1970."""
    latency: Mapping[str, float] = field(default_factory=dict)
    """The figures of :class:`~voice_agents.turns.latency.TurnLatency` that are known, in seconds."""
    unheard: str = ""
    """What was written of the answer and never played."""

    @classmethod
    def of(cls, engine: str, latency: TurnLatency, unheard: str = "") -> TurnFacts:
        """Those of a turn that is over just now."""
        known = {name: round(value, 4) for name, value in asdict(latency).items() if value is not None}
        return cls(engine=engine, latency=known, unheard=unheard.strip())

    @classmethod
    def on(cls, message: AnyMessage) -> TurnFacts | None:
        """Those a stored message carries."""
        found = message.additional_kwargs.get(_KEY)
        return cls(**found) if isinstance(found, dict) else None

    def put_on(self, message: AnyMessage) -> AnyMessage:
        """The message, carrying them."""
        return message.model_copy(update={"additional_kwargs": {**message.additional_kwargs, _KEY: self._data()}})

    def _data(self) -> dict[str, Any]:
        return {"engine": self.engine, "at": self.at, "latency": dict(self.latency), "unheard": self.unheard}
