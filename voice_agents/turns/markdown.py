"""Takes markdown, citations and emoji out of one line of text, keeping every word that is to be heard."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from voice_agents.turns.tex import find_tex

_EMOJI = re.compile(
    "(?:["
    "\U0001f000-\U0001faff"  # pictographs, flags, skin tones
    "\u2600-\u27bf\u2b00-\u2bff\u231a-\u231b\u23e9-\u23fa\u25aa-\u25fe\u3030\u303d\u3297\u3299"
    "\U000e0020-\U000e007f"  # tags of regional flags
    "][\ufe0e\ufe0f\u20e3\u200d]*)+|[\ufe0e\ufe0f\u20e3]|^\u200d"
)
_RULE = re.compile(r"\s*(?:[-*_]\s*){3,}|\s*\|?(?:\s*:?-+:?\s*\|)+(?:\s*:?-+:?)?\s*|\s*:?-{2,}:?\s*|\s*=+\s*")
"""A horizontal rule, the line under a table's head or under a title."""
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})[\w+#.-]*\s*")
_LINE_MARK = re.compile(r"\s*(?:>\s?)*\s*(?:#{1,6}(?:\s+|$)|[-*+•]\s+(?:\[[ xX]\]\s+)?)?")
"""A quotation mark, a heading's hashes, a bullet, a check box."""
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^>\s]+)>")
_TAG = re.compile(
    r"</?(?:br|b|i|u|s|a|em|strong|small|p|sub|sup|code|pre|kbd|mark|div|span|ul|ol|li|dl|dt|dd|h[1-6]|hr|table|thead"
    r"|tbody|tr|t[dh]|img|font|center|blockquote|details|summary|cite|co|q|del|ins)(?:[\s:][^<>]*)?/?>|<!--.*?-->",
    re.IGNORECASE,
)
_RAISED, _LOWERED = re.compile(r"(?<=\w)<sup>(\w+)</sup>"), re.compile(r"(?<=\w)<sub>(\w+)</sub>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_FILE = r"[^\[\]\n]*\.(?:pdf|txt|md|docx?|html?|pptx?|xlsx?|csv|json)(?:#[^\[\]\s]*)?"
_NUMBERS = r"[1-9]\d{0,2}(?:\s?[-–,;]\s?[1-9]\d{0,2})*"
_CITATION = re.compile(
    r"\s*【[^】\n]*】|\s*\ue200[^\ue201\n]*\ue201|\s*\[\^[^\]\s]+\]|(?<=[a-z.,][a-z.,])<sup>\s*\[?\d{1,3}\]?\s*</sup>"
    r"|\s*:?contentReference\[[^\]]*\](?:\{[^}]*\})?"
    rf"|\s*\[(?:citation needed|(?:doc|ref|source|cite|citation)s?[\s:._-]*(?:\d+|{_FILE})|{_FILE})\](?!\()"
    rf"|(?<=[\w.!?,;:)\]\"'”’])\[{_NUMBERS}\](?![\w({{])"
    r"|(?:\s+|^)\[[1-9]\d{0,2}(?:[-–][1-9]\d{0,2})?\](?![\w(=])"
    rf"|(?<! (?:is|of|in|to|be))(?<! (?:are|get))(?<!(?:list|rray|ange|turn|rval))(?<!eturns)(?<![=:])"
    rf" \[{_NUMBERS}\](?=[.;)]|\s*$)"
    r"|\s*\(\[[^\]\n]+\]\(https?://[^)\s]*\)\)|\s*\\cite[tp]?\{[^}]*\}"
)
"""Where an answer says what it rests on: nobody can follow that by ear. "[1]" is one, "[0]" and "[1, 2]" are not."""
_NOTE = re.compile(r"\[\^[^\]\s]+\]:\s*")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])")
_SPACED = r"(?<=\s)\*(?=\s)"
_BETWEEN_NUMBERS = r"(?<=[\d)])\*{1,2}(?=[\w(])|(?<=\b[A-Za-z])\*\*(?=\d)"
_STARS = re.compile(rf"({_SPACED}|{_BETWEEN_NUMBERS})|\*+")
"""Stars are emphasis, but not those of "2 * 3" and "2*3"."""
_UNDERSCORES = re.compile(r"(?<![^\W_])_+|_+(?![^\W_{])")
"""Underscores are emphasis at the edge of a word, and part of a name such as snake_case inside it."""
_TICKS = re.compile(r"`+|~~+")


def plain(line: str, *, line_start: bool = True) -> str:
    """One line (or, with ``line_start=False``, the later part of one) -> what is spoken of it, perhaps nothing.

    Code and formulas lose only what stands around them.
    """
    if line_start:
        if _FENCE.fullmatch(line) or _RULE.fullmatch(line):
            return ""
        line = _LINE_MARK.sub("", _NOTE.sub("", line, count=1), count=1)
        if line.lstrip().startswith("|"):
            line = re.sub(r"\s*(?<!\\)\|\s*", ", ", line.strip().strip("|").strip())
    parts: list[str] = []
    at = 0
    for start, end, kept in _kept(line):
        parts += _marked_up(line[at:start]), kept
        at = end
    return " ".join("".join([*parts, _marked_up(line[at:])]).split())


def _kept(line: str) -> Iterator[tuple[int, int, str]]:
    """Where code and formulas stand, and what of them stays."""
    if "`" not in line and "$" not in line and "\\" not in line:
        return
    kept = [(match.start(), match.end(), match[2]) for match in _CODE.finditer(line)]
    for start, end, _ in find_tex(line):
        if all(end <= code_start or start >= code_end for code_start, code_end, _ in kept):
            kept.append((start, end, line[start:end]))
    yield from sorted(kept)


def _marked_up(text: str) -> str:
    """A text without code and formulas."""
    for pattern, replacement in (
        (_CITATION, ""),
        (_LINK, r"\1"),
        (_AUTOLINK, r"\1"),
        (_RAISED, r"^\1"),
        (_LOWERED, r"\1"),
        (_TAG, " "),
        (_ENTITY, lambda match: html.unescape(match[0])),
        (_ESCAPE, lambda match: "" if match[1] in "`*_#~\\" else match[1]),
        (_TICKS, ""),
        (_STARS, lambda match: match[1] or ""),
        (_UNDERSCORES, ""),
        (_EMOJI, " "),
    ):
        text = pattern.sub(replacement, text)
    return text


def without_emoji(text: str) -> str:
    """Emoji taken out, nothing put in their place."""
    return _EMOJI.sub("", text)
