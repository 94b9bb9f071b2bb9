"""Scripted Realtime conversations on virtual time: what the user hears, sees and what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import OUTPUT_RATE, call, turn_done
from tests.stories.clock import play
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits, Item, Step
from tests.stories.realtime.scripts import echo, long_answer
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    Failed,
    ProviderUsed,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    TurnDone,
    UserTranscript,
)
from voice_agents.session.turn import WORDS_UNKNOWN


def test_a_spoken_question_is_transcribed_answered_heard_and_remembered(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["what time is it"]) as caller:
            await asyncio.sleep(0.5)
            caller.say(0)
            done = await turn_done(caller)
            assert caller.finals() == ["what time is it"]
            assert caller.text(1) == "Sure, you said what time is it. That was number 1."
            assert done.heard_text == caller.text(1)
            assert await caller.texts() == [(Speaker.USER, "what time is it"), (Speaker.AGENT, caller.text(1))]
            assert len(caller.all(SpeechStarted)) == len(caller.all(SpeechEnded)) == 1
            assert sum(used.input_tokens + used.output_tokens for used in caller.all(ProviderUsed)) == 30

    play(story())


def test_statuses_tell_the_turn_from_listening_to_listening(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"]) as caller:
            await caller.until(StatusChanged, 2)
            caller.say(0)
            await turn_done(caller)
            assert caller.statuses() == [
                Status.CONNECTING,
                Status.LISTENING,
                Status.HEARING,
                Status.THINKING,
                Status.SPEAKING,
                Status.LISTENING,
            ]

    play(story())


def test_the_page_can_put_a_late_transcript_before_its_answer_and_memory_does(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(transcript_after_s=4.0)
        async with ring(tmp_path, echo, ["hello there"], habits=habits) as caller:
            caller.say(0)
            await caller.until(UserTranscript)
            assert caller.text(1)
            await turn_done(caller)
            assert caller.finals(turn=1) == ["hello there"]
            assert (await caller.texts())[0] == (Speaker.USER, "hello there")

    play(story())


def test_the_end_of_an_answer_is_heard_without_waiting_for_the_users_words(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"], habits=Habits(transcript_after_s=4.0)) as caller:
            caller.say(0)
            end = await caller.until(AgentAudioDone)
            await turn_done(caller)
            assert (end.turn, end.at) == (1, caller.all(AgentAudio)[-1].at)
            assert len(caller.all(AgentAudioDone)) == 1

    play(story())


@pytest.mark.parametrize("after_s", [None, float("inf")])
def test_words_that_never_come_are_marked_so_that_no_answer_is_without_a_question(
    tmp_path: Path, after_s: float | None
) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"], habits=Habits(transcript_after_s=after_s)) as caller:
            for count in (1, 2):
                caller.say(0)
                await turn_done(caller, count)
            texts = await caller.texts()
            assert [role for role, _ in texts] == [Speaker.USER, Speaker.AGENT] * 2
            assert {text for role, text in texts if role is Speaker.USER} == {WORDS_UNKNOWN}
            assert caller.statuses()[-1] is Status.LISTENING
            caller.server.drop()
            await asyncio.sleep(2.0)
            assert [item.kind for item in caller.server.items] == ["user", "assistant"] * 2, "what the next one is told"

    play(story())


@pytest.mark.parametrize(("after_s", "answers"), [(12.0, True), (60.0, True), (60.0, False)])
def test_words_that_come_late_take_the_place_of_the_mark(tmp_path: Path, after_s: float, answers: bool) -> None:
    """However late: the next turns are over."""

    async def story() -> None:
        habits = Habits(transcript_after_s=after_s, answers=answers)
        async with ring(tmp_path, echo, ["hello there", "and now"], habits=habits) as caller:
            caller.say(0)
            if answers:
                await turn_done(caller)
            else:
                await caller.until(Failed)
            habits.transcript_after_s, habits.answers = 0.3, True
            caller.say(1)
            await caller.until(TurnDone, 2)
            users = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert users == [WORDS_UNKNOWN, "and now"]
            await asyncio.sleep(after_s + 1.0)
            texts = await caller.texts()
            assert [text for role, text in texts if role is Speaker.USER] == ["hello there", "and now"]
            assert texts[0] == (Speaker.USER, "hello there"), "in their place"
            assert (await caller.remembered())[0].facts is not None, "and nothing else is lost"
            assert caller.finals(turn=1)[-1] == "hello there"
            caller.server.drop()
            await asyncio.sleep(2.0)
            assert caller.server.items[0].text == "hello there", "the next server session is told them, too"

    play(story())


def test_the_latency_of_a_turn_leaves_next_to_nothing_to_us(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["what's the weather like today"]) as caller:
            await asyncio.sleep(0.5)
            caller.say(0)
            latency = (await turn_done(caller)).latency
            assert latency.silence == pytest.approx(0.5, abs=0.02)
            assert latency.first_audio == pytest.approx(0.3, abs=0.001)
            assert latency.overhead == pytest.approx(0.0, abs=0.03)

    play(story())


def test_a_conversation_goes_on_in_a_new_session(tmp_path: Path) -> None:
    async def story() -> None:
        conversation = Conversation()
        for turn in (1, 2):
            async with ring(tmp_path, echo, conversation=conversation) as caller:
                await asyncio.sleep(0.2)
                caller.session.send_text("hello again")
                done = await turn_done(caller)
                assert f"number {turn}" in done.heard_text

    play(story())


def test_leaving_keeps_what_was_heard_and_leaves_no_task(tmp_path: Path) -> None:
    async def story() -> None:
        conversation = Conversation()
        habits = Habits(transcript_after_s=float("inf"))
        async with ring(tmp_path, long_answer, ["hello"], conversation=conversation, habits=habits) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            played = len(caller.heard(1)) / OUTPUT_RATE
            left = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - left < 1.0
        assert played > 1.5
        assert asyncio.all_tasks() == {asyncio.current_task()}
        async with ring(tmp_path, long_answer, conversation=conversation) as caller:
            entries = await caller.remembered()
            assert [entry.role for entry in entries] == [Speaker.USER, Speaker.AGENT]
            assert entries[1].interrupted

    play(story())


def test_a_conversation_begun_in_the_one_engine_is_known_in_the_other(tmp_path: Path) -> None:
    def sandwich(messages: list[BaseMessage]) -> Sequence[str]:
        return [f"I know {len([message for message in messages if message.type == 'human'])}."]

    def realtime(items: Sequence[Item]) -> Sequence[Step]:
        return ["I know " + ", ".join(item.text for item in items) + "."]

    async def story() -> None:
        conversation = Conversation()
        async with ring(tmp_path, echo, ["my name is anna"], conversation=conversation) as caller:
            caller.say(0)
            await turn_done(caller)
        async with call(tmp_path, sandwich, conversation=conversation) as other:
            other.session.send_text("go on")
            assert (await turn_done(other)).heard_text == "I know 2."
        async with ring(tmp_path, realtime, conversation=conversation) as caller:
            await asyncio.sleep(0.2)
            caller.session.send_text("and now")
            heard = (await turn_done(caller)).heard_text
            assert "my name is anna" in heard and "I know 2." in heard and "and now" in heard

    play(story())


def test_two_sessions_share_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["first"]) as one, ring(tmp_path, echo, ["second"]) as two:
            one.say(0)
            two.say(0)
            await asyncio.gather(turn_done(one), turn_done(two))
            assert (one.finals(), two.finals()) == (["first"], ["second"])
            assert "first" in one.text(1) and "second" in two.text(1)
            assert len(await one.texts()) == len(await two.texts()) == 2

    play(story())
