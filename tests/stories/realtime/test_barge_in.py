"""Who speaks when another speaks, over a server that takes the turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.stories.caller import SENSITIVE, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call
from tests.stories.realtime.caller import ring
from tests.stories.realtime.items import Habits, Item, Step, word_samples
from tests.stories.realtime.scripts import LONG, echo, long_answer
from tests.stories.realtime.server import FIRST_WORD
from voice_agents.conversation.history import Speaker
from voice_agents.events import (
    AgentAudio,
    AgentDucked,
    AgentPaused,
    AgentResumed,
    AgentText,
    Failed,
    Interrupted,
    SpeechEnded,
    SpeechStarted,
    Status,
    ToolCalled,
    UserTranscript,
)


def test_words_stop_the_sound_at_once_and_cut_the_answer(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story", "please stop talking now"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(3.0)
            began = asyncio.get_running_loop().time()
            caller.say(1)
            ducked = await caller.until(AgentDucked)
            assert ducked.at - began < 0.15
            paused = await caller.until(AgentPaused)
            assert paused.at - began < 0.35
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


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "spoken"])
def test_who_goes_on_before_a_slow_answer_is_heard_is_answered(tmp_path: Path, typed: bool) -> None:
    """The server is still writing the answer that is taken back, so it does not answer what follows by itself."""

    async def story() -> None:
        slow = Habits(word_gap_s=0.25, first_audio_s=0.3)
        async with ring(tmp_path, long_answer, ["tell me a story", "about cats please"], habits=slow) as caller:
            await asyncio.sleep(0.2)
            if typed:
                caller.say(1)
                await asyncio.sleep(0.3)
                caller.session.send_text("tell me a story")
            else:
                await caller.speak(0)
                await caller.until(SpeechEnded)
                caller.say(1)
            await caller.until(AgentAudio, within_s=5.0)
            await turn_done(caller)
            assert await caller.texts() == [
                (Speaker.USER, "tell me a story about cats please"),
                (Speaker.AGENT, LONG),
            ]
            assert not caller.all(Failed) and not caller.server.errors

    play(story())


@pytest.mark.parametrize("noisy_s", [0.1, 2.0])
def test_a_murmur_that_is_forgotten_is_taken_off_the_page(tmp_path: Path, noisy_s: float) -> None:
    """The stop button is pressed over it: it is no turn, and the page shows what is remembered."""

    async def story() -> None:
        habits = Habits(transcript_after_s=noisy_s)
        async with ring(tmp_path, long_answer, ["tell me a story", "mm-hmm"], habits=habits) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(3.0)
            caller.say(1, 0.4)
            await caller.until(UserTranscript, 2 if noisy_s > 1 else 1)
            await asyncio.sleep(0.95)
            caller.session.send_text("and now")
            await asyncio.sleep(40.0)
            shown = {event.turn: event.text for event in caller.all(UserTranscript) if event.final}
            remembered = [text for role, text in await caller.texts() if role is Speaker.USER]
            assert [shown[turn] for turn in sorted(shown) if shown[turn]] == remembered

    play(story())


@pytest.mark.parametrize("calls", [False, True], ids=["speaks", "calls a tool"])
def test_what_a_server_answers_to_a_murmur_that_gets_no_answer_is_deleted(tmp_path: Path, calls: bool) -> None:
    """The agent was stopped by the button, the server had taken the murmur for a turn, and the user types instead."""
    to_the_murmur: Step = Call("roll_dice") if calls else "never heard by anybody"
    answers: Iterator[Sequence[Step]] = iter([[LONG], [to_the_murmur], ["All right."]])

    async def story() -> None:
        slow_words = Habits(transcript_after_s=2.0)
        async with ring(tmp_path, lambda _: next(answers), ["mm-hmm"], habits=slow_words) as caller:
            caller.session.send_text("tell me a story")
            await caller.until(AgentAudio)
            await asyncio.sleep(3.0)
            await caller.speak(0, 0.3)
            await asyncio.sleep(0.6)
            caller.session.interrupt()
            await asyncio.sleep(0.5)
            assert caller.server.responses == 2, "the server has answered the murmur"
            caller.session.send_text("and now")
            await asyncio.sleep(30.0)
            assert [item.said() for item in caller.server.items if item.kind == "assistant"][1:] == [["All", "right."]]
            open_calls = {item.call_id for item in caller.server.items if item.kind == "call"}
            assert open_calls == {item.call_id for item in caller.server.items if item.kind == "output"}
            assert not caller.all(ToolCalled) and not caller.server.errors

    play(story())


def test_a_cough_the_server_does_not_take_for_speech_lets_the_agent_go_on_from_the_exact_sample(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story"], turns=SENSITIVE) as caller:
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


def test_a_sound_that_is_no_voice_holds_the_answer_for_a_moment_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["tell me a story"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(1.0)
            caller.knock()
            ducked = await caller.until(AgentDucked)
            resumed = await caller.until(AgentResumed)
            assert resumed.at - ducked.at < 0.35 and not caller.all(AgentPaused)
            assert (await turn_done(caller)).heard_text == LONG

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

    play(story())


@pytest.mark.parametrize("sound", ["", "mm-hmm"])
@pytest.mark.parametrize("answers", [True, False])
def test_a_sound_that_the_server_takes_for_a_turn_and_says_nothing_is_no_interruption(
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
            await asyncio.sleep(3.0)
            habits.answers = True
            assert (await turn_done(caller)).heard_text == LONG
            assert not caller.all(Interrupted)
            assert caller.statuses()[-1] is Status.LISTENING
            assert [item.text for item in caller.server.items if item.kind == "user"] == ["tell me a story"]
            caller.say(0)
            await turn_done(caller, 2)
            assert (await caller.texts())[-1] == (Speaker.AGENT, LONG)
            assert len(await caller.texts()) == 4

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


def test_an_answer_taken_back_while_a_sound_holds_it_stays_silent(tmp_path: Path) -> None:
    async def story() -> None:
        async with ring(tmp_path, long_answer, ["hello"], habits=Habits(word_gap_s=0.05)) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            caller.cough(1.5)
            await caller.until(AgentPaused)
            await asyncio.sleep(0.8)
            caller.server._cancel_response("turn_detected")
            caller.server.prompt()
            resumed = await caller.until(AgentResumed)
            assert (await caller.until(AgentAudio)).at >= resumed.at
            done = await turn_done(caller)
            assert done.heard_text == LONG
            assert len(caller.heard(1)) == sum(word_samples(word) for word in LONG.split())

    play(story())
