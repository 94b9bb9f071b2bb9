"""What PostgreSQL costs more than SQLite: reading before an answer, storing after it, and opening a conversation.

Nothing of it is waited for while somebody speaks or listens: the conversation is read while the user's words are still
on their way, and stored when the answer was heard. ``first token`` is the model's answer to words that are known
already, a typed turn's: the only place where the reading shows.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from tests.bench.table import show
from tests.conversation.scripted import agent_of, scripted
from tests.postgres import MISSING, binaries, postgres_server
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.conversation.turn import Token
from voice_agents.settings import PostgresUrl

ANSWER = "In Tokyo it is noon, and the sun is shining. " * 3
STEPS = ("open", "first token", "store")
Figures = dict[str, list[float]]


class Talker:
    """One conversation in one database, of ``before`` turns already."""

    def __init__(self, store: Store, turns: int) -> None:
        self.figures: Figures = {step: [] for step in STEPS}
        self._talk = Conversation(owner="ada")
        self._store = store
        self._history = History(store)
        self._agent = agent_of(scripted(*([ANSWER] for _ in range(turns))), self._history)

    async def begin(self, before: int) -> None:
        """What was said already."""
        said = [HistoryEntry(role=role, text=ANSWER) for _ in range(before) for role in (Speaker.USER, Speaker.AGENT)]
        await self._history.append(self._talk, *said)

    async def turn(self) -> None:
        """One more turn; the seconds of each step."""
        began = time.perf_counter()
        async with self._store.hold(self._talk, lambda: None):
            self.figures["open"].append(time.perf_counter() - began)
            began, heard, id = time.perf_counter(), "", ""
            turn = self._agent.turn(self._talk, "What time is it in Tokyo?")
            async for output in turn.stream():
                if isinstance(output, Token):
                    if not heard:
                        self.figures["first token"].append(time.perf_counter() - began)
                    heard, id = heard + output.text, output.message_id
            began = time.perf_counter()
            await turn.settle({id: heard})
            self.figures["store"].append(time.perf_counter() - began)


async def measure(databases: Mapping[str, Path | PostgresUrl], turns: int, before: int) -> Mapping[str, Figures]:
    """Seconds of each step of so many turns; a turn of one database, then one of the other, so that both meet whatever
    else the machine does.
    """
    async with AsyncExitStack() as stack:
        talkers = {
            name: Talker(await stack.enter_async_context(open_store(database)), turns)
            for name, database in databases.items()
        }
        for talker in talkers.values():
            await talker.begin(before)
        for _ in range(turns):
            for talker in talkers.values():
                await talker.turn()
    return {name: talker.figures for name, talker in talkers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--before", type=int, default=100, help="turns the conversation has already")
    options = parser.parse_args()
    if binaries() is None:
        raise SystemExit(MISSING)
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        databases: dict[str, Path | PostgresUrl] = {
            "SQLite": Path(folder) / "talk.sqlite3",
            "PostgreSQL": server.new_database(),
        }
        asyncio.run(measure(databases, 20, options.before))  # warms up
        measured = asyncio.run(measure(databases, options.turns, options.before))
    for name, figures in measured.items():
        show(f"{name}, a conversation of {options.before} turns and more", figures)
    for step in STEPS:
        more_s = [
            postgres - sqlite
            for postgres, sqlite in zip(measured["PostgreSQL"][step], measured["SQLite"][step], strict=True)
        ]
        print(f"{step}: {1000 * median(more_s):+.2f} ms with PostgreSQL (median of {len(more_s)} pairs)")


if __name__ == "__main__":
    main()
