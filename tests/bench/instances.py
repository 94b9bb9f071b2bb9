"""Conversations over three instances behind nginx, one of which is killed: nothing finished is lost.

A turn is finished when its client was told ``complete``. A client whose socket breaks opens another one at the same
address with ``?conversation=`` and asks again; ``back`` is the time from the break to the first word of that answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.bench.table import show
from tests.browser.helpers.process import AppProcess
from tests.instances import instances, nginx
from tests.postgres import postgres_server
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.store import open_store
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.settings import PostgresUrl
from voice_agents.transports.api.options import conversation_of

PATIENCE_S = 60.0
TRY_AGAIN_S = 0.2


@dataclass
class Talk:
    """One client's conversation: what it was told is finished, and how it was after a break."""

    number: int
    turns: int
    conversation: str = ""
    finished: list[tuple[str, str]] = field(default_factory=list)
    back_s: list[float] = field(default_factory=list)
    _broken_at: float | None = None

    @property
    def question(self) -> str:
        """Of the coming turn; another one each time."""
        return f"What is {2 + self.number % 90} times {2 + len(self.finished)}?"

    async def run(self, address: str) -> None:
        """All turns, over as many sockets as it takes."""
        while len(self.finished) < self.turns:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._on_one_socket(address)
            except (ConnectionClosed, InvalidStatus, OSError):
                self._broken_at = self._broken_at or time.monotonic()
                await asyncio.sleep(TRY_AGAIN_S)

    async def _on_one_socket(self, address: str) -> None:
        query = f"?conversation={self.conversation}" if self.conversation else ""
        async with connect(f"ws://{address}/ws/sandwich{query}") as socket:
            while len(self.finished) < self.turns:
                question, answer = self.question, ""
                await socket.send(json.dumps({"type": "text", "text": question}))
                while (message := json.loads(await socket.recv()))["type"] != "complete":
                    if message["type"] == "session":
                        self.conversation = message["conversation"]
                    elif message["type"] == "agent_chunk":
                        answer += message["text"]
                        self._answered()
                    elif message["type"] in ("error", "notice"):
                        print(f"talk {self.number}: {message['message']}")
                self.finished.append((question, answer))

    def _answered(self) -> None:
        if self._broken_at is not None:
            self.back_s.append(time.monotonic() - self._broken_at)
            self._broken_at = None


async def lost(database: PostgresUrl, talks: Sequence[Talk]) -> list[str]:
    """Finished turns that are not in the database, in their order; of an answer, what was heard of it must be there."""
    missing = []
    async with open_store(database) as store:
        for talk in talks:
            entries = await History(store).messages(conversation_of(talk.conversation))
            said = [entry for entry in entries if entry.role is not Speaker.TOOL]
            place = 0
            for question, answer in talk.finished:
                asked = _place_of(said, place, question, answer)
                if asked is None:
                    kept = " / ".join(f"{entry.role}: {entry.text}" for entry in said)
                    missing.append(f"talk {talk.number}: {question} {answer} (kept: {kept})")
                place = place if asked is None else asked + 1
    return missing


def _place_of(said: Sequence[HistoryEntry], first: int, question: str, answer: str) -> int | None:
    """Where this turn is kept: a question whose answer broke off was asked again, and is kept both times."""
    places = (n for n in range(first, len(said)) if said[n].text == question)
    return next((n for n in places if _answers(said[n + 1 : n + 2], answer)), None)


def _answers(kept: Sequence[HistoryEntry], answer: str) -> bool:
    """What was kept after a question is the answer; cut, if it was not heard to its end."""
    heard = kept[0] if kept and kept[0].role is Speaker.AGENT else None
    if heard is None or heard.interrupted:
        return heard is not None and answer.split()[: len(heard.text.split())] == heard.text.split()
    return heard.text.split() == answer.split()


async def measure(conversations: int, turns: int, at_once: int) -> None:
    """Run it, kill an instance when half the turns are over, and say what became of them."""
    talks = [Talk(number, turns) for number in range(conversations)]
    waiting = iter(talks)

    async def client(address: str) -> None:
        for talk in waiting:
            await talk.run(address)

    with postgres_server() as server, EmbeddedServer() as offline, tempfile.TemporaryDirectory() as folder:
        database = server.new_database()
        async with instances(database, offline.url, offline.key) as apps:
            ports = [int(app.url.rpartition(":")[2]) for app in apps]
            with nginx(Path(folder), ports) as address:
                began = time.monotonic()
                killing = asyncio.create_task(kill_half_way(apps[0], talks))
                await asyncio.gather(*(client(address) for _ in range(at_once)))
                await killing
                took_s = time.monotonic() - began
        missing = await lost(database, talks)
    finished = sum(len(talk.finished) for talk in talks)
    print(f"{conversations} conversations, {finished} turns finished in {took_s:.0f} s, {at_once} at once")
    print(f"finished and lost: {len(missing)}", *missing, sep="\n")
    back_s = [seconds for talk in talks for seconds in talk.back_s]
    show("after the kill", {"break to first word at another": back_s}, "s", 1.0)
    print(f"longest: {max(back_s, default=0.0):.2f} s")


async def kill_half_way(app: AppProcess, talks: Sequence[Talk]) -> None:
    """SIGKILL in the middle of everything."""
    half = sum(talk.turns for talk in talks) / 2
    while sum(len(talk.finished) for talk in talks) < half:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await app.kill()
    print("killed an instance", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--at-once", type=int, default=10)
    options = parser.parse_args()
    asyncio.run(measure(options.conversations, options.turns, options.at_once))
