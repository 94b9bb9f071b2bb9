"""Runs the page with the fake engine in both tabs, to see it without a provider: ``python -m tests.ui.demo [port]``.

``DEMO_PLACES`` limits the conversations at once, ``DEMO_PASSWORD`` asks for one; ``TRANSPORT`` is the app's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.history import HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import Session
from voice_agents.settings import CallWay, Settings
from voice_agents.transports.registry import SessionRegistry, SessionRequest
from voice_agents.ui.page import build_page
from voice_agents.ui.realtime_tab import realtime_tab
from voice_agents.ui.sandwich_tab import sandwich_tab
from voice_agents.ui.theme import only_own_sources


def make_session(request: SessionRequest) -> Session:
    return FakeSession(request.conversation, request.turns)


async def no_history(conversation: Conversation) -> Sequence[HistoryEntry]:
    return []


async def voices() -> list[tuple[str, str]]:
    return [("Rachel", "r"), ("Adam", "a")]


if __name__ == "__main__":
    password, transport = os.environ.get("DEMO_PASSWORD", ""), CallWay(os.environ.get("TRANSPORT", "auto"))
    settings = Settings(app_password=password, transport=transport).with_offline("http://127.0.0.1:1")
    registry = SessionRegistry(make_session, int(os.environ.get("DEMO_PLACES", "20")))
    examples = ("What time is it in Tokyo?", "Roll two dice", "What can you do?", "Tell me a story")
    tabs = [sandwich_tab(examples, voices, "r"), realtime_tab(examples, "marin")]
    page = build_page(settings, registry, tabs, no_history)
    page.blocks.launch(
        server_name="127.0.0.1",
        server_port=int(sys.argv[1]) if len(sys.argv) > 1 else 7870,
        auth=("user", password) if password else None,
        ssr_mode=False,
        app_kwargs={"middleware": [only_own_sources()], "routes": page.routes},
    )
