"""Answers that are begun early: quicker where the guess was right, and without a trace where it was wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.early import CAREFUL, EAGER, OFF, Desk, clerk, timeline
from tests.stories.fakes import Step
from tests.stories.graphs import GRAPHS
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.own_graph import OwnGraph
from voice_agents.errors import ProviderUnavailable, Role
from voice_agents.events import AgentAudio, AgentText, BegunEarly, Event, Failed, SpeechEnded, ToolCalled, TurnDone
from voice_agents.settings import TurnSettings

BOTH = pytest.mark.parametrize("turns", [CAREFUL, EAGER], ids=["careful", "eager"])
QUESTION, REST = "what is the weather like", "in the old town of Bergen"


def echo(messages: list[BaseMessage]) -> Sequence[Step]:
    """Says what it was asked."""
    return [f"You said: {messages[-1].text}."]


async def asked_and_answered(caller: Caller, utterance: int, count: int = 1) -> float:
    """Voice to voice of a sentence, seconds."""
    await caller.speak(utterance)
    over = asyncio.get_running_loop().time()
    await turn_done(caller, count)
    first = min(played.at for played in caller.played if played.turn == count)
    return first - over


async def said(caller: Caller) -> list[tuple[Speaker, str]]:
    return [(role, text.strip()) for role, text in await caller.texts()]


async def nothing_left(parts: StoryParts, streams: int) -> None:
    """A second later nobody works for an answer that was dropped."""
    await asyncio.sleep(1.0)
    assert parts.voice is not None
    assert len(parts.voice.streams) == streams
    assert not [task for task in asyncio.all_tasks() if "agent turn" in task.get_name()]


@pytest.mark.parametrize(("turns", "saved_s"), [(CAREFUL, 0.42), (EAGER, 0.54)], ids=["careful", "eager"])
def test_an_answer_sounds_when_the_patience_is_over(tmp_path: Path, turns: TurnSettings, saved_s: float) -> None:
    """Words, first token and voice take 570 ms here, after 80 ms of silence; eager does not wait for final words."""

    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION], turns=OFF) as caller:
            plain_s = await asked_and_answered(caller, 0)
        async with call(tmp_path / "early", echo, [QUESTION], turns=turns) as caller:
            assert await asked_and_answered(caller, 0) == pytest.approx(plain_s - saved_s, abs=0.08)
            [early] = caller.all(BegunEarly)
            assert early.used
            assert early.saved_s == pytest.approx(saved_s, abs=0.08)
            assert caller.text(1).strip() == f"You said: {QUESTION}."
            assert await said(caller) == [(Speaker.USER, QUESTION), (Speaker.AGENT, f"You said: {QUESTION}.")]
            assert len(caller.parts.model.seen) == 1
            done = caller.all(TurnDone)[0].latency
            assert done.overhead == pytest.approx(0, abs=0.02)
            await nothing_left(caller.parts, streams=1)

    (tmp_path / "early").mkdir()
    play(story())


@BOTH
@pytest.mark.parametrize("pause_s", [0.15, 0.3, 0.4])
@pytest.mark.parametrize("forgetful", [False, True])
def test_who_goes_on_is_asked_for_all_of_it(
    tmp_path: Path, turns: TurnSettings, pause_s: float, forgetful: bool
) -> None:
    def prepare(parts: StoryParts) -> None:
        parts.forgetful = forgetful

    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION, REST], turns=turns, prepare=prepare) as caller:
            await caller.speak(0)
            await asyncio.sleep(pause_s)
            assert not caller.all(AgentText)
            await caller.speak(1)
            await turn_done(caller)
            whole = f"{QUESTION} {REST}"
            assert await said(caller) == [(Speaker.USER, whole), (Speaker.AGENT, f"You said: {whole}.")]
            assert caller.text(1).strip() == f"You said: {whole}."
            assert [early.used for early in caller.all(BegunEarly)][-1]
            assert {played.turn for played in caller.played} == {1}
            await nothing_left(caller.parts, streams=len(caller.voice.streams))

    play(story())


@BOTH
def test_a_dropped_answer_leaves_no_trace(tmp_path: Path, turns: TurnSettings) -> None:
    """It was half made when the user went on: what it cost is told, and nothing else."""

    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION, REST], turns=turns) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.35)
            caller.say(1, 4.0)
            await asyncio.sleep(1.5)
            dropped = [early for early in caller.all(BegunEarly) if not early.used]
            assert dropped
            assert dropped[0].tokens > 0
            assert not caller.all(AgentText)
            assert not caller.all(AgentAudio)
            assert not await caller.texts()
            await nothing_left(caller.parts, streams=len(caller.voice.streams))

    play(story())


def test_words_that_need_more_are_waited_for_until_the_patience_is_nearly_over(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["my name is", "Ada"], turns=CAREFUL) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.18)
            assert not caller.parts.model.seen
            await asyncio.sleep(0.22)
            assert len(caller.parts.model.seen) == 1
            await caller.speak(1)
            await turn_done(caller)
            assert (await caller.texts())[0] == (Speaker.USER, "my name is Ada")

    play(story())


def test_who_says_no_more_is_answered_as_if_the_words_were_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, ["my name is"], turns=OFF) as caller:
            plain_s = await asked_and_answered(caller, 0)
        async with call(tmp_path / "early", echo, ["my name is"], turns=CAREFUL) as caller:
            assert await asked_and_answered(caller, 0) < plain_s - 0.25

    (tmp_path / "early").mkdir()

    play(story())


def test_off_means_that_nothing_is_begun(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION, REST], turns=OFF) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.4)
            await caller.speak(1)
            await turn_done(caller)
            assert len(caller.parts.model.seen) == 1
            assert not caller.all(BegunEarly)

    play(story())


def test_a_model_that_failed_early_is_asked_again(tmp_path: Path) -> None:
    async def story() -> None:
        failures = [ProviderUnavailable(Role.CHAT, "fake", "The model is busy.")]

        def fails_once(messages: list[BaseMessage]) -> Sequence[Step]:
            return [failures.pop()] if failures else echo(messages)

        async with call(tmp_path, fails_once, [QUESTION], turns=EAGER) as caller:
            await caller.speak(0)
            await turn_done(caller)
            assert caller.text(1).strip() == f"You said: {QUESTION}."
            assert not caller.all(Failed)

    play(story())


def test_a_turn_may_be_certain_before_its_answer_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turn before is still being stored: the words for good are those that are asked."""

    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION], turns=EAGER) as caller:
            monkeypatch.setattr(caller.session.memory, "ready", partial(asyncio.sleep, 0.6))
            await caller.speak(0)
            await turn_done(caller)
            assert await said(caller) == [(Speaker.USER, QUESTION), (Speaker.AGENT, f"You said: {QUESTION}.")]
            assert not caller.all(Failed)

    play(story())


