"""``GET /metrics``: the figures, for whoever has the password; without one, for programs of this machine only."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from voice_agents.environment import is_loopback
from voice_agents.transports.api.access import PasswordCheck
from voice_agents.transports.watch.figures import Figures

FORWARDED = frozenset({"forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "fly-client-ip"})
"""What proxies, relays and share links add to a request that they hand on, beside ``x-forwarded-...``."""
LOCKED = "The figures are for this server's operator: send APP_PASSWORD as HTTP basic (user name: user) or bearer."
ONLY_HERE = (
    "Without a password the figures are shown on this machine only, and not through a proxy or a public link: "
    "set APP_PASSWORD, and send it as HTTP basic (user name: user) or bearer."
)

IsPublic = Callable[[], bool]
"""Whether this server is known under a public name: a Space, a share link, a proxy's."""


def metrics_route(figures: Figures, password: PasswordCheck, is_public: IsPublic) -> Route:
    """To join the page's process and port."""

    async def answer(request: Request) -> Response:
        if password.is_set:
            if not await password.admits(request):
                return PlainTextResponse(LOCKED, 401, {"www-authenticate": 'Basic realm="Voice Agents"'})
        elif is_public() or not _from_here(request):
            return PlainTextResponse(ONLY_HERE, 403)
        page, headers = figures.page(), {"cache-control": "no-store", "content-type": CONTENT_TYPE_PLAIN_0_0_4}
        return Response(page, headers=headers)

    return Route("/metrics", answer, methods=["GET"])


def _from_here(request: Request) -> bool:
    """Whether a program of this machine asks for itself.

    A proxy on this machine comes from here as well. It tells for whom it asks, or speaks HTTP/1.0 as nginx does
    unless it is told otherwise; and who asks here names this machine.
    """
    client = request.client.host if request.client else ""
    handed_on = any(name in FORWARDED or name.startswith("x-forwarded-") for name in request.headers)
    old = request.scope.get("http_version", "1.1") == "1.0"
    return is_loopback(client) and is_loopback(request.url.hostname or "") and not handed_on and not old
