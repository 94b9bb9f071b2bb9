"""The page with the fake engine on the test's own event loop, so that a test can look into its registry."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastrtc import WebRTC
from starlette.middleware import Middleware

from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.history import HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.session.base import Session
from voice_agents.settings import Settings
from voice_agents.transports.door import Door
from voice_agents.transports.live import Limits, SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.page import Page, build_page
from voice_agents.ui.sandwich_tab import sandwich_tab


@dataclass(frozen=True, slots=True)
class Served:
    """A running page."""

    url: str
    registry: SessionRegistry
    sessions: list[FakeSession]
    page: gr.Blocks
    parts: Page

    @property
    def peers(self) -> dict[str, Any]:
        """The peer connections fastrtc holds."""
        (button,) = [block for block in self.page.blocks.values() if isinstance(block, WebRTC)]
        return dict(button.pcs)


@asynccontextmanager
async def serve_page(
    limits: Limits | None = None, max_sessions: int = 5, answer_s: float = 2.0, per_visitor: int | None = None
) -> AsyncIterator[Served]:
    """Serve on a free port of 127.0.0.1; everything is closed afterwards."""
    sessions: list[FakeSession] = []

    def make(request: SessionRequest) -> Session:
        session = FakeSession(request.conversation, request.turns, answer_s)
        sessions.append(session)
        return session

    async def nothing(_: Conversation, before: int | None) -> Sequence[HistoryEntry]:
        return []

    async with SessionRegistry(make, max_sessions, limits or Limits(), per_visitor=per_visitor) as registry:
        page = build_page(Settings().with_offline("http://127.0.0.1:1"), registry, [sandwich_tab()], nothing)
        house = FastAPI(routes=page.routes, middleware=[Middleware(Door)])
        app = gr.mount_gradio_app(house, page.blocks, path="/")
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", registry, sessions, page.blocks, page)
        finally:
            server.should_exit = True
            await serving
            listener.close()
