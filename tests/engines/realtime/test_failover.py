"""A Realtime server that fails does not cost the turn: another one answers it, until the first is there again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.failing import SECRET, Failing, failing
from tests.engines.live import answer
from tests.engines.test_apologies import said_aloud
from voice_agents.errors import Role
from voice_agents.events import ProviderReplaced, Status, TurnDone
from voice_agents.offline.faults import Fault

STOOD_IN = "Another one answers"
MEANWHILE = "Until it works again, the offline agent answers"
FAULTS = (
    *("refuse:401", "refuse:403", "refuse:404", "refuse:429", "refuse:500", "refuse:503"),
    *("error:rate_limit_exceeded:after=3", "error:insufficient_quota:after=3", "stall:after=3"),
    "drip:delay=2.5:after=3",
)


def replacements(house: Failing) -> list[tuple[Role, bool]]:
    return [(event.role, event.offline) for event in house.somebody.all(ProviderReplaced)]


def assert_told_once(house: Failing) -> None:
    assert sum(MEANWHILE in said for said in house.somebody.sentences) == 1, house.somebody.sentences
    assert all(SECRET not in said for said in house.somebody.sentences)


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_turn_is_answered_by_another_one(tmp_path: Path, fault: str) -> None:
    async with failing(tmp_path, [f"realtime:{fault}:times=-1"], realtime=True) as house:
        done = await house.somebody.turn("Hello?")
        assert done.heard_text.startswith(STOOD_IN) and said_aloud(house, done.turn) == {"offline"}
        assert_told_once(house)
        assert replacements(house) == [(Role.REALTIME, True)]


@pytest.mark.parametrize("fault", ["refuse:401", "refuse:500", "close:1011", "close:1006", "stall"])
async def test_so_is_the_turn_in_which_it_fails(tmp_path: Path, fault: str) -> None:
    async with failing(tmp_path, realtime=True) as house:
        await house.somebody.turn("Hello?")
        house.strike(f"realtime:{fault}")
        done = await house.somebody.turn("And now?")
        assert done.heard_text.startswith(STOOD_IN) and said_aloud(house, done.turn) == {"offline"}
        assert_told_once(house)


async def test_the_first_is_back_in_the_next_pause(tmp_path: Path) -> None:
    async with failing(tmp_path, ["realtime:refuse:500:times=-1"], realtime=True) as house:
        somebody = house.somebody
        await somebody.turn("Hello?")
        house.vendor.services.faults.clear()
        await somebody.until(lambda: len(replacements(house)) == 2)
        assert replacements(house) == [(Role.REALTIME, True), (Role.REALTIME, False)]
        done = await somebody.turn("And now?")
        assert done.heard_text == answer(2), "it was told what had been said"
        assert somebody.sentences[-1] == "Azure OpenAI works again for realtime."


async def test_a_connection_that_is_back_at_once_is_nothing_to_speak_of(tmp_path: Path) -> None:
    async with failing(tmp_path, ["realtime:close:1006:after=3"], realtime=True) as house:
        done = await house.somebody.turn("Hello?")
        assert done.heard_text == answer(1)
        assert replacements(house) == [] and house.somebody.sentences == []


async def test_where_nobody_stands_in_it_is_spoken_of(tmp_path: Path) -> None:
    async with failing(tmp_path, ["realtime:refuse:401:times=-1"], realtime=True) as house:
        house.offline.services.faults.add(Fault.parse("realtime:refuse:500:times=-1"))
        somebody = house.somebody
        await somebody.until(lambda: bool(somebody.all(TurnDone)))
        assert said_aloud(house, 1) == {"offline"}
        assert somebody.sentences == ["Azure OpenAI does not accept the API key: check AZURE_OPENAI_API_KEY."]
        assert somebody.was(Status.ERROR) and replacements(house) == []


async def test_failover_off_calls_nobody_else(tmp_path: Path) -> None:
    async with failing(tmp_path, ["realtime:refuse:401:times=-1"], realtime=True, failover=False) as house:
        await house.somebody.until(lambda: bool(house.somebody.sentences))
        house.somebody.session.send_text("Hello?")
        await house.somebody.until(lambda: bool(house.somebody.all(TurnDone)))
        assert replacements(house) == []
        assert not any(house.offline.services.connections.counts().values())
