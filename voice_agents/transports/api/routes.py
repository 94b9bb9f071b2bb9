"""The API's routes, to join the page's process and port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.errors import InvalidInput
from voice_agents.settings import Settings, TurnMode
from voice_agents.transports.api.access import PasswordCheck, subprotocol_of
from voice_agents.transports.api.call import ApiCall, Code
from voice_agents.transports.api.dialects import BinaryDialect, Dialect, RealtimeDialect, SandwichDialect
from voice_agents.transports.api.health import Health, ProviderRecord
from voice_agents.transports.api.limits import SocketLimits
from voice_agents.transports.api.options import SocketOptions
from voice_agents.transports.api.places import Places
from voice_agents.transports.live import SessionRequest


@dataclass(frozen=True, slots=True)
class SocketKind:
    """One of the two sockets. ``kind``: of the sessions it opens; ``usual``: who ends a turn if nothing says."""

    kind: str
    usual: TurnMode
    dialect: Callable[[SocketOptions], Dialect]


def _sandwich(options: SocketOptions) -> Dialect:
    return SandwichDialect(options.sample_rate, hands_free=options.mode is TurnMode.AUTOMATIC)


def _realtime(options: SocketOptions) -> Dialect:
    return RealtimeDialect(options.sample_rate)


def api_routes(
    settings: Settings,
    places: Places,
    record: ProviderRecord,
    *,
    sandwich: str,
    realtime: str,
    limits: SocketLimits | None = None,
    password: PasswordCheck | None = None,
) -> list[BaseRoute]:
    """For ``launch(app_kwargs={"routes": ...})``. ``sandwich``, ``realtime``: the kinds of session they open."""
    password = password or PasswordCheck(settings.app_password)
    api = _Api(settings, places, password, limits or SocketLimits())
    by_hand = SocketKind(sandwich, TurnMode.PUSH_TO_TALK, _sandwich)
    by_itself = SocketKind(realtime, TurnMode.AUTOMATIC, _realtime)
    return [
        Route("/health", Health(settings, places, record, password).answer, methods=["GET"]),
        WebSocketRoute("/ws/sandwich", api.serve(by_hand)),
        WebSocketRoute("/ws/realtime", api.serve(by_itself)),
    ]


class _Api:
    def __init__(self, settings: Settings, places: Places, password: PasswordCheck, limits: SocketLimits) -> None:
        self._settings = settings
        self._password = password
        self._places = places
        self._limits = limits

    def serve(self, kind: SocketKind) -> Callable[[WebSocket], object]:
        async def endpoint(socket: WebSocket) -> None:
            if not await self._password.admits(socket):
                headers = {"www-authenticate": 'Basic realm="Voice Agents"'}
                sentence = (
                    "This server asks for a password: send APP_PASSWORD as HTTP basic (user name: user) or bearer."
                )
                return await socket.send_denial_response(PlainTextResponse(sentence, 401, headers))
            await socket.accept(subprotocol_of(socket))
            try:
                options = SocketOptions.of(socket.query_params, kind.usual)
            except InvalidInput as error:
                await socket.send_json({"type": "error", "message": str(error)})
                return await socket.close(Code.REFUSED)
            dialect = BinaryDialect(options.sample_rate) if options.binary else kind.dialect(options)
            call = ApiCall(socket, self._places, self._request(kind, options), options, dialect)
            return await call.run(self._limits)

        return endpoint

    def _request(self, kind: SocketKind, options: SocketOptions) -> SessionRequest:
        usual = self._settings.turns
        turns = replace(usual, mode=options.mode, interruptions=options.interruptions or usual.interruptions)
        return SessionRequest(kind.kind, options.conversation, turns, options.voice, by_program=True)
