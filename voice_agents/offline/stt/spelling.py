"""What a model wrote, as a transcript is written: no invented signs, hums as hums, one sentence."""

from __future__ import annotations

import re

MURMUR = "Mm-hmm."
"""What people hum while they listen."""
UH_HUH = "Uh-huh."

_HUM = re.compile(r"[mh][mhn\W]*m[mhn\W]*|hn+\W*", re.IGNORECASE)
_UH_HUH = re.compile(r"uh?[\W]*hu?h\W*", re.IGNORECASE)
_SPEECH_SIGNS = re.compile(r"[^\w\s.,;:?!'’%$€£&+*/=°@#()-]")
_NOTES = re.compile(r"\([^)]*\)|\[[^\]]*\]")

_SPELLINGS = {
    **{"per cent": "percent", "to-day": "today", "to-night": "tonight", "to-morrow": "tomorrow", "good-bye": "goodbye"},
    **{"centre": "center", "centres": "centers", "theatre": "theater", "theatres": "theaters", "metre": "meter"},
    **{"metres": "meters", "kilometre": "kilometer", "kilometres": "kilometers", "centimetres": "centimeters"},
    **{"litre": "liter", "litres": "liters", "grey": "gray", "programme": "program", "travelling": "traveling"},
    **{"colour": "color", "colours": "colors", "favourite": "favorite", "favour": "favor", "flavour": "flavor"},
    **{"neighbour": "neighbor", "neighbours": "neighbors", "honour": "honor", "harbour": "harbor", "labour": "labor"},
    **{"behaviour": "behavior", "ok": "okay", "organise": "organize", "realise": "realize", "recognise": "recognize"},
}
"""The model learned from books of several centuries and countries -> American English of today."""
_OTHER_SPELLING = re.compile(rf"\b({'|'.join(_SPELLINGS)})\b", re.IGNORECASE)


def spelled(text: str) -> str:
    """The text of a transcript; "" if it holds no word."""
    text = " ".join(_SPEECH_SIGNS.sub(" ", _NOTES.sub(" ", text)).split()).lstrip(" .,;:?!-")
    if not re.search(r"\w", text):
        return ""
    if _HUM.fullmatch(text):
        return MURMUR
    if _UH_HUH.fullmatch(text):
        return UH_HUH
    text = _OTHER_SPELLING.sub(_respelled, text)
    text = text[:1].upper() + text[1:]
    return text.rstrip(",;:-") + "." if text[-1] not in ".?!" else text


def _respelled(found: re.Match[str]) -> str:
    new = _SPELLINGS[found[0].lower()]
    return new.capitalize() if found[0][0].isupper() else new


def joined(parts: list[str]) -> str:
    """Stretches of one utterance as one text."""
    return " ".join(part for part in parts if part)
