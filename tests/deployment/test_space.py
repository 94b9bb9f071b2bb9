"""The repository as a Hugging Face Space: what its README says there, and where the app listens and keeps its data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.deployment.container import HERE
from voice_agents.address import free_address
from voice_agents.settings import Settings, default_database

_, FRONT, _ = (HERE / "README.md").read_text(encoding="utf-8").split("---\n", 2)
SPACE = yaml.safe_load(FRONT)
ON_A_SPACE = {"SPACE_ID": "somebody/voice-agents", "SPACE_HOST": "somebody-voice-agents.hf.space"}


def test_a_space_gets_the_gradio_that_is_pinned() -> None:
    [pinned] = re.findall(r"^gradio==(\S+)$", (HERE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert SPACE["sdk"] == "gradio"
    assert SPACE["sdk_version"] == pinned


def test_a_space_starts_this_app_with_the_python_of_the_image() -> None:
    assert (HERE / SPACE["app_file"]).is_file()
    assert f"FROM python:{SPACE['python_version']}-slim" in (HERE / "Dockerfile").read_text(encoding="utf-8")


def test_a_space_shows_no_more_than_fits_on_its_card() -> None:
    assert len(SPACE["short_description"]) <= 60


def test_on_a_space_it_listens_where_the_proxy_asks() -> None:
    assert free_address(None, 0, dict(ON_A_SPACE)).host == "0.0.0.0"
    assert free_address("127.0.0.1", 0, dict(ON_A_SPACE)).host == "127.0.0.1"
    assert free_address(None, 0, {}).host == "127.0.0.1"


def test_on_a_space_conversations_outlive_it_where_it_has_storage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice_agents.settings.SPACE_STORAGE", tmp_path)
    assert Settings.from_env(ON_A_SPACE, None).database == tmp_path / "voice-agents" / "conversations.sqlite3"
    assert Settings.from_env({}, None).database == default_database()
    named = Settings.from_env({**ON_A_SPACE, "DATABASE_URL": "sqlite:///mine.sqlite3"}, None)
    assert named.database == Path("mine.sqlite3")
    monkeypatch.setattr("voice_agents.settings.SPACE_STORAGE", tmp_path / "none")
    assert Settings.from_env(ON_A_SPACE, None).database == default_database()
