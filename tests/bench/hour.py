"""An hour of talk in one call, on virtual time: ``python -m tests.bench.hour``.

Questions, interruptions by voice, button and typing, coughs, "mm-hmm", tools and silences at random, with both
backends. What the process holds is shown in a silence every ten minutes; tasks, threads and open files may not become
more after the first of them, and memory only by what the conversation itself takes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from tests.stories.caller import AnyCaller, StoryParts
from tests.stories.clock import play
from tests.stories.fakes import Call, FakeModel, Step
from tests.stories.realtime.caller import RealtimeStoryParts
from tests.stories.realtime.items import Item
from tests.stories.sessions import realtime_session, sandwich_session
from tests.stories.words import ENGINES, Engine
from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.conversation.history import History, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store, open_store
from voice_agents.events import Failed
from voice_agents.settings import TurnSettings

SAYINGS = ("please tell me more about that", "no wait", "stop", "what time is it in tokyo", "mm-hmm", "")
MURMURS = (4, 5)
SHOWN_EVERY_S = 600.0
CALM_S = 60.0
"""The longest answer is over, and remembered."""
KEPT_ITEMS = 12
"""A real server keeps its items to itself; ours is in the measured process and forgets the older ones."""
MEMORY_MORE_MB = 8.0
KB_A_TURN = 20.0
"""A conversation keeps what was said."""


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    turns: int
    tasks: int
    threads: int
    files: int
    objects: int
    memory_mb: float

    def __str__(self) -> str:
        return (
            f"{self.turns:6} turns{self.tasks:5} tasks{self.threads:4} threads{self.files:5} files"
            f"{self.objects:9} objects{self.memory_mb:8.1f} MB"
        )


class Talk:
    """One call in which somebody talks at random."""

    def __init__(self, engine: Engine, store: Store, dice: random.Random) -> None:
        self.conversation = Conversation()
        self.failures: list[str] = []
        self._dice = dice
        self._store = store
        turns = TurnSettings(adaptive=engine == "sandwich")
        self._parts: StoryParts | RealtimeStoryParts
        if engine == "sandwich":
            self._parts = StoryParts(store, FakeModel(self._to_messages), SAYINGS)
            self._session = sandwich_session(self._parts, self.conversation, turns)
        else:
            self._parts = RealtimeStoryParts(store, self._to_items, SAYINGS)
            self._session = realtime_session(self._parts, self.conversation, turns)

    async def run(self, seconds: float) -> list[Held]:
        """What was held every ten minutes, in a silence."""
        clock = asyncio.get_running_loop().time
        began, held = clock(), list[Held]()
        caller: AnyCaller[Any, Any] = AnyCaller(self._session, self._parts)
        async with self._session, caller.on_the_line():
            while clock() - began < seconds:
                until = began + SHOWN_EVERY_S * (len(held) + 1)
                while clock() < until:
                    await self._act(caller)
                    self._forget(caller)
                await asyncio.sleep(CALM_S)
                self._forget(caller)
                held.append(await self._held())
                print(f"{(clock() - began) / 60:6.0f} min{held[-1]}", flush=True)
        return held

    async def _act(self, caller: AnyCaller[Any, Any]) -> None:
        dice = self._dice
        match dice.choices(["say", "type", "stop", "murmur"], [10, 2, 2, 2])[0]:
            case "say":
                await caller.speak(dice.randrange(MURMURS[0]))
            case "type":
                caller.session.send_text("go on")
            case "stop":
                caller.session.interrupt()
            case "murmur":
                await caller.speak(dice.choice(MURMURS), 0.25)
        await asyncio.sleep(dice.choice([0.1, 0.6, 1.5, 3.0, 6.0, 12.0, 20.0]))

    def _forget(self, caller: AnyCaller[Any, Any]) -> None:
        """The caller's own notes are not what is measured."""
        self.failures += [str(event.error) for event in caller.all(Failed)]
        caller.events.clear()
        del caller.played[:-1]
        if isinstance(self._parts, StoryParts):
            self._parts.model.seen.clear()
            if self._parts.voice is not None:
                del self._parts.voice.streams[:-1]
            if self._parts.stt is not None:
                self._parts.stt.forget_answered()
        else:
            server = self._parts.server
            assert server is not None
            server.sent_outputs.clear()
            del server.items[:-KEPT_ITEMS], server.spoken[:-KEPT_ITEMS]

    async def _held(self) -> Held:
        entries = await History(self._store).messages(self.conversation)
        turns = sum(entry.role is Speaker.USER for entry in entries)
        del entries
        return holding(turns)

    def _to_messages(self, messages: list[BaseMessage]) -> Sequence[Step]:
        return self._answer(messages[-1].type == "tool")

    def _to_items(self, items: Sequence[Item]) -> Sequence[Any]:
        return self._answer(items[-1].kind == "output")

    def _answer(self, tool_is_done: bool) -> list[Step]:
        if not tool_is_done and self._dice.random() < 0.2:
            return ["Let me see.", Call("calculate", json.dumps({"expression": "6*7"}))]
        words = (f"w{self._dice.randrange(1000)}" for _ in range(self._dice.randint(3, 40)))
        return [" ".join(["Sure,", *words]) + "."]


def holding(turns: int) -> Held:
    """What this process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Held(
        turns,
        len(asyncio.all_tasks()),
        threading.active_count(),
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        len(gc.get_objects()),
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
    )


async def hour(engine: Engine, minutes: float, seed: int) -> int:
    """Print what is held; how many things became more."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(Path(folder) / "hour.sqlite3") as store:
            leave_out_what_is_loaded()
            talk = Talk(engine, store, random.Random(seed))
            held = await talk.run(60 * minutes)
    wrong = grown(held) + talk.failures
    print("\n".join(wrong) or "Nothing became more.")
    return len(wrong)


def grown(held: Sequence[Held]) -> list[str]:
    """What became more after the first ten minutes, when everything was loaded."""
    first, last = held[0], held[-1]
    found = [
        f"{name}: {getattr(first, name)} -> {getattr(last, name)}"
        for name in ("tasks", "threads", "files")
        if getattr(last, name) > getattr(first, name)
    ]
    allowed_mb = MEMORY_MORE_MB + KB_A_TURN * (last.turns - first.turns) / 1e3
    if last.memory_mb - first.memory_mb > allowed_mb:
        found.append(f"memory: {first.memory_mb:.1f} -> {last.memory_mb:.1f} MB, {allowed_mb:.0f} MB more would do")
    return found


def main(options: argparse.Namespace) -> int:
    if options.engine:
        return int(bool(play(hour(options.engine, options.minutes, options.seed))))
    failed = 0
    for engine in ENGINES:
        print(engine, flush=True)
        arguments = ["--engine", engine, "--minutes", str(options.minutes), "--seed", str(options.seed)]
        failed += subprocess.run([sys.executable, "-m", "tests.bench.hour", *arguments], check=False).returncode
    return int(bool(failed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=ENGINES, help="only this one, in this process")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    sys.exit(main(given))
