"""A loopback server that speaks the vendors' own protocols, powered by engines that run on this machine."""

from __future__ import annotations

import secrets

_KEY_BYTES = 32


def new_key() -> str:
    """The key of one start of the offline server, which nobody can guess."""
    return "offline-" + secrets.token_urlsafe(_KEY_BYTES)
