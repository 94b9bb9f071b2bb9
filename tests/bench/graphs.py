"""What a developer's own graph costs more to the first token than the standard agent, and how that grows."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage

from tests.bench.table import show
from tests.stories.fakes import FakeModel, Step
from tests.stories.graphs import GRAPHS
from voice_agents.conversation.agent import OwnGraph, Token, VoiceAgent, agent_graph
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.store import Store, open_store
from voice_agents.tools import Toolbox

TURNS = 40
BEFORE = (0, 100, 1000)
"""Turns the conversation has had."""
AHEAD_S = 0.02
"""How long the agent may get ready before the words are known."""


def script(messages: list[BaseMessage]) -> Sequence[Step]:
    return ["Hello."]


def model() -> FakeModel:
    return FakeModel(script, first_token_s=0.0, token_s=0.0)


def agents() -> dict[str, Callable[[Any], Any]]:
    plain: dict[str, Callable[[Any], Any]] = {"create_agent": lambda model: create_agent(model, [])}
    own = {**plain, **{name: GRAPHS[name] for name in ("plain_agent", "own_words")}}
    graphs = {name: lambda model, make=make: OwnGraph(make(model)) for name, make in own.items()}
    return {"standard": agent_graph, **graphs}


async def first_token_s(agent: VoiceAgent, conversation: Conversation) -> float:
    """From the words to the first token; the turn leaves no trace."""
    async with agent.ready_for(conversation) as turn:
        await asyncio.sleep(AHEAD_S)
        began = time.perf_counter()
        turn.ask("Hello?")
        outputs = aiter(turn.stream())
        while not isinstance(await anext(outputs), Token):
            pass
        took_s = time.perf_counter() - began
        await turn.discard()
    return took_s


async def main() -> None:
    for before in BEFORE:
        with tempfile.TemporaryDirectory() as folder:
            async with open_store(Path(folder) / "talk.sqlite3") as store:
                show(f"From the words to the first token, after {before} turns", await measure(store, before))


async def measure(store: Store, before: int) -> dict[str, list[float]]:
    """Seconds by agent, taken in turns."""
    said: list[AnyMessage] = []
    for number in range(before):
        said += [HumanMessage(f"What is {number}?", id=new_id()), AIMessage(f"{number}.", id=new_id())]
    conversation = Conversation()
    await History(store).extend(conversation, said)
    line = model()
    talkers = {name: VoiceAgent(make(line), line, History(store), Toolbox([])) for name, make in agents().items()}
    times: dict[str, list[float]] = {name: [] for name in talkers}
    for _ in range(TURNS):
        for name, agent in talkers.items():
            times[name].append(await first_token_s(agent, conversation))
    return times


if __name__ == "__main__":
    asyncio.run(main())
