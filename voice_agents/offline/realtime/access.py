"""OpenAI (``/v1/realtime``) and Azure (``/openai/v1/realtime``) Realtime sockets: who may open them.

The preview's protocol, which both vendors have shut off, is refused in a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.chat import UNKNOWN_MODEL
from voice_agents.offline.checks import INVALID_REQUEST, SERVER_ERROR, error_body
from voice_agents.offline.faults import Service
from voice_agents.offline.realtime.checks import error_event, new_id
from voice_agents.offline.realtime.session import RealtimeSession
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Message, VendorSocket, serve

PATHS = ("/openai/v1/realtime", "/v1/realtime")
SUBPROTOCOL = "realtime"
"""Spoken when a browser, which can set no header, offers it; beside it stands its key."""
KEY_SUBPROTOCOL = "openai-insecure-api-key."
_PREVIEW_SUBPROTOCOL = "openai-beta.realtime-v1"

_REFUSALS = {
    400: ("The requested operation is unsupported.", INVALID_REQUEST, "OpperationNotSupported"),
    401: (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource.",
        INVALID_REQUEST,
        "401",
    ),
    403: ("You do not have access to this model.", INVALID_REQUEST, "permission_denied"),
    404: (
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
        "minutes, please wait a moment and try again.",
        INVALID_REQUEST,
        "DeploymentNotFound",
    ),
    429: ("Requests to this deployment have exceeded its rate limit. Please retry later.", "requests", "429"),
}
_SERVER_ERROR = ("The server had an error while processing your request. Sorry about that!", SERVER_ERROR, None)

_ERRORS = {
    "server_error": "The server had an error while processing your request. Sorry about that!",
    "session_expired": "Your session hit the maximum duration of 60 minutes.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "rate_limit_exceeded": "Rate limit reached. Please try again later.",
    "invalid_api_key": "Incorrect API key provided.",
}
_CLOSES = {"session_expired": 1001, "insufficient_quota": 1008, "invalid_api_key": 1008}


class NotAdmitted(Exception):
    """The handshake is refused with this status and body."""

    def __init__(self, status: int, body: Message) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def admit(websocket: WebSocket) -> tuple[str, str | None]:
    """The model and the subprotocol of an accepted client. Raises NotAdmitted.

    Any key is good (the door has judged it), any model there but ``UNKNOWN_MODEL``.
    """
    query = websocket.query_params
    offered = [name.strip() for name in websocket.headers.get("sec-websocket-protocol", "").split(",")]
    if not _has_key(websocket.headers, query, offered):
        raise NotAdmitted(401, refusal_body(401))
    if "api-version" in query:
        raise NotAdmitted(401, _body("api-version query parameter is not allowed when using /v1 path.", "401"))
    if websocket.headers.get("openai-beta") == "realtime=v1" or _PREVIEW_SUBPROTOCOL in offered:
        message = "The Realtime preview is not offered offline: come without 'OpenAI-Beta: realtime=v1'."
        raise NotAdmitted(400, _body(message, "beta_api_shape_disabled"))
    model = query.get("model", "")
    if not model:
        raise NotAdmitted(400, _body("You must provide a model parameter.", "missing_model"))
    if model == UNKNOWN_MODEL:
        raise NotAdmitted(404, refusal_body(404))
    return model, SUBPROTOCOL if SUBPROTOCOL in offered else None


def refusal_body(status: int) -> Message:
    """The JSON body of a handshake refused with this status."""
    message, kind, code = _REFUSALS.get(status, _SERVER_ERROR)
    return error_body(message, kind, None, code)


def _body(message: str, code: str) -> Message:
    return error_body(message, INVALID_REQUEST, None, code)


def _has_key(headers: Mapping[str, str], query: Mapping[str, str], offered: list[str]) -> bool:
    """As OpenAI (bearer) and Azure (``api-key``, header or query) take it, or as browsers have to bring it."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    as_subprotocol = any(len(name) > len(KEY_SUBPROTOCOL) for name in offered if name.startswith(KEY_SUBPROTOCOL))
    bearer = kind.lower() == "bearer" and bool(token.strip())
    azure = headers.get("api-key", "") or query.get("api-key", "")
    return bearer or bool(azure.strip()) or as_subprotocol


class RealtimeDialect:
    """Types and ``error`` events as in the vendor's SDK; most errors leave the session open."""

    def type_of(self, message: Message) -> str:
        return str(message.get("type", ""))

    def refusal(self, status: int) -> Message:
        return refusal_body(status)

    def error(self, name: str) -> Message:
        kind = SERVER_ERROR if name == "server_error" else INVALID_REQUEST
        return {"event_id": new_id("event")} | error_event(_ERRORS.get(name, name), name, kind=kind)

    def close_code(self, name: str) -> int | None:
        return _CLOSES.get(name)


def routes(services: Services) -> list[BaseRoute]:
    """The Realtime sockets, see ``admit`` for who may open them."""

    async def connect(websocket: WebSocket) -> None:
        try:
            model, subprotocol = admit(websocket)
        except NotAdmitted as refused:
            await websocket.send_denial_response(JSONResponse(refused.body, refused.status))
            return

        async def run(socket: VendorSocket) -> None:
            await RealtimeSession(socket, services, model).run()

        await serve(websocket, services, Service.REALTIME, RealtimeDialect(), run, subprotocol=subprotocol)

    return [WebSocketRoute(path, connect) for path in PATHS]
