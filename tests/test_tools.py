"""What the tools answer, as it would be heard, and what the model is told when they cannot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from voice_agents.tools import Notes, Timers, Tool, Toolbox, ToolResult, standard_toolbox
from voice_agents.tools.arithmetic import calculate
from voice_agents.tools.chance import Chance
from voice_agents.tools.clock import Clock, spoken_time
from voice_agents.tools.places import all_zones, zone_of
from voice_agents.tools.units import convert_units
from voice_agents.tools.words import digits, duration, listing, spell


class NotesInMemory:
    def __init__(self) -> None:
        self.kept: list[str] = []

    async def add(self, text: str) -> None:
        self.kept.append(text)

    async def all(self) -> list[str]:
        return self.kept

    async def clear(self) -> int:
        count = len(self.kept)
        self.kept.clear()
        return count


class Session:
    """The standard tools and what their timers said."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.timers = Timers(self.said.put_nowait)
        self.notes: Notes = NotesInMemory()
        self.toolbox = standard_toolbox(self.timers, self.notes)

    async def call(self, name: str, **arguments: Any) -> str:
        result = await self.toolbox.call(name, arguments)
        assert not result.error, result.text
        return result.text


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    session = Session()
    yield session
    session.timers.close()


# The registry


async def test_one_declaration_serves_both_engines(session: Session) -> None:
    realtime = {tool["name"]: tool for tool in session.toolbox.as_realtime()}
    chat = {tool["function"]["name"]: tool["function"] for tool in session.toolbox.as_chat()}
    assert realtime.keys() == chat.keys()
    for name, tool in realtime.items():
        assert tool["type"] == "function"
        assert tool["description"]
        assert {"name": name, "description": tool["description"], "parameters": tool["parameters"]} == chat[name]
    timer = realtime["set_timer"]["parameters"]
    assert timer["required"] == ["seconds"]
    assert timer["properties"]["seconds"]["type"] == "number"
    json.dumps(realtime)


async def test_side_effects_are_declared(session: Session) -> None:
    marked = {tool.name for tool in session.toolbox.tools if tool.side_effects}
    assert marked == {"set_timer", "cancel_timers", "save_note", "delete_notes"}


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("fly", "{}", "no tool called fly"),
        ("flip_coin", "{", "not valid JSON"),
        ("flip_coin", "[1]", "JSON object"),
        ("flip_coin", '{"side": 1}', "side"),
        ("roll_dice", '{"sides": 1}', "sides"),
        ("roll_dice", '{"count": 1000}', "count"),
        ("roll_dice", '{"count": "many"}', "count"),
        ("calculate", "{}", "expression"),
        ("set_timer", '{"seconds": -1}', "seconds"),
        ("set_timer", '{"seconds": 1e9}', "seconds"),
        ("save_note", '{"text": ""}', "text"),
    ],
)
async def test_wrong_calls_are_answered_with_what_is_wrong(
    session: Session, name: str, arguments: str, told: str
) -> None:
    result = await session.toolbox.call(name, arguments)
    assert result.error
    assert told in result.text
    assert "pydantic" not in result.text


async def test_json_text_no_text_and_a_mapping_are_all_arguments(session: Session) -> None:
    assert not (await session.toolbox.call("flip_coin", "")).error
    assert not (await session.toolbox.call("roll_dice", '{"sides": "20"}')).error
    assert not (await session.toolbox.call("roll_dice", {"sides": 20})).error


