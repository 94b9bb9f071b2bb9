"""OpenAI (``/v1/realtime``) and Azure (``/openai/v1/realtime``) Realtime sockets: who may open them.

The preview's protocol, which both vendors have shut off, is refused in a sentence.
"""

from __future__ import annotations

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.chat import check_model
from voice_agents.offline.checks import INVALID_REQUEST, REALTIME_PATHS, SERVER_ERROR, Rejected, error_named, refusal
from voice_agents.offline.faults import Service
from voice_agents.offline.realtime.checks import error_event, new_id
from voice_agents.offline.realtime.session import RealtimeSession
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Dialect, Message, VendorSocket, serve

KEY_SUBPROTOCOL = "openai-insecure-api-key."
"""How a browser, which can set no header, brings its key."""
_SUBPROTOCOL, _PREVIEW_SUBPROTOCOL = "realtime", "openai-beta.realtime-v1"
_CLOSES = {"session_expired": 1001, "insufficient_quota": 1008, "invalid_api_key": 1008}


def admit(websocket: WebSocket) -> tuple[str, str | None]:
    """The model and the subprotocol of an accepted client. Raises Rejected."""
    query, headers = websocket.query_params, websocket.headers
    offered = [name.strip() for name in headers.get("sec-websocket-protocol", "").split(",")]
    if "api-version" in query:
        message = "api-version query parameter is not allowed when using /v1 path."
        raise Rejected(message, "401", status=401)
    if headers.get("openai-beta") == "realtime=v1" or _PREVIEW_SUBPROTOCOL in offered:
        message = "The Realtime preview is not offered offline: come without 'OpenAI-Beta: realtime=v1'."
        raise Rejected(message, "beta_api_shape_disabled")
    return check_model(query.get("model")), _SUBPROTOCOL if _SUBPROTOCOL in offered else None


def _error(name: str) -> Message:
    kind = SERVER_ERROR if name == SERVER_ERROR else INVALID_REQUEST
    return {"event_id": new_id("event")} | error_event(error_named(name), name, kind=kind)


DIALECT = Dialect(
    lambda message: str(message.get("type", "")), lambda status: refusal(status).body, _error, _CLOSES.get
)
"""Types and ``error`` events as in the vendor's SDK; most errors leave the session open."""


def routes(services: Services) -> list[BaseRoute]:
    """The Realtime sockets, see ``admit`` for who may open them."""

    async def connect(websocket: WebSocket) -> None:
        model, subprotocol = admit(websocket)

        async def run(socket: VendorSocket) -> None:
            await RealtimeSession(socket, services, model).run()

        await serve(websocket, services, Service.REALTIME, DIALECT, run, subprotocol=subprotocol)

    return [WebSocketRoute(path, connect) for path in REALTIME_PATHS]
