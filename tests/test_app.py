"""Starting the app: what cannot work is said in one plain sentence, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROVIDERS = ("AZURE_", "OPENAI_", "ELEVENLABS_", "GRADIO_SERVER_")


def start(env: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run ``python app.py`` to its end; exit code and standard error."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
    command = [sys.executable, "app.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env={**own, **env}, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "https://example.com"}, "AZURE_OPENAI_API_KEY is missing"),
        ({"DATABASE_URL": "sqlite:////proc/none/conversations.sqlite3"}, "set DATABASE_URL to a file"),
        ({"GRADIO_SERVER_PORT": "seven"}, "GRADIO_SERVER_PORT must be a number"),
    ],
)
def test_a_mistake_in_the_settings_is_named(env: dict[str, str], sentence: str) -> None:
    code, said = start(env)
    assert code == 1
    assert sentence in said
    assert "\n" not in said


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = start({"DATABASE_URL": str(tmp_path / "conversations.sqlite3")}, "--port", str(port))
    assert code == 1
    assert said.startswith(f"The page cannot be served on port {port}")
    assert "\n" not in said
