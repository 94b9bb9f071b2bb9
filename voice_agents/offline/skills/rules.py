"""What phrases are made of besides words: places, people, units, times and errands."""

from __future__ import annotations

import re

from voice_agents.offline.skills import numbers
from voice_agents.offline.skills.phrases import Rule, original
from voice_agents.offline.skills.sentence import Sentence
from voice_agents.tools.places import all_zones
from voice_agents.tools.words import spell

PLACES = (
    "amsterdam|athens|auckland|bangkok|barcelona|beijing|berlin|boston|brussels|budapest|buenos aires|cairo|cape town"
    "|chicago|copenhagen|delhi|denver|dubai|dublin|frankfurt|geneva|hamburg|helsinki|hong kong|honolulu|istanbul"
    "|jakarta|johannesburg|lima|lisbon|london|los angeles|madrid|manila|melbourne|mexico city|milan|montreal|moscow"
    "|mumbai|munich|nairobi|new york|oslo|paris|prague|rome|san francisco|santiago|sao paulo|seattle|seoul|shanghai"
    "|singapore|stockholm|sydney|taipei|tokyo|toronto|vancouver|vienna|warsaw|zurich"
)
PEOPLE = (
    "adam|alex|alexander|alice|amanda|amy|andrew|angela|anna|anne|anthony|barbara|ben|benjamin|betty|brandon|brian"
    "|carol|catherine|charles|chris|christine|clara|daniel|david|deborah|dennis|diana|donna|edward|elena|elizabeth"
    "|ella|emily|emma|eric|eva|felix|frank|gary|george|grace|greg|hannah|helen|henry|jack|jacob|james|jane|jason"
    "|jennifer|jerry|jessica|joe|john|jonathan|joseph|julia|karen|kate|kevin|larry|laura|leo|linda|lisa|lucas|lucy"
    "|margaret|maria|mark|martin|mary|matthew|max|melissa|michael|michelle|mike|nancy|nicholas|nicole|nina|oliver"
    "|oscar|patricia|patrick|paul|peter|philip|rachel|rebecca|richard|robert|ryan|sam|samantha|samuel|sandra|sarah"
    "|scott|simon|sophia|sophie|stephanie|steven|susan|thomas|tim|tom|victoria|walter|william|zoe"
)
ERRANDS = (
    "buy milk|buy bread and butter|call my mother|call the doctor|water the plants|feed the cat|walk the dog"
    "|pay the rent|send the report|wash the car|book a table for two|take a break|check the oven"
)
_ANSWERS = """
hundred thousand million first second third half double minus plus monday tuesday wednesday thursday friday saturday
sunday weekend january february march april may june july august september october november december today tomorrow
tonight yesterday morning afternoon evening night noon midnight now later soon spring summer autumn winter week month
year hour minute minutes hours seconds days red blue green yellow orange purple pink brown black white gray gold
silver yes no yeah yep nope okay sure maybe never always thanks please sorry right wrong exactly correct stop wait go
start pause continue cancel repeat again next back more less louder softer enough help hello hi hey goodbye bye what
who where when why how which really nothing everything both left up down fast slow big small hot cold good bad great
fine cheap new old open close on off water milk juice wine beer cheese butter rice fish meat chicken soup salad sugar
salt apple apples music news weather light lights door window room kitchen bedroom bathroom garden home house work
school office car bus train bike plane phone table chair book money key moon sun rain snow dog cat mother father
brother sister friend husband wife doctor birthday holiday dinner lunch breakfast heads tails dice coin joke story
note notes timer
"""
ANSWERS = (*(spell(number) for number in (*range(31), *range(40, 101, 10), 1_000)), *_ANSWERS.split())
"""Words that people say alone, mostly when they were asked for them."""
TIMER_LABELS = "tea|pasta|pizza|eggs|laundry|coffee|bread"

_UNITS = """
kilometers kilometer km kms|miles mile mi|meters meter m|centimeters centimeter cm|feet foot ft|inches inch
yards yard yd yds|kilograms kilogram kilo kilos kg kgs|grams gram g|pounds pound lb lbs|ounces ounce oz
celsius c centigrade|fahrenheit f|liters liter l|gallons gallon gal|millimeters millimeter millimetre millimetres mm
cups cup|pints pint|quarts quart|tablespoons tablespoon tbsp|teaspoons teaspoon tsp|milliliters milliliter ml
stone stones|tons ton tonnes tonne|kelvin kelvins|seconds|minutes minute|hours hour|days day|weeks week|years year
megabytes megabyte|gigabytes gigabyte|miles_per_hour mph|kilometers_per_hour
"""
UNITS = {
    name.replace("_", " "): aliases for name, *aliases in (unit.split() for unit in re.split(r"[|\n]", _UNITS) if unit)
}
"""The name a unit is given to the tool by -> what else it is called."""
USUAL_UNITS = 15
"""So many of them are listened for."""

_UNIT_NAMES = {alias: name for name, aliases in UNITS.items() for alias in [name, *aliases]}
_TYPED_UNIT = rf"(?: degrees?)?(?: (?:{'|'.join(sorted(_UNIT_NAMES, key=len, reverse=True))}))"

_SECONDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600}
_TIME_WORDS = "|".join(f"{unit}s?" for unit in _SECONDS)
_COUNT = rf"(?: (?:\d[\d.,]*|{numbers.NUMBER_WORDS}))"
_TYPED_DURATION = rf"{_COUNT}{{1,8}}? (?:{_TIME_WORDS})(?:{_COUNT}{{1,4}}? (?:{_TIME_WORDS}))*(?: and a half)?"


