"""A store on a fresh file, and the history on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voice_agents.conversation.history import History
from voice_agents.conversation.store import Store


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "talk.sqlite3"


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    async with Store(database) as store:
        yield store


@pytest.fixture
def history(store: Store) -> History:
    return History(store)
