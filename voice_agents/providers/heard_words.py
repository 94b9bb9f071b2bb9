"""What of a recogniser's text are words: noises come in brackets, music between notes, silence as a full stop."""

from __future__ import annotations

import re

_NOISE = re.compile(r"\([^()\d]*\)|\[[^\[\]\d]*\]|<[^<>\d]*>|\*[^*\d]+\*|[♪♫🎵🎶]+[^♪♫🎵🎶]*[♪♫🎵🎶]+|[♪♫🎵🎶]")
"""Nobody says brackets: ElevenLabs writes "(coughs)" and "(background noise)", Whisper "[BLANK_AUDIO]" and
"[ Silence ]", Deepgram and Google "<noise>", captions "♪ music ♪" and "*laughs*". Digits stay: "(555) 1234"."""


def words_in(text: str) -> str:
    """The words of a transcript; "" where it has none, only noises or punctuation."""
    if not text:
        return ""
    rest = text if _NOISE.search(text) is None else " ".join(_NOISE.sub(" ", text).split())
    return rest if any(sign.isalnum() for sign in rest) else ""
