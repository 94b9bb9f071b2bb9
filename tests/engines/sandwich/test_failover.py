"""Ears and voices that fail do not cost the turn: the same turn is heard and spoken by the offline ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.failing import HEARD_OFFLINE, SECRET, Failing, configured, failing
from tests.engines.live import SAID, answer, engine_at, live
from tests.engines.sandwich.test_faults import BOTH, STT, TTS
from voice_agents.errors import Role
from voice_agents.events import ProviderReplaced, Status
from voice_agents.offline.faults import Fault

MEANWHILE = "Until it works again, the offline"


def lasting(faults: str) -> list[str]:
    """Every connection is struck."""
    return [f"{fault}:times=-1" for fault in faults.split()]


def replacements(house: Failing) -> list[tuple[Role, bool]]:
    return [(event.role, event.offline) for event in house.somebody.all(ProviderReplaced)]


def assert_told_once(house: Failing) -> None:
    """Of each outage: who works for a check may fail at the next answer anew."""
    sentences = house.somebody.sentences
    assert all(MEANWHILE in said and SECRET not in said for said in sentences[::2])
    assert all("works again" in said for said in sentences[1::2])


@pytest.mark.parametrize("fault", [*STT, "stt:drip:delay=3", "stt:stall", "stt:late-commit:delay=3", "stt:refuse:402"])
async def test_what_was_said_is_heard_in_the_same_turn(tmp_path: Path, fault: str) -> None:
    async with failing(tmp_path, lasting(fault)) as house:
        for number in (1, 2):
            done = await house.somebody.turn()
            assert house.somebody.heard(done.turn) == HEARD_OFFLINE
            assert done.heard_text == answer(number)
        assert_told_once(house)
        assert replacements(house) == [(Role.STT, True)]


@pytest.mark.parametrize("faults", [*TTS, *BOTH, "tts:drip:delay=3", "tts:drip:delay=2:after=3"])
async def test_what_was_written_is_spoken_in_the_same_turn(tmp_path: Path, faults: str) -> None:
    async with failing(tmp_path, lasting(faults)) as house:
        for number in (1, 2):
            done = await house.somebody.turn()
            assert done.heard_text == house.somebody.written(done.turn) == answer(number)
        assert_told_once(house)


@pytest.mark.parametrize("fault", ["stt:stall:after=1", "stt:refuse:401", "tts:stall:after=3", "tts:refuse:401"])
async def test_the_first_is_back_as_soon_as_it_works(tmp_path: Path, fault: str) -> None:
    role = Role.STT if fault.startswith("stt") else Role.TTS
    async with failing(tmp_path, lasting(fault)) as house:
        somebody = house.somebody
        await somebody.turn()
        await somebody.until(lambda: bool(replacements(house)))
        house.vendor.services.faults.clear()
        await somebody.until(lambda: len(replacements(house)) == 2)
        done = await somebody.turn()
        assert somebody.heard(done.turn) == SAID
        assert done.heard_text == answer(2)
        assert replacements(house) == [(role, True), (role, False)]
        assert somebody.sentences[1:] == [f"ElevenLabs works again for {role.value}."]


@pytest.mark.parametrize("fault", ["stt:close:1011", "stt:close:1006", "tts:close:1011", "tts:close:1006"])
async def test_a_connection_that_is_back_at_once_is_nothing_to_speak_of(tmp_path: Path, fault: str) -> None:
    async with failing(tmp_path, [fault]) as house:
        done = await house.somebody.turn()
        assert house.somebody.heard(done.turn) == SAID
        assert done.heard_text == answer(1)
        assert house.somebody.sentences == []


async def test_ears_and_voice_are_both_replaced(tmp_path: Path) -> None:
    async with failing(tmp_path, lasting("stt:refuse:401 tts:refuse:401")) as house:
        done = await house.somebody.turn()
        assert house.somebody.heard(done.turn) == HEARD_OFFLINE
        assert done.heard_text == answer(1)
        assert sorted(replacements(house)) == [(Role.STT, True), (Role.TTS, True)]
        assert len(house.somebody.sentences) == 2
        await house.somebody.until(lambda: house.somebody.status == Status.LISTENING)


@pytest.mark.parametrize("fault", ["stt:refuse:401", "tts:refuse:401"])
async def test_failover_can_be_turned_off(tmp_path: Path, fault: str) -> None:
    async with failing(tmp_path, lasting(fault), failover=False) as house:
        done = await house.somebody.turn()
        assert not house.somebody.heard(done.turn) or not len(house.somebody.sound(done.turn))
        assert set(house.somebody.sentences) == {"ElevenLabs does not accept the API key: check ELEVENLABS_API_KEY."}
        assert replacements(house) == []
        assert not any(house.offline.services.connections.counts().values())


async def test_where_nobody_stands_in_it_is_as_without_failover(tmp_path: Path) -> None:
    """The offline server did not start, or has not yet."""
    async with failing(tmp_path) as house:
        settings = configured(house.vendor.url, house.offline.url).with_stand_ins(lambda: None)
        for fault in ("stt:refuse:401:times=-1", "tts:refuse:401:times=-1"):
            house.vendor.services.faults.add(Fault.parse(fault))
        async with engine_at(replace(settings), tmp_path / "other") as engine, live(engine) as somebody:
            await somebody.turn()
            assert set(somebody.sentences) == {"ElevenLabs does not accept the API key: check ELEVENLABS_API_KEY."}
            assert somebody.all(ProviderReplaced) == []
