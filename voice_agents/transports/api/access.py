"""Who may use the API when ``APP_PASSWORD`` is set: by HTTP basic or bearer; browsers, by a subprotocol."""

from __future__ import annotations

import base64
import binascii
import hmac

from starlette.requests import HTTPConnection

USER = "user"
SUBPROTOCOL = "voice-agents"
"""What a browser asks for beside ``bearer.<password in base64url>``, and is given."""
_BEARER = "bearer."


def may_enter(connection: HTTPConnection, password: str) -> bool:
    """Whether a request carries the password; always when none is set."""
    return not password or any(_same(given, password) for given in _given(connection))


def subprotocol_of(connection: HTTPConnection) -> str | None:
    """The subprotocol to agree on: ours if it was asked for."""
    return SUBPROTOCOL if SUBPROTOCOL in connection.scope.get("subprotocols", ()) else None


def _given(connection: HTTPConnection) -> list[str]:
    found = [
        _decoded(protocol.removeprefix(_BEARER))
        for protocol in connection.scope.get("subprotocols", ())
        if protocol.startswith(_BEARER)
    ]
    kind, _, value = connection.headers.get("authorization", "").partition(" ")
    match kind.lower():
        case "bearer":
            found.append(value.strip())
        case "basic":
            user, colon, password = _decoded(value.strip()).partition(":")
            if colon and user == USER:
                found.append(password)
    return found


def _decoded(text: str) -> str:
    """Base64 or base64url, padded or not; nothing for what is neither."""
    try:
        raw = base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)
        return raw.decode()
    except (binascii.Error, ValueError):
        return ""


def _same(given: str, password: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), password.encode("utf-8", "replace"))
