"""Who types while something else is going on: nothing that was said is lost, and nobody is talked over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import Caller, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Step
from voice_agents.conversation.history import Speaker
from voice_agents.events import AgentAudio, AgentText, SpeechEnded, SpeechStarted, TurnDone, UserTranscript
from voice_agents.session import memory


def fine(_messages: list[BaseMessage]) -> Sequence[Step]:
    return ["That is fine."]


async def speak_and_go_on(caller: Caller) -> None:
    """The first utterance is taken for a turn, and the second one, still being said, goes on with it."""
    caller.say(0)
    await caller.until(SpeechEnded)
    await asyncio.sleep(0.1)
    caller.say(1)
    await caller.until(SpeechStarted, 2)
    await asyncio.sleep(0.7)


def test_a_typed_turn_does_not_wait_for_words_that_do_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LATE_WORDS_S", 60.0)

    async def story() -> None:
        async with call(tmp_path, fine, ["hello there"]) as caller:
            caller.stt.commit_delay_s = 90.0
            caller.say(0)
            typed_at = (await caller.until(SpeechEnded)).at
            caller.session.send_text("never mind")
            answered = await caller.until(AgentText)
            assert answered.at - typed_at < 20.0  # on virtual time a thread of the agent's tracing may take seconds
            token_s = (await caller.until(TurnDone, 2, within_s=90.0)).latency.first_token
            assert token_s is not None and token_s < answered.at - typed_at - memory.NEXT_ANSWER_S + 0.01
            shown = (Speaker.USER, "hello there")
            assert await caller.texts() == [shown, (Speaker.USER, "never mind"), (Speaker.AGENT, "That is fine. ")]

    play(story())


def test_words_that_come_late_stand_before_the_typed_turn(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, fine, ["hello there"]) as caller:
            caller.stt.commit_delay_s = 3.0
            caller.say(0)
            await caller.until(SpeechEnded)
            caller.session.send_text("never mind")
            await turn_done(caller, 2)
            said = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert said == ["hello there", "never mind"]

    play(story())


def test_words_that_were_shown_stay_when_the_user_goes_on_and_then_types(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, fine, ["my dog is called rex", "and he is"]) as caller:
            await speak_and_go_on(caller)
            caller.session.send_text("what is my dog called")
            await turn_done(caller, 2)
            said = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert said[0].startswith("my dog is called rex and") and said[1].startswith("what is my dog")
            finals = {event.turn: event.text for event in caller.all(UserTranscript) if event.final}
            assert list(finals.values()) == said, "the page is told what is kept"

    play(story())


@pytest.mark.parametrize(
    ("commit_delay_s", "kept"), [(0.12, "my dog is called rex and"), (60.0, "my dog is called rex")]
)
def test_words_that_were_shown_stay_when_the_user_goes_on_and_then_leaves(
    tmp_path: Path, commit_delay_s: float, kept: str
) -> None:
    async def story() -> None:
        words = ["my dog is called rex", "and he is"]
        async with call(tmp_path, fine, words) as caller:
            conversation = caller.session.conversation
            await speak_and_go_on(caller)
            caller.stt.commit_delay_s = commit_delay_s
        async with call(tmp_path, fine, words, conversation=conversation) as caller:
            [(role, text)] = await caller.texts()
            assert role is Speaker.USER and text.startswith(kept)

    play(story())


def test_a_sound_that_was_no_word_is_no_turn_of_who_types(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, fine, [""]) as caller:
            caller.say(0, 0.5)
            await caller.until(SpeechStarted)
            await asyncio.sleep(0.3)
            caller.session.send_text("hello")
            done = await turn_done(caller)
            await asyncio.sleep(3.0)
            assert caller.all(TurnDone) == [done] and done.heard_text == "That is fine."
            finals = {event.turn: event.text for event in caller.all(UserTranscript) if event.final}
            assert finals == {1: "", done.turn: "hello"}, "what was shown of it goes"

    play(story())


def test_who_types_in_a_sentence_is_not_talked_over_and_heard_to_its_end(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, fine, ["turn the light on in the kitchen please"]) as caller:
            caller.say(0)
            await asyncio.sleep(0.9)
            caller.session.send_text("hello")
            ended = await caller.until(SpeechEnded)
            assert not caller.all(AgentAudio), "nobody was talked over"
            await turn_done(caller, 2)
            assert all(audio.at > ended.at for audio in caller.all(AgentAudio))
            finals = {event.turn: event.text for event in caller.all(UserTranscript) if event.final}
            assert finals[1].startswith("turn the") and finals[2].startswith("hello ")
            spoken = len(f"{finals[1]} {finals[2]}".split()) - 1
            assert spoken >= 7, finals
            assert [text for role, text in await caller.texts() if role is Speaker.USER] == [finals[1], finals[2]]

    play(story())
