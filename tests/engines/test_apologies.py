"""Where no answer can be had, the voice says so and why, in both engines; nobody remembers that as an answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.engines.failing import LOUD, SECRET, Failing, failing
from tests.engines.live import answer
from voice_agents.errors import AuthenticationFailed, ProviderUnavailable, RateLimited, Role
from voice_agents.offline.faults import Fault
from voice_agents.session.waiting import BROKEN_OFF, NO_ANSWER, apology


def said_aloud(house: Failing, turn: int) -> set[str]:
    """Whose voice was heard in a turn."""
    chunks = [chunk for chunk in np.array_split(house.somebody.sound(turn), 50) if len(chunk)]
    peaks = {int(np.abs(chunk.astype(np.int32)).max()) for chunk in chunks}
    return {"vendor" if peak > LOUD * 3 // 4 else "offline" for peak in peaks if peak > LOUD // 4}


@pytest.mark.parametrize(
    "fault", ["refuse:401", "refuse:404", "refuse:429", "refuse:500", "stall", "malformed", "error"]
)
async def test_a_chat_that_fails_is_told_and_spoken_of_in_the_same_turn(tmp_path: Path, fault: str) -> None:
    async with failing(tmp_path, [f"chat:{fault}:times=-1"]) as house:
        done = await house.somebody.turn()
        assert said_aloud(house, done.turn) == {"vendor"}
        assert done.heard_text == ""
        assert len(house.somebody.sentences) == 1 and SECRET not in house.somebody.sentences[0]
        house.vendor.services.faults.clear()
        assert (await house.somebody.turn()).heard_text == answer(2), (
            "the question is not lost, the excuse is no answer"
        )


async def test_what_was_said_of_a_broken_answer_stays_and_the_excuse_does_not(tmp_path: Path) -> None:
    async with failing(tmp_path, ["chat:close:after=4:times=-1"]) as house:
        done = await house.somebody.turn()
        assert done.heard_text and answer(1).startswith(done.heard_text)
        assert len(house.somebody.sound(done.turn)) > len(done.heard_text.split()) * 0.04 * 24_000


async def test_failover_off_says_nothing_aloud(tmp_path: Path) -> None:
    async with failing(tmp_path, ["chat:refuse:401:times=-1"], failover=False) as house:
        done = await house.somebody.turn()
        assert said_aloud(house, done.turn) == set()
        assert len(house.somebody.sentences) == 1


@pytest.mark.parametrize(
    "fault", ["refuse:401", "refuse:404", "refuse:500", "refuse:429", "error:rate_limit_exceeded:after=3"]
)
async def test_a_realtime_server_that_nobody_stands_in_for_is_spoken_of_by_the_offline_voice(
    tmp_path: Path, fault: str
) -> None:
    async with failing(tmp_path, [f"realtime:{fault}:times=-1"], realtime=True) as house:
        house.offline.services.faults.add(Fault.parse("realtime:refuse:500:times=-1"))
        somebody = house.somebody
        somebody.session.send_text("Hello?")
        await somebody.until(lambda: any(said_aloud(house, turn) for turn in (1, 2)))
        assert {voice for turn in (1, 2) for voice in said_aloud(house, turn)} == {"offline"}
        assert somebody.sentences and all(SECRET not in said for said in somebody.sentences)


async def test_failover_off_leaves_a_realtime_server_alone(tmp_path: Path) -> None:
    async with failing(
        tmp_path, ["realtime:error:rate_limit_exceeded:after=3:times=-1"], realtime=True, failover=False
    ) as house:
        done = await house.somebody.turn("Hello?")
        assert said_aloud(house, done.turn) == set()


@pytest.mark.parametrize(
    ("error", "begun", "spoken"),
    [
        (
            AuthenticationFailed(Role.CHAT, "A", "A does not accept the API key: check A_KEY."),
            False,
            f"{NO_ANSWER} A does not accept the API key.",
        ),
        (
            ProviderUnavailable(Role.CHAT, "A", "The connection to A failed. Please try again in a moment."),
            True,
            f"{BROKEN_OFF} The connection to A failed.",
        ),
        (
            RateLimited(Role.CHAT, "A", "A gets too many requests. Please try again in a minute."),
            False,
            f"{NO_ANSWER} A gets too many requests.",
        ),
    ],
)
def test_an_apology_can_be_listened_to(error: ProviderUnavailable, begun: bool, spoken: str) -> None:
    assert apology(error, begun=begun) == spoken
