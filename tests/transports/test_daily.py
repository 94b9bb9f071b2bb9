"""Minutes of calls a day: counted by browser and by address, over restarts, and told when they are used up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.stories.clock import play
from tests.transports.api.client import client, errors
from tests.transports.api.server import serve_api
from tests.transports.test_registry import Ear, make, request
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.conversation.talk_time import TalkTime
from voice_agents.errors import SessionLimitReached, StorageFailed
from voice_agents.transports.daily import DailyMinutes
from voice_agents.transports.live import Ending, Limits, SessionRequest
from voice_agents.transports.registry import SessionRegistry

EVENING = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 20 * 3600
"""Eight in the evening, UTC."""
PATIENT = Limits(no_sound_s=1e6, idle_s=1e6)


class Memory:
    """A ledger that lasts as long as the test."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], float] = {}
        self.broken = False

    async def used_s(self, day: str, visitors: Sequence[str]) -> dict[str, float]:
        self._check()
        return {visitor: self.seconds[day, visitor] for visitor in visitors if (day, visitor) in self.seconds}

    async def add(self, day: str, visitor: str, seconds: float) -> None:
        self._check()
        self.seconds[day, visitor] = self.seconds.get((day, visitor), 0.0) + seconds

    def _check(self) -> None:
        if self.broken:
            raise StorageFailed("The disk is full.")


def visit(browser: str, address: str = "203.0.113.7") -> SessionRequest:
    """A new conversation of this browser."""
    return replace(request(conversation=Conversation(owner=browser)), address=address)


def counted(ledger: Memory, minutes: float = 10) -> DailyMinutes:
    """Time of day is that of the story's clock, from the evening on."""
    return DailyMinutes(minutes, ledger, lambda: EVENING + asyncio.get_running_loop().time())


async def talk(registry: SessionRegistry, wanted: SessionRequest, for_s: float) -> Ear:
    """A call of this length, if nobody ends it before."""
    ear, live = Ear(), await registry.open(wanted)
    live.attach_call(ear)
    await asyncio.sleep(for_s)
    await live.leave(ear)
    return ear


def test_a_call_ends_when_the_minutes_are_used_up_and_no_other_begins_today() -> None:
    async def story() -> None:
        async with SessionRegistry(make, limits=PATIENT, daily=counted(Memory())) as registry:
            assert (await talk(registry, visit("me"), 240)).why is Ending.LEFT
            began = asyncio.get_running_loop().time()
            live, ear = await registry.open(visit("me")), Ear()
            live.attach_call(ear)
            while ear.why is None:
                await ear.news()
            assert ear.why is Ending.USED_UP
            assert asyncio.get_running_loop().time() - began == pytest.approx(360, abs=5)
            with pytest.raises(SessionLimitReached, match=r"Your 10 minutes .* You can call again in 3 h 5\d min"):
                await registry.open(visit("me"))

    play(story())


def test_who_shares_the_address_or_the_browser_shares_the_minutes_others_do_not() -> None:
    async def story() -> None:
        async with SessionRegistry(make, limits=PATIENT, daily=counted(Memory())) as registry:
            await talk(registry, visit("me"), 700)
            for used_up in (visit("another browser"), visit("me", "198.51.100.1")):
                with pytest.raises(SessionLimitReached, match="DAILY_MINUTES_PER_VISITOR"):
                    await registry.open(used_up)
            assert (await talk(registry, visit("somebody", "198.51.100.1"), 60)).why is Ending.LEFT

    play(story())


def test_the_next_day_is_free() -> None:
    async def story() -> None:
        async with SessionRegistry(make, limits=PATIENT, daily=counted(Memory())) as registry:
            await talk(registry, visit("me"), 700)
            await asyncio.sleep(4 * 3600)
            assert (await talk(registry, visit("me"), 60)).why is Ending.LEFT

    play(story())


def test_typing_costs_no_minutes() -> None:
    async def story() -> None:
        async with SessionRegistry(make, limits=PATIENT, daily=counted(Memory())) as registry:
            live = await registry.open(visit("me"))
            await asyncio.sleep(700)
            await live.end(Ending.LEFT)
            await registry.open(visit("me"))

    play(story())


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_forgets_less_than_a_minute_of_it(killed: bool) -> None:
    async def story() -> None:
        ledger = Memory()
        async with SessionRegistry(make, limits=PATIENT, daily=counted(ledger)) as registry:
            live = await registry.open(visit("me"))
            live.attach_call(Ear())
            await asyncio.sleep(300)
            before = dict(ledger.seconds)
        kept = before if killed else ledger.seconds
        assert all(seconds == pytest.approx(300, abs=62 if killed else 2) for seconds in kept.values())
        assert len(kept) == 2
        ledger.seconds = kept
        async with SessionRegistry(make, limits=PATIENT, daily=counted(ledger)) as registry:
            assert (await talk(registry, visit("me"), 400)).why is Ending.USED_UP

    play(story())


def test_while_the_database_fails_minutes_are_counted_all_the_same() -> None:
    async def story() -> None:
        ledger = Memory()
        ledger.broken = True
        async with SessionRegistry(make, limits=PATIENT, daily=counted(ledger)) as registry:
            assert (await talk(registry, visit("me"), 700)).why is Ending.USED_UP
            with pytest.raises(SessionLimitReached):
                await registry.open(visit("me"))
            ledger.broken = False
        assert sorted(ledger.seconds.values()) == pytest.approx([600, 600], abs=3)

    play(story())


@pytest.mark.parametrize("path", ["/ws/sandwich", "/ws/realtime"])
async def test_sockets_of_the_api_use_up_the_same_minutes(path: str) -> None:
    far = {"additional_headers": {"X-Forwarded-For": "203.0.113.7"}}
    async with serve_api(daily=DailyMinutes(0.02, Memory())) as api:
        async with client(api.ws + path, **far) as caller:
            await caller.say(type="text", text="hello")
            code, told = await caller.closed()
            assert code == 1008
            assert errors(told)[-1].startswith("Your minutes of calls for today are used up")
        async with client(api.ws + path, **far) as caller:
            await caller.say(type="text", text="hello")
            code, told = await caller.closed()
            assert code == 1013
            assert "DAILY_MINUTES_PER_VISITOR" in errors(told)[0]


async def test_the_store_keeps_today_and_nothing_older(tmp_path: Path) -> None:
    for _ in range(2):
        async with open_store(tmp_path / "talk.sqlite3") as store:
            await TalkTime(lambda: store).add("2030-01-01", "me", 20.0)
            await TalkTime(lambda: store).add("2030-01-01", "you", 1.0)
    async with open_store(tmp_path / "talk.sqlite3") as store:
        kept = TalkTime(lambda: store)
        assert await kept.used_s("2030-01-01", ["me", "nobody"]) == {"me": 40.0}
        await kept.add("2030-01-02", "me", 3.0)
        assert await kept.used_s("2030-01-01", ["me", "you"]) == {}
        assert await kept.used_s("2030-01-02", ["me", "you"]) == {"me": 3.0}
