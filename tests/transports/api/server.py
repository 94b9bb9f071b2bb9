"""The API over the fake engine on the test's own event loop, so that a test can look into its registry."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from tests.ui.fake_engine import FakeSession
from voice_agents.impatience import impatient_socket
from voice_agents.session.base import Session
from voice_agents.settings import Settings
from voice_agents.transports.api.health import ProviderRecord
from voice_agents.transports.api.limits import SocketLimits
from voice_agents.transports.api.messages import LARGEST_MESSAGE
from voice_agents.transports.api.routes import api_routes
from voice_agents.transports.daily import DailyMinutes
from voice_agents.transports.door import Door
from voice_agents.transports.live import Limits, SessionRequest, Watcher
from voice_agents.transports.registry import SessionRegistry

WAIT_S = 20.0
OFFLINE = Settings().with_offline("http://127.0.0.1:1")


@dataclass
class Served:
    """A running API; ``http`` and ``ws`` are the beginnings of its addresses."""

    port: int
    registry: SessionRegistry
    record: ProviderRecord
    sessions: list[FakeSession] = field(default_factory=list)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def until_places(self, used: int) -> None:
        """Until so many places are in use."""
        async with asyncio.timeout(WAIT_S):
            while len(self.registry) != used:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serve_api(
    limits: SocketLimits | None = None,
    *,
    settings: Settings = OFFLINE,
    max_sessions: int = 5,
    answer_s: float = 0.2,
    session_limits: Limits | None = None,
    per_visitor: int | None = None,
    daily: DailyMinutes | None = None,
    watchers: Sequence[Watcher] = (),
) -> AsyncIterator[Served]:
    """Serve on a free port of 127.0.0.1; everything is closed afterwards."""
    sessions: list[FakeSession] = []

    def make(request: SessionRequest) -> Session:
        session = FakeSession(request.conversation, request.turns, answer_s)
        session.voice = request.voice
        sessions.append(session)
        return session

    record = ProviderRecord("realtime")
    watching = [record, *watchers]
    async with SessionRegistry(make, max_sessions, session_limits, watching, per_visitor, daily) as registry:
        routes = api_routes(settings, registry, record, sandwich="sandwich", realtime="realtime", limits=limits)
        sockets = impatient_socket(WebSocketsSansIOProtocol)
        async with listening(Starlette(routes=routes, middleware=[Middleware(Door)]), ws=sockets) as port:
            yield Served(port, registry, record, sessions)


@asynccontextmanager
async def listening(app: ASGIApp, **config: Any) -> AsyncIterator[int]:
    """The port of 127.0.0.1 an app is served on."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", lifespan="on", ws_max_size=LARGEST_MESSAGE, **config)
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serving
        listener.close()
