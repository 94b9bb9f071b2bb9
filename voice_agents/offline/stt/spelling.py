"""What a model wrote, as a transcript is written: no invented signs, hums as hums, one sentence."""

from __future__ import annotations

import re

MURMUR = "Mm-hmm."
"""What people hum while they listen."""

_HUM = re.compile(r"[mh][mhn\W]*m[mhn\W]*|hn+\W*", re.IGNORECASE)
_UH_HUH = re.compile(r"uh?[\W]*hu?h\W*", re.IGNORECASE)
_SPEECH_SIGNS = re.compile(r"[^\w\s.,;:?!'’%$€£&+*/=°@#()-]")
_NOTES = re.compile(r"\([^)]*\)|\[[^\]]*\]")


_OLD_SPELLINGS = {"per cent": "percent", "to-day": "today", "to-night": "tonight", "to-morrow": "tomorrow"}
_OLD_SPELLING = re.compile(rf"\b({'|'.join(_OLD_SPELLINGS)})\b", re.IGNORECASE)


def spelled(text: str) -> str:
    """The text of a transcript; "" if it holds no word."""
    text = " ".join(_SPEECH_SIGNS.sub(" ", _NOTES.sub(" ", text)).split()).lstrip(" .,;:?!-")
    if not re.search(r"\w", text):
        return ""
    if _HUM.fullmatch(text):
        return MURMUR
    if _UH_HUH.fullmatch(text):
        return "Uh-huh."
    text = _OLD_SPELLING.sub(lambda old: _OLD_SPELLINGS[old[0].lower()], text)
    text = text[:1].upper() + text[1:]
    return text.rstrip(",;:-") + "." if text[-1] not in ".?!" else text


def joined(parts: list[str]) -> str:
    """Stretches of one utterance as one text."""
    return " ".join(part for part in parts if part)
