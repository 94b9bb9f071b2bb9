"""Code, and signs that stand for words, as people say them."""

from __future__ import annotations

import re

from voice_agents.turns.english.links import spelled
from voice_agents.turns.english.numbers import NUMBER, number
from voice_agents.turns.english.rule import rule

_OPERATORS = {
    **{"==": "equals", "===": "equals", "!=": "is not", "!==": "is not", "<>": "is not", ">=": "is at least"},
    **{"<=": "is at most", "&&": "and", "||": "or", ":=": "is", "+=": "plus equals", "-=": "minus equals"},
    **{"->": "to", "=>": "to", "-->": "to", "→": "to", "⇒": "to", "↔": "to and from", "←": "from", "|": "pipe"},
    **{"=": "equals", "+": "plus", "×": "times", "*": "times", "·": "times", "÷": "divided by", "≈": "is about"},
    **{"≠": "is not equal to", "≤": "is at most", "≥": "is at least", "<": "is less than", ">": "is more than"},
    **{"±": "plus or minus", "&": "and", "@": "at", "//": "", "^": "to the power of", "∈": "in", "%": "percent"},
    **{
        "w/": "with",
        "w/o": "without",
        "≡": "is the same as",
        "⇔": "if and only if",
        "•": "",
        "·": "",
        ">>": "",
        "++": "",
    },
}
_BEFORE_NUMBER = {"~": "about", "≈": "about", "±": "plus or minus", "+": "plus", ">": "more than", "<": "less than"}
_BEFORE_NUMBER |= {">=": "at least", "≥": "at least", "<=": "at most", "≤": "at most", "#": "number", "№": "number"}
_BEFORE_NUMBER |= {"§": "section", "=": "equals", "×": "times", "≥ ": "at least", "Δ": "delta"}
_KEYS = {"ctrl": "control", "cmd": "command", "⌘": "command", "alt": "alt", "shift": "shift", "win": "windows"}
_SUBS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_IDENTIFIER = r"[A-Za-z_][\w]*(?:(?:\.|::|->)[A-Za-z_]\w*)*"


def _name(identifier: str) -> str:
    """``os.path_join`` -> "os dot path join"."""
    words = re.sub(r"->|::|\.", " dot ", identifier).replace("_", " ")
    return " ".join(_CAMEL.sub(" ", words).split())


def _call(match: re.Match[str]) -> str | None:
    """Not what is a word with something in brackets after it: item(s)."""
    name, behind = match[1], match[2]
    inside = behind[1:-1]
    if len(name) == 1:
        return f"{name} of {inside}" if re.fullmatch(r"[\w+-]{1,3}(?:,\s?\w)*", inside) else None
    is_code = re.search(r"[._:>]|[a-z][A-Z]", name) or not inside or re.search(r"[\"'=\d_\[{(.]", inside)
    if not is_code or re.fullmatch(r"[a-z]{1,3}\.?", inside):
        return None
    return f"{_name(name)} {_in_code(behind)}".strip()


def _in_code(text: str) -> str:
    """What stands between brackets."""
    text = re.sub(r"(?<=[)\]])\.(?=\w)", " dot ", text)
    text = re.sub(r"[\"'`()\[\]{};]", " ", text)
    text = re.sub(r"(?<![=<>!+*/-])=(?!=)", " equals ", text)
    text = re.sub(rf"\b{_IDENTIFIER}\b", lambda found: _name(found[0]), text)
    return " ".join(text.split())


def _braces(match: re.Match[str]) -> str | None:
    inside = match[1]
    return re.sub(r"\s*:\s*", " is ", _in_code(inside)) if re.search(r"[\"':=;]|^\s*\w+\s*$", inside) else None


def _compares(match: re.Match[str]) -> bool:
    """Two things: x > 5."""
    return match.string[match.end(1)].isspace() and bool(re.search(r"[\w)]\s$", match.string[: match.start()]))


def _counted(match: re.Match[str]) -> str | None:
    return None if _compares(match) else f"{_BEFORE_NUMBER[match[1]]} {number(match[2])}"


def _sum(match: re.Match[str]) -> str:
    return f" {_OPERATORS[match[1]]} "


def _star(match: re.Match[str]) -> str:
    """Between numbers and unknowns it multiplies; SELECT * FROM does not."""
    before = re.search(r"(?:^|[\s(])(?:[\d.,]+|[A-Za-z]|[\w.]+\))\s$", match.string[: match.start()])
    after = re.match(r"\s\(?(?:[\d.,]+|[A-Za-z])(?!\w)", match.string[match.end() :])
    return "times" if before and after else "star"


