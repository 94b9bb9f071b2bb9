"""A store on a fresh file or in a fresh database of PostgreSQL, and the history on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from voice_agents.conversation.history import History
from voice_agents.conversation.store import Store, open_store
from voice_agents.settings import PostgresUrl


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "talk.sqlite3"


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Path | PostgresUrl:
    """What a store can be opened on, and nothing is in yet."""
    if request.param == "sqlite":
        path: Path = request.getfixturevalue("file")
        return path
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def store(database: Path | PostgresUrl) -> AsyncIterator[Store]:
    async with open_store(database) as store:
        yield store


@pytest.fixture
def history(store: Store) -> History:
    return History(store)
