"""ElevenLabs over plain HTTP, through the vendor's SDK: the list of voices, and speech when the socket fails."""

from __future__ import annotations

from dataclasses import dataclass

from voice_agents.settings import Endpoint


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice the account can speak with."""

    voice_id: str
    name: str
    description: str


async def list_voices(endpoint: Endpoint) -> list[VoiceChoice]:
    """All voices of the account. Raises ProviderError."""
    raise NotImplementedError
