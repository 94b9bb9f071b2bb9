"""Scripted Realtime conversations on virtual time: what the user hears, sees and what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import OUTPUT_RATE, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call
from tests.stories.realtime_caller import ring
from tests.stories.realtime_server import FIRST_WORD, Habits, Item, Step, word_samples
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import (
    AgentAudio,
    AgentPaused,
    AgentResumed,
    AgentText,
    Failed,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.settings import TurnDetection, TurnMode, TurnSettings

LONG = " ".join(f"word{number}" for number in range(40)) + "."


def echo(items: Sequence[Item]) -> Sequence[Step]:
    """Says what it heard last, and how many user messages it knows."""
    users = [item for item in items if item.kind == "user"]
    return [f"Sure, you said {users[-1].text}. That was number {len(users)}."]


def long_answer(_items: Sequence[Item]) -> Sequence[Step]:
    return [LONG]


def calls_then_says(*calls: Call) -> object:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        outputs = [item.text for item in items if item.kind == "output"]
        return [" ".join(outputs)] if outputs else list(calls)

    return script


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
            assert caller.session.usage["total_tokens"] == 30

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


@pytest.mark.parametrize("after_s", [None, float("inf")])
def test_words_that_never_come_cost_their_line_and_nothing_else(tmp_path: Path, after_s: float | None) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"], habits=Habits(transcript_after_s=after_s)) as caller:
            for count in (1, 2):
                caller.say(0)
                await turn_done(caller, count)
            assert [role for role, _ in await caller.texts()] == [Speaker.AGENT, Speaker.AGENT]
            assert caller.statuses()[-1] is Status.LISTENING

    play(story())


def test_the_latency_of_a_turn_leaves_next_to_nothing_to_us(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["what time is it"]) as caller:
            await asyncio.sleep(0.5)
            caller.say(0)
            latency = (await turn_done(caller)).latency
            assert latency.silence == pytest.approx(0.5, abs=0.02)
            assert latency.first_audio == pytest.approx(0.3, abs=0.001)
            assert latency.overhead == pytest.approx(0.0, abs=0.03)

    play(story())


def test_words_stop_the_sound_at_once_and_cut_the_answer(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story", "please stop talking now"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(3.0)
            began = asyncio.get_running_loop().time()
            caller.say(1)
            paused = await caller.until(AgentPaused)
            assert paused.at - began < 0.15
            cut = await caller.until(Interrupted)
            await turn_done(caller, 2)
            assert 3 < len(cut.heard_text.split()) < 12
            assert (await caller.texts())[:3] == [
                (Speaker.USER, "tell me a story"),
                (Speaker.AGENT, cut.heard_text),
                (Speaker.USER, "please stop talking now"),
            ]
            assert (await caller.remembered())[1].interrupted
            assert not caller.server.errors

    play(story())


def test_a_cough_the_server_does_not_take_for_speech_lets_the_agent_go_on_from_the_exact_sample(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            caller.cough()
            paused = await caller.until(AgentPaused)
            resumed = await caller.until(AgentResumed)
            assert resumed.position == paused.position
            done = await turn_done(caller)
            assert not caller.all(Interrupted)
            assert done.heard_text == LONG
            heard = caller.heard(1)
            assert set(np.diff(heard)) <= {0, 1}
            assert len(heard) == sum(word_samples(word) for word in LONG.split())

    play(story())


def test_a_noise_that_does_not_end_does_not_silence_the_agent_for_ever(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            caller.cough(60.0)
            await caller.until(AgentPaused)
            await caller.until(AgentResumed, within_s=5.0)
            assert (await turn_done(caller)).heard_text == LONG

    play(story())


def test_a_sound_before_the_answer_is_heard_holds_the_answer_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["hello there"]) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            caller.cough()
            assert (await caller.until(AgentPaused)).position == 0
            resumed = await caller.until(AgentResumed)
            first = await caller.until(AgentAudio)
            assert resumed.position == first.position == 0 and first.at >= resumed.at
            assert (await turn_done(caller)).heard_text == caller.text(1)

    play(story())


def test_a_server_that_hears_what_we_do_not_cuts_the_answer_too(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story", "no"], deaf=True) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            caller.say(1)
            await caller.until(Interrupted)
            await turn_done(caller, 2)
            assert [text for role, text in await caller.texts() if role is Speaker.USER] == ["tell me a story", "no"]
            assert len(caller.all(SpeechStarted)) == 2
            assert not caller.all(AgentPaused)

    play(story())


@pytest.mark.parametrize("sound", ["", "mm-hmm"])
@pytest.mark.parametrize("answers", [True, False])
def test_an_interruption_that_says_nothing_leaves_the_conversation_sane(
    tmp_path: Path, sound: str, answers: bool
) -> None:
    async def story() -> None:
        habits = Habits()
        async with ring(tmp_path, long_answer, ["tell me a story", sound], habits=habits) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            habits.answers = answers
            caller.say(1, 0.4)
            await caller.until(Interrupted)
            habits.answers = True
            await asyncio.sleep(60.0)
            assert caller.statuses()[-1] is Status.LISTENING
            caller.say(0)
            before = len(caller.all(TurnDone))
            await turn_done(caller, before + 1)
            assert (await caller.texts())[-1] == (Speaker.AGENT, LONG)

    play(story())


def test_a_typed_turn_interrupts_like_speech(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        return [LONG] if len(items) < 2 else ["Done."]

    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            caller.session.send_text("that is enough")
            await turn_done(caller, 2)
            roles = await caller.texts()
            assert [text for role, text in roles if role is Speaker.USER] == ["tell me a story", "that is enough"]
            assert len(roles[1][1].split()) < 8
            assert roles[-1] == (Speaker.AGENT, "Done.")

    play(story())


@pytest.mark.parametrize("when_s", [0.0, 0.2, 2.0])
def test_the_stop_button_silences_at_once_and_for_good(tmp_path: Path, when_s: float) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer) as caller:
            caller.session.send_text("tell me a story")
            await asyncio.sleep(when_s)
            caller.session.interrupt()
            played = len(caller.all(AgentAudio))
            await turn_done(caller)
            await asyncio.sleep(3.0)
            assert len(caller.all(AgentAudio)) == played
            assert caller.statuses()[-1] is Status.LISTENING

    play(story())


def test_who_goes_on_speaking_before_the_answer_is_heard_says_one_turn(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(first_audio_s=0.8, transcript_after_s=1.5)
        async with ring(tmp_path, echo, ["what time is it", "in tokyo please"], habits=habits) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            await asyncio.sleep(0.1)
            caller.say(1)
            await turn_done(caller)
            assert (await caller.texts())[0] == (Speaker.USER, "what time is it in tokyo please")
            assert len(await caller.texts()) == 2
            assert caller.finals()[-1] == "what time is it in tokyo please"
            assert not caller.all(Interrupted)
            assert {event.turn for event in caller.all(UserTranscript)} == {1}
            last = max(event.at for event in caller.all(UserTranscript) if event.final)
            assert min(event.at for event in caller.all(AgentText)) >= last

    play(story())


def test_who_goes_on_and_is_not_taken_leaves_a_remembered_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, echo, ["what time is it"], habits=Habits(first_audio_s=1.0)) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            caller.server._speech_started()
            caller.server._reset_hearing()
            await turn_done(caller)
            assert await caller.texts() == [(Speaker.USER, "what time is it")]
            assert caller.statuses()[-1] is Status.LISTENING

    play(story())


def test_several_tools_of_one_response_run_at_once_and_the_server_is_asked_once(tmp_path: Path) -> None:
    script = calls_then_says(
        Call("calculate", '{"expression": "6*7"}'), Call("convert_units", '{"nonsense": 1}'), Call("no_such_tool")
    )

    async def story() -> None:
        async with ring(tmp_path, script) as caller:  # type: ignore[arg-type]
            caller.session.send_text("what is six times seven")
            done = await turn_done(caller)
            assert [event.name for event in caller.all(ToolCalled)] == ["calculate", "convert_units", "no_such_tool"]
            assert [event.error for event in caller.all(ToolReturned)] == [False, True, True]
            assert caller.server.responses == 2
            assert len(caller.server.sent_outputs) == 3
            assert "42" in done.heard_text or "forty-two" in done.heard_text
            entries = await caller.remembered()
            assert [entry.role for entry in entries] == [Speaker.USER, *[Speaker.TOOL] * 3, Speaker.AGENT]
            assert done.latency.tools is None or done.latency.tools < 0.1

    play(story())


def test_what_is_said_before_a_tool_is_heard_with_what_follows(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        if items[-1].kind == "output":
            return ["It is done."]
        return ["Let me see.", Call("calculate", '{"expression": "1+1"}')]

    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            caller.session.send_text("add")
            done = await turn_done(caller)
            assert done.heard_text == "Let me see. It is done."
            assert [text for _, text in await caller.texts()][1::2] == ["Let me see.", "It is done."]

    play(story())


def test_a_slow_tool_is_announced_and_a_cut_one_is_answered_once(tmp_path: Path) -> None:
    async def slow(*_: object) -> None:
        await asyncio.sleep(8.0)

    async def story() -> None:
        script = calls_then_says(Call("calculate", '{"expression": "1+1"}'), Call("roll_dice"))
        async with ring(tmp_path, script, ["never mind"]) as caller:  # type: ignore[arg-type]
            runner = caller.session._dialogue.answer._tools._toolbox
            original = runner.call

            async def call(name: str, arguments: object) -> object:
                if name == "calculate":
                    await slow()
                return await original(name, arguments)  # type: ignore[arg-type]

            runner.call = call  # type: ignore[method-assign, assignment]
            caller.session.send_text("add")
            notice = await caller.until(Notice)
            assert "calculate" in notice.text
            caller.session.interrupt()
            await turn_done(caller)
            await asyncio.sleep(20.0)
            outputs = dict(caller.server.sent_outputs)
            assert len(outputs) == len(caller.server.sent_outputs) == 2
            assert "cancelled by the user" in outputs.values()
            assert caller.server.responses == 1
            assert len(caller.all(ToolReturned)) == 2
            entries = await caller.remembered()
            assert [entry.error for entry in entries] == [False, True, False]

    play(story())


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


def test_a_timer_speaks_up_through_the_model_in_a_pause(tmp_path: Path) -> None:
    def script(items: Sequence[Item]) -> Sequence[Step]:
        if items[-1].kind == "output":
            return ["It is set. " + LONG]
        if "timer has fired" in items[-1].text:
            return ["Your tea is ready."]
        return [Call("set_timer", '{"seconds": 5, "label": "tea"}')]

    async def story() -> None:
        async with ring(tmp_path, script) as caller:
            caller.session.send_text("set a timer for five seconds")
            first = await turn_done(caller, 1)
            done = await turn_done(caller, 2)
            assert done.at > first.at > 10.0
            assert done.heard_text == "Your tea is ready."
            assert [role for role, _ in await caller.texts()][-1] is Speaker.AGENT
            assert not any("timer has fired" in text for _, text in await caller.texts())

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


def test_late_sound_of_a_cancelled_response_is_never_played(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(late_audio=True, word_gap_s=0.2)
        async with ring(tmp_path, long_answer, ["tell me a story", "stop it now"], habits=habits) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            caller.say(1)
            await turn_done(caller, 2)
            for turn in (1, 2):
                assert FIRST_WORD - 1 not in caller.heard(turn)
            assert caller.text(2) == LONG

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
