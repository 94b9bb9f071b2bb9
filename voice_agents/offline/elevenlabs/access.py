"""What users of the ElevenLabs protocols bring: a key (which one, the door judges), or a single-use token made here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import HTTPConnection

TOKEN_LIFE_S = 15 * 60.0
TOKEN_TYPES = ("realtime_scribe", "batch_scribe", "tts_websocket")

_REFUSALS = {
    401: ("invalid_api_key", "Invalid API key"),
    402: ("quota_exceeded", "This request exceeds your quota."),
    403: ("missing_permissions", "The API key you used is missing a permission for this request."),
    404: ("not_found", "There is no such endpoint."),
    429: ("too_many_concurrent_requests", "Too many concurrent requests. Please try again later."),
}


class Access:
    """Single-use tokens, and whether a connection brings a key or one of them. The door says which key is good."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

    def new_token(self, kind: str) -> str:
        """A token of one of ``TOKEN_TYPES``, good for one connection within 15 minutes."""
        now = self._clock()
        self._tokens = {token: entry for token, entry in self._tokens.items() if entry[1] > now}
        token = "sutkn_" + secrets.token_urlsafe(24)
        self._tokens[token] = (kind, now + TOKEN_LIFE_S)
        return token

    def knows(self, token: str) -> bool:
        """Whether the token could be redeemed now, for its kind; it is not used up by asking."""
        _, expires = self._tokens.get(token, ("", 0.0))
        return expires > self._clock()

    def redeem(self, token: str, kind: str) -> bool:
        """Use a token up; False if it is unknown, of another kind, used or too old."""
        found_kind, expires = self._tokens.pop(token, ("", 0.0))
        return found_kind == kind and expires > self._clock()

    def has_key(self, connection: HTTPConnection) -> bool:
        """The ``xi-api-key`` header is there."""
        return bool(connection.headers.get("xi-api-key", "").strip())


def refusal_body(status: int) -> dict[str, Any]:
    """The JSON body of a refused request or handshake, as the vendor words it."""
    name, message = _REFUSALS.get(status, ("internal_server_error", "Something went wrong on our side."))
    return {"detail": {"status": name, "message": message}}
