"""Takes markdown and emoji out of one line of text, keeping every word."""

from __future__ import annotations

import re

_EMOJI = re.compile(
    "(?:["
    "\U0001f000-\U0001faff"  # pictographs, flags, skin tones
    "\u2600-\u27bf\u2b00-\u2bff\u231a-\u231b\u23e9-\u23fa\u25aa-\u25fe\u3030\u303d\u3297\u3299"
    "\U000e0020-\U000e007f"  # tags of regional flags
    "][\ufe0e\ufe0f\u20e3\u200d]*)+|[\ufe0e\ufe0f\u20e3]|^\u200d"
)
_RULE = re.compile(r"\s*(?:[-*_]\s*){3,}|\s*\|?(?:\s*:?-{2,}:?\s*\|)*\s*:?-{2,}:?\s*\|?\s*|\s*=+\s*")
"""A horizontal rule, the line under a table's head or under a title."""
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[\w+#.-]*\s*")
_LINE_MARK = re.compile(r"\s*(?:>\s?)*\s*(?:#{1,6}(?:\s+|$)|[-*+•]\s+(?:\[[ xX]\]\s+)?)?")
"""A quotation mark, a heading's hashes, a bullet, a check box."""
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^>\s]+)>")
_TAG = re.compile(r"</?(?:br|b|i|u|em|strong|p|sub|sup|code)\s*/?>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])")
_SPACED = r"(?<=\s)\*(?=\s)"
_BETWEEN_NUMBERS = r"(?<=[\d)])\*{1,2}(?=[\w(])"
_STARS = re.compile(rf"({_SPACED}|{_BETWEEN_NUMBERS})|\*+")
"""Stars are emphasis, but not those of "2 * 3" and "2*3"."""
_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")
"""Underscores are emphasis at the edge of a word, and part of a name such as snake_case inside it."""
_TICKS = re.compile(r"`+|~~+")


def plain(line: str, *, line_start: bool = True) -> str:
    """One line (or, with ``line_start=False``, the later part of one) -> what is spoken of it, perhaps nothing."""
    if line_start:
        if _FENCE.fullmatch(line) or _RULE.fullmatch(line):
            return ""
        line = _LINE_MARK.sub("", line, count=1)
        if line.lstrip().startswith("|"):
            line = re.sub(r"\s*\|\s*", ", ", line.strip().strip("|").strip())
    for pattern, replacement in (
        (_LINK, r"\1"),
        (_AUTOLINK, r"\1"),
        (_TAG, " "),
        (_ESCAPE, lambda match: "" if match[1] in "`*_#~\\" else match[1]),
        (_TICKS, ""),
        (_STARS, lambda match: match[1] or ""),
        (_UNDERSCORES, ""),
        (_EMOJI, " "),
    ):
        line = pattern.sub(replacement, line)
    return " ".join(line.split())


def without_emoji(text: str) -> str:
    """Emoji taken out, nothing put in their place."""
    return _EMOJI.sub("", text)
