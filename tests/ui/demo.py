"""Runs the page with the fake engine in both tabs, to see it without a provider: ``python -m tests.ui.demo [port]``.

``DEMO_PLACES`` limits the conversations at once, ``DEMO_PASSWORD`` asks for one, ``DEMO_FRIENDLY=1`` lets the agent
answer what was asked; ``DEMO_OLLAMA`` is the port where Ollama is looked for; ``TRANSPORT`` is the app's own.
Conversations are kept as long as it runs.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from tests.ui.fake_engine import FakeSession, sweep
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.store import open_store
from voice_agents.local_models import ModelChoice
from voice_agents.session.base import Session
from voice_agents.settings import CallWay, Settings
from voice_agents.transports.live import SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.page import build_page
from voice_agents.ui.realtime_tab import realtime_tab
from voice_agents.ui.sandwich_tab import sandwich_tab
from voice_agents.ui.theme import only_own_sources

EXAMPLES = ("What time is it in Tokyo?", "Roll two dice", "What can you do?", "Tell me a story")
ANSWERS = {
    "What time is it in Tokyo?": "It is ten past nine in the evening in Tokyo, so your friends there are having tea.",
    "And when is sunset there?": "At half past four in November. Shall I remind you to call before that?",
    "Plan a rainy afternoon in Lisbon": "Start in the tile museum: its garden has a quiet café. Then take tram "
    "twenty-eight up to Graça, and be at the viewpoint when the clouds open.",
    "How do I say thank you in Finnish?": "You say kiitos. If somebody saved your day, kiitos paljon.",
    "Good morning!": "Good morning! What shall we look at today?",
    "Remember to buy oat milk": "I noted it: buy oat milk.",
}


async def voices() -> list[tuple[str, str]]:
    return [("Rachel", "r"), ("Adam", "a")]


async def sample(voice: str) -> bytes:
    return sweep(0.5).tobytes()


def main(port: int, folder: Path) -> None:
    password, transport = os.environ.get("DEMO_PASSWORD", ""), CallWay(os.environ.get("TRANSPORT", "auto"))
    ollama = int(os.environ.get("DEMO_OLLAMA", "0"))
    choice = ModelChoice([("Ollama", ollama)] if ollama else [], timeout_s=10.0)
    settings = Settings(app_password=password, transport=transport).with_offline("http://127.0.0.1:1")
    store = open_store(folder / "demo.sqlite3")

    def keep(conversation: Conversation, entries: Sequence[HistoryEntry]) -> None:
        store.owe(asyncio.get_running_loop().create_task(History(store).append(conversation, *entries)))

    def make_session(request: SessionRequest) -> Session:
        answers = ANSWERS if os.environ.get("DEMO_FRIENDLY") else None
        session = FakeSession(request.conversation, request.turns, keep=keep, answers=answers)
        session.kind = request.kind
        if answers:
            session.pace = 0.55 if request.kind == "realtime" else 0.7
        return session

    async def history(conversation: Conversation, before: int | None) -> Sequence[HistoryEntry]:
        return await History(store).newest(conversation, before)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        async with store:
            yield

    registry = SessionRegistry(make_session, int(os.environ.get("DEMO_PLACES", "20")))
    tabs = [sandwich_tab(EXAMPLES, voices, "r", sample), realtime_tab(EXAMPLES, "marin")]
    page = build_page(settings, registry, tabs, history, shelf=Shelf(lambda: store), model_choice=choice)
    page.blocks.launch(
        server_name="127.0.0.1",
        server_port=port,
        auth=("user", password) if password else None,
        ssr_mode=False,
        app_kwargs={"middleware": [only_own_sources()], "routes": page.routes, "lifespan": lifespan},
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 7870, Path(folder))
