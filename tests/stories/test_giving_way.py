"""An agent that is spoken to while it speaks becomes quieter first, falls silent for a voice and stops for words."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stories.caller import OUTPUT_RATE, AnyCaller, Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import FIRST_LABEL
from tests.stories.realtime.caller import RealtimeCaller
from tests.stories.realtime.items import Habits
from tests.stories.test_both import LONG, QUESTION, long_answer, talk, texts
from voice_agents.audio import Pcm
from voice_agents.conversation.history import Speaker
from voice_agents.events import AgentAudio, AgentDucked, AgentPaused, AgentResumed, Interrupted, ToolCalled
from voice_agents.settings import Interruptions, TurnSettings
from voice_agents.turns.vad import VoiceActivity

WORDS = ["what time is it", "mm-hmm", "yeah", "stop", "no wait what about tomorrow then", ""]
MURMUR, YEAH, STOP, SENTENCE, NOISE = range(1, len(WORDS))
LOUD = 1500
"""So far behind is an utterance that is 8 dB louder than those."""
LOUDLY = [*WORDS, *[""] * (LOUD - len(WORDS)), *WORDS]
ASKING = " ".join(f"word{number}" for number in range(12)) + ", shall I go on?"
QUIET = 10 ** (-15 / 20)


@pytest.fixture(params=["sandwich", "realtime"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def speaking(caller: AnyCaller[Any, Any], seconds: float = 4.0, question: int = QUESTION) -> None:
    """The agent speaks, and has for so long."""
    caller.say(question)
    await caller.until(AgentAudio)
    await asyncio.sleep(seconds)


def longest_gap_s(caller: AnyCaller[Any, Any], turn: int) -> float:
    """The longest silence between two pieces of an answer, as it was played."""
    played = [piece for piece in caller.played if piece.turn == turn and len(piece.pcm)]
    return max(after.at - before.at - len(before.pcm) / OUTPUT_RATE for before, after in pairwise(played))


@pytest.mark.parametrize("sound", [MURMUR, YEAH, NOISE])
@pytest.mark.parametrize("length_s", [0.15, 0.19])
def test_a_short_murmur_or_noise_leaves_a_dip_and_no_gap(
    tmp_path: Path, engine: str, sound: int, length_s: float
) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=WORDS) as caller:
            await speaking(caller)
            began = asyncio.get_running_loop().time()
            caller.say(sound, length_s)
            ducked = await caller.until(AgentDucked)
            assert ducked.at - began < 0.15 and ducked.volume == pytest.approx(QUIET)
            await caller.until(AgentResumed)
            done = await turn_done(caller)
            await asyncio.sleep(3.0)
            assert done.heard_text.split() == LONG.split()
            assert not caller.all(AgentPaused) and not caller.all(Interrupted)
            assert longest_gap_s(caller, 1) < 0.04
            assert [role for role, _ in await texts(caller)] == [Speaker.USER, Speaker.AGENT]
            if isinstance(caller, RealtimeCaller):
                assert [item.kind for item in caller.server.items] == ["user", "assistant"]
                assert not caller.server.errors

    play(story())


@pytest.mark.parametrize(("words", "cut"), [("stop", True), ("Bye.", False)])
def test_a_word_that_is_over_silences_the_agent_if_it_sounds_like_one(
    tmp_path: Path, engine: str, words: str, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(_: Pcm, over: bool = False) -> float:
        return (5.0 if cut else -5.0) if over else -5.0

    for caller_of in ("tests.stories.caller", "tests.stories.realtime.caller"):
        monkeypatch.setattr(f"{caller_of}.sentence", judge)

    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=[WORDS[QUESTION], words]) as caller:
            await speaking(caller)
            if isinstance(caller, Caller):
                caller.stt.partial_delay_s = 2.0
            began = asyncio.get_running_loop().time()
            caller.say(1, 0.2)
            if cut:
                paused = await caller.until(AgentPaused)
                assert paused.at - began < 0.2 + 0.15
                await caller.until(Interrupted)
            elif engine == "realtime":  # where words come late, and one is no reason to stop for what was a murmur
                await caller.until(AgentResumed)
                done = await turn_done(caller)
                assert done.heard_text.split() == LONG.split() and not caller.all(AgentPaused)

    play(story())


def test_a_longer_murmur_pauses_the_answer_and_loses_nothing_of_it(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=WORDS) as caller:
            await speaking(caller)
            caller.say(MURMUR, 0.5)
            await caller.until(AgentResumed)
            done = await turn_done(caller)
            assert done.heard_text.split() == LONG.split() and not caller.all(Interrupted)
            assert len(caller.heard(1)) == max(event.position + len(event.pcm) for event in caller.all(AgentAudio))

    play(story())


@pytest.mark.parametrize(("louder", "pauses"), [(0, False), (LOUD, True)])
def test_a_murmur_that_is_softer_than_the_users_turns_leaves_no_gap_however_long_it_is(
    tmp_path: Path, engine: str, louder: int, pauses: bool
) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=LOUDLY) as caller:
            await speaking(caller, question=QUESTION + LOUD)
            if isinstance(caller, Caller):
                caller.stt.partial_delay_s = 2.0
            caller.say(MURMUR + louder, 0.5)
            await caller.until(AgentDucked)
            await caller.until(AgentResumed)
            done = await turn_done(caller)
            assert done.heard_text.split() == LONG.split() and not caller.all(Interrupted)
            assert bool(caller.all(AgentPaused)) == pauses
            assert (longest_gap_s(caller, 1) > 0.04) == pauses

    play(story())


def test_a_noise_that_was_taken_for_a_turn_says_nothing_of_how_loud_the_user_is(tmp_path: Path) -> None:
    async def story() -> None:
        async with talk("sandwich", tmp_path, long_answer, words=LOUDLY) as caller:
            caller.say(NOISE, 0.6)
            await asyncio.sleep(6.0)
            assert not await texts(caller)
            await speaking(caller, question=QUESTION + LOUD)
            assert isinstance(caller, Caller)
            caller.stt.partial_delay_s = 2.0
            caller.say(MURMUR, 0.5)
            await caller.until(AgentDucked)
            await caller.until(AgentResumed)
            assert not caller.all(AgentPaused)

    play(story())


@pytest.mark.parametrize(("louder", "at_most_s"), [(0, 0.75), (LOUD, 0.35)])
def test_a_voice_as_loud_as_the_users_turns_silences_the_agent_soon_a_softer_one_later(
    tmp_path: Path, engine: str, louder: int, at_most_s: float
) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=LOUDLY) as caller:
            await speaking(caller, question=QUESTION + LOUD)
            began = asyncio.get_running_loop().time()
            caller.say(SENTENCE + louder)
            ducked = await caller.until(AgentDucked)
            assert ducked.at - began < 0.15
            cut = await caller.until(Interrupted)
            silent_s = min(event.at for event in [cut, *caller.all(AgentPaused)]) - began
            assert silent_s < at_most_s
            await turn_done(caller, 2)
            said = [text for role, text in await texts(caller) if role is Speaker.USER]
            assert said == [WORDS[QUESTION], WORDS[SENTENCE]]

    play(story())


@pytest.mark.parametrize(("words", "length_s"), [(STOP, 0.2), (STOP, 0.5), (SENTENCE, None)])
def test_words_silence_the_agent_soon_and_cut_its_answer(
    tmp_path: Path, engine: str, words: int, length_s: float | None
) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=WORDS) as caller:
            await speaking(caller)
            began = asyncio.get_running_loop().time()
            caller.say(words, length_s)
            cut = await caller.until(Interrupted)
            if length_s != 0.2:
                assert min(event.at for event in [cut, *caller.all(AgentPaused)]) - began < 0.35
            await turn_done(caller, 2)
            said = [text for role, text in await texts(caller) if role is Speaker.USER]
            assert said == [WORDS[QUESTION], WORDS[words]]
            assert (await texts(caller))[1][1].split() == cut.heard_text.split()

    play(story())


class HangsOver:
    """A voice model that takes the moment after a sound for speech, too, until it is clearly over."""

    CHUNKS = 4

    def __init__(self) -> None:
        self._left = 0

    def probability(self, chunk: Pcm) -> float:
        loud = int(np.abs(chunk.astype(np.int32)).max()) >= FIRST_LABEL
        self._left = self.CHUNKS if loud else max(0, self._left - 1)
        return 0.99 if self._left else 0.01

    def reset(self) -> None:
        self._left = 0


def is_word(_: Pcm, over: bool = False) -> float:
    """Nobody knows what a voice is that goes on; one that is over was a word."""
    return 1.0 if over else -2.0


def test_a_word_that_falls_silent_all_at_once_silences_the_agent_too(tmp_path: Path) -> None:
    async def story() -> None:
        def prepare(parts: StoryParts) -> None:
            parts.voice_activity = lambda: VoiceActivity(HangsOver(), is_word)

        async with call(tmp_path, lambda _: [LONG], WORDS, prepare=prepare) as caller:
            await speaking(caller)
            caller.stt.partial_delay_s = 2.0
            began = asyncio.get_running_loop().time()
            caller.say(STOP, 0.2)
            paused = await caller.until(AgentPaused)
            assert paused.at - began < 0.45, "before any words of it are known"
            await caller.until(Interrupted)

    play(story())


@pytest.mark.parametrize("left_s", [0.3, 1.0])
def test_a_yes_to_a_question_is_always_an_answer(tmp_path: Path, engine: str, left_s: float) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, lambda _said, _done: [ASKING], words=["hello there", "yeah"]) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            left = caller.session.speaker.left_s
            while left is None or left > left_s:
                await asyncio.sleep(0.02)
                left = caller.session.speaker.left_s
            caller.say(1, 0.2)
            await turn_done(caller, 2)
            said = [text for role, text in await texts(caller) if role is Speaker.USER]
            assert said == ["hello there", "yeah"]

    play(story())


def test_where_only_words_count_a_noise_pauses_nothing(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        turns = TurnSettings(adaptive=False, interruptions=Interruptions.WORDS_ONLY)
        async with talk(engine, tmp_path, long_answer, words=WORDS, turns=turns) as caller:
            await speaking(caller)
            caller.say(NOISE, 0.7)
            await caller.until(AgentResumed)
            await asyncio.sleep(0.5)
            caller.say(STOP)
            await caller.until(Interrupted)
            before_words = [event for event in caller.all(AgentPaused) if event.position]
            assert not before_words

    play(story())


def test_the_setting_changes_in_a_call(tmp_path: Path, engine: str) -> None:
    async def story() -> None:
        async with talk(engine, tmp_path, long_answer, words=WORDS) as caller:
            caller.session.set_turns(TurnSettings(adaptive=False, interruptions=Interruptions.SENSITIVE))
            await speaking(caller)
            caller.say(MURMUR, 0.2)
            await caller.until(AgentPaused)
            assert not caller.all(AgentDucked)

    play(story())


@pytest.mark.parametrize(("sound", "cut"), [(MURMUR, False), (STOP, True)])
def test_a_server_that_is_still_writing_goes_on_for_a_murmur_and_stops_for_words(
    tmp_path: Path, sound: int, cut: bool
) -> None:
    """It refuses to answer a turn that it takes meanwhile, so it is asked to."""

    async def story() -> None:
        habits = Habits(word_gap_s=0.3)
        async with talk("realtime", tmp_path, long_answer, words=WORDS, habits=habits) as caller:
            assert isinstance(caller, RealtimeCaller)
            await speaking(caller)
            caller.say(sound, 0.2)
            await turn_done(caller)
            habits.word_gap_s = 0.01
            if cut:
                await turn_done(caller, 2)
            await asyncio.sleep(40.0)
            said = [text for role, text in await texts(caller) if role is Speaker.USER]
            assert said == [WORDS[QUESTION], *([WORDS[sound]] if cut else [])]
            assert (await texts(caller))[-1][1].split() == LONG.split()
            assert len(caller.all(Interrupted)) == cut
            assert not caller.server.errors

    play(story())


@pytest.mark.parametrize(("first", "second"), [(MURMUR, STOP), (STOP, MURMUR), (MURMUR, YEAH)])
def test_two_sounds_that_the_server_takes_one_after_the_other_are_judged_together(
    tmp_path: Path, first: int, second: int
) -> None:
    """The words of the first come when it has taken the second already."""

    async def story() -> None:
        habits = Habits(transcript_after_s=1.0)
        turns = TurnSettings(silence_s=0.3)
        async with talk("realtime", tmp_path, long_answer, words=WORDS, habits=habits, turns=turns) as caller:
            assert isinstance(caller, RealtimeCaller)
            await speaking(caller)
            await caller.speak(first, 0.2)
            await asyncio.sleep(0.4)
            await caller.speak(second, 0.2)
            cut = STOP in (first, second)
            await turn_done(caller, 1 + cut)
            await asyncio.sleep(5.0)
            said = " ".join(text for role, text in await texts(caller) if role is Speaker.USER)
            assert ("stop" in said) == cut and len(caller.all(Interrupted)) == cut
            assert [item.kind for item in caller.server.items if item.kind == "assistant"] == ["assistant"] * (1 + cut)
            assert (await texts(caller))[-1][1].split() == LONG.split()

    play(story())


def test_a_server_that_interrupts_though_it_is_told_not_to_cuts_the_answer(tmp_path: Path) -> None:
    async def story() -> None:
        habits = Habits(interrupts=True, word_gap_s=0.3)
        async with talk("realtime", tmp_path, long_answer, words=WORDS, habits=habits) as caller:
            await speaking(caller)
            caller.say(SENTENCE)
            await caller.until(Interrupted)
            habits.word_gap_s = 0.01
            await turn_done(caller, 2)
            assert [role for role, _ in await texts(caller)] == [Speaker.USER, Speaker.AGENT] * 2

    play(story())


def test_a_tool_that_answers_a_murmur_is_not_called(tmp_path: Path) -> None:
    from tests.stories.fakes import Call

    def answers(said: str, done: bool) -> list[Any]:
        if said == WORDS[MURMUR]:
            return [Call("roll_dice", "{}")]
        return [LONG]

    async def story() -> None:
        async with talk("realtime", tmp_path, answers, words=WORDS) as caller:
            await speaking(caller)
            caller.say(MURMUR, 0.2)
            await turn_done(caller)
            await asyncio.sleep(3.0)
            assert not caller.all(ToolCalled)

    play(story())
