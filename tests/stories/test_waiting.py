"""Who waits for the first sentence of an answer is told within eight seconds whom for, and then gets the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import Caller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeVoice, Step
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits
from tests.stories.realtime.scripts import echo as realtime_echo
from voice_agents.conversation.history import Speaker
from voice_agents.errors import ProviderUnavailable, Role
from voice_agents.events import Failed, Notice, TurnDone
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.tools import Toolbox, ToolResult

LONGEST_WAIT_S = 8.0
LONG_S = 15.0
AWAY = ProviderUnavailable(Role.STT, "fake", "The fake recogniser cannot be reached. Trying again.")


def script(_messages: list[BaseMessage]) -> Sequence[Step]:
    return ["Here you are."]


def slow_recogniser(caller: Caller) -> None:
    caller.stt.commit_delay_s = LONG_S


def slow_model(caller: Caller) -> None:
    caller.parts.model.first_token_s = LONG_S


def dripping_model(caller: Caller) -> None:
    """Every token takes long; this one cannot be spoken."""
    caller.parts.model.token_s = LONG_S


def slow_voice(caller: Caller) -> None:
    caller.voice.first_audio_s = LONG_S


@pytest.mark.parametrize(
    ("slow", "says"),
    [
        (slow_recogniser, "Slow speech-to-text"),
        (slow_model, "Slow chat"),
        (dripping_model, "Slow chat"),
        (slow_voice, "Slow text-to-speech"),
    ],
)
def test_the_sandwich_says_within_eight_seconds_whom_it_waits_for(
    tmp_path: Path, slow: Callable[[Caller], None], says: str
) -> None:
    text = "* Here you are." if slow is dripping_model else "Here you are."

    async def story() -> None:
        async with call(tmp_path, lambda _: [text], ["what time is it"]) as caller:
            slow(caller)
            await caller.speak(0)
            spoken_at = asyncio.get_running_loop().time()
            notice = await caller.until(Notice)
            assert notice.at - spoken_at <= LONGEST_WAIT_S
            assert notice.level == "warning" and says in notice.text
            done = await turn_done(caller)
            assert done.heard_text.endswith("Here you are."), "it was waited for all the same"
            assert len(caller.all(Notice)) == 1 and not caller.all(Failed)

    play(story())


def test_who_waits_very_long_is_told_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script) as caller:
            caller.parts.model.first_token_s = 40.0
            caller.session.send_text("hello")
            await turn_done(caller)
            told = caller.all(Notice)
            assert [round(notice.at) for notice in told] == [7, 27]
            assert "It has been" not in told[0].text and "It has been 27 s." in told[1].text

    play(story())


def test_a_typed_turn_is_no_less_patient(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script) as caller:
            slow_model(caller)
            caller.session.send_text("hello")
            assert (await caller.until(Notice)).at <= LONGEST_WAIT_S
            await turn_done(caller)

    play(story())


def test_a_recogniser_out_of_reach_is_told_as_that_and_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script, ["what time is it"]) as caller:
            slow_recogniser(caller)
            await caller.speak(0)
            spoken_at = asyncio.get_running_loop().time()
            await asyncio.sleep(1.0)
            caller.stt.on_connection(ConnectionState.RECONNECTING, AWAY)
            notice = await caller.until(Notice)
            assert notice.text == str(AWAY) and notice.at - spoken_at <= LONGEST_WAIT_S
            caller.stt.on_connection(ConnectionState.OPEN, None)
            await turn_done(caller)
            assert len(caller.all(Notice)) == 1

    play(story())


def test_a_tool_that_takes_long_is_not_the_models_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(*_args: object, **_more: object) -> ToolResult:
        await asyncio.sleep(LONG_S)
        return ToolResult("42", error=False)

    monkeypatch.setattr(Toolbox, "call", slow)

    def calls(messages: list[BaseMessage]) -> Sequence[Step]:
        return ["It is 42."] if messages[-1].type == "tool" else [Call("calculate", "{}")]

    async def story() -> None:
        async with call(tmp_path, calls) as caller:
            caller.session.send_text("six times seven")
            notice = await caller.until(Notice)
            assert notice.at <= LONGEST_WAIT_S and "working that out" in notice.text and "Slow" not in notice.text
            await turn_done(caller)

    play(story())


def test_who_goes_away_meanwhile_is_told_nothing_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, script, ["what time is it"]) as caller:
            slow_model(caller)
            caller.session.send_text("hello")
            await asyncio.sleep(1.0)
            caller.session.interrupt()
            await asyncio.sleep(20.0)
            assert not caller.all(Notice)

    play(story())


@pytest.mark.parametrize("call_up", [call, ring])
def test_a_quick_answer_is_followed_by_no_such_sentence(tmp_path: Path, call_up: Any) -> None:
    async def story() -> None:
        said = script if call_up is call else realtime_echo
        async with call_up(tmp_path, said, ["what time is it"]) as caller:
            await caller.speak(0)
            await turn_done(caller)
            await asyncio.sleep(20.0)
            assert not caller.all(Notice)

    play(story())


STALLS = ["no answer", "does not hear", "hears no end", "answers late"]


@pytest.mark.parametrize("stall", STALLS)
def test_a_realtime_server_that_stalls_is_named_within_eight_seconds(tmp_path: Path, stall: str) -> None:
    habits = Habits(first_audio_s=LONG_S) if stall == "answers late" else Habits(answers=stall != "no answer")
    if stall == "does not hear":
        habits.hears_after_s = 1000.0

    async def story() -> None:
        async with ring(tmp_path, realtime_echo, ["what time is it"], habits=habits) as caller:
            if stall == "hears no end":
                caller.server._speech_stopped = lambda: None
            await caller.speak(0)
            spoken_at = asyncio.get_running_loop().time()
            notice = await caller.until(Notice)
            assert notice.at - spoken_at <= LONGEST_WAIT_S
            assert notice.level == "warning" and "Slow realtime" in notice.text
            if stall == "answers late":
                assert (await caller.until(TurnDone)).heard_text
            await asyncio.sleep(5.0)
            assert len(caller.all(Notice)) == 1

    play(story())


def test_a_cough_that_a_realtime_server_ignores_is_no_stall(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime_echo) as caller:
            await asyncio.sleep(1.0)
            caller.cough()
            await asyncio.sleep(20.0)
            assert not caller.all(Notice)

    play(story())


def test_who_only_listens_hears_that_the_server_took_no_notice_and_can_say_it_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime_echo, ["what time is it"], habits=Habits(deaf_connections=2)) as caller:
            own = caller.parts.own = FakeVoice(lambda *_: None)
            await asyncio.sleep(1.0)
            await caller.speak(0)
            since = asyncio.get_running_loop().time()
            await asyncio.sleep(45.0)
            first, second = (" ".join(stream.words) for stream in own.streams)
            assert first == "One moment, please. Slow realtime is slow at the moment."
            assert second.startswith("Sorry, Slow realtime has taken no notice of your last words.")
            begun = [played.at - since for played in caller.played]
            assert 6.5 < begun[0] < 8.0 and 26.5 < next(at for at in begun if at > 15.0) < 28.5
            await caller.speak(0)
            done = await caller.until(TurnDone, count=len(caller.all(TurnDone)) + 1)
            assert "you said what time is it" in done.heard_text
            assert [who for who, _ in await caller.texts()] == [Speaker.USER, Speaker.AGENT], "asides are no answers"

    play(story())


def test_what_only_we_take_for_a_voice_is_spoken_of_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, realtime_echo, ["what time is it"]) as caller:
            own = caller.parts.own = FakeVoice(lambda *_: None)
            for _ in range(3):
                caller.cough(1.5)
                await asyncio.sleep(60.0)
            assert len(own.streams) == 2

    play(story())


@pytest.mark.parametrize("deaf", [1, 2])
def test_a_realtime_server_that_has_fallen_deaf_is_called_anew_with_what_was_said(tmp_path: Path, deaf: int) -> None:
    habits = Habits(deaf_connections=deaf)

    async def story() -> None:
        async with ring(tmp_path, realtime_echo, ["what time is it"], habits=habits) as caller:
            await asyncio.sleep(1.0)
            caller.cough()
            await asyncio.sleep(2.0)
            await caller.speak(0)
            spoken_at = asyncio.get_running_loop().time()
            if deaf == 1:
                done = await caller.until(TurnDone)
                assert "you said what time is it" in done.heard_text and len(caller.all(Notice)) == 1
                await asyncio.sleep(60.0)
            else:
                await asyncio.sleep(100.0)
                told = caller.all(Notice)
                assert [round(notice.at - spoken_at) for notice in told] == [7, 27]
                assert "say them again" in told[1].text and not caller.all(TurnDone)
                await caller.speak(0)
                done = await caller.until(TurnDone)
                assert "you said what time is it" in done.heard_text, "the next words have another connection"
            assert caller.server.connections == deaf + 1

    play(story())
