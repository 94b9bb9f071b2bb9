"""The traffic recorded from real Realtime servers, if it lies beside this clone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

SHARED = Path(os.environ.get("VOICE_AGENTS_SHARED") or Path(__file__).parents[2] / "shared")
CASSETTES = SHARED / "cassettes"
NOT_HERE = "The recorded traffic is not beside this clone (set VOICE_AGENTS_SHARED to the folder that holds cassettes/)"
# The side band of a WebRTC call was recorded up to its handshake only: no message.
FILES = sorted(path for path in CASSETTES.glob("*.yaml") if "webrtc_sideband" not in path.name)
EACH = [pytest.param(path, id=path.stem) for path in FILES] or [
    pytest.param(CASSETTES, id="none", marks=pytest.mark.skip(reason=NOT_HERE))
]
"""The recordings as parameters of a test; without any, one that is skipped."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One message of a recording."""

    by_server: bool
    data: dict[str, Any]


def recording(path: Path) -> list[Recorded]:
    """All websocket messages of a file, in order of time; what went over http is left out."""
    interactions = yaml.safe_load(path.read_text(encoding="utf-8"))["interactions"]
    return [
        Recorded(interaction["direction"] == "received", interaction["data"])
        for interaction in interactions
        if interaction.get("kind") == "message"
    ]
