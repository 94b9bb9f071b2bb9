"""The warning at the start: whenever others can open the page, with who pays and every limit by its name."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from voice_agents.openness import warning
from voice_agents.settings import Settings

ROOT = Path(__file__).parents[1]
KEYS = {
    "ELEVENLABS_API_KEY": "eleven-secret",
    "OPENAI_API_KEY": "open-secret",
    "OPENAI_MODEL": "gpt-4.1-mini",
    "APP_PASSWORD": "page-secret",
}
LIMITS = {
    "MAX_SESSIONS": "7",
    "MAX_SESSIONS_PER_VISITOR": "2",
    "SESSION_TIME_LIMIT": "600",
    "DAILY_MINUTES_PER_VISITOR": "30",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.0.0.2"])
def test_nothing_is_said_to_who_serves_this_machine_only(host: str) -> None:
    assert warning(Settings(), host, share=False) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "2001:db8::1"])
def test_an_address_of_the_network_is_named_with_who_pays_and_every_limit(host: str) -> None:
    said = warning(Settings.from_env({**KEYS, **LIMITS}, None), host, share=False)
    assert f"it is served on {host}." in said
    assert "paid with your keys (ElevenLabs, OpenAI-compatible)" in said
    for name, value in LIMITS.items():
        assert f"{name}={value}" in said
    assert "APP_PASSWORD (set)" in said
    assert "secret" not in said


def test_a_share_link_is_told_and_what_does_not_limit_too() -> None:
    said = warning(Settings(), "127.0.0.1", share=True)
    assert "(--share)" in said
    assert "No keys are set" in said
    assert "DAILY_MINUTES_PER_VISITOR (not set: no limit)" in said
    assert "APP_PASSWORD (not set: anybody may come in)" in said


async def test_it_is_the_first_thing_the_app_says(tmp_path: Path) -> None:
    others = ("AZURE_", "OPENAI_", "ELEVENLABS_", "GRADIO_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "app.py", "--host", "0.0.0.0", "--port", "0"),
        cwd=ROOT,
        env={**own, "DATABASE_URL": str(tmp_path / "talk.sqlite3")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            first = await process.stdout.readline()
    finally:
        process.terminate()
        await process.communicate()
    assert first.decode().startswith("Others can open this page, because it is served on 0.0.0.0.")
