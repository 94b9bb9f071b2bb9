"""Who may use the API when ``APP_PASSWORD`` is set: by HTTP basic or bearer; browsers, by a subprotocol."""

from __future__ import annotations

import base64
import binascii
import hmac

from starlette.requests import HTTPConnection

from voice_agents.transports.door import Tries
from voice_agents.transports.visitors import address_of

USER = "user"
SUBPROTOCOL = "voice-agents"
"""What a browser asks for beside ``bearer.<password in base64url>``, and is given."""
_BEARER = "bearer."


class PasswordCheck:
    """Lets in who carries the password, everybody when none is set, and nobody who has guessed for too long."""

    def __init__(self, password: str, tries: Tries | None = None) -> None:
        """``tries``: those counted elsewhere, too."""
        self._password = password
        self._tries = tries or Tries()

    @property
    def is_set(self) -> bool:
        """There is a password."""
        return bool(self._password)

    async def admits(self, connection: HTTPConnection) -> bool:
        """Whether a request may come in; takes its time after many wrong passwords."""
        given = _given(connection)
        if not self._password or not given:
            return not self._password
        address = address_of(connection.scope)
        if not await self._tries.admit(address) or not any(_same(word, self._password) for word in given):
            return False
        self._tries.forgive(address)
        return True


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
            found += _readings(value.strip())
        case "basic":
            user, colon, password = _decoded(value.strip()).partition(":")
            if colon and user == USER:
                found.append(password)
    return found


def _readings(value: str) -> list[str]:
    """What a header may say: starlette reads it as Latin-1, and most programs write UTF-8."""
    try:
        return [value, value.encode("latin-1").decode()]
    except UnicodeError:
        return [value]


def _decoded(text: str) -> str:
    """Base64 or base64url, padded or not; nothing for what is neither."""
    try:
        raw = base64.b64decode(text.translate(str.maketrans("-_", "+/")) + "=" * (-len(text) % 4), validate=True)
        return raw.decode()
    except (binascii.Error, ValueError):
        return ""


def _same(given: str, password: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), password.encode("utf-8", "replace"))
