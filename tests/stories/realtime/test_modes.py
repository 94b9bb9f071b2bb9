"""Push-to-talk, settings, and servers with habits of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits
from tests.stories.realtime.scripts import echo, long_answer
from voice_agents.conversation.history import Speaker
from voice_agents.errors import NOTHING_HEARD
from voice_agents.events import (
    AgentAudio,
    AgentResumed,
    Failed,
    Interrupted,
    Notice,
    SpeechEnded,
    Status,
    TurnDone,
)
from voice_agents.settings import TurnDetection, TurnMode, TurnSettings


def test_push_to_talk_takes_the_turn_at_the_release(tmp_path: Path) -> None:
    async def story() -> None:
        turns = TurnSettings(mode=TurnMode.PUSH_TO_TALK)
        async with ring(tmp_path, echo, ["hello there", "again"], turns=turns) as caller:
            await asyncio.sleep(0.5)
            caller.session.end_turn()
            caller.say(0)
            await asyncio.sleep(3.0)
            assert not caller.all(SpeechEnded)
            caller.session.end_turn()
            done = await turn_done(caller)
            assert caller.finals() == ["hello there"]
            assert "hello there" in done.heard_text
            caller.say(1)
            await asyncio.sleep(0.5)
            caller.session.end_turn()
            await turn_done(caller, 2)
            assert caller.finals() == ["hello there", "again"]

    play(story())


def test_a_button_held_in_silence_is_no_turn_and_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        turns = TurnSettings(mode=TurnMode.PUSH_TO_TALK)
        async with ring(tmp_path, echo, ["hello there"], turns=turns) as caller:
            await asyncio.sleep(0.5)
            await caller.speak(0)
            caller.session.end_turn()  # with the last sample, before the detector knows that it was the last
            await turn_done(caller)
            await asyncio.sleep(2.0)
            assert not caller.all(Notice)
            caller.session.end_turn()
            await asyncio.sleep(5.0)
            assert len(caller.all(TurnDone)) == 1
            [notice] = caller.all(Notice)
            assert "hold the button" in notice.text

    play(story())


def test_an_end_of_a_turn_that_nobody_began_says_so_also_without_a_button(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"]) as caller:
            await asyncio.sleep(0.5)
            caller.session.end_turn()
            await asyncio.sleep(0.5)
            [notice] = caller.all(Notice)
            assert notice.text == NOTHING_HEARD
            await caller.speak(0)
            caller.session.end_turn()
            await turn_done(caller)
            caller.session.end_turn()
            await asyncio.sleep(1.0)
            assert [notice.text for notice in caller.all(Notice)] == [NOTHING_HEARD, NOTHING_HEARD]
            assert caller.finals() == ["hello there"]

    play(story())


def test_an_end_while_the_answer_comes_says_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["hello there"]) as caller:
            await asyncio.sleep(0.5)
            await caller.speak(0)
            await caller.until(AgentAudio)
            caller.session.end_turn()
            await turn_done(caller)
            assert not caller.all(Notice)

    play(story())


def test_a_button_let_go_once_more_before_or_while_the_answer_comes_says_nothing(tmp_path: Path) -> None:
    """As a client does that ends a turn twice: the answer is still to come, so it was not "Nothing was heard"."""

    async def story() -> None:
        turns = TurnSettings(mode=TurnMode.PUSH_TO_TALK)
        async with ring(tmp_path, long_answer, ["hello there"], turns=turns) as caller:
            await asyncio.sleep(0.5)
            await caller.speak(0)
            caller.session.end_turn()
            caller.session.end_turn()
            await caller.until(AgentAudio)
            caller.session.end_turn()
            await turn_done(caller)
            assert not caller.all(Notice)

    play(story())


def test_push_to_talk_speech_silences_the_agent_and_a_cough_does_not(tmp_path: Path) -> None:
    async def story() -> None:
        turns = TurnSettings(mode=TurnMode.PUSH_TO_TALK)
        async with ring(tmp_path, long_answer, ["please stop talking now"], turns=turns) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            caller.cough()
            await caller.until(AgentResumed)
            await asyncio.sleep(1.0)
            caller.say(0)
            await caller.until(Interrupted)
            await asyncio.sleep(2.0)
            caller.session.end_turn()
            await turn_done(caller, 2)
            assert caller.finals()[-1] == "please stop talking now"

    play(story())


def test_settings_reach_the_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo) as caller:
            caller.session.set_turns(TurnSettings(silence_s=0.8, detection=TurnDetection.SEMANTIC_VAD))
            caller.session.set_voice("cedar")
            config = caller.server.config
            assert (config.silence_s, config.detection) == (0.8, TurnDetection.SEMANTIC_VAD)
            assert config.voice == "cedar"
            assert any(tool["name"] == "calculate" for tool in config.tools)

    play(story())


def test_an_answer_that_is_only_read_counts_as_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo) as caller:
            caller.session.set_speaking(False)
            caller.session.send_text("hello")
            done = await turn_done(caller)
            assert done.heard_text == caller.text(1) == "Sure, you said hello. That was number 1."
            assert not caller.all(AgentAudio)

    play(story())


def test_what_the_server_says_by_itself_is_a_turn_of_its_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, lambda _: ["Are you still there?"]) as caller:
            await asyncio.sleep(1.0)
            caller.server.prompt()
            done = await turn_done(caller)
            assert done.heard_text == "Are you still there?"
            assert await caller.texts() == [(Speaker.AGENT, "Are you still there?")]

    play(story())


def test_a_server_that_only_commits_is_understood(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"], habits=Habits(names_speech=False)) as caller:
            for count in (1, 2):
                caller.say(0)
                await turn_done(caller, count)
            assert [role for role, _ in await caller.texts()] == [Speaker.USER, Speaker.AGENT] * 2

    play(story())


@pytest.mark.parametrize("then", ["stop", "typed"])
def test_push_to_talk_cut_short_does_not_begin_a_turn_nobody_said(tmp_path: Path, then: str) -> None:
    async def story() -> None:
        turns = TurnSettings(mode=TurnMode.PUSH_TO_TALK)
        async with ring(tmp_path, echo, ["hello there"], turns=turns) as caller:
            await asyncio.sleep(0.2)
            caller.say(0)
            await asyncio.sleep(1.0)
            caller.server.habits.commits_after_s = 0.1
            caller.session.end_turn()
            await caller.until(SpeechEnded)
            if then == "stop":
                caller.session.interrupt()
            else:
                caller.session.send_text("never mind")
            await asyncio.sleep(40.0)
            users = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert users == ["hello there"] + ["never mind"] * (then == "typed")
            assert len(caller.all(SpeechEnded)) == 1
            assert not caller.all(Failed)
            assert caller.statuses()[-1] is Status.LISTENING

    play(story())
