"""Graphs with plain functions for nodes, as most examples have them: they call the app's model and block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langgraph.graph import MessagesState, StateGraph

from tests.engines.live import live, remembered
from tests.engines.test_make_it_yours import everything_loud_is_speech, served
from voice_agents import AgentParts, SandwichEngine
from voice_agents.events import AgentAudio, AgentText, Failed, TurnDone

__all__ = ["everything_loud_is_speech"]


def with_node(node: Any) -> Any:
    return StateGraph(MessagesState).add_node(node).set_entry_point(node.__name__).compile()


def invokes(parts: AgentParts) -> Any:
    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [parts.model.invoke([("system", "Be kind"), *state["messages"]])]}

    return with_node(answer)


def streams(parts: AgentParts) -> Any:
    def answer(state: MessagesState) -> dict[str, Any]:
        pieces = list(parts.model.stream([("system", "Be kind"), *state["messages"]]))
        assert len(pieces) > 3, "one by one"
        whole = pieces[0]
        for piece in pieces[1:]:
            whole += piece
        return {"messages": [whole]}

    return with_node(answer)


def in_middleware(parts: AgentParts) -> Any:
    class Around(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            return handler(request)

    return create_agent(parts.model, system_prompt="Be kind", middleware=[Around()])


@pytest.mark.parametrize("agent", [invokes, streams, in_middleware])
async def test_a_model_that_is_asked_by_blocking_answers_token_by_token(tmp_path: Path, agent: Any) -> None:
    async with served(tmp_path) as settings, SandwichEngine(settings, agent=agent) as engine, live(engine) as somebody:
        done = await somebody.turn("hello")
        assert done.heard_text == "You said hello. Be kind."
        assert len(somebody.all(AgentText)) > 3
        entries = await remembered(engine, somebody.session.conversation)
        assert [entry.text.strip() for entry in entries] == ["hello", done.heard_text]


async def test_an_answer_that_a_thread_waits_for_can_be_interrupted(tmp_path: Path) -> None:
    async with (
        served(tmp_path) as settings,
        SandwichEngine(settings, agent=invokes) as engine,
        live(engine) as somebody,
    ):
        somebody.session.send_text(" ".join(f"word{number}" for number in range(40)))
        await somebody.until(lambda: bool(somebody.all(AgentAudio)))
        somebody.session.interrupt()
        await somebody.until(lambda: bool(somebody.all(TurnDone)))
        done = await somebody.turn("hello")
        assert done.heard_text.endswith("hello. Be kind.")


async def test_a_blocking_call_in_the_event_loop_says_what_to_do(tmp_path: Path) -> None:
    asked = list[str]()

    def agent(parts: AgentParts) -> Any:
        async def answer(state: MessagesState) -> dict[str, Any]:
            try:
                return {"messages": [parts.model.invoke(state["messages"])]}
            except RuntimeError as error:
                asked.append(str(error))
                raise

        return with_node(answer)

    async with served(tmp_path) as settings, SandwichEngine(settings, agent=agent) as engine, live(engine) as somebody:
        somebody.session.send_text("hello")
        await somebody.until(lambda: bool(somebody.all(Failed)))
    assert asked and "await model.ainvoke" in asked[0]
