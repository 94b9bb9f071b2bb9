"""Graphs that a developer brings: spoken, interrupted, withdrawn, failing, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from tests.stories.caller import Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Script, Step
from tests.stories.graphs import GRAPHS, THOUGHT
from tests.stories.test_interruptions import check_memory, check_played, interrupt, storyteller, until
from voice_agents.conversation.agent import OwnGraph
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import AgentAudio, AgentText, Failed, Interrupted, SpeechEnded, ToolCalled, ToolReturned

WORDS = ["what time is it", "and please tell me more", "stop"]
INTERRUPTIONS = 200
EVERY_GRAPH = pytest.mark.parametrize("name", GRAPHS)
STREAMING = [name for name in GRAPHS if name != "drafting"]


def dial(
    folder: Path, graph: Callable[[Any], Any], script: Script, conversation: Conversation | None = None
) -> AbstractAsyncContextManager[Caller]:
    """A caller of an agent that is this graph, whose model answers as the script says."""

    def prepare(parts: StoryParts) -> None:
        parts.graph = OwnGraph(graph(parts.model))  # type: ignore[assignment]

    return call(folder, script, WORDS, conversation=conversation, prepare=prepare)


def counting(messages: list[BaseMessage]) -> Sequence[Step]:
    """Answers with how many things the user has said, in as many words as take a while to say."""
    number = sum(message.type == "human" and message.text != "Be kind." for message in messages)
    return [f"This is answer number {number}, which is long enough to be cut in the middle of all its words."]


async def state_of(caller: Caller) -> dict[str, Any]:
    history = History(caller.parts.store)
    await history.load(caller.session.conversation)
    return dict(history.state(caller.session.conversation))


@EVERY_GRAPH
def test_a_spoken_turn_and_a_restart(tmp_path: Path, name: str) -> None:
    conversation = Conversation()

    async def story(number: int) -> None:
        async with dial(tmp_path, GRAPHS[name], counting, conversation) as caller:
            caller.say(0)
            done = await turn_done(caller)
            answer = counting([])[0].replace("number 0", f"number {number}")  # type: ignore[union-attr]
            assert done.heard_text.split() == answer.split()
            assert caller.text(1).split() == answer.split()
            texts = await caller.texts()
            assert texts[-2:] == [(Speaker.USER, WORDS[0]), (Speaker.AGENT, texts[-1][1])]
            assert texts[-1][1].split() == answer.split()
            assert len(texts) == 2 * number
            assert (await state_of(caller))["turns"] == number
            assert not caller.all(Failed)
            assert THOUGHT.split()[-3:] != caller.text(1).split()[-3:]

    for number in (1, 2, 3):
        play(story(number))


@pytest.mark.parametrize("name", STREAMING)
def test_it_is_spoken_while_it_is_written(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with dial(tmp_path, GRAPHS[name], counting) as caller:
            caller.parts.model.token_s = 0.5
            caller.session.send_text("hello")
            await caller.until(AgentAudio)
            assert len(caller.text(1).split()) < 15, "before the answer was whole"

    play(story())


@EVERY_GRAPH
def test_an_interruption_leaves_what_was_heard(tmp_path: Path, name: str) -> None:
    conversation = Conversation()

    async def story() -> None:
        async with dial(tmp_path, GRAPHS[name], counting, conversation) as caller:
            caller.say(0)
            await caller.until(AgentAudio)
            await asyncio.sleep(1.5)
            await caller.speak(2)
            cut = await caller.until(Interrupted)
            await turn_done(caller, 2)
            assert 2 <= len(cut.heard_text.split()) < 15
            texts = await caller.texts()
            assert [role for role, _ in texts] == [Speaker.USER, Speaker.AGENT] * 2
            assert texts[1][1].split() == cut.heard_text.split()
            assert (await History(caller.parts.store).messages(conversation))[1].interrupted
            assert caller.parts.model.seen[-1][-2].text.split() == cut.heard_text.split(), (
                "the graph is told what was heard"
            )

    play(story())


@EVERY_GRAPH
def test_a_turn_that_is_withdrawn_leaves_no_trace(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with dial(tmp_path, GRAPHS[name], counting) as caller:
            caller.say(0)
            await caller.until(SpeechEnded)
            caller.voice.first_audio_s = 1.0
            await asyncio.sleep(0.5)
            caller.say(1)
            await turn_done(caller)
            texts = await caller.texts()
            assert texts[0] == (Speaker.USER, f"{WORDS[0]} {WORDS[1]}")
            assert [role for role, _ in texts] == [Speaker.USER, Speaker.AGENT]
            assert (await state_of(caller))["turns"] == 1

    play(story())


@EVERY_GRAPH
def test_history_is_what_was_heard_over_many_interruptions(tmp_path: Path, name: str) -> None:
    dice = random.Random(name)
    calls = name in ("plain_agent", "with_subgraph")

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        steps = storyteller(dice)(messages)
        return steps if calls else [step for step in steps if isinstance(step, str)]

    async def story() -> None:
        async with dial(tmp_path, GRAPHS[name], script) as caller:
            caller.parts.model.token_s = 0.005
            caller.session.send_text("begin")
            while len(caller.all(Interrupted)) < INTERRUPTIONS:
                heard = len(caller.all(AgentAudio))
                if dice.random() < 0.9:
                    await until(caller, lambda heard=heard: len(caller.all(AgentAudio)) > heard)  # type: ignore[misc]
                await asyncio.sleep(dice.uniform(0.0, 3.0))
                await interrupt(caller, dice)
            await asyncio.sleep(60.0)
            check_played(caller)
            check_memory(caller, await History(caller.parts.store).messages(caller.session.conversation))
            assert not caller.all(Failed)

    play(story())


@pytest.mark.parametrize("name", ["plain_agent", "with_subgraph"])
def test_its_tools_are_shown_and_remembered(tmp_path: Path, name: str) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        done = messages[-1].type == "tool"
        return ["The answer is forty-two."] if done else ["Let me see.", Call("calculate", '{"expression": "6*7"}')]

    async def story() -> None:
        async with dial(tmp_path, GRAPHS[name], script) as caller:
            caller.say(0)
            await turn_done(caller)
            [called], [returned] = caller.all(ToolCalled), caller.all(ToolReturned)
            assert (called.name, dict(called.args)) == ("calculate", {"expression": "6*7"})
            assert (returned.call_id, returned.result, returned.error) == (called.call_id, "forty-two", False)
            texts = [(role, text.strip()) for role, text in await caller.texts()]
            assert texts == [
                (Speaker.USER, WORDS[0]),
                (Speaker.AGENT, "Let me see."),
                (Speaker.TOOL, "forty-two"),
                (Speaker.AGENT, "The answer is forty-two."),
            ]
            assert THOUGHT not in "".join(event.text for event in caller.all(AgentText))

    play(story())
