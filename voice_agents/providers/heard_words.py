"""What of a recogniser's text are words: noises come in brackets, music between notes, silence as a full stop.

Or as what ends the videos that Whisper and its kin were taught with: thanks for watching, and who wrote the subtitles.
"""

from __future__ import annotations

import html
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
            *(r"%[A-Z_]{3,}", r"@hes@", r"^\s*(?:SIL|NOISE|UNK)\s*$", r"^\W*[(\[{（［【][^)\]}）］】\d]*$"),
        )
    )
)
"""Nobody says brackets: ElevenLabs writes "(coughs)" and "(歌と音楽)", Whisper "[BLANK_AUDIO]", "[ Silence ]" and
"*sighs*", IBM "%HESITATION", Deepgram and Google "<noise>", SenseVoice "<|nospeech|>", captions "♪ music ♪". Digits in
round brackets stay: "(555) 1234"."""
_ALL_IN_BRACKETS = re.compile(rf"[\W_]*(?:(?:{_IN_BRACKETS})[\W_]*)+")
"""... unless there is nothing else: "(15 seconds of silence)"."""
_REMNANT = re.compile(r"^(?:\s*[:>»]+\s+)+(?=\S)")
"""Of "[Speaker 1]: Hello", and how captions mark another speaker."""
_CREDITS = re.compile(
    r"(?:thank you|thanks)(?: (?:so|very) much)? for (?:watching|viewing)(?: (?:this|the|my) video)?|please subscribe.*"
    r"|.*\bamara\.org\b.*|(?:sub(?:title)?s|captions|captioned|subtitled) by .{1,60}"
    r"|untertitel(?:ung)? .*(?:zdf|funk|ard|wdr|swr|br).*|sous-?titr(?:es|age) .*|sottotitoli .*|субтитры .*|napisy .*"
    r"|merci d['’]avoir regardé.*|gracias por ver.*|obrigado por assistir.*|grazie per la visione.*"
    r"|terima kasih telah menonton.*|bedankt voor het kijken.*|спасибо за просмотр.*|продолжение следует"
    r"|abone olmayı unutmayın.*|izlediğiniz için teşekkür.*|ご(?:視聴|清聴)ありがとうございました|チャンネル登録.*"
    r"|(?:시청|구독).{0,20}(?:감사합니다|부탁드립니다)|(?:谢谢|感谢|謝謝|感謝)(?:大家)?(?:观看|收看|觀看)|.*(?:点赞|點贊)\s*订?訂?阅?閱?.*转发.*|字幕.{0,20}"
)
"""Nobody says that to an agent, and nothing else."""
_OPEN = re.compile(r"(?:[(\[{（［【〔《]|<\|?(?! )|\*(?! ))[^)\]}）］】〕》>*]*$")


def words_in(text: str, *, unfinished: bool = False) -> str:
    """The words of a transcript; "" where it has none, only noises or punctuation.

    ``unfinished``: more of it will come, so what began as a noise may be one: "(backgr".
    """
    text = html.unescape(text) if "&" in text else text
    if not text or _ALL_IN_BRACKETS.fullmatch(text) is not None:
        return ""
    rest = text if _NOISE.search(text) is None else " ".join(_NOISE.sub(" ", text).split())
    rest = _REMNANT.sub("", rest)
    if not unfinished and _CREDITS.fullmatch(rest.casefold().strip(" .!?！？。…~")) is not None:
        return ""
    if unfinished and (begun := _OPEN.search(rest)) is not None:
        rest = rest[: begun.start()].rstrip()
    return rest if any(sign.isalnum() for sign in rest) else ""
