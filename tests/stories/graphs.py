"""Graphs as developers write them, that know nothing of this app: each is given a model, and counts its turns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from langchain.agents import AgentState, create_agent
from langchain.agents.middleware import AgentMiddleware, ModelCallLimitMiddleware, hook_config
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command
from pydantic import BaseModel

from tests.stories.fakes import FakeModel, Step

THOUGHT = "these are thoughts which nobody may hear"


class Counting(MessagesState):
    """Conversations that count their turns."""

    turns: Annotated[int, operator.add]


def thinker() -> FakeModel:
    """A model whose words are no answer."""

    def script(messages: list[BaseMessage]) -> Sequence[Step]:
        return [THOUGHT]

    return FakeModel(script, first_token_s=0.05, token_s=0.001)


@tool
async def calculate(expression: str) -> str:
    """Work out a sum."""
    await thinker().ainvoke(expression)
    return "forty-two"


class Counter(AgentMiddleware[Any, Any]):
    """Middleware with state of its own, before and after every model call."""

    class Schema(AgentState[Any]):
        turns: Annotated[int, operator.add]

    state_schema = Schema

    def before_agent(self, state: Any, runtime: Any) -> dict[str, Any]:
        return {"turns": 1}

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: Any, runtime: Any) -> None:
        return None


def plain_agent(model: BaseChatModel) -> Any:
    """What LangChain's documentation begins with."""
    limit: Any = ModelCallLimitMiddleware(run_limit=10)
    return create_agent(model, [calculate], system_prompt="Be kind.", middleware=[Counter(), limit])


def two_nodes(model: BaseChatModel) -> Any:
    """One thinks, one answers; the first blocks no loop, the second is not called model."""

    class State(Counting):
        plan: str

    async def think(state: State) -> dict[str, Any]:
        return {"plan": str((await thinker().ainvoke(state["messages"])).text), "turns": 1}

    async def speak(state: State) -> dict[str, Any]:
        assert state["plan"].split() == THOUGHT.split()
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("speak", speak)
    graph.add_edge(START, "think")
    graph.add_edge("think", "speak")
    graph.add_edge("speak", END)
    return graph.compile()


def with_subgraph(model: BaseChatModel) -> Any:
    """A router sends everybody to an agent, which is a graph of its own."""

    async def route(state: Counting) -> dict[str, Any]:
        await thinker().ainvoke(state["messages"])
        return {"turns": 1}

    graph = StateGraph(Counting)
    graph.add_node("route", route)
    graph.add_node("helper", create_agent(model, [calculate], name="helper"))
    graph.add_node("nobody", lambda state: {})
    graph.add_edge(START, "route")
    graph.add_conditional_edges("route", lambda state: "helper", ["helper", "nobody"])
    graph.add_edge("helper", END)
    graph.add_edge("nobody", END)
    return graph.compile()


def own_words(model: BaseChatModel) -> Any:
    """Its node streams by itself and makes a message of its own of what came; its memory is replaced by ours."""

    async def talk(state: Counting) -> dict[str, Any]:
        text = ""
        async for part in model.astream([HumanMessage("Be kind."), *state["messages"]]):
            text += str(part.text)
        return {"messages": [("ai", text.strip())], "turns": 1}

    graph = StateGraph(Counting)
    graph.add_node("talk", talk)
    graph.add_edge(START, "talk")
    return graph.compile(checkpointer=InMemorySaver())


def drafting(model: BaseChatModel) -> Any:
    """The answer is written in a node that blocks, and a last node, which says nothing, follows; the state is typed."""

    class State(BaseModel):
        messages: Annotated[list[AnyMessage], add_messages]
        turns: Annotated[int, operator.add] = 0

    async def write(state: State) -> Command[Any]:
        quiet = model.with_config(tags=["nostream"])
        answer = await quiet.ainvoke(state.messages)
        return Command(goto="file", update={"messages": [AIMessage(answer.content, name="writer")]})

    def file(state: State) -> dict[str, Any]:
        return {"turns": 1}

    graph = StateGraph(State)
    graph.add_node("write", write, destinations=("file",))
    graph.add_node("file", file)
    graph.add_edge(START, "write")
    return graph.compile()


GRAPHS: dict[str, Callable[[BaseChatModel], Any]] = {
    make.__name__: make for make in (plain_agent, two_nodes, with_subgraph, own_words, drafting)
}
