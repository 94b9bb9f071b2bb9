"""``GET /metrics``: the figures, for whoever has the password; without one, for programs of this machine only."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from voice_agents.transports.api.access import PasswordCheck
from voice_agents.transports.visitors import is_from_here
from voice_agents.transports.watch.figures import Figures

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
        elif is_public() or not is_from_here(request):
            return PlainTextResponse(ONLY_HERE, 403)
        page, headers = figures.page(), {"cache-control": "no-store", "content-type": CONTENT_TYPE_PLAIN_0_0_4}
        return Response(page, headers=headers)

    return Route("/metrics", answer, methods=["GET"])