def test_typing_while_an_answer_is_begun_loses_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION], turns=EAGER) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.45)
            caller.session.send_text("and typed")
            await turn_done(caller, 2)
            assert [text for role, text in await caller.texts() if role is Speaker.USER] == [QUESTION, "and typed"]
            assert not [played for played in caller.played if played.turn == 1]

    play(story())


@pytest.mark.parametrize("how", ["typing", "button"])
def test_a_turn_that_is_cut_as_it_is_taken_drops_the_answer_that_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever is told that the turn was taken may act on it before the answer has made its first step."""

    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION], turns=EAGER) as caller:
            session, loop, tell = caller.session, asyncio.get_running_loop(), caller.session.tell.emit

            def act_at_once(kind: type[Event], **values: Any) -> None:
                tell(kind, **values)
                if kind is SpeechEnded:
                    loop.call_soon(session.interrupt if how == "button" else partial(session.send_text, "and typed"))

            monkeypatch.setattr(session.tell, "emit", act_at_once)
            await caller.speak(0)
            await caller.until(SpeechEnded)
            await turn_done(caller, 2 if how == "typing" else 1)
            await nothing_left(caller.parts, streams=len(caller.voice.streams))
            assert [early.used for early in caller.all(BegunEarly)] == [False], "what it cost is told"
            assert (await said(caller))[0] == (Speaker.USER, QUESTION)
            assert not caller.all(Failed)

    play(story())


def test_who_hangs_up_meanwhile_is_remembered(tmp_path: Path) -> None:
    async def story() -> None:
        async with call(tmp_path, echo, [QUESTION], turns=EAGER) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.4)
            parts = caller.parts
            conversation = caller.session.conversation
        async with call(tmp_path, echo, [], conversation=conversation) as caller:
            assert await caller.texts() == [(Speaker.USER, QUESTION)]
            await asyncio.sleep(1.0)
        assert not [task for task in asyncio.all_tasks() if "agent turn" in task.get_name()]
        assert parts.voice is not None

    play(story())


@BOTH
def test_a_tool_with_side_effects_waits_for_certainty(tmp_path: Path, turns: TurnSettings) -> None:
    async def story() -> None:
        desk = Desk()
        async with call(tmp_path, clerk, ["book one for two", "tonight"], turns=turns, prepare=desk.prepare) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.35)
            assert not desk.booked
            await caller.speak(1)
            said = asyncio.get_running_loop().time()
            await turn_done(caller)
            assert desk.booked == ["one for two tonight"]
            assert desk.at[0] >= said + 0.49
            assert len(caller.all(ToolCalled)) == 1

    play(story())


@BOTH
def test_what_other_tools_found_is_used(tmp_path: Path, turns: TurnSettings) -> None:
    async def story() -> None:
        desk = Desk()
        async with call(tmp_path, clerk, ["look one for two"], turns=turns, prepare=desk.prepare) as caller:
            await caller.speak(0)
            said = asyncio.get_running_loop().time()
            await turn_done(caller)
            assert desk.looked_up == ["one for two"]
            assert desk.at[0] <= said + 0.55
            assert [role for role, _ in await caller.texts()] == [Speaker.USER, Speaker.TOOL, Speaker.AGENT]

    play(story())


def counting(messages: list[BaseMessage]) -> Sequence[Step]:
    return [f"That is answer {sum(message.type == 'human' for message in messages)} for you."]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("speculative", [True, False])
def test_graphs_of_others_are_begun_early_too_unless_they_say_no(tmp_path: Path, name: str, speculative: bool) -> None:
    async def story() -> None:
        def prepare(parts: StoryParts) -> None:
            parts.__dict__["graph"] = OwnGraph(GRAPHS[name](parts.model), speculative=speculative)

        words = [QUESTION, REST, QUESTION]
        async with call(tmp_path, counting, words, turns=EAGER, prepare=prepare) as caller:
            await caller.speak(0)
            await asyncio.sleep(0.4)
            await caller.speak(1)
            await turn_done(caller)
            await asyncio.sleep(0.5)
            await caller.speak(2)
            await turn_done(caller, 2)
            assert [text for role, text in await caller.texts() if role is Speaker.USER] == [
                f"{QUESTION} {REST}",
                QUESTION,
            ]
            assert any(early.used for early in caller.all(BegunEarly)) is speculative
            await nothing_left(caller.parts, streams=len(caller.voice.streams))

    play(story())


@pytest.mark.parametrize("seed", range(8))
def test_answers_are_what_they_would_have_been(tmp_path: Path, seed: int) -> None:
    for turns in (OFF, CAREFUL, EAGER):
        (tmp_path / turns.speculation).mkdir()
    plain = play(timeline(tmp_path / OFF.speculation, seed, OFF))
    for turns in (CAREFUL, EAGER):
        early = play(timeline(tmp_path / turns.speculation, seed, turns))
        assert early.texts == plain.texts
        assert early.booked == plain.booked
        assert not early.problems
