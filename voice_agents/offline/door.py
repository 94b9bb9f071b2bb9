"""Who gets into the offline server: this machine's programs that bring the key, and no web page a browser has open.

Two guards, asked before any route, so that a request that is refused changes nothing:

* *Host and Origin.* A browser sends a page's requests from wherever the page came, and to this machine under any name
  that can be made to lead here (``evil.localhost``, a rebound one). So the name asked for has to be one of ours, and a
  page has to come from the very address it asks. Programs send no Origin.
* *The key*, new at every start, where the vendors' own clients put theirs.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Iterator

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from voice_agents.offline.checks import REALTIME_PATHS, Refused, Rejected, is_openais
from voice_agents.offline.elevenlabs.access import refusal

CONTROL_PATHS = frozenset({"/faults", "/connections", "/model-server"})
"""What steers and watches the server: with the key only, even where the vendors' routes take any."""

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:\[\]/@]+)(?::\d{1,5})?")
_KEY_SUBPROTOCOL = "openai-insecure-api-key."
_TOKEN_PARAMETERS = ("token", "single_use_token")

_WRONG_HOST = "This server is asked under a name that is not its own: use its address as it was printed at its start."
_WRONG_ORIGIN = "Web pages of other addresses may not use this server."
_WRONG_KEY = "Incorrect API key provided: use the key this server was started with."


class OfflineDoor:
    """An ASGI application in front of another. Refuses with 403 (host, origin) and 401 (key), in the vendor's shape."""

    def __init__(
        self,
        application: ASGIApp,
        key: str,
        *,
        any_key: bool = False,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        redeem: Callable[[str, str], bool] = lambda _token, _path: False,
    ) -> None:
        """``any_key``: the vendors' routes take any key, or none; ``key`` is for ``CONTROL_PATHS``.

        ``hosts``: further names of this server, without a port; ``origins``: pages that may open its sockets, like
        ``http://localhost:3000``; ``redeem`` uses up a single-use token for a path.
        """
        self._application = application
        self._key = key.encode()
        self._any_key = any_key
        self._hosts = _OWN_NAMES | {name.lower() for name in hosts}
        self._origins = frozenset(origin.lower().rstrip("/") for origin in origins)
        self._redeem = redeem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        refusal = self._refusal(connection)
        if refusal is None:
            await self._application(scope, receive, send)
            return
        status, sentence = refusal
        await refused(connection, status, sentence)(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> tuple[int, str] | None:
        """HTTP status and reason; None for those who may come in."""
        if not self._is_own_host(connection):
            return 403, _WRONG_HOST
        if not self._is_own_origin(connection):
            return 403, _WRONG_ORIGIN
        asks_freely = self._any_key and connection.scope["path"] not in CONTROL_PATHS
        return None if asks_freely or self._has_key(connection) else (401, _WRONG_KEY)

    def _is_own_host(self, connection: HTTPConnection) -> bool:
        """A name of ours, or the very address the request has come to, which no name can be rebound from."""
        named = connection.headers.getlist("host")
        match = _AUTHORITY.fullmatch(named[0].lower()) if len(named) == 1 else None
        if match is None:
            return False
        address = str((connection.scope.get("server") or ("",))[0])
        return match["name"] in self._hosts or match["name"] == (f"[{address}]" if ":" in address else address)

    def _is_own_origin(self, connection: HTTPConnection) -> bool:
        """None, ours (some clients that are no browsers say the address they connect to), or one that was named."""
        own = f"http://{connection.headers.get('host', '')}".lower()
        origins = [origin.lower() for origin in connection.headers.getlist("origin")]
        return all(origin == own or origin in self._origins for origin in origins)

    def _has_key(self, connection: HTTPConnection) -> bool:
        # every candidate is compared, and each in constant time
        fits = [hmac.compare_digest(brought.encode(), self._key) for brought in _brought(connection)]
        return any(fits) or any(self._redeem(token, connection.scope["path"]) for token in _tokens(connection))


def _brought(connection: HTTPConnection) -> Iterator[str]:
    """The keys of a request, from where the vendors' clients put them."""
    headers = connection.headers
    yield headers.get("xi-api-key", "").strip()
    yield headers.get("api-key", "").strip()
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        yield token.strip()
    if connection.scope["type"] != "websocket":
        return
    # a browser can set no header of a socket
    if connection.scope["path"] in REALTIME_PATHS:
        yield connection.query_params.get("api-key", "")
        offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
        yield from (name.removeprefix(_KEY_SUBPROTOCOL) for name in offered if name.startswith(_KEY_SUBPROTOCOL))
    else:
        yield connection.query_params.get("authorization", "").removeprefix("Bearer ").strip()


def _tokens(connection: HTTPConnection) -> Iterator[str]:
    if connection.scope["type"] == "websocket" and connection.scope["path"] not in REALTIME_PATHS:
        yield from (connection.query_params[name] for name in _TOKEN_PARAMETERS if name in connection.query_params)


def refused(connection: HTTPConnection, status: int, sentence: str) -> JSONResponse:
    """The answer to a request that no route gets, in the shape of the vendor whose client asks."""
    code = "invalid_api_key" if status == 401 else None
    openais = is_openais(connection)
    error: Refused = Rejected(sentence, code, status=status) if openais else refusal(status, sentence)
    return JSONResponse(error.body, status)
