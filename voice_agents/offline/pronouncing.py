"""How what is written is said: one token (what stands between white space) as words with their punctuation."""

from __future__ import annotations

import re

_ABBREVIATIONS = {
    **{"dr.": "doctor", "mr.": "mister", "mrs.": "misses", "ms.": "miz", "st.": "saint", "prof.": "professor"},
    **{"vs.": "versus", "etc.": "et cetera.", "e.g.": "for example", "i.e.": "that is", "approx.": "approximately"},
    **{"a.m.": "A M", "p.m.": "P M", "&": "and", "+": "plus", "=": "equals", "w/": "with"},
    **{"km": "kilometers", "kg": "kilograms", "cm": "centimeters", "mm": "millimeters", "mph": "miles per hour"},
    **{"km/h": "kilometers per hour", "°c": "degrees Celsius", "°f": "degrees Fahrenheit"},
}
_CURRENCIES = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_AROUND = re.compile(r"^([\"'“‘(\[*_]*)(.*?)([\"'”’)\]*_]*[,;:.!?…]*[\"'”’)\]*_]*)$", re.DOTALL)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::\d{2})?(am|pm)?", re.IGNORECASE)
_MONEY = re.compile(r"([$€£])(\d[\d,]*)(?:\.(\d{2}))?([kmb]|bn)?", re.IGNORECASE)
_AMOUNT = re.compile(r"(-?\d[\d,.]*)(%|°c|°f|°|km/h|km|kg|cm|mm|mph|th|st|nd|rd)", re.IGNORECASE)
_RANGE = re.compile(r"(\d+)[–-](\d+)")
_ADDRESS = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?:https?://|www\.)\S+|[a-z][\w-]*\.(?:com|org|net|io|de|uk)(?:/\S*)?"
)
_SCALES = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}


def spoken(token: str) -> str:
    """The words of a token; punctuation stays where it makes a pause."""
    known = _ABBREVIATIONS.get(token.casefold())
    if known is not None:
        return known
    match = _AROUND.match(token)
    if match is None:
        return token
    _, core, behind = match.groups()
    stop = next((sign for sign in behind.replace("…", ".") if sign in ",;:.!?"), "")
    return _core(core) + stop


def _core(core: str) -> str:
    """A token without what stands around it."""
    known = _ABBREVIATIONS.get(core.casefold()) or _ABBREVIATIONS.get(f"{core.casefold()}.", "")
    if known and core.casefold() not in ("no", "st", "ms"):
        return known
    for pattern, say in _FORMS:
        match = pattern.fullmatch(core)
        if match is not None:
            return str(say(match))
    return re.sub(r"[–—]", ", ", re.sub(r"[\"“”*_#|<>\[\](){}~^]", " ", core))


def _time(match: re.Match[str]) -> str:
    hour, minute, half = match.groups()
    minutes = "o'clock" if minute == "00" and not half else "" if minute == "00" else minute
    minutes = f"oh {minutes[1]}" if minutes.startswith("0") else minutes
    return " ".join(filter(None, (str(int(hour)), minutes, " ".join(half.upper()) if half else "")))


def _money(match: re.Match[str]) -> str:
    sign, whole, cents, scale = match.groups()
    unit, small = _CURRENCIES[sign]
    if scale:
        return f"{whole} {_SCALES[scale.lower()]} {unit}s"
    said = f"{whole} {unit}{'' if whole == '1' else 's'}"
    if cents and int(cents):
        said += f" {int(cents)}" if small == "penny" else f" and {int(cents)} {small}{'' if int(cents) == 1 else 's'}"
    return said


def _amount(match: re.Match[str]) -> str:
    number, unit = match.groups()
    if unit.lower() in ("th", "st", "nd", "rd"):
        return match[0]
    names = {"%": "percent", "°": "degrees"}
    return f"{number} {names.get(unit) or _ABBREVIATIONS[unit.lower()]}"


def _address(match: re.Match[str]) -> str:
    address = match[0].removeprefix("https://").removeprefix("http://")
    return address.replace(".", " dot ").replace("/", " slash ").replace("@", " at ")


_FORMS = (
    (_TIME, _time),
    (_MONEY, _money),
    (_AMOUNT, _amount),
    (_RANGE, lambda match: f"{match[1]} to {match[2]}"),
    (_ADDRESS, _address),
)
