"""A loopback server that speaks the vendors' own protocols, powered by engines that run on this machine."""

from __future__ import annotations

import os
import secrets

_KEY_BYTES = 32

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Before it is loaded: else onnxruntime reports to Microsoft what it runs on, from 1.32 on under Linux too."""


def new_key() -> str:
    """The key of one start of the offline server, which nobody can guess."""
    return "offline-" + secrets.token_urlsafe(_KEY_BYTES)
