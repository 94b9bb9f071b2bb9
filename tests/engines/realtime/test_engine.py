"""The Realtime engine as a maker of sessions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from voice_agents.conversation.store import open_store
from voice_agents.engines.engine import RealtimeEngine
from voice_agents.errors import ConfigurationError
from voice_agents.settings import Settings


def settings(folder: Path) -> Settings:
    offline = Settings.from_env({}, None).with_offline("http://127.0.0.1:9")
    return replace(offline, database=folder / "c.sqlite3", instructions="Speak like a pirate.")


def test_it_needs_a_provider_and_to_be_started(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        RealtimeEngine(Settings.from_env({}, None))
    with pytest.raises(ConfigurationError):
        _ = RealtimeEngine(settings(tmp_path)).store


def test_it_speaks_as_configured(tmp_path: Path) -> None:
    engine = RealtimeEngine(settings(tmp_path))
    assert engine.voice == "marin"
    assert engine.instructions.endswith("Speak like a pirate.")


def test_a_shared_store_is_used_and_left_open(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_store(tmp_path / "shared.sqlite3") as store:
            async with RealtimeEngine(settings(tmp_path), store=lambda: store) as engine:
                assert engine.store is store
            assert await store.query("SELECT id FROM conversations") == []
        assert not (tmp_path / "c.sqlite3").exists()

    asyncio.run(story())


def test_its_own_store_is_opened_and_closed_with_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with RealtimeEngine(settings(tmp_path)) as engine:
            assert await engine.store.query("SELECT id FROM conversations") == []
        with pytest.raises(ConfigurationError):
            _ = engine.store

    asyncio.run(story())
