"""The ElevenLabs protocols as served here: realtime speech-to-text, text-to-speech sockets and HTTP."""

from __future__ import annotations

from starlette.routing import BaseRoute

from voice_agents.offline import elevenlabs_http, elevenlabs_stt, elevenlabs_tts
from voice_agents.offline.elevenlabs_access import Access
from voice_agents.offline.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """All of them, under ``/v1`` and ``/v2``."""
    access = Access()
    return [
        *elevenlabs_stt.routes(services, access),
        *elevenlabs_tts.routes(services, access),
        *elevenlabs_http.routes(services, access),
    ]
