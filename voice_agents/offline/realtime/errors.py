"""What goes wrong on a Realtime session, as the ``error`` events the vendor sends, and ids as the vendor forms them."""

from __future__ import annotations

import secrets
from typing import Any

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"

Event = dict[str, Any]
"""A JSON object with a ``type``, in either direction."""


class Rejected(Exception):
    """A client's event cannot be obeyed; nothing of it took effect. ``str(error)`` is the vendor's message."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def error_event(
    message: str,
    code: str | None = None,
    param: str | None = None,
    client_event_id: str | None = None,
    kind: str = INVALID_REQUEST,
) -> Event:
    """The ``error`` event; ``client_event_id`` is the ``event_id`` of the client's event that caused it."""
    details = {"type": kind, "code": code, "message": message, "param": param, "event_id": client_event_id}
    return {"type": "error", "error": details}


def new_id(prefix: str) -> str:
    """``item_``, ``resp_``, ``event_`` and so on with random letters after it; at most 32 characters."""
    return f"{prefix}_{secrets.token_hex(10)}"