BEFORE_NUMBERS = (
    rule(
        r"(?<![\w$<>=~+-])(>=|<=|[<>≥≤≈±~])(\s?)(?=[$€£¥₹]?\d)",
        lambda m: None if _compares(m) else f"{_BEFORE_NUMBER[m[1]]} ",
    ),
)
"""Before the rules of numbers, which take what stands behind the sign."""
RULES = (
    rule(r"(?<!\w)©\s?(?=\d)", "copyright "),
    rule(r"(?<=[\w)])\*\*(2|3)(?![\w.])", lambda m: " squared" if m[1] == "2" else " cubed"),
    rule(r"(?<=[\w)])\*\*(-?\w+)", lambda m: f" to the power of {m[1].replace('-', 'minus ')}"),
    rule(r"(?<!\S)\*(?!\S)", _star),
    rule(r"[₀-₉]+", lambda m: m[0].translate(_SUBS)),
    rule(r"(?<=\w)_\{([^{}\n]+)\}", lambda m: f" sub {m[1]}"),
    rule(
        r"(?i)\b(ctrl|cmd|alt|shift|win|⌘)\s?\+\s?(?:(alt|shift)\s?\+\s?)?(\w+)\b",
        lambda m: " ".join(_KEYS.get(part.lower(), part) for part in (m[1], m[2] or "", m[3]) if part),
    ),
    rule(rf"(?<![\w.])({_IDENTIFIER})((?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)(?:\.\w+)*)+)", _call),
    rule(r"\b([A-Z]\w+)<([A-Z]\w*(?:,\s?[A-Z]\w*)*)>", lambda m: f"{m[1]} of {m[2]}"),
    rule(
        r"(?<![\w])([A-Za-z_]\w*)\[([^\[\]\n]*)\](?:\[([^\[\]\n]*)\])?",
        lambda m: f"{_name(m[1])} {_in_code(f'{m[2]} {m[3] or str()}')}",
    ),
    rule(r"(?<!\w)\{([^{}\n]*)\}", _braces),
    rule(
        r"(?<![\w-])--([a-z][\w-]*)(?:=(\S+))?",
        lambda m: f"dash dash {m[1].replace('-', ' ')}{f' {spelled(m[2])}' if m[2] else ''}",
    ),
    rule(r"(?<=\s)-([A-Za-z]{1,2})(?=\s)", lambda m: f"dash {m[1]}"),
    rule(r"(?<![\w.@/-])_*[A-Za-z0-9]+(?:_+[A-Za-z0-9]+)+_*(?![\w@])|(?<!\w)__\w+__", lambda m: _name(m[0])),
    rule(r"(?<![\w.@/'’-])[a-z_][\w]+(?:\.[a-z_][\w]+)+(?![\w@])", lambda m: _name(m[0])),
    rule(r"(?<!\w)\\([ntr0])(?!\w)", lambda m: f"backslash {m[1]}"),
    rule(r"(?<!\w)#([0-9a-fA-F]{6})\b", lambda m: f"hash {' '.join(m[1].upper())}"),
    rule(r"\b0x([0-9a-fA-F]+)\b", lambda m: f"hex {' '.join(m[1].upper())}"),
    rule(r"(?<![\w/])@([A-Za-z]\w+)", lambda m: f"at {_name(m[1])}"),
    rule(rf"(?<=\d) [-−] (?={NUMBER}\s?=)", " minus "),
    rule(rf"(?<=\d) - (?={NUMBER})", " to "),
    rule(rf"(?<![\w$])(\+|#|№|§|=|×)\s?({NUMBER})(?![\w]|[.,:]\d)", _counted),
    rule(r"\bNo\.\s?(\d{1,6})\b(?![.,:]\d)", lambda m: f"number {number(m[1])}"),
    rule(r"(?<=[\d)])\s?([×*÷])\s?(?=[\d(])", _sum),
    rule(r"(?<=\d)([+=])(?=[\d(])", _sum),
    rule(r"(?<=[\w)\]])={1,2}(?=[\w(\"'-])", " equals "),
    rule(r"([²³])", lambda m: " squared" if m[1] == "²" else " cubed"),
    rule(r"(?<=[\w)])\^\{?(2|3)\}?(?!\w)", lambda m: " squared" if m[1] == "2" else " cubed"),
    rule(r"(?<=[\w)])\^\{?(-?\w+)\}?", lambda m: f" to the power of {m[1].replace('-', 'minus ')}"),
    rule(r"(?<!\w)√\(?(\w+)\)?", lambda m: f"the square root of {m[1]}"),
    rule(r"(?<=\w)[™®©](?!\w)", ""),
    rule(r"(?<!\w)©(?!\w)", "copyright"),
    rule(r"∞", "infinity"),
    rule(
        rf"(?<!\S)({'|'.join(sorted(map(re.escape, _OPERATORS), key=len, reverse=True))})(?!\S)",
        lambda m: _OPERATORS[m[1]],
    ),
    rule(r"→|⇒", " to "),
    rule(r"(?<=\w)\s?(?:&&|==)\s?(?=\w)", " and "),
    rule(r"(?<!\w)[{}](?!\w)|(?<=[\w);])[{}](?=\s|$)", ""),
)
