"""The ElevenLabs protocols as served here: speech-to-text, text-to-speech sockets and HTTP."""

from __future__ import annotations

from starlette.routing import BaseRoute

from voice_agents.offline.elevenlabs import stt, tts
from voice_agents.offline.elevenlabs.access import Access
from voice_agents.offline.services import Services

__all__ = ["routes"]


def routes(services: Services, access: Access) -> list[BaseRoute]:
    """All of them, under ``/v1`` and ``/v2``; ``access`` holds the single-use tokens."""
    return [*stt.routes(services), *tts.routes(services, access)]
