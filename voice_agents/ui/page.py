"""The whole page: a header of one line, one tab per engine, and the routes its scripts talk to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any

import gradio as gr
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.errors import InvalidInput
from voice_agents.settings import CallWay, Settings
from voice_agents.transports.api.health import VERSION
from voice_agents.transports.ice import Relays
from voice_agents.transports.page_call import PATH as CALL_PATH
from voice_agents.transports.page_call import PageCall
from voice_agents.transports.registry import LiveSession, SessionRegistry
from voice_agents.transports.webrtc import answer_calls, call_button
from voice_agents.ui import status
from voice_agents.ui.desk import Desk, HasPromises, LoadHistory, WrittenElsewhere
from voice_agents.ui.drawing import Data
from voice_agents.ui.icons import icon
from voice_agents.ui.identity import is_identity
from voice_agents.ui.quiet import keep_gradio_quiet
from voice_agents.ui.socket import admitted, serve_window
from voice_agents.ui.theme import HEAD, START, scripts, static_routes, theme
from voice_agents.ui.voice_tab import TabSpec, tab_html
from voice_agents.ui.window import Window
from voice_agents.ui.wishes import Wishes

TITLE = "Voice Agents"
NEWCOMERS = 40
"""Connections at a time that talk to nobody yet, or any more."""
_KEYS = (
    ("Space", "hold to speak, let go to send"),
    ("Esc", "interrupt the agent"),
    ("M", "mute or unmute"),
    ("N", "new conversation"),
    ("/", "go to the text box"),
    ("?", "show these keys"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """``blocks`` to launch, with ``routes`` on the same port; ``desk`` holds what all windows show."""

    blocks: gr.Blocks
    routes: list[BaseRoute]
    desk: Desk


def build_page(
    settings: Settings,
    registry: SessionRegistry,
    tabs: Sequence[TabSpec],
    load_history: LoadHistory,
    has_promises: HasPromises | None = None,
    written_elsewhere: WrittenElsewhere | None = None,
) -> Page:
    """The page, ready to launch. Every role of every tab must be filled in ``settings``."""
    keep_gradio_quiet()
    desk = Desk(registry, load_history, has_promises=has_promises, written_elsewhere=written_elsewhere)
    wishes = Wishes(settings.turns)
    with gr.Blocks(title=TITLE, theme=theme(), head=HEAD, js=START, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(_header(settings, tabs), padding=False, elem_classes="va-top")
        with gr.Tabs(elem_classes="va-tabs"):
            for spec in tabs:
                with gr.Tab(spec.title, id=spec.kind):
                    button = call_button(
                        f"{spec.kind}-mic", Relays(settings.relay, settings.session_time_limit_s), "va-mic"
                    )
                    _answer(button, spec.kind, desk, wishes)
                    gr.HTML(tab_html(spec, settings), padding=False)
    blocks.queue(default_concurrency_limit=None, api_open=False)

    return Page(blocks, _routes(blocks, settings, desk, wishes, tabs), desk)


def _routes(
    blocks: gr.Blocks, settings: Settings, desk: Desk, wishes: Wishes, tabs: Sequence[TabSpec]
) -> list[BaseRoute]:
    kinds = [tab.kind for tab in tabs]
    mark = _mark(blocks)

    async def window(socket: WebSocket) -> None:
        if await admitted(socket, _is_signed_in(blocks, settings, socket)):
            await serve_window(socket, mark, lambda send: Window(desk, tabs, wishes, send))

    async def call(socket: WebSocket) -> None:
        if await admitted(socket, _is_signed_in(blocks, settings, socket)):
            await PageCall(socket).run(open_call)

    async def open_call(hello: Mapping[str, Any]) -> LiveSession:
        if hello.get("kind") not in kinds or not is_identity(hello):
            raise InvalidInput("The page did not say whose call this is. Please reload it.")
        return await desk.open(wishes.request(hello["kind"], hello), waits=True)

    calls = [] if settings.transport is CallWay.WEBRTC else [WebSocketRoute(CALL_PATH, call)]
    return [WebSocketRoute("/page/window", window), *calls, *static_routes()]


def _answer(button: Any, kind: str, desk: Desk, wishes: Wishes) -> None:
    async def open_call(values: Sequence[Data]) -> LiveSession:
        return await desk.open(wishes.request(kind, values[0] if values else {}), waits=True)

    answer_calls(button, open_call, [], places=desk.registry.max_sessions + NEWCOMERS)


def _mark(blocks: gr.Blocks) -> str:
    """Of what a browser has loaded: the same for every process that serves the same page."""
    parts = [
        (part["id"], part["type"], part["props"].get("elem_id"), part["props"].get("value"))
        for part in blocks.get_config_file()["components"]
    ]
    return sha256(f"{VERSION} {scripts()} {parts}".encode()).hexdigest()[:16]


def _is_signed_in(blocks: gr.Blocks, settings: Settings, socket: WebSocket) -> bool:
    """Whether the window has passed the page's password, as gradio's own routes find out."""
    if not settings.app_password:
        return True
    app = blocks.app
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(socket.cookies.get(name) in app.tokens for name in names)


def _header(settings: Settings, tabs: Sequence[TabSpec]) -> str:
    switch = "".join(
        f'<button type="button" role="tab" data-kind="{tab.kind}" aria-selected="{str(tab is tabs[0]).lower()}">'
        f"{escape(tab.title)}</button>"
        for tab in tabs
    )
    chips = "".join(f'<span data-kind="{tab.kind}" hidden>{status.chip(settings, tab.roles)}</span>' for tab in tabs)
    tools = (
        ("va-new", "New conversation", "new"),
        ("va-conversations", "Conversations", "list"),
        ("va-open-timing", "Timing", "timing"),
        ("va-open-settings", "Settings", "settings"),
        ("va-theme", "Light or dark", "theme"),
    )
    buttons = "".join(
        f'<button type="button" id="{name}" class="va-tool" aria-label="{label}" title="{label}"'
        f"{' hidden' if name == 'va-conversations' else ''}>{icon(picture)}</button>"
        for name, label, picture in tools
    )
    return (
        f'<header class="va-header" data-transport="{settings.transport}"><h1>{TITLE}</h1>'
        f'<div class="va-switch" role="tablist" aria-label="Engine">{switch}'
        f'</div><div class="va-tools"><button type="button" id="va-providers" class="va-chip" aria-haspopup="dialog" '
        f'title="Who does what"><i></i>{chips}</button>{buttons}</div></header>'
        '<div class="va-spoken" id="va-status" role="status" aria-live="polite"></div>'
        '<div class="va-spoken" id="va-finals" role="log" aria-live="polite" aria-relevant="additions"></div>'
        '<div class="va-spoken" id="va-alert" role="alert" aria-live="assertive"></div>' + _devices() + _help()
    )


def _devices() -> str:
    return (
        '<dialog id="va-devices" class="va-sheet" aria-labelledby="va-devices-title"><header>'
        '<h2 id="va-devices-title">Microphone and loudspeaker</h2>'
        f'<button type="button" class="va-tool va-close" aria-label="Close">{icon("close")}</button></header>'
        '<div class="va-sheet-body"><div class="va-setting"><label for="va-microphone">Microphone</label>'
        '<select id="va-microphone"></select><meter id="va-meter" min="0" max="1" value="0" '
        'aria-label="What your microphone hears"></meter></div>'
        '<div class="va-setting"><label for="va-loudspeaker">Loudspeaker</label><select id="va-loudspeaker"></select>'
        '<button type="button" id="va-test" class="va-preset">Play a test sound</button></div></div></dialog>'
    )


def _help() -> str:
    rows = "".join(f"<dt><kbd>{escape(key)}</kbd></dt><dd>{escape(means)}</dd>" for key, means in _KEYS)
    return (
        '<dialog id="va-help" class="va-sheet" aria-labelledby="va-help-title"><header><h2 id="va-help-title">Keys</h2>'
        f'<button type="button" class="va-tool va-close" aria-label="Close">{icon("close")}</button></header>'
        f'<div class="va-sheet-body"><dl class="va-keys">{rows}</dl></div></dialog>'
    )
