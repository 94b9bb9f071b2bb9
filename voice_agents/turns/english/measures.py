"""Amounts of money, parts of a hundred and physical quantities as people say them."""

from __future__ import annotations

import re

from voice_agents.turns.english.numbers import NUMBER, cardinal, is_one, number, span
from voice_agents.turns.english.rule import rule

_COINS = {
    **{"$": ("dollar", "dollars", "cent", "cents"), "€": ("euro", "euros", "cent", "cents")},
    **{
        "£": ("pound", "pounds", "penny", "pence"),
        "¥": ("yen", "yen", "", ""),
        "₹": ("rupee", "rupees", "paisa", "paise"),
    },
    **{"₩": ("won", "won", "", ""), "₽": ("ruble", "rubles", "kopek", "kopeks"), "₿": ("bitcoin", "bitcoins", "", "")},
    **{"₺": ("lira", "lira", "", ""), "₴": ("hryvnia", "hryvnias", "", ""), "₪": ("shekel", "shekels", "", "")},
    **{"₫": ("dong", "dong", "", ""), "₱": ("peso", "pesos", "", ""), "฿": ("baht", "baht", "", "")},
}
_CODES = {
    **{"USD": _COINS["$"], "EUR": _COINS["€"], "GBP": _COINS["£"], "JPY": _COINS["¥"], "INR": _COINS["₹"]},
    **{"CHF": ("Swiss franc", "Swiss francs", "", ""), "CNY": ("yuan", "yuan", "", ""), "KRW": _COINS["₩"]},
    **{
        "CAD": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
        "SEK": ("Swedish krona", "Swedish kronor", "", ""),
    },
    **{"AUD": ("Australian dollar", "Australian dollars", "cent", "cents"), "BTC": _COINS["₿"]},
    **{"MXN": ("Mexican peso", "Mexican pesos", "", ""), "BRL": ("Brazilian real", "Brazilian reais", "", "")},
}
_COUNTRIES = {"US": "US ", "CA": "Canadian ", "C": "Canadian ", "AU": "Australian ", "A": "Australian "}
_COUNTRIES |= {"NZ": "New Zealand ", "HK": "Hong Kong ", "S": "Singapore ", "R": "", "": ""}
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "mm": "million", "mio": "million", "b": "billion"}
_SCALES |= {"bn": "billion", "t": "trillion", "tn": "trillion"}
_SCALE = r"(?:\s?(thousand|million|billion|trillion)\b|\s?(bn|mn|tn|mm|mio|[kKmMbBtT])(?!\w))?"
_SIGN = "[" + "".join(_COINS) + "]"
_PER = {
    "mo": "month",
    "yr": "year",
    "hr": "hour",
    "h": "hour",
    "wk": "week",
    "d": "day",
    "s": "second",
    "sec": "second",
}
_PER |= {"min": "minute", "kg": "kilogram", "lb": "pound", "m²": "square meter", "km": "kilometer", "L": "liter"}
_EACH = (
    r"(?:\s?/\s?(month|mo|year|yr|hour|hr|h|day|d|week|wk|user|seat|person|night|item|unit|share|minute|min|kg|lb|GB)"
    r"\b)?"
)
_DASH = r"\s?[-–—]\s?"


def _of_money(amount: str, coin: tuple[str, str, str, str], country: str = "") -> str:
    """One sum without a scale."""
    one, many, small_one, small_many = coin
    whole, point, cents = amount.replace(",", "").partition(".")
    if not (point and len(cents) == 2 and small_one):
        return f"{number(amount)} {country}{one if is_one(amount) else many}"
    parts = []
    if int(whole or "0") or not int(cents):
        parts.append(f"{cardinal(whole or '0')} {country}{one if is_one(whole) else many}")
    if int(cents):
        parts.append(f"{cardinal(str(int(cents)))} {small_one if int(cents) == 1 else small_many}")
    return " and ".join(parts)


def _sum(first: str, last: str | None, scale: str, coin: tuple[str, str, str, str], country: str) -> str:
    if scale:
        return f"{span(first, last)} {scale} {country}{coin[1]}"
    if last:
        return f"{number(first)} to {_of_money(last, coin, country)}"
    return _of_money(first, coin, country)


