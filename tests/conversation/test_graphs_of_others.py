"""Foreign graphs on a real loop: middleware that blocks, a context of their own, and what is refused at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call, wrap_tool_call
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolRuntime

from voice_agents.conversation.agent import OwnGraph, Token, VoiceAgent
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.errors import ConfigurationError
from voice_agents.tools import Toolbox


class Scripted(FakeMessagesListChatModel):
    """Calls the tool, then answers; blocking and not."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def scripted(name: str) -> Scripted:
    call = {"name": name, "args": {}, "id": "1", "type": "tool_call"}
    return Scripted(responses=[AIMessage("", tool_calls=[call]), AIMessage("It is done.")])


@dataclass
class Who:
    """A graph's context."""

    name: str = "nobody"


@dataclass
class Whoever:
    """A graph's context, which somebody has to give."""

    name: str


@tool
def greet(runtime: ToolRuntime[Who]) -> str:
    """Greet who is there."""
    return f"Hello {runtime.context.name}."


async def said(graph: OwnGraph, folder: Path) -> list[str]:
    """What is remembered of a turn that was heard whole."""
    async with open_store(folder / "talk.sqlite3") as store:
        history, conversation, heard = History(store), Conversation(), dict[str, str]()
        async with VoiceAgent(graph, None, history, Toolbox([])).ready_for(conversation) as turn:
            turn.ask("Please do it.")
            async for output in turn.stream():
                if isinstance(output, Token):
                    heard[output.message_id] = heard.get(output.message_id, "") + output.text
            await turn.settle(heard)
        return [entry.text for entry in await history.messages(conversation)][1:]


async def test_middleware_that_blocks_is_run_in_a_thread(tmp_path: Path) -> None:
    """As most examples in LangChain's documentation are written."""
    wrapped: list[str] = []

    @wrap_model_call
    def watch(request: Any, handler: Any) -> Any:
        wrapped.append("model")
        return handler(request)

    @wrap_tool_call
    def guard(request: Any, handler: Any) -> Any:
        wrapped.append("tool")
        return handler(request)

    agent = create_agent(scripted("greet"), [greet], middleware=[watch, guard], context_schema=Who)
    assert await said(OwnGraph(agent), tmp_path) == ["Hello nobody.", "It is done."]
    assert wrapped == ["model", "tool", "model"]


async def test_it_has_the_context_that_was_handed_over(tmp_path: Path) -> None:
    agent = create_agent(scripted("greet"), [greet], context_schema=Whoever)
    assert await said(OwnGraph(agent, context=Whoever("Anna")), tmp_path) == ["Hello Anna.", "It is done."]


def test_a_context_that_nobody_gives_is_missed_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"context_schema.*name.*context="):
        OwnGraph(create_agent(scripted("greet"), [greet], context_schema=Whoever))


def test_a_graph_that_waits_for_who_looks_into_it_is_refused() -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("talk", lambda state: {})
    graph.add_edge(START, "talk")
    with pytest.raises(ConfigurationError, match="interrupt_before"):
        OwnGraph(graph.compile(interrupt_before=["talk"]))
