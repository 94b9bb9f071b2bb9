"""Every route of the app and of the offline server, read from the program, so that new ones are attacked too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from voice_agents.offline.brain import EXAMPLES
from voice_agents.settings import Settings


@dataclass(frozen=True, slots=True)
class Way:
    """One way in. ``template`` may hold ``{parameters}``; ``method`` is empty for a WebSocket."""

    method: str
    template: str

    def filled(self, value: str = "x") -> str:
        return re.sub(r"\{[^}]*\}", lambda _match: value, self.template)

    @property
    def takes_a_path(self) -> bool:
        return "{" in self.template


@cache
def of_the_app() -> tuple[Way, ...]:
    """Of the page, gradio's own ones among them, and of the API."""
    from gradio.routes import App as GradioApp

    from voice_agents.ui.app import App

    app = App(Settings().with_offline("http://127.0.0.1:1"), EXAMPLES)
    served = GradioApp.create_app(app.page(), app_kwargs={"routes": app.routes(), "openapi_url": None})
    return tuple(sorted(set(_ways(served.routes)), key=lambda way: (way.template, way.method)))


@cache
def of_the_offline_server() -> tuple[Way, ...]:
    """Of all vendors' protocols, and of the faults."""
    from voice_agents.offline.elevenlabs.access import Access
    from voice_agents.offline.server import app
    from voice_agents.offline.services import Services

    return tuple(sorted(set(_ways(app(cast(Services, _Nothing()), Access()).routes)), key=str))


class _Nothing:
    """Stands for services that are never asked."""

    def __getattr__(self, _name: str) -> Any:
        return self


def _ways(routes: list[Any]) -> Iterator[Way]:
    """Also those of routers that were included."""
    for route in routes:
        if (router := getattr(route, "original_router", None)) is not None:
            yield from _ways(router.routes)
        elif (path := getattr(route, "path", "")) and hasattr(route, "endpoint"):
            methods = getattr(route, "methods", None)
            websocket = "WebSocket" in type(route).__name__
            yield from (Way("" if websocket else method, path) for method in sorted(methods or {""}))
            if methods is None and not websocket:
                yield Way("GET", path)
                yield Way("POST", path)
