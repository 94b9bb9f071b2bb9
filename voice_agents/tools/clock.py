"""The time of day, anywhere, as people say it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from voice_agents.tools.places import zone_of
from voice_agents.tools.registry import Tool, ToolError
from voice_agents.tools.words import count, spell


class Clock:
    """Tools that tell the time. ``now`` gives the moment with its zone; it is given in tests."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    def tools(self) -> list[Tool]:
        """What the agent can do with it."""
        return [Tool.of(self.get_time, side_effects=False)]

    async def get_time(
        self,
        place: Annotated[
            str, Field(description='A city or an IANA zone such as "Asia/Tokyo"; empty for the time here.')
        ] = "",
    ) -> str:
        """Tell the time of day, here or in a place of the world."""
        if not place.strip():
            return f"It is {spoken_time(self._now().astimezone())}."
        zone = zone_of(place)
        if zone is None:
            raise ToolError(f"I do not know the time zone of {place.strip()}; a bigger city nearby may help.")
        return f"It is {spoken_time(self._now().astimezone(zone))} in {_name(place)}."


def spoken_time(moment: datetime) -> str:
    """The time of day in words, to the minute: 21:10 is "ten past nine in the evening"."""
    hour, minute = moment.hour, moment.minute
    if minute == 0:
        named = {0: "midnight", 12: "noon"}.get(hour)
        return named or f"{spell((hour - 1) % 12 + 1)} o'clock {_part_of_day(hour)}"
    relation, minutes = ("past", minute) if minute <= 30 else ("to", 60 - minute)
    nearest = hour if minute <= 30 else hour + 1
    shown = {15: "a quarter", 30: "half"}.get(minutes) or (
        spell(minutes) if minutes % 5 == 0 else count(minutes, "minute")
    )
    return f"{shown} {relation} {spell((nearest - 1) % 12 + 1)} {_part_of_day(hour)}"


def _part_of_day(hour: int) -> str:
    if hour < 12:
        return "in the morning" if hour >= 4 else "at night"
    if hour < 18:
        return "in the afternoon"
    return "in the evening" if hour < 22 else "at night"


def _name(place: str) -> str:
    name = place.partition(",")[0].strip().rpartition("/")[2].replace("_", " ")
    if name.casefold() in ("utc", "gmt"):
        return name.upper()
    if name.casefold().removeprefix("the ") == "uk":
        return "the UK"
    return name if any(letter.isupper() for letter in name) else name.title()
