"""Which offline voice speaks for a voice of the Realtime API."""

from __future__ import annotations

from voice_agents.offline.tts import find_voice


def offline_voice(name: str) -> str:
    """The id of the offline voice: ours by id or name; the default one for any of the vendor's."""
    return find_voice(name).voice_id
