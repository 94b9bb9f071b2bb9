"""What ElevenLabs' endpoints have in common: how they read and refuse, and their single-use tokens.

What clients ask for is checked: names, ranges and defaults are those of the vendor's SDK and AsyncAPI documents. What
needs the vendor's own models (entities, no_verbatim ...) has no effect.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from voice_agents.offline.checks import Refused

TOKEN_LIFE_S = 15 * 60.0
TOKEN_PLACES = {
    "realtime_scribe": "/v1/speech-to-text/realtime",
    "batch_scribe": "/v1/speech-to-text",
    "tts_websocket": "/v1/text-to-speech/",
}
"""Kind of a token -> how the paths begin that it opens."""

_REFUSALS = {
    401: ("invalid_api_key", "Invalid API key"),
    402: ("quota_exceeded", "This request exceeds your quota."),
    403: ("missing_permissions", "The API key you used is missing a permission for this request."),
    404: ("not_found", "There is no such endpoint."),
    429: ("too_many_concurrent_requests", "Too many concurrent requests. Please try again later."),
}
_STATUS = {"voice_not_found": 404, "output_format_not_allowed": 403, "model_not_found": 400, "invalid_content": 400}
"""Of the HTTP answer, where it is not 422."""


class BadInput(Refused):
    """The client asked for something it may not; ``name`` is the vendor's name of the error."""

    def __init__(self, name: str, message: str, status: int = 0) -> None:
        body = {"detail": {"status": name, "message": message}}
        super().__init__(message, name, status or _STATUS.get(name, 422), body)


def refusal(status: int, message: str = "") -> BadInput:
    """A request or handshake is refused, in the vendor's words or with a message of our own."""
    name, words = _REFUSALS.get(status, ("internal_server_error", "Something went wrong on our side."))
    return BadInput(name, message or words, status)


class Asked(BaseModel):
    """What a client sends, in a query string, a message or a body."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, asked: Any, error: str) -> Self:
        """``asked``: JSON text or an object. Raises BadInput with that name, which says what is wrong where."""
        try:
            return cls.model_validate_json(asked) if isinstance(asked, str) else cls.model_validate(asked)
        except ValidationError as wrong:
            first = wrong.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "message"
            raise BadInput(error, f"{place}: {first['msg']}") from None


class Access:
    """The single-use tokens that were made here."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}

    def new_token(self, kind: str) -> str:
        """A token of one of ``TOKEN_PLACES``, good for one connection within 15 minutes."""
        now = self._clock()
        self._tokens = {token: entry for token, entry in self._tokens.items() if entry[1] > now}
        token = "sutkn_" + secrets.token_urlsafe(24)
        self._tokens[token] = (TOKEN_PLACES[kind], now + TOKEN_LIFE_S)
        return token

    def redeem(self, token: str, path: str) -> bool:
        """Use a token up for a path; False if it is unknown, of another kind, used or too old."""
        place, expires = self._tokens.pop(token, ("", 0.0))
        return path.startswith(place) and expires > self._clock()
