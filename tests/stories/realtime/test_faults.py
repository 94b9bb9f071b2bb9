"""What a Realtime user notices of a server that fails, falls silent or is lost: one plain sentence, and it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call
from tests.stories.realtime.caller import RealtimeCaller, ring
from tests.stories.realtime.items import Habits, Item, Step
from tests.stories.realtime.scripts import LONG, echo, long_answer
from voice_agents.conversation.history import Speaker
from voice_agents.errors import AuthenticationFailed, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.events import (
    AgentAudio,
    AgentText,
    Failed,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Status,
    ToolCalled,
    UserTranscript,
)

AWAY = ProviderUnavailable(Role.REALTIME, "fake", "The server is in trouble.")


async def goes_on(caller: RealtimeCaller, turns: int) -> None:
    """The next typed turn is answered, and the session ends up listening."""
    caller.session.send_text("are you there")
    done = await turn_done(caller, turns)
    assert done.heard_text
    assert caller.statuses()[-1] is Status.LISTENING


@pytest.mark.parametrize("where", ["before the answer", "in the answer"])
def test_an_error_costs_one_turn_and_one_plain_sentence(tmp_path: Path, where: str) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello"], habits=Habits(word_gap_s=0.2)) as caller:
            caller.say(0)
            if where == "before the answer":
                await caller.until(SpeechEnded)
            else:
                await caller.until(AgentText, 3)
            caller.server.report(AWAY)
            assert str((await caller.until(Failed)).error) == "The server is in trouble."
            done = await turn_done(caller)
            assert (await caller.texts())[0] == (Speaker.USER, "hello")
            assert done.heard_text == " ".join(caller.text(1).split())
            await goes_on(caller, 2)
            assert len(caller.all(Failed)) == 1

    play(story())


def test_a_response_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo) as caller:
            await asyncio.sleep(0.2)
            caller.server.failing.append("content policy")
            caller.session.send_text("hello")
            assert "content policy" in str((await caller.until(Failed)).error)
            await turn_done(caller)
            await goes_on(caller, 2)

    play(story())


@pytest.mark.parametrize("spoken", [True, False])
def test_a_server_that_never_answers_does_not_leave_us_thinking(tmp_path: Path, spoken: bool) -> None:
    async def story() -> None:
        habits = Habits(first_audio_s=1e6)
        async with ring(tmp_path, echo, ["hello"], habits=habits) as caller:
            if spoken:
                caller.say(0)
            else:
                caller.session.send_text("hello")
            failed = await caller.until(Failed, within_s=60.0)
            assert isinstance(failed.error, ProviderTimeout)
            await turn_done(caller)
            assert await caller.texts() == [(Speaker.USER, "hello")]
            habits.first_audio_s = 0.3
            await goes_on(caller, 2)

    play(story())


def test_an_answer_that_stops_coming_ends(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(word_gap_s=1e6)
        async with ring(tmp_path, lambda _: ["Well, that was it."], habits=habits) as caller:
            caller.session.send_text("hello")
            await caller.until(Failed, within_s=90.0)
            assert (await turn_done(caller)).heard_text == "Well,"
            habits.word_gap_s = 0.01
            await goes_on(caller, 2)

    play(story())


def test_a_connection_lost_in_the_middle_of_the_answer_goes_on_where_it_was(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        begun = [item.text for item in items if item.kind == "assistant"]
        return ["and so it ends."] if begun else [LONG]

    async def story() -> None:
        async with ring(tmp_path, script, ["what's the weather like today"], habits=Habits(word_gap_s=0.3)) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(3.0)
            caller.server.drop()
            done = await turn_done(caller)
            assert done.heard_text.startswith("word0 word1") and done.heard_text.endswith("word9 and so it ends.")
            warnings = [notice for notice in caller.all(Notice) if notice.level == "warning"]
            assert len(warnings) == 1
            told = [item.text for item in caller.server.items if item.kind in ("user", "assistant")]
            assert told[0] == "what's the weather like today" and told[1].startswith("word0")
            await goes_on(caller, 2)
            assert not caller.all(Failed)

    play(story())


def test_a_connection_lost_before_the_answer_is_answered_by_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(first_audio_s=1.0, reconnect_after_s=1.0)
        async with ring(tmp_path, echo, ["what time is it"], habits=habits) as caller:
            await asyncio.sleep(0.2)
            caller.say(0)
            await caller.until(SpeechEnded)
            await asyncio.sleep(0.5)
            caller.server.drop()
            done = await turn_done(caller)
            assert done.heard_text == "Sure, you said what time is it. That was number 1."
            at = caller.statuses().index(Status.RECONNECTING)
            assert caller.statuses()[at : at + 4] == [
                Status.RECONNECTING,
                Status.THINKING,
                Status.SPEAKING,
                Status.LISTENING,
            ]
            assert caller.finals() == ["what time is it"]

    play(story())


def test_a_connection_lost_in_the_middle_of_the_users_sentence_hears_it_again(tmp_path: Path) -> None:
    async def story() -> None:
        words = ["could you please tell me what time it is"]
        async with ring(tmp_path, echo, words, habits=Habits(reconnect_after_s=1.0)) as caller:
            await asyncio.sleep(0.2)
            caller.say(0)
            await caller.until(SpeechStarted)
            await asyncio.sleep(0.5)
            caller.server.drop()
            await turn_done(caller)
            assert caller.finals() == words
            assert len(await caller.texts()) == 2
            assert Status.RECONNECTING in caller.statuses()
            assert {event.turn for event in caller.all(UserTranscript)} == {1}

    play(story())


def test_a_connection_lost_while_a_tool_runs_gets_its_result(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        outputs = [item for item in items if item.kind == "output"]
        return [f"It is {outputs[-1].text}"] if outputs else [Call("calculate", '{"expression": "6*7"}')]

    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            toolbox = caller.session.toolbox
            original = toolbox.call

            async def call(name: str, arguments: object) -> object:
                await asyncio.sleep(2.0)
                return await original(name, arguments)  # pyrefly: ignore[bad-argument-type]

            toolbox.call = call  # pyrefly: ignore[bad-assignment]
            caller.session.send_text("what is six times seven")
            await caller.until(ToolCalled)
            caller.server.drop()
            done = await turn_done(caller)
            assert "42" in done.heard_text or "forty-two" in done.heard_text
            assert [item.kind for item in caller.server.items] == ["user", "call", "output", "assistant"]
            assert not caller.server.errors

    play(story())


def test_a_server_out_of_reach_is_told_plainly_and_the_turn_ends(tmp_path: Path) -> None:
    error = AuthenticationFailed(Role.REALTIME, "fake", "The key is not accepted: check OPENAI_API_KEY.")

    async def story() -> None:
        async with ring(tmp_path, echo, habits=Habits(first_audio_s=5.0)) as caller:
            caller.session.send_text("hello")
            await asyncio.sleep(1.0)
            caller.server.drop(error, for_good=True)
            assert (await caller.until(Failed)).error is error
            await turn_done(caller)
            assert caller.statuses()[-1] is Status.ERROR
            assert len(caller.all(Failed)) == 1

    play(story())


def test_an_interruption_while_the_connection_is_away_is_remembered_as_heard(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(reconnect_after_s=2.0)
        async with ring(tmp_path, long_answer, ["please stop talking now"], habits=habits) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            caller.server.drop()
            caller.session.interrupt()
            cut = await caller.until(Interrupted)
            await turn_done(caller)
            await asyncio.sleep(3.0)
            assert [item.text for item in caller.server.items] == ["tell me a story", cut.heard_text]

    play(story())


def test_an_answer_the_server_takes_back_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo) as caller:
            await asyncio.sleep(0.2)
            caller.session.send_text("hello")
            caller.session.interrupt()
            caller.session.send_text("hello again")
            caller.server.failing.append("taken back")
            caller.server.fail_as = "cancelled"
            failed = await caller.until(Failed, within_s=10.0)
            assert isinstance(failed.error, ProviderTimeout)
            await turn_done(caller, 2)
            await goes_on(caller, 3)

    play(story())
