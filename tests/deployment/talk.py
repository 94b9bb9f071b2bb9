"""A caller of the container that is stopped while an answer plays."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.deployment.container import Container
from tests.transports.api.client import client
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store

QUESTION = "Tell me a long story"


@dataclass(frozen=True, slots=True)
class Stopped:
    """How it went. ``health``: what ``/health`` said after SIGTERM; ``user``: whom the process ran as."""

    healthy_s: float
    ended_s: float
    code: int | None
    health: str
    user: int
    output: str
    stored: list[HistoryEntry]


async def stopped_while_an_answer_plays(container: Container) -> Stopped:
    """Run it, ask it for a long story, stop it in the middle."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with container.running() as process:
        assert process.stdout is not None
        output = asyncio.create_task(process.stdout.read())
        await container.until_healthy()
        healthy_s = loop.time() - began
        here = f"127.0.0.1:{container.port}"
        async with httpx.AsyncClient(base_url=f"http://{here}") as http, client(f"ws://{here}/ws/sandwich") as talk:
            await talk.say(type="text", text=QUESTION)
            await talk.until("tts_audio")
            user = _owner(process.pid)
            assert (await http.get("/health")).is_success
            container.stop(process)
            stopped_at = loop.time()
            while (answer := await http.get("/health")).is_success:  # noqa: ASYNC110 - until the signal has arrived
                await asyncio.sleep(0.05)
            await talk.until("notice")
            await talk.closed()
        code = await process.wait()
        ended_s = loop.time() - stopped_at
        said = (await output).decode()
    stored = await _stored(container.data("conversations.sqlite3"))
    health = f"{answer.status_code} {answer.json()['status']}"
    return Stopped(healthy_s, ended_s, code, health, user, said, stored)


def _owner(process: int) -> int:
    """The user id a process runs as."""
    return int(subprocess.check_output(["ps", "-o", "uid=", "-p", str(process)]))


async def _stored(database: Path) -> list[HistoryEntry]:
    async with open_store(database) as store:
        [(identity, owner)] = await store.query("SELECT id, owner FROM conversations")
        return await History(store).messages(Conversation(id=identity, owner=owner))