def _money(match: re.Match[str]) -> str:
    said = match.groupdict()
    scale = said["scale"] or _SCALES.get((said["short"] or "").lower(), "")
    coin = _COINS.get(said["sign"] or "") or _CODES[said["sign"]]
    coin = _CODES["BRL"] if said.get("country") == "R" else coin
    words = _sum(said["first"], said.get("last"), scale, coin, _COUNTRIES[said.get("country") or ""])
    each = said.get("each")
    return (
        ("minus " if said.get("minus") else "")
        + words
        + (" or more" if said.get("more") else "")
        + (f" per {_PER.get(each, each)}" if each else "")
    )


_SCALED = _SCALE.replace("(thousand", "(?P<scale>thousand").replace("(bn", "(?P<short>bn")
_EACHED = _EACH.replace("(month", "(?P<each>month")
_FIRST = rf"(?P<first>{NUMBER}|\.\d\d)"
_LAST = rf"(?P<last>{NUMBER})"
_MONEY = (
    rule(
        rf"(?<![\w.])(?P<minus>[-−])?(?P<country>US|CA|AU|NZ|HK|[SACR])?(?P<sign>{_SIGN})\s?{_FIRST}"
        rf"(?:{_DASH}(?:US)?{_SIGN}?{_LAST})?{_SCALED}(?P<more>\+)?{_EACHED}(?!\w)",
        _money,
    ),
    rule(
        rf"(?<![\w.,])(?P<minus>[-−])?{_FIRST}(?:{_DASH}{_LAST})?{_SCALED}\s?(?P<sign>{_SIGN}|(?:{'|'.join(_CODES)})\b)"
        rf"(?P<more>\+)?{_EACHED}(?![\w$])",
        _money,
    ),
    rule(rf"\b(?P<sign>{'|'.join(_CODES)})\s{_FIRST}(?:{_DASH}{_LAST})?{_SCALED}{_EACHED}(?!\w)", _money),
    rule(rf"(?<![\w.,])({NUMBER})\s?¢", lambda m: f"{number(m[1])} cent{'' if is_one(m[1]) else 's'}"),
)

_UNITS: dict[str, tuple[str, str]] = {}


def _unit(one: str, many: str, *signs: str) -> None:
    _UNITS.update(dict.fromkeys(signs, (one, many)))


for _prefix, _name in (
    ("", ""),
    ("k", "kilo"),
    ("c", "centi"),
    ("m", "milli"),
    ("n", "nano"),
    ("µ", "micro"),
    ("μ", "micro"),
):
    _unit(f"{_name}meter", f"{_name}meters", f"{_prefix}m")
    _unit(f"square {_name}meter", f"square {_name}meters", f"{_prefix}m²", f"{_prefix}m^2", f"sq {_prefix}m")
    _unit(f"cubic {_name}meter", f"cubic {_name}meters", f"{_prefix}m³", f"{_prefix}m^3")
for _prefix, _name in (("", ""), ("k", "kilo"), ("m", "milli"), ("µ", "micro"), ("μ", "micro"), ("mc", "micro")):
    _unit(f"{_name}gram", f"{_name}grams", f"{_prefix}g")
for _prefix, _name in (("k", "kilo"), ("M", "mega"), ("G", "giga"), ("T", "tera"), ("P", "peta")):
    _unit(f"{_name}byte", f"{_name}bytes", f"{_prefix}B", f"{_prefix}iB", *(("KB", "KiB") if _prefix == "k" else ()))
    _unit(f"{_name}byte per second", f"{_name}bytes per second", f"{_prefix}B/s", f"{_prefix}Bps")
    _unit(f"{_name}bit per second", f"{_name}bits per second", f"{_prefix}bps", f"{_prefix}bit/s", f"{_prefix}b/s")
    _unit(f"{_name}bit", f"{_name}bits", f"{_prefix}bit")
    _unit(f"{_name}hertz", f"{_name}hertz", f"{_prefix}Hz")
    _unit(f"{_name}watt", f"{_name}watts", *((f"{_prefix}W",) if _prefix != "P" else ()))
    _unit(f"{_name}watt hour", f"{_name}watt hours", f"{_prefix}Wh")
