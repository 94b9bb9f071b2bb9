"""OpenAI and Azure Realtime (speech to speech) sockets, answered by the local recogniser, rule-based model and voice.

GA on ``/openai/v1/realtime`` (Azure) and ``/v1/realtime`` (OpenAI); the preview's names and shapes for clients that
come to ``/openai/realtime?api-version=`` or with the header ``OpenAI-Beta: realtime=v1``.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.chat_request import UNKNOWN_MODEL, error_body
from voice_agents.offline.faults import Service
from voice_agents.offline.realtime_errors import INVALID_REQUEST, SERVER_ERROR, error_event, new_id
from voice_agents.offline.realtime_preview import GaShape, Shape
from voice_agents.offline.realtime_session import RealtimeSession
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Message, VendorSocket, serve

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
_ERRORS = {
    "server_error": "The server had an error while processing your request. Sorry about that!",
    "session_expired": "Your session hit the maximum duration of 60 minutes.",
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "rate_limit_exceeded": "Rate limit reached. Please try again later.",
    "invalid_api_key": "Incorrect API key provided.",
}
_CLOSES = {"session_expired": 1001, "insufficient_quota": 1008, "invalid_api_key": 1008}


class RealtimeDialect:
    """Types and ``error`` events as in the vendor's SDK; most errors leave the session open."""

    def type_of(self, message: Message) -> str:
        return str(message.get("type", ""))

    def refusal(self, status: int) -> Message:
        message, kind, code = _REFUSALS.get(status, (_ERRORS["server_error"], SERVER_ERROR, None))
        return error_body(message, kind, None, code)

    def error(self, name: str) -> Message:
        kind = SERVER_ERROR if name == "server_error" else INVALID_REQUEST
        return {"event_id": new_id("event")} | error_event(_ERRORS.get(name, name), name, kind=kind)

    def close_code(self, name: str) -> int | None:
        return _CLOSES.get(name)


_DIALECT = RealtimeDialect()


def routes(services: Services) -> list[BaseRoute]:
    """The Realtime sockets. All need a key, any; the model or deployment called "missing" is not there (404)."""

    def endpoint(model_parameter: str) -> Any:
        async def connect(websocket: WebSocket) -> None:
            model = websocket.query_params.get(model_parameter, "")
            refusal = _refusal(websocket, model)
            if refusal is not None:
                status, body = refusal
                await websocket.send_denial_response(JSONResponse(body, status))
                return

            async def run(socket: VendorSocket) -> None:
                shape: Shape = GaShape()
                await RealtimeSession(socket, services, model, shape).run()

            await serve(websocket, services, Service.REALTIME, _DIALECT, run)

        return connect

    return [
        WebSocketRoute("/openai/v1/realtime", endpoint("model")),
        WebSocketRoute("/v1/realtime", endpoint("model")),
    ]


def _refusal(websocket: WebSocket, model: str) -> tuple[int, Message] | None:
    """Why the handshake is refused, if it is: status and body."""
    return None if model and model != UNKNOWN_MODEL else (404, _DIALECT.refusal(404))
