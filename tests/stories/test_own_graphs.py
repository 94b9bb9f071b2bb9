"""Graphs that a developer brings: spoken, interrupted, withdrawn, failing, and gone on with after a restart."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, RemoveMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from tests.stories.caller import Caller, StoryParts, call, turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, Script, Step
from tests.stories.graphs import GRAPHS, THOUGHT
from tests.stories.test_interruptions import check_memory, check_played, listen_a_while, storyteller
from tests.stories.test_interruptions import interrupt as take_the_floor
from tests.stories.test_own_tools import Till
from voice_agents.conversation.agent import OwnGraph
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.errors import ConfigurationError
from voice_agents.events import AgentAudio, AgentText, Failed, Interrupted, SpeechEnded, ToolCalled, ToolReturned

WORDS = ["what time is it", "and please tell me more", "stop"]
INTERRUPTIONS = int(os.environ.get("INTERRUPTIONS", "20"))
"""In one conversation. 200 with all graphs take minutes: ``INTERRUPTIONS=200 python -m pytest <this file>``."""
EVERY_GRAPH = pytest.mark.parametrize("name", GRAPHS)
STREAMING = [name for name in GRAPHS if name != "drafting"]


def dial(
    folder: Path, graph: Callable[[Any], Any], script: Script, conversation: Conversation | None = None
) -> AbstractAsyncContextManager[Caller]:
    """A caller of an agent that is this graph, whose model answers as the script says."""

    def prepare(parts: StoryParts) -> None:
        parts.graph = OwnGraph(graph(parts.model))  # pyrefly: ignore[bad-assignment]

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
            answer = counting([])[0].replace("number 0", f"number {number}")  # pyrefly: ignore[missing-attribute]
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
            caller.voice.first_audio_s = 1.5
            caller.say(0)
            await caller.until(SpeechEnded)
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
                await listen_a_while(caller, dice, 3.0)
                await take_the_floor(caller, dice)
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


class Bank(Till):
    """Has an agent."""

    def agent(self, model: Any) -> Any:
        return create_agent(model, [self.pay])

    def agent_in_a_graph(self, model: Any) -> Any:
        return in_a_row(MessagesState, helper=create_agent(model, [self.pay]))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("takes_s", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("after_s", [0.05, 0.3])
def test_what_its_tool_did_is_done_once(
    tmp_path: Path, nested: bool, forgets: bool, takes_s: float, after_s: float
) -> None:
    bank = Bank(takes_s)
    asked: list[int] = []

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        said = sum(len(message.text) for message in messages if message.type == "human")
        if messages[-1].type == "tool" and (not forgets or said in asked):
            return ["It is paid."]
        asked.append(said)
        return [Call("pay", '{"amount": 5}')]

    async def story() -> None:
        async with dial(tmp_path, bank.agent_in_a_graph if nested else bank.agent, script) as caller:
            caller.say(0)
            await caller.until(ToolCalled)
            caller.voice.first_audio_s = 1.0
            await asyncio.sleep(after_s)
            caller.say(1)
            await turn_done(caller)
            await asyncio.sleep(5.0)
            assert bank.paid == [5]
            assert len(caller.all(ToolCalled)) == len(caller.all(ToolReturned)) == 1
            texts = await caller.texts()
            assert texts[0] == (Speaker.USER, f"{WORDS[0]} {WORDS[1]}")
            assert [(role, text.strip()) for role, text in texts[1:]] == [
                (Speaker.TOOL, "Paid 5."),
                (Speaker.AGENT, "It is paid."),
            ]

    play(story())


def test_who_interrupts_a_tool_that_has_begun_lets_it_end(tmp_path: Path) -> None:
    bank = Bank(0.3)

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return ["It is paid."] if messages[-1].type == "tool" else ["One moment.", Call("pay", '{"amount": 5}')]

    async def story() -> None:
        async with dial(tmp_path, bank.agent, script) as caller:
            caller.session.send_text("pay")
            await caller.until(ToolCalled)
            await asyncio.sleep(0.1)
            caller.session.interrupt()
            await turn_done(caller)
            assert bank.paid == [5]
            assert [text for role, text in await caller.texts() if role is Speaker.TOOL] == ["Paid 5."]

    play(story())


def in_a_row(state: Any, **nodes: Any) -> Any:
    """A compiled graph of these nodes, one after the other."""
    graph = StateGraph(state)
    graph.add_sequence(list(nodes.items()))
    graph.add_edge(START, next(iter(nodes)))
    return graph.compile()


def failing(model: Any) -> Any:
    async def plan(state: MessagesState) -> dict[str, Any]:
        if state["messages"][-1].text == "fail":
            raise ValueError("key=secret")
        return {}

    async def respond(state: MessagesState) -> dict[str, Any]:
        return await answer(model, state)

    return in_a_row(MessagesState, plan=plan, answer=respond)


def circling(model: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("round", lambda state: {})
    graph.add_node("answer", RunnableLambda(lambda state: None, lambda state: answer(model, state)))
    graph.add_conditional_edges(
        START, lambda state: "round" if state["messages"][-1].text == "fail" else "answer", ["round", "answer"]
    )
    graph.add_edge("round", "round")
    return graph.compile()


async def answer(model: Any, state: Any) -> dict[str, Any]:
    return {"messages": [await model.ainvoke(state["messages"])]}


def asking(model: Any) -> Any:
    async def approve(state: MessagesState) -> dict[str, Any]:
        if state["messages"][-1].text == "fail":
            interrupt("May I?")
        return await answer(model, state)

    return in_a_row(MessagesState, approve=approve)


def commanding(model: Any) -> Any:
    async def go(state: MessagesState) -> Any:
        if state["messages"][-1].text == "fail":
            return Command(goto="nowhere", graph=Command.PARENT)
        return await answer(model, state)

    return in_a_row(MessagesState, go=go)


def silent(model: Any) -> Any:
    async def go(state: MessagesState) -> Any:
        return {} if state["messages"][-1].text == "fail" else await answer(model, state)

    return in_a_row(MessagesState, go=go)


def breaking(model: Any) -> Any:
    """It fails in the middle of its answer."""
    return in_a_row(MessagesState, go=RunnableLambda(lambda state: None, lambda state: answer(model, state)))


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (failing, "failed in its node plan (ValueError)"),
        (circling, "recursion_limit"),
        (asking, "interrupt"),
        (commanding, "failed"),
        (silent, "without an answer"),
        (breaking, "failed in its node go (ConnectionError)"),
    ],
)
def test_what_goes_wrong_is_said_plainly_and_the_conversation_goes_on(
    tmp_path: Path, graph: Callable[[Any], Any], told: str
) -> None:
    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return ["It is", ConnectionError("gone")] if messages[-1].text == "fail" else ["All is well."]

    async def story() -> None:
        async with dial(tmp_path, graph, script) as caller:
            caller.session.send_text("fail")
            failed = await caller.until(Failed)
            assert told in str(failed.error)
            assert "secret" not in str(failed.error)
            await turn_done(caller)
            caller.session.send_text("again")
            done = await turn_done(caller, 2)
            assert done.heard_text.strip() == "All is well."
            texts = [(role, text.strip()) for role, text in await caller.texts()]
            begun = [(Speaker.AGENT, "It is")] if graph is breaking else []
            assert texts == [
                (Speaker.USER, "fail"),
                *begun,
                (Speaker.USER, "again"),
                (Speaker.AGENT, "All is well."),
            ]

    play(story())


def test_a_graph_may_forget(tmp_path: Path) -> None:
    """Its memory is ours: what it takes out of its messages is out of the conversation."""

    def forgetful(model: Any) -> Any:
        async def go(state: MessagesState) -> Any:
            old = [RemoveMessage(id=one.id or "") for one in state["messages"][:-1]]
            return {"messages": [*old, await model.ainvoke(state["messages"])]}

        return in_a_row(MessagesState, go=go)

    async def story() -> None:
        async with dial(tmp_path, forgetful, counting) as caller:
            for number in (1, 2, 3):
                caller.session.send_text(f"word {number}")
                await turn_done(caller, number)
            assert [text for role, text in await caller.texts() if role is Speaker.USER] == ["word 3"]

    play(story())


def test_state_that_cannot_be_stored_costs_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class State(MessagesState):
        lock: Any
        count: int

    def locking(model: Any) -> Any:
        async def go(state: State) -> Any:
            return {**await answer(model, state), "lock": threading.Lock(), "count": state.get("count", 0) + 1}

        return in_a_row(State, go=go)

    async def story() -> None:
        async with dial(tmp_path, locking, counting) as caller:
            for number in (1, 2):
                caller.session.send_text("hello")
                await turn_done(caller, number)
            assert await state_of(caller) == {"count": 2}
            assert len(await caller.texts()) == 4
            assert "lock" in caplog.text

    play(story())


@pytest.mark.parametrize("wrong", [StateGraph(MessagesState), "graph", lambda: None])
def test_what_is_no_agent_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="agent"):
        OwnGraph(wrong)


def test_a_graph_without_messages_is_refused() -> None:
    class State(TypedDict):
        text: str

    graph = in_a_row(State, go=lambda state: {"text": "x"})
    with pytest.raises(ConfigurationError, match="messages"):
        OwnGraph(graph)