for _one, _many, *_signs in (
    *(
        ("foot", "feet", "ft"),
        ("mile", "miles", "mi"),
        ("yard", "yards", "yd", "yds"),
        ("pound", "pounds", "lb", "lbs"),
    ),
    *(
        ("square foot", "square feet", "ft²", "ft^2", "sq ft", "sq. ft", "sqft"),
        ("square inch", "square inches", "in²"),
    ),
    *(
        ("square mile", "square miles", "mi²", "sq mi"),
        ("cubic foot", "cubic feet", "ft³", "cu ft"),
        ("ounce", "ounces", "oz"),
    ),
    *(("fluid ounce", "fluid ounces", "fl oz", "fl. oz"), ("gallon", "gallons", "gal"), ("ton", "tons", "tn")),
    *(("liter", "liters", "l", "L"), ("milliliter", "milliliters", "ml", "mL"), ("centiliter", "centiliters", "cl")),
    *(("deciliter", "deciliters", "dl", "dL"), ("decimeter", "decimeters", "dm")),
    *(
        ("degree Celsius", "degrees Celsius", "°C", "℃", "° C", "ºC"),
        ("degree Fahrenheit", "degrees Fahrenheit", "°F", "℉"),
    ),
    *(("degree Fahrenheit", "degrees Fahrenheit", "° F", "ºF"), ("degree", "degrees", "°")),
    *(
        ("mile per hour", "miles per hour", "mph", "mi/h"),
        ("kilometer per hour", "kilometers per hour", "km/h", "kmh", "kph"),
    ),
    *(("meter per second", "meters per second", "m/s"), ("foot per second", "feet per second", "ft/s")),
    *(
        ("meter per second squared", "meters per second squared", "m/s²", "m/s^2"),
        ("mile per gallon", "miles per gallon", "mpg"),
    ),
    *(("hertz", "hertz", "Hz"), ("watt", "watts", "W"), ("volt", "volts", "V"), ("millivolt", "millivolts", "mV")),
    *(("kilovolt", "kilovolts", "kV"), ("milliamp", "milliamps", "mA"), ("milliamp hour", "milliamp hours", "mAh")),
    *(
        ("milliwatt", "milliwatts", "mW"),
        ("watt hour", "watt hours", "Wh"),
        ("ohm", "ohms", "Ω"),
        ("pascal", "pascals", "Pa"),
    ),
    *(("hectopascal", "hectopascals", "hPa"), ("kilopascal", "kilopascals", "kPa"), ("ohm", "ohms", "Ω")),
    *(("kilojoule", "kilojoules", "kJ"), ("kilocalorie", "kilocalories", "kcal"), ("calorie", "calories", "cal")),
    *(("decibel", "decibels", "dB"), ("milligram per deciliter", "milligrams per deciliter", "mg/dL")),
    *(("millimeter of mercury", "millimeters of mercury", "mmHg"), ("microsecond", "microseconds", "µs", "μs")),
    *(("millisecond", "milliseconds", "ms"), ("nanosecond", "nanoseconds", "ns"), ("second", "seconds", "sec", "secs")),
    *(("minute", "minutes", "min", "mins"), ("hour", "hours", "hr", "hrs", "h"), ("pixel", "pixels", "px")),
    *(
        ("frame per second", "frames per second", "fps"),
        ("revolution per minute", "revolutions per minute", "rpm", "RPM"),
    ),
    *(
        ("beat per minute", "beats per minute", "bpm", "BPM"),
        ("pound per square inch", "pounds per square inch", "psi"),
    ),
    *(("part per million", "parts per million", "ppm"), ("dot per inch", "dots per inch", "dpi")),
    ("token per second", "tokens per second", "tok/s"),
    *(
        ("milligram per kilogram", "milligrams per kilogram", "mg/kg"),
        ("milligram per milliliter", "milligrams per milliliter", "mg/mL"),
    ),
):
    _unit(_one, _many, *_signs)
del _prefix, _name, _one, _many, _signs
_SYMBOL = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_DEGREES = {"N": "north", "S": "south", "E": "east", "W": "west"}


def _quantity(match: re.Match[str]) -> str:
    first, last, sign = match["first"], match["last"], match["unit"]
    one, many = _UNITS[sign]
    return f"{span(first, last)} {one if not last and is_one(first) else many}"


def _by(match: re.Match[str]) -> str:
    said = " by ".join(map(number, re.findall(NUMBER, match[1])))
    return f"{said} {_UNITS[match[2]][1]}" if match[2] else said


