"""What is installed with the package is what the tests run with."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_package_needs_what_the_requirements_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    used = lines[lines.index("# What the app uses") + 1 : lines.index("# What these bring")]
    assert sorted(project["dependencies"]) == sorted(line for line in used if line)
