"""Which offline voice speaks for which of the vendor's voices."""

from __future__ import annotations

import zlib

from voice_agents.offline.tts import VOICES, find_voice

_FOR = {
    "marin": "offline-clara",
    "alloy": "offline-clara",
    "coral": "offline-nora",
    "shimmer": "offline-nora",
    "sage": "offline-imogen",
    "ballad": "offline-imogen",
    "cedar": "offline-miles",
    "ash": "offline-miles",
    "verse": "offline-graham",
    "echo": "offline-angus",
}


def offline_voice(name: str) -> str:
    """The id of the offline voice for a name of the vendor's, of ours, or any other: always the same for the same."""
    known = _FOR.get(name.casefold())
    if known is not None:
        return known
    ours = find_voice(name)
    if name.casefold() in (ours.voice_id, ours.name.casefold()):
        return ours.voice_id
    return VOICES[zlib.crc32(name.encode()) % len(VOICES)].voice_id
