"""What is installed with the package is what the tests run with."""

from __future__ import annotations

import tomllib
from pathlib import Path

from voice_agents.ui.app import TRACE_PACKAGES

ROOT = Path(__file__).parents[1]


def test_the_package_needs_what_the_requirements_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    used = lines[lines.index("# What the app uses") + 1 : lines.index("# What these bring")]
    assert sorted(project["dependencies"]) == sorted(line for line in used if line)


def test_who_lacks_the_packages_for_traces_is_told_what_the_tests_run_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    assert set(project["optional-dependencies"]["traces"]) == set(TRACE_PACKAGES)
    assert set(TRACE_PACKAGES) <= set(lines)
