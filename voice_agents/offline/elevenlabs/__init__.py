"""ElevenLabs as served here."""

from voice_agents.offline.elevenlabs.endpoints import routes

__all__ = ["routes"]
