"""The offline server: one loopback address where the vendors' protocols are answered by local engines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voice_agents.errors import ConfigurationError
from voice_agents.impatience import impatient, impatient_socket
from voice_agents.offline import chat, elevenlabs, new_key, realtime
from voice_agents.offline.checks import Refused, is_openais
from voice_agents.offline.door import OfflineDoor, refused
from voice_agents.offline.elevenlabs.access import Access
from voice_agents.offline.faults import Fault
from voice_agents.offline.model_server import ModelServer
from voice_agents.offline.services import Services, local_services
from voice_agents.offline.sockets import TRANSPORT_KEY

RETRY_AFTER_S = 1
"""What a refusal with 429 or 503 says."""
_SOCKET = "websocket"
"""Stands where a method does."""


def app(services: Services, access: Access) -> Starlette:
    """All protocols over these services, and what a test steers them with, as an ASGI application without a door."""
    openai_routes = [*chat.routes(services), *realtime.routes(services)]
    elevenlabs_routes = elevenlabs.routes(services, access)
    rest = Mount("/", _unserved(_listed(openai_routes), _listed(elevenlabs_routes)))
    return Starlette(
        routes=[*openai_routes, *elevenlabs_routes, *_admin_routes(services), rest],
        exception_handlers={Refused: _refuse},
    )


async def _refuse(asked: Any, error: Any) -> Any:
    """Answers a request or handshake that was refused, in its vendor's words."""
    headers = {"Retry-After": str(RETRY_AFTER_S)} if error.status in (429, 503) else None
    answer = JSONResponse(error.body, error.status, headers)
    if not isinstance(asked, WebSocket):
        return answer
    await asked.send_denial_response(answer)
    return None


def _unserved(openai: str, elevenlabs: str) -> ASGIApp:
    """Answers all that no route takes, sockets and wrong methods included: not found, and what is served."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked, what = HTTPConnection(scope), f"{scope.get('method', _SOCKET)} {scope['path']}"
        served = openai if is_openais(asked) else elevenlabs
        await refused(asked, 404, f"{what} is not served offline. Served are: {served}.")(scope, receive, send)

    return answer


def _listed(routes: Iterable[BaseRoute]) -> str:
    """Every route once, like ``GET /v1/models, websocket /v1/realtime``."""
    named = []
    for route in routes:
        if isinstance(route, Route):
            named += [f"{method} {route.path_format}" for method in sorted((route.methods or set()) - {"HEAD"})]
        elif isinstance(route, WebSocketRoute):
            named.append(f"{_SOCKET} {route.path_format}")
    return ", ".join(named)


def _admin_routes(services: Services) -> list[BaseRoute]:
    """``GET/POST/DELETE /faults`` (JSON list of ``Fault.parse`` texts), ``GET /connections`` (open ones by service).

    ``PUT /model-server`` (``base_url``, ``model``): who answers on the Realtime sockets; ``DELETE``: the rules again.
    """

    async def faults(request: Request) -> JSONResponse:
        if request.method == "DELETE":
            services.faults.clear()
        elif request.method == "POST":
            try:
                for fault in [Fault.parse(text) for text in json.loads(await request.body())]:
                    services.faults.add(fault)
            except (ValueError, TypeError, AttributeError) as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse([str(fault) for fault in services.faults.faults])

    async def connections(request: Request) -> JSONResponse:
        return JSONResponse(services.connections.counts())

    async def model_server(request: Request) -> Response:
        try:
            if request.method == "PUT":
                asked = json.loads(await request.body())
                services.model_server = ModelServer(str(asked["base_url"]), str(asked["model"]))
            else:
                services.model_server = None
        except (ValueError, TypeError, KeyError) as error:
            return JSONResponse({"error": f"base_url and model are needed: {error}"}, 400)
        return Response(status_code=204)

    return [
        Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
        Route("/connections", connections),
        Route("/model-server", model_server, methods=["PUT", "DELETE"]),
    ]


class OfflineServer:
    """The offline server in the running event loop; ``url`` is its address, like ``http://127.0.0.1:50123``.

    For tests (``services`` can hold fakes; otherwise the local engines are loaded on entering) and for
    ``python -m voice_agents.offline``. ``services.faults`` and ``services.pace`` may be changed while it runs, for
    connections from then on. Clients have to bring ``key``. Without one given any will do, or none; ``key`` is
    random then and needed for ``/faults`` and ``/connections`` only. ``hosts`` and ``origins``: see ``OfflineDoor``.
    Installs no signal handlers. Leaving the block ends every connection within a second.
    Raises ConfigurationError on entering when the address cannot be had.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        services: Services | None = None,
        key: str | None = None,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self.key = key or new_key()
        self.url = ""
        self.services: Services
        self._given = services
        self._address = (host, port)
        self._access = Access()
        self._guards: dict[str, Any] = {"any_key": key is None, "hosts": (host, *hosts), "origins": tuple(origins)}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(_listen(*self._address))
            given = self._given
            self.services = await stack.enter_async_context(local_services()) if given is None else given
            host, port = listener.getsockname()[:2]
            self.url = f"http://{host}:{port}"
            application = app(self.services, self._access)
            door = OfflineDoor(application, self.key, redeem=self._access.redeem, **self._guards)
            await stack.enter_async_context(_serving(door, listener))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"The offline server cannot listen on {host}:{port} ({error.strerror}); choose another port."
        ) from error


@contextlib.asynccontextmanager
async def _serving(application: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """uvicorn serves the application in the running loop for as long as the block runs."""
    config = uvicorn.Config(
        _ending_quietly(application),
        lifespan="off",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        http=impatient(AutoHTTPProtocol),
        ws=impatient_socket(WebSocketsSansIOProtocol),
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    config.load()
    # not `serve`: it takes the signals, and wakes up ten times a second for the Date header
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listener])
    try:
        yield
    finally:
        for connection in tuple(server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        for task in tuple(server.server_state.tasks):
            task.cancel()
        await server.shutdown([listener])


def _ending_quietly(application: ASGIApp) -> ASGIApp:
    """A request that does not come to its end, or is cancelled as the server ends, is no error."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn offers no way to cut a connection; its `send` is a method of the object that holds the transport
        scope[TRANSPORT_KEY] = getattr(getattr(send, "__self__", None), "transport", None)
        with contextlib.suppress(ClientDisconnect, asyncio.CancelledError):
            await application(scope, receive, send)

    return handle
