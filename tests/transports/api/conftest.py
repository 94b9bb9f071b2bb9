"""The whole app's API on the embedded offline server, for clients that know nothing of this program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette

from tests.transports.api.server import listening
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.settings import Settings
from voice_agents.ui.app import App


@pytest.fixture(scope="session")
def offline(offline_server: EmbeddedServer) -> Settings:
    """Settings whose roles are all filled by an offline server."""
    return Settings().with_offline(offline_server.url, offline_server.key)


@pytest.fixture
async def live_api(offline: Settings, tmp_path: Path) -> AsyncIterator[str]:
    """``127.0.0.1:<port>`` of the real engines' API."""
    app = App(replace(offline, database=tmp_path / "talk.sqlite3"), [])
    async with listening(Starlette(routes=app.routes(), lifespan=app.lifespan)) as port:
        yield f"127.0.0.1:{port}"
