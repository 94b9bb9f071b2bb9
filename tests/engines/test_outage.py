"""While a provider is known to be away, the user is told what is known, in both engines and whoever asks first."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from voice_agents.engines.engine import RealtimeEngine, SandwichEngine
from voice_agents.errors import ProviderUnavailable
from voice_agents.events import Failed, Notice
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.settings import Settings

AWAY = "The offline server stopped; it is being started again."
WAIT_S = 20.0


def away(tmp_path: Path) -> Settings:
    """Everything at an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return Settings(database=tmp_path / "agents.sqlite3").with_offline(url, outage=lambda: AWAY)


@pytest.mark.parametrize("kind", [SandwichEngine, RealtimeEngine])
async def test_a_turn_while_the_server_is_away_says_why(kind: Any, tmp_path: Path) -> None:
    async with kind(away(tmp_path)) as engine, engine.session() as session, asyncio.timeout(WAIT_S):
        session.send_text("What is seven times eight?")
        told = ""
        async for event in session:
            if isinstance(event, Failed):
                told = str(event.error)
            elif isinstance(event, Notice):
                told = event.text
            if told:
                break
    assert told == AWAY


async def test_the_list_of_voices_says_why(tmp_path: Path) -> None:
    endpoint = away(tmp_path).tts
    assert endpoint is not None
    with pytest.raises(ProviderUnavailable, match=AWAY):
        await list_voices(endpoint)
