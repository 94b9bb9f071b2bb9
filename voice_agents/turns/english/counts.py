"""Telephone numbers, codes, fractions, ordinals and other numbers as people say them."""

from __future__ import annotations

import re

from voice_agents.turns.english.numbers import NUMBER, cardinal, grouped, number, one_by_one, ordinal, span
from voice_agents.turns.english.rule import rule

_FRACTIONS = {"½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5)}
_FRACTIONS |= {"⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅒": (1, 10)}
_SHORT = "911|999|112|988|311|411|511|811|000|101|111"
"""Numbers for help."""
_FREE = r"(?<![\w.,:/$-])"
_OVER = r"(?![\w/:-]|[.,]\d)"
_CODE = (
    r"(?:\b(?:code|pin|otp|passcode|zip|SSN|flight)(?:\s(?:number|code))?(?:\s(?:is|was|of))?[\s:#]{1,3}"
    r"|\b(?:order|ticket|confirmation|tracking|reference|case|account|invoice|booking|reservation|serial|policy"
    r"|member(?:ship)?|routing|customer|id)(?:\s(?:number|code|id|no\.?)(?:\s(?:is|was))?[\s:#]{1,3}|(?:\sis)?\s?[:#]\s?))"
)
"""What digits are read one by one behind; an order of 500 pens is none."""
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA"
    "|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|PR"
)
_SUPERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def fraction(over: int, under: int) -> str:
    """``3, 4`` -> "three quarters"."""
    part = {2: "half", 4: "quarter"}.get(under) or ordinal(str(under))
    many = "halves" if under == 2 else f"{part}s"
    return f"{cardinal(str(over))} {part if over == 1 else many}"


def _mixed(match: re.Match[str]) -> str | None:
    whole, over, under = match.group(1), int(match.group(2)), int(match.group(3))
    if (over, under) == (24, 7):
        return "twenty-four seven"
    if (over, under) == (9, 11):
        return "nine eleven"
    if not whole and (under in (10, 100) or re.match(r"\s(?:stars|points)\b", match.string[match.end() :])):
        return f"{cardinal(str(over))} out of {cardinal(str(under))}" if over <= under else None
    if over == under:
        return f"{cardinal(str(over))} {cardinal(str(under))}"
    if not 0 < over < under:
        return None
    part = fraction(over, under)
    return f"{number(whole)} and {'a' + part[3:] if part.startswith('one ') else part}" if whole else part


def _sign(match: re.Match[str]) -> str:
    whole, part = match[1], fraction(*_FRACTIONS[match[2]])
    return f"{number(whole)} and {'a' + part[3:] if part.startswith('one ') else part}" if whole else part


def _telephone(match: re.Match[str]) -> str:
    digits, extension = match[1], match[2]
    plus = "plus " if digits.startswith("+") else ""
    return f"{plus}{grouped(digits)}{f', extension {one_by_one(extension)}' if extension else ''}"


def _letters(match: re.Match[str]) -> str:
    head = ", ".join("eight hundred" if group == "800" else one_by_one(group) for group in re.findall(r"\d+", match[1]))
    return f"{head}, {match[2].replace('-', ' ')}"


def _power(match: re.Match[str]) -> str:
    """Of ten, perhaps times something."""
    exponent = match["power"].translate(_SUPERS).replace("−", "-").lstrip("+")
    ten = f"ten {({'2': 'squared', '3': 'cubed'}).get(exponent) or f'to the power of {number(exponent)}'}"
    return f"{number(match['times'])} times {ten}" if match["times"] else ten


def _long(match: re.Match[str]) -> str | None:
    digits = match[1]
    if digits.endswith("000") and digits[0] != "0":
        return cardinal(digits)
    return one_by_one(digits) if len(digits) > 6 or digits[0] == "0" else None


def _dotted(match: re.Match[str]) -> str:
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}", match[2]):
        return number(match[2].replace(".", ""))
    first, *others = match[2].split(".")
    said = re.search(r"\bversion\s$", match.string[: match.start()], re.IGNORECASE)
    v = "version " if match[1] and not said else ""
    return v + " point ".join(cardinal(part) for part in (first, *others))


def _from_to(match: re.Match[str]) -> str | None:
    """Not what is a name: Boeing 737-800."""
    named = re.search(r"(?<!^)(?<![.!?] )\b[A-Z][\w]* $", match.string[: match.start()])
    return None if named or int(match[1]) >= int(match[2]) else span(match[1], match[2])


def _spell(match: re.Match[str]) -> str:
    return ", ".join(" ".join(group.upper()) for group in match[0].split("-"))


