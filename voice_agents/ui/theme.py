"""How the page looks, with system fonts only, in light and dark; and what it may load: nothing from elsewhere."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

_STATIC = Path(__file__).parent / "static"
HEAD = '<link rel="stylesheet" href="page/static/page.css">' + "".join(
    f'<link rel="modulepreload" href="page/static/{path.name}">' for path in sorted(_STATIC.glob("*.js"))
)
START = "() => { import(new URL('page/static/main.js', document.baseURI)).then((page) => page.start()); }"

_FOREIGN = re.compile(
    rb'<script\s+src="https://cdnjs[^>]*>\s*</script>|<link\s+rel="preconnect"\s+href="https://fonts[^>]*>', re.DOTALL
)
"""What gradio's page wants from elsewhere. The policy would stop it, with an error in the browser's console."""
_NO_FOREIGN_SOUND = (
    b"<script>window.Audio = class extends Audio {"
    b" constructor(from) { super(...(from && !new URL(from, location).href.startsWith(location.origin) ? [] : [from]"
    b".filter(Boolean))); } };</script>"
)
"""fastrtc's component fetches a sound from elsewhere as soon as it is there."""
_UNUSED_STYLE = "/gradio_api/custom_component/{id}/{environment}/{type}/style.css"
"""fastrtc's, 1.5 MB: its component stands hidden."""

ALLOWED_SOURCES = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss: data: blob:"
)
"""Content-Security-Policy. gradio's page template wants a script from a CDN and fastrtc a sound from a bucket."""


def theme() -> gr.themes.Base:
    """Gradio's plain theme with local fonts, rounder corners and one accent colour."""
    return gr.themes.Default(
        primary_hue="indigo", secondary_hue="indigo", neutral_hue="slate", font=_SANS, font_mono=_MONO, radius_size="lg"
    ).set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_shadow="none",
    )


def scripts() -> str:
    """A mark of what the page loads of ours: another one when a file was changed."""
    files = sorted(path for path in _STATIC.rglob("*") if path.is_file())
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def static_routes() -> list[BaseRoute]:
    """Where the page's scripts are served, and what of others' is not."""
    return [Mount("/page/static", StaticFiles(directory=_STATIC)), Route(_UNUSED_STYLE, _nothing)]


async def _nothing(_: Request) -> Response:
    return Response(media_type="text/css", headers={"cache-control": "max-age=86400"})


def only_own_sources() -> Middleware:
    """For ``launch(app_kwargs={"middleware": [...]})``: the browser loads nothing from elsewhere."""
    return Middleware(_OnlyOwnSources)


class _OnlyOwnSources:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, _PageAnswer(send).send if scope["type"] == "http" else send)


class _PageAnswer:
    """One answer on its way out: with the policy, and if it is the page, without what the policy forbids."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._page = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"content-security-policy", ALLOWED_SOURCES.encode())]
            message = {**message, "headers": headers}
            if any(name == b"content-type" and value.startswith(b"text/html") for name, value in headers):
                self._start = message
                return
        elif self._start is not None:
            self._page += message.get("body", b"")
            if message.get("more_body", False):
                return
            page = _FOREIGN.sub(b"", self._page).replace(b"<head>", b"<head>" + _NO_FOREIGN_SOUND, 1)
            others = [(name, value) for name, value in self._start["headers"] if name != b"content-length"]
            start, self._start = self._start, None
            await self._send({**start, "headers": [*others, (b"content-length", str(len(page)).encode())]})
            message = {**message, "body": page}
        await self._send(message)
