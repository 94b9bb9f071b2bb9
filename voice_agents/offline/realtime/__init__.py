"""OpenAI and Azure Realtime as served here."""

from voice_agents.offline.realtime.session import routes

__all__ = ["routes"]
