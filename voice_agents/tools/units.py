"""Conversion between everyday units."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from voice_agents.tools.registry import ToolError
from voice_agents.tools.words import is_exact, sentence, spell


@dataclass(frozen=True, slots=True)
class Unit:
    """``value * factor + offset`` is the amount in the base unit of its ``kind``."""

    kind: str
    singular: str
    plural: str
    factor: float
    offset: float = 0.0


_TABLE = """
length       1e-3 millimeter millimeters mm millimetre millimetres
length       0.01 centimeter centimeters cm centimetre centimetres
length       1 meter meters m metre metres
length       1000 kilometer kilometers km kilometre kilometres kms
length       0.0254 inch inches in "
length       0.3048 foot feet ft '
length       0.9144 yard yards yd yds
length       1609.344 mile miles mi
length       1852 nautical_mile nautical_miles nmi
mass         1e-6 milligram milligrams mg
mass         1e-3 gram grams g
mass         1 kilogram kilograms kg kilo kilos kgs
mass         1000 ton tons t tonne tonnes metric_ton metric_tons
mass         0.028349523125 ounce ounces oz
mass         0.45359237 pound pounds lb lbs
mass         6.35029318 stone stones st
volume       1e-3 milliliter milliliters ml millilitre millilitres
volume       0.01 centiliter centiliters cl centilitre centilitres
volume       0.1 deciliter deciliters dl decilitre decilitres
volume       1 liter liters l litre litres
volume       1000 cubic_meter cubic_meters m3 cubic_metre cubic_metres
volume       0.00492892159375 teaspoon teaspoons tsp
volume       0.01478676478125 tablespoon tablespoons tbsp
volume       0.0295735295625 fluid_ounce fluid_ounces fl_oz
volume       0.2365882365 cup cups
volume       0.473176473 pint pints pt
volume       0.946352946 quart quarts qt
volume       3.785411784 gallon gallons gal
speed        1 meter_per_second meters_per_second m/s metres_per_second metre_per_second mps
speed        0.277777777777777778 kilometer_per_hour kilometers_per_hour km/h kmh kph kilometres_per_hour
speed        0.44704 mile_per_hour miles_per_hour mph mi/h
speed        0.3048 foot_per_second feet_per_second ft/s fps
speed        0.514444444444444444 knot knots kn kt kts
time         1e-3 millisecond milliseconds ms
time         1 second seconds s sec secs
time         60 minute minutes min mins
time         3600 hour hours h hr hrs
time         86400 day days d
time         604800 week weeks wk
time         2629746 month months
time         31556952 year years yr yrs
data         0.125 bit bits
data         1 byte bytes b
data         1e3 kilobyte kilobytes kb
data         1e6 megabyte megabytes mb
data         1e9 gigabyte gigabytes gb
data         1e12 terabyte terabytes tb
data         1e15 petabyte petabytes pb
data         1024 kibibyte kibibytes kib
data         1048576 mebibyte mebibytes mib
data         1073741824 gibibyte gibibytes gib
data         1099511627776 tebibyte tebibytes tib
"""
"""kind, factor to the base unit, then the names: singular, plural, others. US measures; a month is a twelfth year."""


def _units() -> dict[str, Unit]:
    found: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        kind, factor, *names = (part.replace("_", " ") for part in line.split())
        unit = Unit(kind, names[0], names[1], float(factor))
        found |= dict.fromkeys(names, unit)
    celsius = Unit("temperature", "degree Celsius", "degrees Celsius", 1.0, 273.15)
    fahrenheit = Unit("temperature", "degree Fahrenheit", "degrees Fahrenheit", 5 / 9, 459.67 * 5 / 9)
    kelvin = Unit("temperature", "kelvin", "kelvins", 1.0)
    found |= dict.fromkeys(("celsius", "centigrade", "c", "°c"), celsius)
    found |= dict.fromkeys(("fahrenheit", "f", "°f"), fahrenheit)
    return found | dict.fromkeys(("kelvin", "kelvins", "k"), kelvin)


_UNITS = _units()


async def convert_units(
    value: Annotated[float, Field(description="How many of the first unit.", allow_inf_nan=False)],
    from_unit: Annotated[str, Field(description='Such as "miles", "kg" or "fahrenheit".')],
    to_unit: Annotated[str, Field(description="The unit wanted.")],
) -> str:
    """Convert a length, mass, volume, speed, time, temperature or amount of data from one unit to another."""
    source, target = _unit(from_unit), _unit(to_unit)
    result = convert(value, source, target)
    about = "" if is_exact(result) else "about "
    verb = "is" if value == 1 else "are"
    return f"{sentence(_amount(value, source))} {verb} {about}{_amount(result, target)}."


def convert(value: float, source: Unit, target: Unit) -> float:
    """Raises ToolError when the units measure different things, or below absolute zero."""
    if source.kind != target.kind:
        raise ToolError(
            f"{sentence(source.plural)} measure {source.kind} and {target.plural} measure {target.kind}, "
            "so one cannot be converted to the other."
        )
    base = value * source.factor + source.offset
    if source.kind == "temperature" and base < -1e-9:
        raise ToolError("Nothing is colder than absolute zero.")
    # Twelve digits are far more than is said, and hide that 0.1 + 0.2 is not 0.3.
    return float(f"{(base - target.offset) / target.factor:.12g}") if abs(base - target.offset) > 1e-9 else 0.0


def _unit(name: str) -> Unit:
    known = re.sub(r"^(?:degrees?|deg)\s+", "", " ".join(name.casefold().replace("_", " ").split()).rstrip("."))
    try:
        return _UNITS[known]
    except KeyError:
        raise ToolError(f"I do not know the unit {name!r}.") from None


def _amount(value: float, unit: Unit) -> str:
    rounded = value if is_exact(value) else float(f"{value:.4g}")
    return f"{spell(rounded)} {unit.singular if value == 1 else unit.plural}"
