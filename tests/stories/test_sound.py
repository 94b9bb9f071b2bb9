"""A spoken turn ends with sound or with a sentence, whoever answers; what made no sound is not kept as heard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.stories.caller import Caller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import FakeSpeech
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item, Step
from tests.stories.realtime.scripts import echo
from voice_agents.conversation.history import Speaker
from voice_agents.errors import ProviderUnavailable, Role
from voice_agents.events import AgentAudio, AgentText, Failed, Notice, TurnDone

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


# The Sandwich


def silent(caller: Caller, times: int) -> None:
    """The voice ends its next streams without a sound."""
    opened, left = caller.voice.open, [times]

    def open_silent() -> FakeSpeech:
        speech = opened()
        if left[0]:
            left[0] -= 1
            speech.send = lambda text: None
        return speech

    caller.voice.open = open_silent


@pytest.mark.parametrize("times", [1, 2])
def test_a_voice_that_makes_no_sound_is_asked_once_more(tmp_path: Path, times: int) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda _: ["It is noon. And the sun shines."]) as caller:
            caller.session.send_text("hello")
            silent(caller, times)
            done = await turn_done(caller)
            if times == 1:
                assert done.heard_text == "It is noon. And the sun shines." and len(caller.heard(1))
                assert not caller.all(Failed) and not caller.all(Notice)
            else:
                [failed] = caller.all(Failed)
                assert "no sound" in str(failed.error) and not len(caller.heard(1))
            caller.session.send_text("go on")
            assert (await caller.until(TurnDone, 2)).heard_text and len(caller.heard(2))

    play(story())


@pytest.mark.parametrize("answer", ["👍", "***", "... !", "\u2014"])
def test_an_answer_without_a_word_is_told_and_not_taken_for_heard(tmp_path: Path, answer: str) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda _: [answer]) as caller:
            caller.session.send_text("hello")
            assert (await turn_done(caller)).heard_text == ""
            [notice] = caller.all(Notice)
            assert answer in notice.text
            assert await caller.texts() == [(Speaker.USER, "hello")]

    play(story())


def test_a_model_that_drips_is_spoken_as_it_comes(tmp_path: Path) -> None:
    """A word in two seconds: nobody waits for the end of the sentence."""
    text = "Well now I will tell you the whole story from its very beginning to its end."

    async def story() -> None:
        async with call(tmp_path, lambda _: [text]) as caller:
            caller.parts.model.token_s = 2.0
            caller.session.send_text("tell me")
            assert (await caller.until(AgentAudio)).at < 8.0
            done = await caller.until(TurnDone, within_s=120.0)
            assert done.heard_text == text
            assert [said.strip() for _, said in await caller.texts()] == ["tell me", text]
            spoken = " ".join(word for stream in caller.voice.streams for word in stream.words)
            assert spoken == text

    play(story())
