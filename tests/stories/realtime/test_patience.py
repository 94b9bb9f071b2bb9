"""A server takes a turn after half a second of silence: who only paused is not spoken over all the same."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call
from tests.stories.realtime.caller import RealtimeCaller, RealtimeStoryParts, ring
from tests.stories.realtime.items import Habits, Item, Step
from tests.stories.realtime.scripts import echo
from voice_agents.conversation.history import Speaker
from voice_agents.events import TurnDone
from voice_agents.settings import TurnSettings
from voice_agents.tools import Tool

QUICK = Habits(first_audio_s=0.1, transcript_after_s=0.05)
PAUSED = ["i would like to book a table for", "four people tonight"]


async def hesitate(caller: RealtimeCaller, pause_s: float) -> tuple[float, float]:
    """When the pause began, and when the sentence was over."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0.5)
    await caller.speak(0)
    paused_at = loop.time()
    await asyncio.sleep(pause_s)
    await caller.speak(1)
    return paused_at, loop.time()


async def answered(caller: RealtimeCaller) -> TurnDone:
    """What is said first gets its whole answer."""
    await asyncio.sleep(0.5)
    caller.say(0)
    return await turn_done(caller)


def sounded(caller: RealtimeCaller, start: float, end: float) -> bool:
    return any(start < played.at < end and np.any(played.pcm) for played in caller.played)


@pytest.mark.parametrize("transcript_after_s", [0.05, 2.0, math.inf])
def test_who_pauses_within_a_sentence_is_not_spoken_over(tmp_path: Path, transcript_after_s: float) -> None:
    habits = Habits(first_audio_s=0.1, transcript_after_s=transcript_after_s)

    async def story() -> None:
        async with ring(tmp_path, echo, PAUSED, habits=habits) as caller:
            assert not sounded(caller, *await hesitate(caller, 0.8))
            await turn_done(caller)
            assert len(caller.all(TurnDone)) == 1, "it is one turn"
            if transcript_after_s < math.inf:
                assert (await caller.texts())[0] == (Speaker.USER, " ".join(PAUSED))

    play(story())


def test_who_has_finished_for_certain_does_not_wait(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["what time is it in tokyo"], habits=QUICK) as caller:
            latency = (await answered(caller)).latency
            assert latency.voice_to_voice == pytest.approx(0.6, abs=0.03)

    play(story())


def test_what_is_held_back_sounds_as_soon_as_the_words_are_known_to_be_complete(tmp_path: Path) -> None:
    habits = Habits(first_audio_s=0.05, transcript_after_s=0.2)

    async def story() -> None:
        async with ring(tmp_path, echo, ["what time is it in tokyo"], habits=habits) as caller:
            latency = (await answered(caller)).latency
            assert latency.voice_to_voice == pytest.approx(0.7, abs=0.03)
            assert latency.silence == pytest.approx(0.65, abs=0.03), "what was waited for on purpose"
            assert latency.overhead == pytest.approx(0.0, abs=0.03)

    play(story())


def test_who_does_not_go_on_is_answered_after_twice_the_patience(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, PAUSED, habits=QUICK) as caller:
            done = await answered(caller)
            assert done.latency.voice_to_voice == pytest.approx(1.0, abs=0.03)
            assert done.heard_text == caller.text(1), "from its first word on"

    play(story())


@pytest.mark.parametrize("calls", [1, 2])
def test_a_server_that_writes_no_words_is_waited_for_once(tmp_path: Path, calls: int) -> None:
    habits = Habits(first_audio_s=0.1, transcript_after_s=math.inf)
    parts: list[RealtimeStoryParts] = []

    def same_server(made: RealtimeStoryParts) -> None:
        parts.append(made)
        made.transcribes = parts[0].transcribes

    async def story() -> None:
        async with ring(tmp_path, echo, PAUSED, habits=habits, prepare=same_server) as caller:
            assert (await answered(caller)).latency.voice_to_voice == pytest.approx(1.0, abs=0.03)
            if calls == 1:
                caller.say(1)
                assert (await turn_done(caller, 2)).latency.voice_to_voice == pytest.approx(0.6, abs=0.03)
        if calls == 2:
            async with ring(tmp_path, echo, PAUSED, habits=habits, prepare=same_server) as caller:
                assert (await answered(caller)).latency.voice_to_voice == pytest.approx(0.6, abs=0.03)

    play(story())


def test_words_that_nobody_will_write_are_not_waited_for(tmp_path: Path) -> None:
    habits = Habits(first_audio_s=0.1, transcript_after_s=None)

    async def story() -> None:
        async with ring(tmp_path, echo, PAUSED, habits=habits) as caller:
            latency = (await answered(caller)).latency
            assert latency.voice_to_voice == pytest.approx(0.8, abs=0.03), "until it is told that they are lost"

    play(story())


def test_patience_that_does_not_adapt_is_the_servers(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, PAUSED, habits=QUICK, turns=TurnSettings(adaptive=False)) as caller:
            assert (await answered(caller)).latency.voice_to_voice == pytest.approx(0.6, abs=0.03)

    play(story())


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_tool_with_side_effects_waits_until_the_user_has_finished(tmp_path: Path, goes_on: bool, calls: int) -> None:
    done: list[str] = []

    def send(text: str) -> str:
        """Send a message."""
        done.append(text)
        return "sent"

    def script(items: Sequence[Item]) -> Sequence[Step]:
        said = " ".join(item.text for item in items if item.kind == "user")
        return ["It is sent."] if items[-1].kind == "output" else [Call("send", f'{{"text": "{said}"}}')] * calls

    def prepare(parts: RealtimeStoryParts) -> None:
        parts.tools = [Tool.of(send)]

    async def story() -> None:
        async with ring(tmp_path, script, PAUSED, habits=QUICK, prepare=prepare) as caller:
            if goes_on:
                await hesitate(caller, 0.8)
                assert done == []
                await turn_done(caller)
            else:
                await answered(caller)
            assert done == [" ".join(PAUSED) if goes_on else PAUSED[0]], "once, with all the words"

    play(story())
