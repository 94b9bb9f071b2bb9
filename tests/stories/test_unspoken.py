"""Graphs whose models also write what is not for the user: only the answer is spoken, and memory has its order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from tests.stories.caller import turn_done
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeModel, Step
from tests.stories.graphs import THOUGHT, calculate, thinker
from tests.stories.test_own_graphs import answer, counting, dial, in_a_row
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import AgentAudio, Failed, Interrupted


class Notes(MessagesState):
    """With something that is not said."""

    note: str


async def think(state: Any) -> str:
    return str((await thinker().ainvoke(state["messages"])).text)


def talks(model: Any) -> Any:
    """The node that answers."""

    async def talk(state: MessagesState) -> dict[str, Any]:
        return await answer(model, state)

    return talk


def asking_at_the_start(model: Any) -> Any:
    """The edge that leads to the first node asks a model."""

    async def choose(state: MessagesState) -> Literal["talk", "nobody"]:
        await think(state)
        return "talk"

    graph = StateGraph(MessagesState)
    graph.add_node("talk", talks(model))
    graph.add_node("nobody", lambda state: {})
    graph.add_conditional_edges(START, choose)
    return graph.compile()


def grading_at_the_end(model: Any) -> Any:
    """The edge behind the answer asks a model whether it is good enough."""

    async def grade(state: MessagesState) -> Literal["talk", "__end__"]:
        await think(state)
        return "__end__"

    graph = StateGraph(MessagesState)
    graph.add_node("talk", talks(model))
    graph.add_edge(START, "talk")
    graph.add_conditional_edges("talk", grade)
    return graph.compile()


def classifying(model: Any) -> Any:
    """Nothing tells where the edge behind the first node leads."""

    async def classify(state: Notes) -> dict[str, Any]:
        await think(state)
        return {"note": "talk"}

    graph = StateGraph(Notes)
    graph.add_node("classify", classify)
    graph.add_node("talk", talks(model))
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", lambda state: state["note"])
    return graph.compile()


def sending_on(model: Any) -> Any:
    """A node that says by itself where it goes on, or that it is the end."""

    async def route(state: MessagesState) -> Command[Literal["talk", "__end__"]]:
        await think(state)
        return Command(goto="talk")

    graph = StateGraph(MessagesState)
    graph.add_node("route", route)
    graph.add_node("talk", talks(model))
    graph.add_edge(START, "route")
    return graph.compile()


def taking_notes(model: Any) -> Any:
    """Behind the answer it is written down what is to be remembered."""

    async def note(state: Notes) -> dict[str, Any]:
        return {"note": await think(state)}

    return in_a_row(Notes, talk=talks(model), note=note)


def asking_a_worker(model: Any) -> Any:
    """A node asks a graph that has a state of its own."""

    class Work(TypedDict):
        question: str
        result: str

    async def work(state: Work) -> dict[str, Any]:
        return {"result": str((await thinker().ainvoke(state["question"])).text)}

    worker = in_a_row(Work, work=work)

    async def talk(state: MessagesState) -> dict[str, Any]:
        result = await worker.ainvoke({"question": state["messages"][-1].text})
        assert THOUGHT in result["result"]
        return await answer(model, state)

    return in_a_row(MessagesState, talk=talk)


QUIET: dict[str, Callable[[Any], Any]] = {
    make.__name__: make
    for make in (asking_at_the_start, grading_at_the_end, classifying, sending_on, taking_notes, asking_a_worker)
}


@pytest.mark.parametrize("name", QUIET)
def test_only_the_answer_is_spoken_while_it_is_written(tmp_path: Path, name: str) -> None:
    conversation = Conversation()

    async def story(number: int) -> None:
        async with dial(tmp_path, QUIET[name], counting, conversation) as caller:
            caller.parts.model.token_s = 0.5
            caller.say(0)
            await caller.until(AgentAudio)
            assert len(caller.text(1).split()) < 15, "before the answer was whole"
            await asyncio.sleep(1.5)
            await caller.speak(2)
            cut = await caller.until(Interrupted)
            done = await turn_done(caller, 2)
            assert 2 <= len(cut.heard_text.split()) < 15
            spoken = caller.text(1) + caller.text(2)
            assert not (set(THOUGHT.split()) - {"which"}) & set(spoken.split())
            texts = [(role, text.split()) for role, text in await caller.texts()]
            assert texts[-4:] == [
                (Speaker.USER, ["what", "time", "is", "it"]),
                (Speaker.AGENT, cut.heard_text.split()),
                (Speaker.USER, ["stop"]),
                (Speaker.AGENT, done.heard_text.split()),
            ]
            assert len(texts) == 4 * number
            assert not caller.all(Failed)

    for number in (1, 2):
        play(story(number))


def test_what_a_node_does_not_hand_on_is_not_spoken_again(tmp_path: Path) -> None:
    """Which of two calls is the answer is known once it was one."""

    def drafts(model: Any) -> Any:
        async def talk(state: MessagesState) -> dict[str, Any]:
            await think(state)
            return await answer(model, state)

        return in_a_row(MessagesState, talk=talk)

    async def story() -> None:
        async with dial(tmp_path, drafts, counting) as caller:
            caller.session.send_text("hello")
            heard = (await turn_done(caller)).heard_text.split()
            assert [text.split() for role, text in await caller.texts() if role is Speaker.AGENT] == [
                heard[: len(THOUGHT.split())],
                heard[len(THOUGHT.split()) :],
            ]
            caller.parts.model.token_s = 0.5
            caller.session.send_text("and now")
            await caller.until(AgentAudio, len(caller.all(AgentAudio)) + 1)
            assert len(caller.text(2).split()) < 15, "before the answer was whole"
            done = await turn_done(caller, 2)
            assert THOUGHT not in done.heard_text
            assert "number 2" in done.heard_text
            assert done.heard_text.split() == caller.text(2).split()

    play(story())


def test_nodes_side_by_side_speak_one_after_the_other(tmp_path: Path) -> None:
    def both(model: Any) -> Any:
        def says(text: str, after_s: float) -> Any:
            async def node(state: MessagesState) -> dict[str, Any]:
                voice = FakeModel(lambda messages: [text], first_token_s=after_s, token_s=0.05)
                return {"messages": [await voice.ainvoke(state["messages"])]}

            return node

        graph = StateGraph(MessagesState)
        for name, text, after_s in (("left", "One two three four.", 0.12), ("right", "Five six seven eight.", 0.1)):
            graph.add_node(name, says(text, after_s))
            graph.add_edge(START, name)
            graph.add_edge(name, END)
        return graph.compile()

    async def story() -> None:
        async with dial(tmp_path, both, counting) as caller:
            caller.session.send_text("count")
            done = await turn_done(caller)
            assert done.heard_text.split() == ["Five", "six", "seven", "eight.", "One", "two", "three", "four."]
            said = [text.strip() for role, text in await caller.texts() if role is Speaker.AGENT]
            assert said == ["Five six seven eight.", "One two three four."]

    play(story())


def test_memory_has_the_order_in_which_it_was_told(tmp_path: Path) -> None:
    """A node asks an agent and hands on its last words only; what came before was heard and shown all the same."""

    def expert(model: Any) -> Any:
        agent = create_agent(model, [calculate])

        async def ask(state: MessagesState) -> dict[str, Any]:
            result = await agent.ainvoke({"messages": state["messages"]})
            return {"messages": [AIMessage(result["messages"][-1].content, name="expert")]}

        return in_a_row(MessagesState, ask=ask)

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        done = messages[-1].type == "tool"
        return ["The answer is forty-two."] if done else ["Let me see.", Call("calculate", '{"expression": "6*7"}')]

    async def story() -> None:
        async with dial(tmp_path, expert, script) as caller:
            caller.session.send_text("what is six times seven")
            await turn_done(caller)
            assert [(role, text.strip()) for role, text in await caller.texts()][1:] == [
                (Speaker.AGENT, "Let me see."),
                (Speaker.TOOL, "forty-two"),
                (Speaker.AGENT, "The answer is forty-two."),
            ]

    play(story())
