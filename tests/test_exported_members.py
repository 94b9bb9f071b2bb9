"""The public surface: what it names exists, and importing it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import voice_agents


@pytest.mark.parametrize("name", voice_agents.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(voice_agents, name) is not None


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        voice_agents.nonsense  # noqa: B018


def test_importing_the_package_loads_none_of_its_rooms() -> None:
    code = "import sys, voice_agents; print(*[name for name in sys.modules if name.startswith('voice_agents.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []
