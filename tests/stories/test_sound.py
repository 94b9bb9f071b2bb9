"""A spoken turn ends with sound or with a sentence, whoever answers; what made no sound is not kept as heard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item, Step
from tests.stories.realtime.scripts import echo
from voice_agents.conversation.history import Speaker
from voice_agents.errors import ProviderUnavailable, Role
from voice_agents.events import AgentText, Failed, Notice, TurnDone

PASSING = ProviderUnavailable(Role.REALTIME, "fake", "The server has a problem of its own.", explained=True)
HOWS = ["nothing", "in writing", "a failed response", "an error"]


def sentences(caller: RealtimeCaller) -> list[str]:
    return [str(event.error) for event in caller.all(Failed)] + [notice.text for notice in caller.all(Notice)]


class Mute:
    """A server whose next answers make no sound, in one of several ways."""

    def __init__(self, how: str, times: int) -> None:
        self.how, self.left, self.asked = how, times, 0

    def script(self, items: Sequence[Item]) -> Sequence[Step]:
        self.asked += 1
        if self.how == "nothing" and self.left:
            self.left -= 1
            return []
        return echo(items)

    def prepare(self, caller: RealtimeCaller) -> None:
        server = caller.server
        server.passing = True
        if self.how == "in writing":
            server.written_only = self.left
        elif self.how == "a failed response":
            server.failing = ["The server has a problem of its own."] * self.left

    async def spoil(self, caller: RealtimeCaller) -> None:
        """Errors, just when an answer is owed."""
        for _ in range(self.left if self.how == "an error" else 0):
            await asyncio.sleep(0.1)
            caller.server.report(PASSING)


@pytest.mark.parametrize("typed", [False, True], ids=["spoken", "typed"])
@pytest.mark.parametrize("how", HOWS)
def test_an_answer_without_sound_is_asked_for_once_more(tmp_path: Path, how: str, typed: bool) -> None:
    async def story() -> None:
        mute = Mute(how, 1)
        async with ring(tmp_path, mute.script, ["hello"], habits=Habits(first_audio_s=0.5)) as caller:
            await asyncio.sleep(0.2)
            mute.prepare(caller)
            if typed:
                caller.session.send_text("hello")
            else:
                await caller.speak(0)
                await asyncio.sleep(0.6)
            await mute.spoil(caller)
            done = await turn_done(caller)
            assert "you said hello" in done.heard_text and len(caller.heard(1))
            assert not sentences(caller), "it went well in the end"
            assert caller.text(1) == done.heard_text, "and is shown once"
            assert [role for role, _ in await caller.texts()] == [Speaker.USER, Speaker.AGENT]
            assert [item.kind for item in caller.server.items] == ["user", "assistant"]

    play(story())


@pytest.mark.parametrize("how", HOWS)
def test_an_answer_that_makes_no_sound_the_second_time_is_a_sentence(tmp_path: Path, how: str) -> None:
    async def story() -> None:
        mute = Mute(how, 2)
        async with ring(tmp_path, mute.script, ["hello"], habits=Habits(first_audio_s=0.5)) as caller:
            await asyncio.sleep(0.2)
            mute.prepare(caller)
            await caller.speak(0)
            await asyncio.sleep(0.6)
            await mute.spoil(caller)
            done = await turn_done(caller)
            assert done.heard_text == ""
            [sentence] = sentences(caller)
            assert sentence and not caller.all(AgentText)
            if how == "in writing":
                assert "you said hello" in sentence, "it can be read, all the same"
            assert await caller.texts() == [(Speaker.USER, "hello")]
            caller.session.send_text("are you there")
            assert (await caller.until(TurnDone, 2)).heard_text

    play(story())


def test_silence_is_no_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo) as caller:
            await asyncio.sleep(0.2)
            monkeypatch.setattr("voice_agents.engines.server_answer.first_audible", lambda _pcm: None)
            caller.session.send_text("hello")
            await caller.until(Notice)
            assert "without a sound" in sentences(caller)[0] and caller.server.responses == 2

    play(story())
