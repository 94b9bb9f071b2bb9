"""Closes what gradio serves and this page does not use: files, a proxy, redirects to anywhere, dashboards."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

GRADIOS = "/gradio_api/"
USED = frozenset(
    {
        *("queue", "cancel", "reset", "heartbeat", "component_server", "custom_component", "startup-events", "info"),
        *("login_check", "user", "token", "app_id", "theme.css", "upload"),
    }
)
"""The first parts of gradio 5.50.0's own paths that its page and its start ask for."""
DASHBOARD = "monitoring"


def only_what_is_used() -> Middleware:
    """For ``launch(app_kwargs={"middleware": [...]})``: everything else of gradio's answers 404."""
    return Middleware(_OnlyWhatIsUsed)


class _OnlyWhatIsUsed:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and _is_closed(scope["path"]):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_closed(path: str) -> bool:
    if path.startswith(GRADIOS):
        return path.removeprefix(GRADIOS).split("/")[0] not in USED
    return path.split("/")[1:2] == [DASHBOARD]