async def test_a_tool_that_hangs_or_breaks_is_an_error_result(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> str:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError

    async def crash() -> str:
        """Fail."""
        raise RuntimeError("key=secret")

    toolbox = Toolbox([Tool.of(hang), Tool.of(crash)], timeout_s=0.01)
    assert await toolbox.call("hang", {}) == ToolResult("The tool hang took too long and was stopped.", error=True)
    crashed = await toolbox.call("crash", {})
    assert crashed.error
    assert "secret" not in crashed.text
    assert "Tool crash failed" in caplog.text


# The time


@pytest.mark.parametrize(
    ("time", "spoken"),
    [
        ("21:10", "ten past nine in the evening"),
        ("00:00", "midnight"),
        ("12:00", "noon"),
        ("09:00", "nine o'clock in the morning"),
        ("15:15", "a quarter past three in the afternoon"),
        ("12:30", "half past twelve in the afternoon"),
        ("11:45", "a quarter to twelve in the morning"),
        ("23:59", "one minute to twelve at night"),
        ("00:05", "five past twelve at night"),
        ("03:22", "twenty-two minutes past three at night"),
        ("18:40", "twenty to seven in the evening"),
    ],
)
def test_times_are_said_as_people_say_them(time: str, spoken: str) -> None:
    assert spoken_time(datetime.fromisoformat(f"2026-03-04T{time}")) == spoken


@pytest.mark.parametrize(
    ("place", "answer"),
    [
        ("Tokyo", "It is ten past nine in the evening in Tokyo."),
        ("tokyo", "It is ten past nine in the evening in Tokyo."),
        ("Asia/Tokyo", "It is ten past nine in the evening in Tokyo."),
        ("new york", "It is ten past eight in the morning in New York."),
        ("São Paulo, Brazil", "It is ten past nine in the morning in São Paulo."),
        ("America/Argentina/Buenos_Aires", "It is ten past nine in the morning in Buenos Aires."),
        ("UTC", "It is ten past twelve in the afternoon in UTC."),
        ("the uk", "It is ten past twelve in the afternoon in the UK."),
    ],
)
async def test_the_time_in_a_place(place: str, answer: str) -> None:
    toolbox = Toolbox(Clock(lambda: datetime(2026, 3, 14, 12, 10, tzinfo=UTC)).tools())
    assert await toolbox.call("get_time", {"place": place}) == ToolResult(answer)


async def test_the_time_here_and_in_a_place_nobody_knows(session: Session) -> None:
    assert (await session.call("get_time")).startswith("It is ")
    for place in ("Mordor", "Asia/Mordor", "../../etc/passwd", "/", "Asia"):
        result = await session.toolbox.call("get_time", {"place": place})
        assert result.error
        assert place in result.text


def test_every_listed_zone_exists() -> None:
    assert len(all_zones()) > 100
    for place, zone in all_zones().items():
        assert zone_of(place) == ZoneInfo(zone)


# Arithmetic


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("12 * (3 + 4)", "eighty-four"),
        ("twelve times four", "forty-eight"),
        ("one hundred and five minus six", "ninety-nine"),
        ("twenty-three point five times a hundred", "two thousand three hundred and fifty"),
        ("15 percent of 80", "twelve"),
        ("5%", "zero point zero five"),
        ("10 % 3", "one"),
        ("10 // 3", "three"),
        ("2^10", "one thousand and twenty-four"),
        ("two to the power of ten", "one thousand and twenty-four"),
        ("five squared plus two cubed", "thirty-three"),
        ("the square root of sixty-four", "eight"),
        ("sqrt(2)", "about one point four one four two"),
        ("7x8", "fifty-six"),
        ("6 ÷ 4 =", "one point five"),
        ("1,000 + 1", "one thousand and one"),
        ("0.1 + 0.2", "zero point three"),
        ("-3 - 4", "minus seven"),
        ("1234.56 * 1.19", "about one thousand four hundred and sixty-nine point one three"),
        ("2 ** 0.5", "about one point four one four two"),
        ("10 ** 30", "one times ten to the power of thirty"),
    ],
)
async def test_sums_are_worked_out(expression: str, answer: str) -> None:
    assert await calculate(expression) == f"The answer is {answer}."


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("1 / 0", "divided by zero"),
        ("1 % 0", "divided by zero"),
        ("9 ** 9 ** 9", "too large"),
        ("10 ** 400", "too large"),
        ("2 ** 0.5 ** -9999", "too large"),
        ("9999 ** 70 * 9999 ** 70", "too large"),
        ("(-8) ** 0.5", "no real root"),
        ("sqrt(-1)", "no real root"),
        ("__import__('os')", "not an arithmetic"),
        ("sqrt.x", "not an arithmetic"),
        ("sqrt(1, 2)", "not an arithmetic"),
        ("2(3)", "not an arithmetic"),
        ("012", "not an arithmetic"),
        ("", "not an arithmetic"),
        ("(" * 190, "not an arithmetic"),
        ("1 +", "not an arithmetic"),
        ("1" * 201, "too long"),
    ],
)
async def test_what_is_no_sum_is_refused_at_once(expression: str, told: str) -> None:
    result = await Toolbox([Tool.of(calculate)]).call("calculate", {"expression": expression})
    assert result.error
    assert told in result.text


