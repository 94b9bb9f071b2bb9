"""The offline server: one loopback address where the vendors' protocols are answered by local engines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voice_agents.errors import ConfigurationError
from voice_agents.impatience import impatient, impatient_socket
from voice_agents.offline import chat, elevenlabs, realtime
from voice_agents.offline.door import Door
from voice_agents.offline.elevenlabs.access import Access
from voice_agents.offline.faults import Fault, FaultPlan
from voice_agents.offline.key import new_key
from voice_agents.offline.model_server import ModelServer
from voice_agents.offline.services import Pace, Services, local_services
from voice_agents.offline.sockets import TRANSPORT_KEY
from voice_agents.offline.unserved import Unserved


def app(services: Services, access: Access) -> Starlette:
    """All protocols over these services, and what a test steers them with, as an ASGI application without a door."""
    openai_routes = [*chat.routes(services), *realtime.routes(services)]
    elevenlabs_routes = elevenlabs.routes(services, access)
    unserved = Unserved(openai=openai_routes, elevenlabs=elevenlabs_routes)
    return Starlette(routes=[*openai_routes, *elevenlabs_routes, *_admin_routes(services), Mount("/", unserved)])


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
    connections from then on. Clients have to bring ``key``. Without one given any key will do, for tests; ``key`` is
    random then and needed for ``/faults`` and ``/connections`` only. ``hosts`` and ``origins``: see ``Door``.
    Installs no signal handlers. Leaving the block ends every connection within a second.
    Raises ConfigurationError on entering when the address cannot be had.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        faults: FaultPlan | None = None,
        pace: Pace | None = None,
        services: Services | None = None,
        key: str | None = None,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self.key = key or new_key()
        self._any_key = key is None
        self._hosts = (host, *hosts)
        self._origins = tuple(origins)
        self._address = (host, port)
        self._given = services
        self._faults = faults
        self._pace = pace
        self._stack = AsyncExitStack()
        self.url = ""
        self.services: Services

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            listener = stack.enter_context(_listen(*self._address))
            given = self._given
            self.services = await stack.enter_async_context(local_services()) if given is None else given
            self.services.faults = self._faults or self.services.faults
            self.services.pace = self._pace or self.services.pace
            host, port = listener.getsockname()[:2]
            self.url = f"http://{host}:{port}"
            await stack.enter_async_context(_Running(self._door(), listener))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _door(self) -> Door:
        access = Access()
        return Door(
            app(self.services, access),
            self.key,
            any_key=self._any_key,
            hosts=self._hosts,
            origins=self._origins,
            is_token=access.knows,
        )


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"The offline server cannot listen on {host}:{port} ({error.strerror}); choose another port."
        ) from error


class _Running:
    """uvicorn serving an application in the running loop."""

    def __init__(self, application: ASGIApp, listener: socket.socket) -> None:
        self._handlers = _Handlers(application)
        self._listener = listener
        config = uvicorn.Config(
            self._handlers,
            lifespan="off",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            http=impatient(AutoHTTPProtocol),
            ws=impatient_socket(WebSocketsSansIOProtocol),
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._server.serve([self._listener]))
        ready = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait((self._task, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._handlers.stop()
        self._server.stop.set()
        await self._task


class _Uvicorn(uvicorn.Server):
    """uvicorn without signal handlers, which says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    async def main_loop(self) -> None:
        """uvicorn's own loop wakes up ten times a second; this one only refreshes the Date header."""
        while not self.stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.stop.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Handlers:
    """Knows the task and transport of every request, so that all can be ended at once and one can be cut."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._open: dict[asyncio.Task[object], asyncio.Transport | None] = {}
        self._stopping = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        # uvicorn offers no way to cut a connection; its `send` is a method of the object that holds the transport
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        scope[TRANSPORT_KEY] = transport
        self._open[task] = transport
        try:
            await self._application(scope, receive, send)
        except ClientDisconnect:
            pass  # its request has not come to the end
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            del self._open[task]

    def stop(self) -> None:
        """Cancel every handler and cut its connection."""
        self._stopping = True
        for task, transport in self._open.items():
            if transport is not None:
                transport.abort()
            task.cancel()