def _feet(match: re.Match[str]) -> str:
    if match[2] and float(match[2]) >= 12:  # there are no more inches in a foot
        return _lasting(match)
    feet = f"{number(match[1])} {'foot' if is_one(match[1]) else 'feet'}"
    return f"{feet} {number(match[2])} inch{'' if is_one(match[2]) else 'es'}" if match[2] else feet


def _lasting(match: re.Match[str]) -> str:
    """Minutes and seconds."""
    return f"{_counted(match[1], 'minute')} {_counted(match[2], 'second')}"


def _hours(match: re.Match[str]) -> str:
    said = f"{_counted(match[1], 'hour')} {_counted(match[2], 'minute')}"
    return f"{said} {_counted(match[3], 'second')}" if match[3] else said


def _counted(digits: str, unit: str) -> str:
    return f"{number(digits)} {unit}{'' if is_one(digits) else 's'}"


def _place(match: re.Match[str]) -> str:
    degrees, minutes, seconds, side = match.groups()
    said = f"{number(degrees)} degrees"
    said += f" {number(minutes)} minutes" if minutes else ""
    said += f" {number(seconds)} seconds" if seconds else ""
    return f"{said} {_DEGREES[side]}" if side else said


_MINUS = r"(?<![\w.,$/])"
RULES = (
    *_MONEY,
    rule(rf"{_MINUS}(\d+)\s?h(?:rs?)?\s?(\d+)\s?m(?:ins?)?(?:\s?(\d+)\s?s(?:ecs?)?)?(?!\w)", _hours),
    rule(
        rf"{_MINUS}([-−+]?{NUMBER})(?:{_DASH}({NUMBER}))?\s?%(?!\w)",
        lambda m: f"{span(m[1].lstrip('+'), m[2])} percent",
    ),
    rule(rf"{_MINUS}({NUMBER})°\s?(?:(\d+)['′]\s?(?:({NUMBER})[\"″]\s?)?)?([NSEW])\b", _place),
    rule(rf"{_MINUS}({NUMBER}(?:\s?[x×]\s?{NUMBER})+)(?:\s?({_SYMBOL}))?(?![\w²³^⁰¹⁴-⁹]|\s?[=≈])", _by),
    rule(rf"{_MINUS}(\d+)\s?(?:ft|feet)\.?\s(\d+)\s?in\b(?:\.(?=\s[a-z]))?", _feet),
    rule(
        r"(?<![\w/])(\d{2,3})/(\d{2,3})\s?mmHg\b",
        lambda m: f"{cardinal(m[1])} over {cardinal(m[2])} millimeters of mercury",
    ),
    rule(rf"{_MINUS}(\d+)['′]\s?(\d+(?:\.\d+)?)(?:[\"″”]|'')", _feet),
    rule(
        rf"{_MINUS}(?P<first>[-−]?{NUMBER})(?:{_DASH}(?P<last>{NUMBER}))?\s?(?P<unit>{_SYMBOL})(?![\w/²³^'’])(?:\.(?=\s[a-z(]))?",
        _quantity,
    ),
    rule(rf"{_MINUS}({NUMBER})['′](?=\s(?:tall|high|long|wide|deep)\b)", lambda m: f"{number(m[1])} feet"),
    rule(rf"{_MINUS}({NUMBER})[\"″](?=\s(?:tall|high|long|wide|deep)\b)", lambda m: f"{number(m[1])} inches"),
    rule(rf"{_MINUS}({NUMBER})\s?″", lambda m: f"{number(m[1])} inch{'' if is_one(m[1]) else 'es'}"),
    rule(rf"{_MINUS}({NUMBER})in\b\.?(?=\s[a-z]|$|,)", lambda m: f"{number(m[1])} inch{'' if is_one(m[1]) else 'es'}"),
    rule(
        rf"{_MINUS}(\d+\.\d+|\d+(?=\ss\b))\s?s(?!\w)", lambda m: f"{number(m[1])} second{'' if is_one(m[1]) else 's'}"
    ),
    rule(rf"{_MINUS}({NUMBER})[x×](?!\w)", lambda m: f"{number(m[1])} times"),
    rule(rf"{_MINUS}(\d+\.\d+)(k|K|M|B|T|bn)(?!\w)", lambda m: f"{number(m[1])} {_SCALES[m[2].lower()]}"),
)
