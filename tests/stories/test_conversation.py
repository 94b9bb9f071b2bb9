"""Scripted conversations on virtual time: what the user hears, sees and what is remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import BaseMessage, HumanMessage

from tests.stories.caller import OUTPUT_RATE, SENSITIVE, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import WORD_S, Call, Step
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.engines.sandwich import IDLE_S
from voice_agents.errors import ProviderTimeout, ProviderUnavailable, Role
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentDucked,
    AgentPaused,
    AgentResumed,
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

LONG = " ".join(f"word{number}" for number in range(40)) + "."


def echo(messages: list[BaseMessage]) -> Sequence[Step]:
    """Says what it heard last, and how many user messages it knows."""
    users = [message for message in messages if isinstance(message, HumanMessage)]
    return [f"Sure, you said {users[-1].text}. That was number {len(users)}."]


def long_answer(_messages: list[BaseMessage]) -> Sequence[Step]:
    return [LONG]


def test_a_spoken_question_is_transcribed_answered_heard_and_remembered(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["what time is it"]) as caller:
            await asyncio.sleep(0.5)
            caller.say(0)
            done = await turn_done(caller)
            finals = [event.text for event in caller.all(UserTranscript) if event.final]
            assert finals == ["what time is it"]
            assert any(not event.final for event in caller.all(UserTranscript))
            assert caller.text(1).strip() == "Sure, you said what time is it. That was number 1."
            assert done.heard_text.split() == caller.text(1).split()
            assert await caller.texts() == [
                (Speaker.USER, "what time is it"),
                (Speaker.AGENT, caller.text(1)),
            ]

    play(story())


def test_memory_is_read_while_the_words_are_still_on_their_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["hello there", "and again"]) as caller:
            store = caller.parts.store
            finals_known_at_read: list[int] = []
            read = store.latest_checkpoint

            async def watched(conversation: Conversation) -> str | None:
                finals_known_at_read.append(sum(event.final for event in caller.all(UserTranscript)))
                return await read(conversation)

            monkeypatch.setattr(store, "latest_checkpoint", watched)
            for turn in (1, 2):
                caller.say(turn - 1)
                await turn_done(caller, turn)
            assert finals_known_at_read == [0, 1, 1, 2], "for each turn: ahead of its words, and when it is stored"
            assert "number 2" in caller.text(2)

    play(story())


def test_a_connection_that_may_be_gone_is_opened_while_the_user_speaks(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["what time is it", "and now", "and later"]) as caller:
            line = caller.parts.line
            assert line is not None
            for utterance, pause_s, warmed in ((0, 0.5, 1), (1, 0.5, 1), (2, IDLE_S, 2)):
                await asyncio.sleep(pause_s)
                caller.say(utterance)
                await turn_done(caller, utterance + 1)
                assert line.warmed == warmed

    play(story())


def test_statuses_tell_the_turn_from_listening_to_listening(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["hello there"]) as caller:
            caller.say(0)
            await turn_done(caller)
            statuses = [event.status for event in caller.all(StatusChanged)]
            assert statuses[-4:] == [Status.HEARING, Status.THINKING, Status.SPEAKING, Status.LISTENING]

    play(story())


def test_the_first_sound_leaves_before_the_model_has_written_the_last_token(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda _: ["Sure, here it comes. " + LONG], ["tell me"]) as caller:
            caller.say(0)
            first = await caller.until(AgentAudio)
            assert len(caller.text(1).split()) < 20
            done = await turn_done(caller)
            assert done.at > first.at
            assert done.latency.text_wait == pytest.approx(0.0, abs=0.001)

    play(story())


def test_words_cut_the_answer_and_memory_keeps_what_was_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long_answer, ["tell me a story", "please stop talking now"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(3.0)
            caller.say(1)
            cut = await caller.until(Interrupted)
            assert 5 < len(cut.heard_text.split()) < 15
            await turn_done(caller, 1)
            assert (await caller.texts())[:2] == [
                (Speaker.USER, "tell me a story"),
                (Speaker.AGENT, cut.heard_text),
            ]
            await turn_done(caller, 2)
            finals = [event.text for event in caller.all(UserTranscript) if event.final]
            assert finals[-1] == "please stop talking now"

    play(story())


@pytest.mark.parametrize("sound", ["", "mm-hmm", "yeah"])
def test_a_cough_or_a_murmur_pauses_and_goes_on_from_the_exact_sample(tmp_path: Path, sound: str) -> None:
    async def story() -> None:
        async with call(tmp_path, long_answer, ["tell me a story", sound], turns=SENSITIVE) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            caller.say(1, 0.3)
            paused = await caller.until(AgentPaused)
            resumed = await caller.until(AgentResumed)
            assert resumed.position == paused.position
            done = await turn_done(caller)
            assert not caller.all(Interrupted)
            assert done.heard_text == LONG
            heard = caller.heard(1)
            assert set(np.diff(heard)) <= {0, 1}
            assert len(heard) == 40 * WORD_S * OUTPUT_RATE

    play(story())


def test_a_sound_that_is_no_voice_holds_the_answer_for_a_moment_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long_answer, ["tell me a story"], turns=SENSITIVE) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(2.0)
            for _ in range(5):
                caller.knock()
                await asyncio.sleep(0.7)
            done = await turn_done(caller)
            assert done.heard_text == LONG
            (paused,), (resumed,) = caller.all(AgentPaused), caller.all(AgentResumed)
            assert resumed.position == paused.position
            assert resumed.at - paused.at < 0.35
            assert len(caller.heard(1)) == len(LONG.split()) * round(WORD_S * OUTPUT_RATE)
            assert len(caller.all(SpeechStarted)) == 1

    play(story())


def test_an_agent_that_hears_itself_does_not_stutter(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda _: [LONG, LONG], ["tell me a story", "", "please stop"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            for _ in range(8):
                await caller.speak(1, 0.4)  # a voice of which the recogniser makes nothing
                await asyncio.sleep(0.8)
            assert len(caller.all(AgentPaused)) == len(caller.all(AgentResumed)) == 3
            await caller.speak(2)
            await caller.until(Interrupted)
            await turn_done(caller, 2)
            assert [event.text for event in caller.all(UserTranscript) if event.final][-1] == "please stop"

    play(story())


def test_a_microphone_that_falls_silent_in_a_sound_does_not_hold_the_answer(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long_answer, ["tell me a story"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            caller.knock()
            await caller.until(AgentDucked)
            caller.muted = True
            await caller.until(AgentResumed, within_s=1.0)
            assert (await turn_done(caller)).heard_text == LONG

    play(story())


def test_who_spoke_at_length_and_was_not_understood_is_told_so(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["", "hello"]) as caller:
            caller.say(0, 1.0)
            assert "say it again" in (await caller.until(Notice)).text
            caller.say(1)
            await turn_done(caller)
            assert len(caller.all(Notice)) == 1

    play(story())


def test_nothing_said_is_not_a_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["", "hello"]) as caller:
            caller.say(0, 0.5)
            await asyncio.sleep(3.0)
            assert not caller.all(TurnDone) and not caller.all(Notice)
            caller.say(1)
            await turn_done(caller)
            assert await caller.texts() == [
                (Speaker.USER, "hello"),
                (Speaker.AGENT, caller.text(caller.events[-1].turn)),
            ]

    play(story())


def test_a_typed_turn_interrupts_like_speech(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, lambda m: [LONG] if len(m) < 4 else ["Done."]) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            caller.session.send_text("that is enough")
            await turn_done(caller, 2)
            roles = await caller.texts()
            assert [text for role, text in roles if role is Speaker.USER] == ["tell me a story", "that is enough"]
            assert len(roles[1][1].split()) < 8

    play(story())


def test_the_stop_button_silences_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, long_answer) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            caller.session.interrupt()
            at = caller.all(AgentAudio)[-1].at
            done = await turn_done(caller)
            await asyncio.sleep(1.0)
            assert caller.all(AgentAudio)[-1].at == at
            words_played = len(caller.heard(1)) / OUTPUT_RATE / WORD_S
            assert abs(len(done.heard_text.split()) - words_played) <= 1
            assert caller.all(StatusChanged)[-1].status is Status.LISTENING

    play(story())


def test_the_end_of_an_answer_is_told_with_its_last_sound(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo) as caller:
            caller.session.send_text("hello there")
            await turn_done(caller)
            (end,) = caller.all(AgentAudioDone)
            assert end.at == caller.all(AgentAudio)[-1].at
            caller.session.set_speaking(False)
            caller.session.send_text("and now in writing")
            await turn_done(caller, 2)
            assert caller.all(AgentAudioDone) == [end], "an answer without sound has no last one"

    play(story())


def test_an_end_that_is_played_again_after_a_pause_is_told_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, [""], turns=SENSITIVE) as caller:
            caller.session.send_text("hello there")
            await caller.until(AgentAudioDone)
            caller.say(0, seconds=0.2)
            paused = await caller.until(AgentPaused)
            await turn_done(caller)
            last = caller.all(AgentAudio)[-1]
            assert last.position >= paused.position
            assert [end.at for end in caller.all(AgentAudioDone)][1:] == [last.at]

    play(story())


def test_who_goes_on_speaking_before_the_answer_is_heard_says_one_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["what time is it", "in tokyo please"]) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            await asyncio.sleep(0.1)
            caller.say(1)
            await turn_done(caller)
            assert (await caller.texts())[0] == (Speaker.USER, "what time is it in tokyo please")
            assert len(await caller.texts()) == 2

    play(story())


def test_tools_are_shown_and_their_answer_is_spoken(tmp_path: Path) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return [messages[-1].text] if messages[-1].type == "tool" else [Call("calculate", '{"expression": "6*7"}')]

    async def story() -> None:
        async with call(tmp_path, script) as caller:
            caller.session.send_text("what is six times seven")
            done = await turn_done(caller)
            assert caller.all(ToolCalled)[0].name == "calculate"
            assert not caller.all(ToolReturned)[0].error
            assert "forty-two" in done.heard_text or "42" in done.heard_text

    play(story())


def test_a_timer_speaks_up_by_itself_and_is_remembered(tmp_path: Path) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return ["It is set."] if messages[-1].type == "tool" else [Call("set_timer", '{"seconds": 10, "label": "tea"}')]

    async def story() -> None:
        async with call(tmp_path, script) as caller:
            caller.session.send_text("set a timer for ten seconds")
            await turn_done(caller, 1)
            done = await turn_done(caller, 2)
            assert "tea" in done.heard_text
            assert (await caller.texts())[-1] == (Speaker.AGENT, done.heard_text)

    play(story())


@pytest.mark.parametrize("where", ["stt", "chat", "chat mid-answer", "tts"])
def test_a_failing_provider_costs_one_turn_and_one_plain_sentence(tmp_path: Path, where: str) -> None:
    down = ProviderUnavailable(Role.CHAT, "fake", "The model is down.")
    said: dict[str, Sequence[Step]] = {"chat": [down], "chat mid-answer": ["This much was said.", down]}
    answers = [said[where]] if where in said else []

    def script(_messages: list[BaseMessage]) -> Sequence[Step]:
        return answers.pop(0) if answers else ["All is well."]

    async def story() -> None:
        async with call(tmp_path, script, ["first", "second"]) as caller:
            if where == "stt":
                caller.stt.failures.append(ProviderTimeout(Role.STT, "fake", "The recogniser did not answer."))
            if where == "tts":
                caller.voice.failures.append(ProviderUnavailable(Role.TTS, "fake", "The voice is away."))
            caller.say(0)
            await caller.until(Failed)
            await turn_done(caller)
            caller.say(1)
            done = await turn_done(caller, 2)
            assert done.heard_text == "All is well."
            assert len(caller.all(Failed)) == 1

    play(story())


def test_a_conversation_goes_on_in_a_new_session(tmp_path: Path) -> None:
    async def story() -> None:
        conversation = Conversation()
        for turn in (1, 2):
            async with call(tmp_path, echo, conversation=conversation) as caller:
                caller.session.send_text("hello again")
                done = await turn_done(caller)
                assert f"number {turn}" in done.heard_text

    play(story())
