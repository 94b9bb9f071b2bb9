"""The whole page: a header of one line, one tab per engine, and the routes its scripts talk to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any

import gradio as gr
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from voice_agents.conversation.shelf import Shelf
from voice_agents.errors import InvalidInput
from voice_agents.local_models import ModelChoice
from voice_agents.settings import CallWay, Settings
from voice_agents.transports.api.health import VERSION
from voice_agents.transports.ice import Relays
from voice_agents.transports.live import LiveSession
from voice_agents.transports.page_call import PATH as CALL_PATH
from voice_agents.transports.page_call import PageCall
from voice_agents.transports.registry import SessionRegistry
from voice_agents.transports.visitors import is_from_here
from voice_agents.transports.webrtc import answer_calls, call_button
from voice_agents.ui import status
from voice_agents.ui.desk import Desk, HasPromises, LoadHistory, WrittenElsewhere
from voice_agents.ui.drawing import Data
from voice_agents.ui.icons import icon
from voice_agents.ui.identity import is_identity
from voice_agents.ui.models import Models
from voice_agents.ui.quiet import keep_gradio_quiet
from voice_agents.ui.serving import no_server_yet
from voice_agents.ui.sheets import page_sheets
from voice_agents.ui.socket import admitted, serve_window
from voice_agents.ui.theme import HEAD, START, scripts, static_routes, theme
from voice_agents.ui.voice_tab import TabSpec, tab_html
from voice_agents.ui.window import Send, Window
from voice_agents.ui.wishes import Wishes

TITLE = "Voice Agents"
NEWCOMERS = 40
"""Connections at a time that talk to nobody yet, or any more."""


@dataclass(frozen=True, slots=True)
class Page:
    """``blocks`` to launch, with ``routes`` on the same port; ``desk`` holds what all windows show."""

    blocks: gr.Blocks
    routes: list[BaseRoute]
    desk: Desk


@no_server_yet()
def build_page(
    settings: Settings,
    registry: SessionRegistry,
    tabs: Sequence[TabSpec],
    load_history: LoadHistory,
    has_promises: HasPromises | None = None,
    written_elsewhere: WrittenElsewhere | None = None,
    shelf: Shelf | None = None,
    model_choice: ModelChoice | None = None,
) -> Page:
    """The page, ready to launch. Every role of every tab must be filled in ``settings``.

    ``shelf``: None where no conversations are kept. ``model_choice``: of who answers in the offline agent's place.
    """
    keep_gradio_quiet()
    desk = Desk(registry, load_history, has_promises=has_promises, written_elsewhere=written_elsewhere)
    wishes = Wishes(settings.turns)
    with gr.Blocks(title=TITLE, theme=theme(), head=HEAD, js=START, analytics_enabled=False, fill_width=True) as blocks:
        gr.HTML(_header(settings, tabs, shelf is not None), padding=False, elem_classes="va-top")
        with gr.Tabs(elem_classes="va-tabs"):
            for spec in tabs:
                with gr.Tab(spec.title, id=spec.kind):
                    button = call_button(
                        f"{spec.kind}-mic", Relays(settings.relay, settings.session_time_limit_s), "va-mic"
                    )
                    _answer(button, spec.kind, desk, wishes)
                    gr.HTML(tab_html(spec, settings), padding=False)
    blocks.queue(default_concurrency_limit=None, api_open=False)

    models = Models(settings, tabs, model_choice)

    def make_window(send: Send, is_owner: bool) -> Window:
        return Window(desk, tabs, wishes, send, shelf, models, is_owner=is_owner)

    return Page(blocks, _routes(blocks, settings, desk, wishes, tabs, make_window), desk)


def _routes(
    blocks: gr.Blocks,
    settings: Settings,
    desk: Desk,
    wishes: Wishes,
    tabs: Sequence[TabSpec],
    make_window: Callable[[Send, bool], Window],
) -> list[BaseRoute]:
    kinds = [tab.kind for tab in tabs]
    mark = _mark(blocks)

    async def window(socket: WebSocket) -> None:
        if await admitted(socket, _is_signed_in(blocks, settings, socket)):
            is_owner = _is_owners(settings, socket)
            await serve_window(socket, mark, lambda send: make_window(send, is_owner))

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


def _is_owners(settings: Settings, socket: WebSocket) -> bool:
    """Whether the window is one of the machine itself. Where this server is known under another name, a proxy may
    stand before it that does not say for whom it asks."""
    return not settings.space_host and not settings.allowed_hosts and is_from_here(socket)


def _is_signed_in(blocks: gr.Blocks, settings: Settings, socket: WebSocket) -> bool:
    """Whether the window has passed the page's password, as gradio's own routes find out."""
    if not settings.app_password:
        return True
    app = blocks.app
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(socket.cookies.get(name) in app.tokens for name in names)


def _header(settings: Settings, tabs: Sequence[TabSpec], keeps: bool) -> str:
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
        f">{icon(picture)}</button>"
        for name, label, picture in tools
        if keeps or name != "va-conversations"
    )
    return (
        f'<header class="va-header" data-transport="{settings.transport}"><h1>{TITLE}</h1>'
        f'<div class="va-switch" role="tablist" aria-label="Engine">{switch}'
        f'</div><div class="va-tools"><button type="button" id="va-providers" class="va-chip" aria-haspopup="dialog" '
        f'title="Who does what"><i></i>{chips}</button>{buttons}</div></header>'
        '<div class="va-spoken" id="va-status" role="status" aria-live="polite"></div>'
        '<div class="va-spoken" id="va-finals" role="log" aria-live="polite" aria-relevant="additions"></div>'
        '<div class="va-spoken" id="va-alert" role="alert" aria-live="assertive"></div>' + page_sheets(keeps)
    )