# Units


@pytest.mark.parametrize(
    ("value", "source", "target", "answer"),
    [
        (10, "km", "miles", "Ten kilometers are about six point two one four miles."),
        (1, "mile", "feet", "One mile is five thousand two hundred and eighty feet."),
        (100, "celsius", "F", "One hundred degrees Celsius are two hundred and twelve degrees Fahrenheit."),
        (32, "degrees Fahrenheit", "c", "Thirty-two degrees Fahrenheit are zero degrees Celsius."),
        (-40, "c", "f", "Minus forty degrees Celsius are minus forty degrees Fahrenheit."),
        (2, "lbs", "grams", "Two pounds are about nine hundred and seven point two grams."),
        (1, "gallon", "fluid ounces", "One gallon is one hundred and twenty-eight fluid ounces."),
        (36, "km/h", "meters per second", "Thirty-six kilometers per hour are ten meters per second."),
        (1.5, "Hours", "minutes", "One point five hours are ninety minutes."),
        (2, "GB", "megabytes", "Two gigabytes are two thousand megabytes."),
        (1, "KiB", "bits", "One kibibyte is eight thousand one hundred and ninety-two bits."),
    ],
)
async def test_units_are_converted(value: float, source: str, target: str, answer: str) -> None:
    assert await convert_units(value, source, target) == answer


@pytest.mark.parametrize(
    ("value", "source", "target", "told"),
    [
        (1, "kg", "meters", "Kilograms measure mass and meters measure length"),
        (1, "parsecs", "m", "'parsecs'"),
        (-300, "celsius", "kelvin", "absolute zero"),
        ("nan", "m", "cm", "value"),
    ],
)
async def test_what_cannot_be_converted_is_said(value: object, source: str, target: str, told: str) -> None:
    arguments = {"value": value, "from_unit": source, "to_unit": target}
    result = await Toolbox([Tool.of(convert_units)]).call("convert_units", arguments)
    assert result.error
    assert told in result.text


# Chance


async def test_dice_and_coins_are_fair_enough() -> None:
    chance = Chance(Random(1))
    rolled = {await chance.roll_dice() for _ in range(100)}
    assert rolled == {f"You rolled a {n}." for n in ("one", "two", "three", "four", "five", "six")}
    assert {await chance.roll_dice(sides=11) for _ in range(200)} >= {"You rolled an eight.", "You rolled an eleven."}
    assert {await chance.flip_coin() for _ in range(50)} == {"It is heads.", "It is tails."}
    assert await Chance(Random(4)).roll_dice(count=3) == "You rolled two, three and one, which makes six."


# Timers


async def test_a_timer_speaks_up_once(session: Session) -> None:
    assert await session.call("set_timer", seconds=0.01, label="the tea timer") == (
        "Your timer for tea is set to zero point zero one seconds."
    )
    async with asyncio.timeout(5):
        assert await session.said.get() == "Your timer for tea is done."
    assert await session.call("list_timers") == "No timer is running."


