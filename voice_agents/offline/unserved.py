"""What a path nobody serves is answered: not found, as the vendor whose client asks puts it, and what is served."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from voice_agents.offline import chat
from voice_agents.offline.checks import error_body

_SOCKET = "websocket"
"""Stands where a method does."""


class Unserved:
    """An ASGI application for all that no route takes, sockets and wrong methods included."""

    def __init__(self, *, openai: Iterable[BaseRoute], elevenlabs: Iterable[BaseRoute]) -> None:
        self._openai = _listed(openai)
        self._elevenlabs = _listed(elevenlabs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        asked = f"{scope.get('method', _SOCKET)} {scope['path']}"
        if chat.is_openais(connection.headers) or scope["path"].startswith("/openai/"):
            body = error_body(f"Invalid URL ({asked}). Served offline are: {self._openai}.", "invalid_request_error")
        else:
            message = f"{asked} is not served offline. Served are: {self._elevenlabs}."
            body = {"detail": {"status": "not_found", "message": message}}
        await JSONResponse(body, 404)(scope, receive, send)


def _listed(routes: Iterable[BaseRoute]) -> str:
    """Every route once, like ``GET /v1/models, websocket /v1/realtime``."""
    named = []
    for route in routes:
        if isinstance(route, Route):
            named += [f"{method} {route.path_format}" for method in sorted((route.methods or set()) - {"HEAD"})]
        elif isinstance(route, WebSocketRoute):
            named.append(f"{_SOCKET} {route.path_format}")
    return ", ".join(named)
