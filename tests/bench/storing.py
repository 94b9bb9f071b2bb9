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
from pathlib import Path
from statistics import median

from tests.bench.table import show
from tests.conversation.scripted import agent_of, scripted
from tests.postgres import MISSING, binaries, postgres_server
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.conversation.turn import Token
from voice_agents.settings import PostgresUrl

ANSWER = "In Tokyo it is noon, and the sun is shining. " * 3
Figures = dict[str, list[float]]


async def measure(database: Path | PostgresUrl, turns: int, before: int) -> Figures:
    """Seconds of each step of so many turns, after a conversation of ``before`` turns."""
    figures: Figures = {"open": [], "first token": [], "store": []}
    talk = Conversation(owner="ada")
    async with open_store(database) as store:
        history = History(store)
        said = [HistoryEntry(role=role, text=ANSWER) for _ in range(before) for role in (Speaker.USER, Speaker.AGENT)]
        await history.append(talk, *said)
        agent = agent_of(scripted(*([ANSWER] for _ in range(turns))), history)
        for _ in range(turns):
            began = time.perf_counter()
            async with store.hold(talk, lambda: None):
                figures["open"].append(time.perf_counter() - began)
                began = time.perf_counter()
                turn = agent.turn(talk, "What time is it in Tokyo?")
                heard = ""
                async for output in turn.stream():
                    if isinstance(output, Token):
                        if not heard:
                            figures["first token"].append(time.perf_counter() - began)
                        heard, id = heard + output.text, output.message_id
                began = time.perf_counter()
                await turn.settle({id: heard})
                figures["store"].append(time.perf_counter() - began)
    return figures


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
        for _ in range(2):  # the first round warms up
            measured = {
                name: asyncio.run(measure(database, options.turns, options.before))
                for name, database in databases.items()
            }
    for name, figures in measured.items():
        show(f"{name}, a conversation of {options.before} turns and more", figures)
    for step in ("open", "first token", "store"):
        more_s = median(measured["PostgreSQL"][step]) - median(measured["SQLite"][step])
        print(f"{step}: {1000 * more_s:+.2f} ms with PostgreSQL")


if __name__ == "__main__":
    main()