async def test_timers_are_listed_by_what_is_left_and_cancelled(session: Session) -> None:
    assert await session.call("set_timer", seconds=300) == "Your timer for five minutes is set."
    await session.call("set_timer", seconds=90, label="pasta")
    assert await session.call("list_timers") == (
        "Two timers are running: the timer for pasta has one minute and thirty seconds left"
        " and the timer for five minutes has five minutes left."
    )
    assert await session.call("cancel_timers") == "I cancelled two timers."
    assert await session.call("cancel_timers") == "No timer was running."


async def test_after_the_session_no_timer_fires_and_none_can_be_set(session: Session) -> None:
    await session.call("set_timer", seconds=0.001)
    session.timers.close()
    fired = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, fired.set_result, None)
    await fired
    assert session.said.empty()
    assert (await session.toolbox.call("set_timer", {"seconds": 1})).error


async def test_there_is_an_end_to_timers(session: Session) -> None:
    results = [await session.toolbox.call("set_timer", {"seconds": 100}) for _ in range(30)]
    assert [result.error for result in results] == [False] * 20 + [True] * 10
    assert results[-1].text == "Twenty timers are running already, which is the most."
    await session.call("cancel_timers")
    assert not (await session.toolbox.call("set_timer", {"seconds": 100})).error


# Notes


async def test_notes_are_kept_read_and_deleted(session: Session) -> None:
    assert await session.call("list_notes") == "You have no notes."
    assert await session.call("save_note", text=" buy milk ") == "I noted: buy milk."
    await session.call("save_note", text="Call Ada!")
    assert await session.call("list_notes") == "You have two notes. One: buy milk. Two: Call Ada!"
    assert await session.call("delete_notes") == "I deleted two notes."
    assert await session.call("delete_notes") == "You have no notes."


async def test_only_the_latest_of_many_notes_are_read(session: Session) -> None:
    for n in range(12):
        await session.call("save_note", text=f"note {n}")
    text = await session.call("list_notes")
    assert text.startswith("You have twelve notes. The latest ten are: Three: note 2.")
    assert text.endswith("Twelve: note 11.")


async def test_there_is_an_end_to_notes_and_to_each(session: Session) -> None:
    results = [await session.toolbox.call("save_note", {"text": f"note {n}"}) for n in range(103)]
    assert [result.error for result in results] == [False] * 100 + [True] * 3
    assert results[-1].text == "There are one hundred notes already, which is the most: delete them first."
    assert len(await session.notes.all()) == 100
    await session.call("delete_notes")
    assert (await session.toolbox.call("save_note", {"text": "x" * 1001})).error
    assert await session.call("save_note", text="x" * 1000) == f"I noted: {'x' * 1000}."


# Words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (-3.5, "minus three point five"),
        (101, "one hundred and one"),
        (1_234_567, "one million two hundred and thirty-four thousand five hundred and sixty-seven"),
        (3.14159265, "three point one four one six"),
        (0.05, "zero point zero five"),
        (99.999999, "one hundred"),
        (1.5e-7, "one point five times ten to the power of minus seven"),
        (999_999_999_999_999, "nine hundred and ninety-nine trillion nine hundred and ninety-nine billion "
         "nine hundred and ninety-nine million nine hundred and ninety-nine thousand nine hundred and ninety-nine"),
    ],
)  # fmt: skip
def test_numbers_are_spelled(number: float, words: str) -> None:
    assert spell(number) == words


def test_every_spelled_number_can_be_heard_again() -> None:
    for number in [*range(200), 999, 1000, 1001, 12_345, 1_000_000, 7_000_042]:
        assert digits(spell(number)) == str(number)
    assert digits("what is three point one four plus Twenty Two?") == "what is 3.14 plus 22 ?"


def test_durations_and_lists_are_said() -> None:
    assert duration(5) == "five seconds"
    assert duration(0.5) == "zero point five seconds"
    assert duration(3725) == "one hour, two minutes and five seconds"
    assert duration(86400) == "twenty-four hours"
    assert listing([]) == ""
    assert listing(["one"]) == "one"
    assert listing(["one", "two", "three"]) == "one, two and three"
