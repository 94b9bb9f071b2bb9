"""Words that come late, from a recogniser that takes its time, are words all the same: none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import Caller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Step
from tests.stories.realtime.scripts import LONG
from voice_agents.conversation.history import Speaker
from voice_agents.events import AgentAudio, AgentDucked, AgentPaused, AgentResumed, Interrupted, Status, StatusChanged

FIRST = "tell me a story"
SHORT = "what about tomorrow"
LENGTHY = "no please tell me what the weather will be tomorrow in the afternoon"


def script(messages: list[BaseMessage]) -> Sequence[Step]:
    return [LONG] if sum(message.type == "human" for message in messages) == 1 else ["Very well."]


async def said(caller: Caller) -> list[str]:
    return [text for role, text in await caller.texts() if role is Speaker.USER]


@pytest.mark.parametrize("delay_s", [0.12, 1.3, 2.5, 4.0])
@pytest.mark.parametrize("words", [SHORT, LENGTHY])
@pytest.mark.parametrize("into_s", [1.0, 5.0])
def test_a_barge_in_loses_no_word(tmp_path: Path, delay_s: float, words: str, into_s: float) -> None:
    async def story() -> None:
        async with call(tmp_path, script, [FIRST, words]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            caller.stt.commit_delay_s = caller.stt.partial_delay_s = delay_s
            await asyncio.sleep(into_s)
            caller.say(1)
            await turn_done(caller, 2)
            assert " ".join(await said(caller)) == f"{FIRST} {words}"
            assert caller.all(Interrupted)
            assert caller.all(StatusChanged)[-1].status is Status.LISTENING

    play(story())


def test_two_late_sentences_are_both_kept_in_their_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script, [FIRST, SHORT, "and the day after"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            caller.stt.commit_delay_s = caller.stt.partial_delay_s = 4.0
            await asyncio.sleep(4.0)
            await caller.speak(1)
            await asyncio.sleep(1.6)
            assert caller.all(AgentResumed)
            await caller.speak(2)
            await asyncio.sleep(30.0)
            assert " ".join(await said(caller)) == f"{FIRST} {SHORT} and the day after"

    play(story())


@pytest.mark.parametrize("delay_s", [0.12, 1.5, 3.0])
@pytest.mark.parametrize("after_s", [0.3, 0.9, 1.3, 2.4])
@pytest.mark.parametrize("by", ["typing", "button", "hanging up"])
def test_what_was_said_to_a_paused_agent_stays_when_the_user_does_something_else(
    tmp_path: Path, delay_s: float, after_s: float, by: str
) -> None:
    async def story() -> None:
        async with call(tmp_path, script, [FIRST, SHORT]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            caller.stt.partial_delay_s = 60.0
            caller.stt.commit_delay_s = delay_s
            await asyncio.sleep(4.0)
            caller.say(1)
            await caller.until(AgentPaused)
            await asyncio.sleep(after_s)
            if by == "typing":
                caller.session.send_text("never mind")
            elif by == "button":
                caller.session.interrupt()
            if by != "hanging up":
                await asyncio.sleep(20.0)
            elif delay_s > 0.2:
                return  # not known and not shown
        async with call(tmp_path, script, conversation=caller.session.conversation) as caller:
            texts = await said(caller)
        whole = " ".join(" ".join(texts).replace("never mind", "").split())
        if by == "hanging up" and after_s < 0.9:
            assert f"{FIRST} {SHORT}".startswith(whole) and whole != FIRST
        else:
            assert whole == f"{FIRST} {SHORT}"
        assert ("never mind" in " ".join(texts)) == (by == "typing")

    play(story())


def test_a_murmur_beside_a_typed_turn_is_none(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script, [FIRST, "mm-hmm"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(4.0)
            caller.say(1, 0.3)
            await caller.until(AgentDucked)
            await asyncio.sleep(0.35)
            caller.session.send_text("never mind")
            await asyncio.sleep(10.0)
            assert await said(caller) == [FIRST, "never mind"]

    play(story())
