"""A browser at the end of a network tells what it has played: memory holds what was heard there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stories.caller import OUTPUT_RATE, SENSITIVE, AnyCaller, Caller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import WORD_S
from tests.stories.realtime.caller import ring
from voice_agents.events import AgentAudio, AgentPaused, AgentResumed, Interrupted, TurnDone

ANSWER = " ".join(f"w{number}" for number in range(60)) + "."
SAYINGS = ["please tell me more about that", "no wait", "mm-hmm"]
MURMUR = 2
WAYS_S = (0.0, 0.05, 0.2)


def script(_messages: Sequence[Any]) -> list[str]:
    return [ANSWER]


def without_holes(caller: AnyCaller[Any, Any], turn: int) -> bool:
    """The speaker played the turn from its first sample on, each once."""
    return set(np.unique(np.diff(caller.heard(turn)))) <= {0, 1}


async def hears_some(caller: AnyCaller[Any, Any], seconds: float) -> None:
    count = len(caller.all(AgentAudio))
    while len(caller.all(AgentAudio)) == count:
        await caller.news()
    await asyncio.sleep(seconds)


@pytest.mark.parametrize(("way_s", "by_button"), [(0.0, True), (0.05, True), (0.05, False), (0.1, False)])
def test_interruptions_leave_what_was_heard_within_a_word(tmp_path: Path, way_s: float, by_button: bool) -> None:
    dice = random.Random(7)

    async def story() -> None:
        async with call(tmp_path, script, SAYINGS) as caller:
            caller.go_far(way_s)
            caller.session.send_text("begin")
            for _ in range(10):
                await hears_some(caller, dice.uniform(1.0, 6.0))
                await (cut_by_button(caller) if by_button else cut_by_voice(caller))
            await asyncio.sleep(60.0)
            done = caller.all(TurnDone)
            assert len(done) == 11
            for turn in done:
                played = len(caller.heard(turn.turn)) / OUTPUT_RATE / WORD_S
                assert abs(len(turn.heard_text.split()) - played) <= 1, (turn.turn, turn.heard_text, played)

    play(story())


async def cut_by_button(caller: Caller) -> None:
    caller.session.interrupt()
    await asyncio.sleep(1.0)
    caller.session.send_text("go on")


async def cut_by_voice(caller: Caller) -> None:
    cut = len(caller.all(Interrupted))
    await caller.speak(0)
    await caller.until(Interrupted, cut + 1)


@pytest.mark.parametrize("way_s", WAYS_S)
def test_a_realtime_server_is_told_how_much_was_heard(tmp_path: Path, way_s: float) -> None:
    async def story() -> None:
        async with ring(tmp_path, script, SAYINGS) as caller:
            caller.go_far(way_s)
            caller.session.send_text("begin")
            for count in range(1, 4):
                await hears_some(caller, 2.5)
                caller.session.interrupt()
                await caller.until(Interrupted, count)
                await asyncio.sleep(1.0)
                heard_s = len(caller.heard(count)) / OUTPUT_RATE
                kept_s = len([item for item in caller.server.items if item.kind == "assistant"][-1].sound) / OUTPUT_RATE
                assert abs(kept_s - heard_s) <= 2 * way_s + 0.12, (kept_s, heard_s)
                caller.session.send_text("go on")

    play(story())


def test_without_reports_a_far_speaker_would_be_taken_to_have_heard_more(tmp_path: Path) -> None:
    """What the reports are for."""

    async def story() -> None:
        async with call(tmp_path, script, SAYINGS) as caller:
            caller.go_far(0.7)
            caller.session.set_reporting(False)
            caller.session.send_text("begin")
            await hears_some(caller, 4.0)
            caller.session.interrupt()
            cut = await caller.until(Interrupted)
            assert len(cut.heard_text.split()) - len(caller.heard(1)) / OUTPUT_RATE / WORD_S > 1

    play(story())


@pytest.mark.parametrize("way_s", WAYS_S)
def test_a_murmur_stops_it_and_it_goes_on_with_the_very_next_sample(tmp_path: Path, way_s: float) -> None:
    async def story() -> None:
        async with call(tmp_path, script, SAYINGS, turns=SENSITIVE) as caller:
            caller.go_far(way_s)
            caller.session.send_text("begin")
            for count in range(1, 4):
                await asyncio.sleep(2.0)
                await caller.speak(MURMUR, 0.25)
                await caller.until(AgentResumed, count)
            assert len(caller.all(AgentPaused)) == 3
            done = await turn_done(caller)
            await asyncio.sleep(1.0)
            assert done.heard_text == ANSWER
            assert without_holes(caller, 1)
            assert len(caller.heard(1)) == round(60 * WORD_S * OUTPUT_RATE)

    play(story())