def _place(heard: Sentence) -> str:
    """As written if it was written with capitals, else with one for each word."""
    return heard.original if heard.original != heard.original.lower() else heard.original.title()


def places_in(*texts: str) -> list[str]:
    """The cities and countries that are named in texts, each once."""
    return list(dict.fromkeys(named.title() for text in texts for named in _NAMED.findall(text)))


def _person(heard: Sentence) -> str | None:
    """A name; words that are not known as one only count when written with a capital."""
    if heard.text.strip() in PEOPLE.split("|"):
        return _place(heard)
    return heard.original if heard.original[:1].isupper() else None


def _known_unit(heard: Sentence) -> str | None:
    return _UNIT_NAMES.get(re.sub(r" degrees?(?= )", "", heard.text).strip())


def _any_unit(heard: Sentence) -> str:
    return _known_unit(heard) or heard.text.strip()


def duration_of(words: list[str]) -> float | None:
    """Seconds of "two minutes and ten seconds", "half an hour", "an hour and a half"; None for anything else."""
    total = 0.0
    count: list[str] = []
    last = 0
    for word in words:
        seconds = _SECONDS.get(word) or _SECONDS.get(word.removesuffix("s"))
        if seconds is None:
            count.append(word)
            continue
        value = _count(count)
        if value is None:
            return None
        total, last, count = total + value * seconds, seconds, []
    if count == ["and", "a", "half"] and last:
        return total + last / 2
    return total if not count and total > 0 else None


def _count(words: list[str]) -> float | None:
    """How many of a unit of time: "ten", "half an", "two and a half", "and ten", "a quarter of an", a "um ten"."""
    words = words[1:] if words[:1] == ["and"] else words
    value = numbers.value_of(words)
    return None if value is None or value < 0 else value


def _duration(heard: Sentence) -> float | None:
    return duration_of(heard.text.split())


def _topic(heard: Sentence) -> str:
    return {"sea": "ocean", "bees": "honey bees"}.get(heard.text.strip(), heard.text.strip())


_NOTHING = {"please", "now", "thanks", "for", "me", "later", "to", "that", "about"}
_ASKING = ("how", "what", "which", "when", "where", "why", "who", "if", "of")


def _errand(heard: Sentence) -> str | None:
    nothing = {word.text for word in heard.words} <= _NOTHING
    return None if nothing or heard.words[0].text in _ASKING else heard.original


_CITIES = "|".join(sorted({*all_zones(), *PLACES.split("|")} - {"nice"}, key=len, reverse=True))
_NAMED = re.compile(rf"\b(?:{_CITIES})\b", re.IGNORECASE)
_PLACES_WRITTEN = tuple(place.title() for place in PLACES.split("|"))
_PEOPLE_WRITTEN = tuple(person.title() for person in PEOPLE.split("|"))
_DURATIONS = (
    *("a second", "a minute", "an hour", "half a minute", "half an hour", "an hour and a half"),
    *(f"{spell(count)} {unit}" for count in range(2, 61) for unit in ("seconds", "minutes")),
    *(f"{spell(count)} hours" for count in range(2, 13)),
)
_FREE = r"(?: \S+)+"
_TYPED_PLACE = r"(?: (?!(?:and|at|currently|now|right|please|today)\b)[^\W\d_]\S*){1,4}"

RULES = (
    *numbers.RULES,
    Rule("place", PLACES, _place, _TYPED_PLACE, _PLACES_WRITTEN),
    Rule("city", PLACES, _place, rf" (?:{_CITIES})", _PLACES_WRITTEN),
    Rule("difference", "difference | ahead | behind | apart | later | earlier"),
    *(Rule(name, phrase) for name, phrase in (("tomorrow", "tomorrow | tomorrow's"), ("weeks", "week | weeks"))),
    *(Rule(name, phrase) for name, phrase in (("year", "year"), ("else", "about | on | of | regarding"))),
    Rule("weekday", "monday | tuesday | wednesday | thursday | friday | saturday | sunday"),
    Rule("down", "down | backwards | backward"),
    Rule("which", "first | second | third | fourth | last | other"),
    Rule("day_or_night", "late | early | night | dark | morning | afternoon | evening | awake | asleep | still up"),
    Rule("there", "[over] there | in that (city | place | country)"),
    Rule("first_name", PEOPLE, _place, likely=_PEOPLE_WRITTEN),
    Rule("person", PEOPLE, _person, r" [^\W\d_]\S*", _PEOPLE_WRITTEN),
    Rule("name", PEOPLE, _place, r"(?: (?!and )[^\W\d_]\S*){1,3}", _PEOPLE_WRITTEN),
    Rule("unit", "", _known_unit, _TYPED_UNIT, tuple(UNITS)[:USUAL_UNITS]),
    Rule("measure", "<unit>", _any_unit, r"(?: (?!to |into |in )[^\W\d_]\S*){1,2}", tuple(UNITS)[:USUAL_UNITS]),
    Rule("duration", "", _duration, _TYPED_DURATION, _DURATIONS),
    Rule("label", TIMER_LABELS, original, r"(?: \S+){1,6}?", tuple(TIMER_LABELS.split("|"))),
    Rule("item", "", original, r"(?: (?!all |every)\S+)(?: \S+){0,5}?"),
    Rule("errand", ERRANDS, _errand, _FREE, tuple(ERRANDS.split("|"))),
    Rule("topic", "moon | ocean | sea | [honey] bees", _topic, likely=("moon", "ocean", "honey bees")),
)
