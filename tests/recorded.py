"""The traffic recorded from real Realtime servers, if it lies beside this clone."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("VOICE_AGENTS_SHARED") or Path(__file__).parents[2] / "shared")
CASSETTES = SHARED / "cassettes"
NOT_HERE = "The recorded traffic is not beside this clone (set VOICE_AGENTS_SHARED to the folder that holds cassettes/)"
