"""OpenAI and Azure Realtime (speech to speech) sockets, answered by the local recogniser, rule-based model and voice.

GA on ``/openai/v1/realtime`` (Azure) and ``/v1/realtime`` (OpenAI); the preview's names and shapes for clients that
come to ``/openai/realtime?api-version=`` or with the header ``OpenAI-Beta: realtime=v1``.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.offline.faults import Service
from voice_agents.offline.realtime.access import PATHS, NotAdmitted, admit, refusal_body
from voice_agents.offline.realtime.errors import INVALID_REQUEST, SERVER_ERROR, error_event, new_id
from voice_agents.offline.realtime.session import RealtimeSession
from voice_agents.offline.services import Services
from voice_agents.offline.sockets import Message, VendorSocket, serve

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
        return refusal_body(status)

    def error(self, name: str) -> Message:
        kind = SERVER_ERROR if name == "server_error" else INVALID_REQUEST
        return {"event_id": new_id("event")} | error_event(_ERRORS.get(name, name), name, kind=kind)

    def close_code(self, name: str) -> int | None:
        return _CLOSES.get(name)


def routes(services: Services) -> list[BaseRoute]:
    """The Realtime sockets, see ``access.admit`` for who may open them."""

    def endpoint(path: str) -> Any:
        async def connect(websocket: WebSocket) -> None:
            try:
                admission = admit(websocket, path)
            except NotAdmitted as refused:
                await websocket.send_denial_response(JSONResponse(refused.body, refused.status))
                return

            async def run(socket: VendorSocket) -> None:
                await RealtimeSession(socket, services, admission.model, admission.shape).run()

            dialect, subprotocol = RealtimeDialect(), admission.subprotocol
            await serve(websocket, services, Service.REALTIME, dialect, run, subprotocol=subprotocol)

        return connect

    return [WebSocketRoute(path, endpoint(path)) for path in PATHS]
