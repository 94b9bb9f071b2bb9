"""The Realtime engine: one model that hears and speaks."""

from voice_agents.engines.realtime.engine import RealtimeEngine

__all__ = ["RealtimeEngine"]
