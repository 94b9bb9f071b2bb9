"""What a turn costs after 10, 100 and 1000 turns, and opening such a conversation: with the standard agent and own
graphs, in SQLite and, if it is installed, PostgreSQL.

``CPU`` is that of the event loop's thread: for so long nobody else is heard. A whole turn begins while the user's words
are on their way, and ends when it is on disk. Opened is what a page shows at first; the rest is read while the user
begins to speak.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from tests.bench.graphs import AHEAD_S, agents, model
from tests.postgres import binaries, postgres_server
from voice_agents.conversation.agent import Token, VoiceAgent
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.store import Store, open_store
from voice_agents.settings import PostgresUrl
from voice_agents.tools import Toolbox

BEFORE = (10, 100, 1000)
"""Turns the conversation has had."""
AGENTS = ("standard", "plain_agent", "own_words")
FACTS = TurnFacts(engine="sandwich", latency={"silence": 0.5, "voice_to_voice": 0.8})


@dataclass
class Figures:
    """By step, seconds as the clock and as the thread's CPU count them."""

    wall_s: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """What is done inside."""
        began, before_s = time.perf_counter(), time.thread_time()
        yield
        self.cpu_s.setdefault(step, []).append(time.thread_time() - before_s)
        self.wall_s.setdefault(step, []).append(time.perf_counter() - began)


async def long_talk(store: Store, turns: int) -> Conversation:
    """A conversation that has had so many turns."""
    said: list[AnyMessage] = []
    for number in range(turns):
        words = HumanMessage(f"What is {number}, and what do you think of it, my friend?", id=new_id())
        answer = f"{number} is a number that I like a lot, and I would say that it is a fine one."
        said += [FACTS.put_on(words), AIMessage(answer, id=new_id())]
    conversation = Conversation()
    await History(store).extend(conversation, said)
    return conversation


async def one_turn(agent: VoiceAgent, conversation: Conversation, figures: Figures) -> None:
    """A turn that is heard whole."""
    with figures.timed("whole turn"):
        async with agent.ready_for(conversation) as turn:
            await asyncio.sleep(AHEAD_S)
            heard: dict[str, str] = {}
            with figures.timed("first token"):
                turn.ask("Hello?")
                outputs = turn.stream()
                while not isinstance(output := await anext(outputs), Token):
                    pass
            heard[output.message_id] = output.text
            async for output in outputs:
                if isinstance(output, Token):
                    heard[output.message_id] = heard.get(output.message_id, "") + output.text
            with figures.timed("storing"):
                await turn.settle(heard, FACTS)


async def measure(database: Path | PostgresUrl, talks: int) -> Mapping[tuple[str, int], Figures]:
    """By agent and length, of so many conversations each."""
    measured = {(name, before): Figures() for name in AGENTS for before in BEFORE}
    line = model()
    graphs = {name: make(line) for name, make in agents().items() if name in AGENTS}
    async with open_store(database) as store:
        for number in range(talks + 1):
            for (name, before), figures in measured.items():
                told = figures if number else Figures()  # the first one warms up
                conversation, history = await long_talk(store, before), History(store)
                gc.collect()
                with told.timed("opening"):
                    await history.open(conversation)
                with told.timed("the rest of it"):
                    await history.load(conversation)
                agent = VoiceAgent(graphs[name], line, history, Toolbox([]))
                await one_turn(agent, conversation, Figures())
                await one_turn(agent, conversation, told)
    return measured


def show(database: str, measured: Mapping[tuple[str, int], Figures]) -> None:
    """A line for each step, with the ratio of the longest conversation to the shortest."""
    columns = "".join(f"{f'after {before}':>18}" for before in BEFORE)
    print(f"\n{database}, median ms: CPU / wall\n{'':28}{columns}{f'{BEFORE[-1]} : {BEFORE[0]}':>18}")
    for name in AGENTS:
        for step in ("opening", "the rest of it", "first token", "storing", "whole turn"):
            ms = [
                [1000 * median(seconds[step]) for seconds in (figures.cpu_s, figures.wall_s)]
                for figures in (measured[name, before] for before in BEFORE)
            ]
            cells = "".join(f"{f'{cpu:.2f} / {wall:.2f}':>18}" for cpu, wall in ms)
            ratios = [last / first for first, last in zip(ms[0], ms[-1], strict=True)]
            print(f"{f'{name}, {step}':28}{cells}{f'{ratios[0]:.2f} / {ratios[1]:.2f}':>18}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--talks", type=int, default=20, help="conversations of each kind")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        databases: dict[str, Path | PostgresUrl] = {"SQLite": folder / "talk.sqlite3"}
        if binaries() is not None:
            databases["PostgreSQL"] = stack.enter_context(postgres_server()).new_database()
        for name, database in databases.items():
            show(name, asyncio.run(measure(database, options.talks)))


if __name__ == "__main__":
    main()