RULES = (
    rule(r"(?<![\w-])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])", _spell),
    rule(r"(?<![\w.+-])(\+?1?-?8\d\d)-([A-Z][A-Z0-9-]{3,})\b", _letters),
    rule(
        r"(?<![\w.,$€£-])((?:\+?1[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4})(?:,?\s?(?:x|ext\.?|extension)\s?(\d{1,6}))?"
        r"(?![\w-]|[.,]\d)",
        _telephone,
    ),
    rule(r"(?<![\w.])(?=\+(?:\d\D{0,3}){7})(\+\d{1,3}(?:[\s.-]?\(?\d{1,8}\)?){1,6})()(?![\w-]|[.,]\d)", _telephone),
    rule(r"(?<![\w.,$€£+-])(\(?0\d{1,4}\)?(?:[\s-]\d{2,4}){2,4})()(?![\w-]|[.,]\d)", _telephone),
    rule(r"(?<![\w.,$€£+-])([2-9]\d\d-\d{4})()(?![\w-]|[.,]\d|\s(?:people|[a-z]+s)\b)", _telephone),
    rule(r"(?<![\w.,$-])(\d{3}-\d{2}-\d{4}|\d{4}(?:[ -]\d{4}){3}|\d{4}[ -]\d{6}[ -]\d{5})()(?![\w-])", _telephone),
    rule(
        rf"\b((?:call|ring|phone|text|emergency:?|number is)\s)({_SHORT})(?:(\s(?:or|and)\s)({_SHORT}))?\b(?![-.,]\d)",
        lambda m: f"{m[1]}{one_by_one(m[2])}{m[3] + one_by_one(m[4]) if m[3] else ''}",
        ignore_case=True,
    ),
    rule(r"(?<=\bISBN )([\d-]{9,16}[\dX])\b|(?<=\bISBN: )([\d-]{9,16}[\dX])\b", lambda m: grouped(m[0])),
    rule(r"(?<=\b[Dd]ial )(\d{3,5})\b(?![-.,]\d)", lambda m: one_by_one(m[1])),
    rule(
        rf"\b((?:{_STATES})\s)(\d{{5}})(?:-(\d{{4}}))?(?![\w-])",
        lambda m: f"{m[1]}{grouped(m[2] + '-' + (m[3] or ''))}",
    ),
    rule(
        rf"(?i:({_CODE}))(\d{{3,12}}|\d{{3,5}}(?:-\d{{3,5}})+)(?![\w]|[.,:/]\d)",
        lambda m: f"{m[1].replace('#', '')}{grouped(m[2])}",
    ),
    rule(
        rf"{_FREE}(?:(?P<times>{NUMBER})\s?[x×·*]\s?)?10(?:\^\{{?(?=[-−+\d])|(?=[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]))"
        r"(?P<power>[-−+]?\d+|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)\}?(?!\w)",
        _power,
    ),
    rule(rf"{_FREE}(?P<times>\d+(?:\.\d+)?)[eE](?P<power>[-+]?\d{{1,3}})(?![\w-]|\.\d)", _power),
    rule(r"(?<![\w/.,-])(?:(\d{1,3})[ -])?(\d{1,2})[/⁄](\d{1,3})(?![\w/]|[.,]\d)", _mixed),
    rule(r"(?<![\w/.,-])(\d\.\d)/(5|10)(?![\w/]|[.,]\d)", lambda m: f"{number(m[1])} out of {cardinal(m[2])}"),
    rule(rf"(?<![\w/.,])(\d+)?\s?([{''.join(_FRACTIONS)}])", _sign),
    rule(r"(?<![\w.,$-])(\d{1,3}(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: ordinal(m[1].replace(",", ""))),
    rule(r"(?<![\w.,])(v)?(\d{1,5}(?:\.\d{1,4}){2,})(?![\w.]*\w)", _dotted),
    rule(r"(?<![\w.,])(v)(\d{1,3}(?:\.\d{1,3})?)(?![\w.]*\w)", _dotted),
    rule(rf"{_FREE}(\d{{1,3}}):(\d{{1,3}}){_OVER}", lambda m: f"{cardinal(m[1])} to {cardinal(m[2])}"),
    rule(rf"{_FREE}({NUMBER})\s?[–—]\s?({NUMBER}){_OVER}", lambda m: span(m[1], m[2])),
    rule(rf"{_FREE}(\d{{1,4}})-(\d{{1,4}}){_OVER}", _from_to),
    rule(rf"(?<![^\s(\[\"'“=])[-−]({NUMBER}|\.\d+){_OVER}", lambda m: f"minus {number(m[1])}"),
    rule(r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3})(?![\w]|[.,]\d)", lambda m: number(m[1])),
    rule(r"(?<![\w.,:-])(\d{1,9}\.\d{1,12}|(?<=\s)\.\d+)(?![\w]|[.,:]\d)", lambda m: number(m[1])),
    rule(r"(?<![\w.,:/-])(\d{4,})(?![\w/:-]|[.,]\d)", _long),
)
