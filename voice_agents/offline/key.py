"""The key of one start of the offline server; apart from the server, which the app's own process does not load."""

from __future__ import annotations

import secrets

_KEY_BYTES = 32


def new_key() -> str:
    """A key nobody can guess."""
    return "offline-" + secrets.token_urlsafe(_KEY_BYTES)
