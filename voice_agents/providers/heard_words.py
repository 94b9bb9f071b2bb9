"""What of a recogniser's text are words: noises come in brackets, music between notes, silence as a full stop."""

from __future__ import annotations

import re

_NOTES = "♩♪♫♬🎵🎶"
_PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("（", "）"), ("［", "］"), ("【", "】"), ("〔", "〕"), ("《", "》"))
_IN_BRACKETS = "|".join(
    rf"{re.escape(opening)}[^{re.escape(opening + closing)}]*{re.escape(closing)}" for opening, closing in _PAIRS
)
_NOISE = re.compile(
    "|".join(
        (
            *(r"\([^()\d]*\)", r"（[^（）\d]*）", r"\[[^\[\]]*\]", r"\{[^{}]*\}", r"［[^［］]*］", r"【[^【】]*】"),
            *(r"〔[^〔〕]*〕", r"《[^《》]*》", r"<\|[^<>]*\|>", r"<(?! )[^<>\d]*(?<! )>", r"\*+(?! )[^*\d]+(?<! )\*+"),
            rf"[{_NOTES}]+[^{_NOTES}]*[{_NOTES}]+",
            rf"^\s*[{_NOTES}].*$",
            rf"[{_NOTES}]",
        )
    )
)
"""Nobody says brackets: ElevenLabs writes "(coughs)" and "(歌と音楽)", Whisper "[BLANK_AUDIO]", "[ Silence ]" and
"*sighs*", Deepgram and Google "<noise>", SenseVoice "<|nospeech|>", captions "♪ music ♪". Digits in round brackets
stay: "(555) 1234"."""
_ALL_IN_BRACKETS = re.compile(rf"[\W_]*(?:(?:{_IN_BRACKETS})[\W_]*)+")
"""... unless there is nothing else: "(15 seconds of silence)"."""
_OPEN = re.compile(r"(?:[(\[{（［【〔《]|<\|?(?! )|\*(?! ))[^)\]}）］】〕》>*]*$")


def words_in(text: str, *, unfinished: bool = False) -> str:
    """The words of a transcript; "" where it has none, only noises or punctuation.

    ``unfinished``: more of it will come, so what began as a noise may be one: "(backgr".
    """
    if not text or _ALL_IN_BRACKETS.fullmatch(text) is not None:
        return ""
    rest = text if _NOISE.search(text) is None else " ".join(_NOISE.sub(" ", text).split())
    if unfinished and (begun := _OPEN.search(rest)) is not None:
        rest = rest[: begun.start()].rstrip()
    return rest if any(sign.isalnum() for sign in rest) else ""
