"""The page with its engines: what ``python app.py`` serves. Loading this takes seconds: gradio, LangChain, the SDKs."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gradio as gr
from starlette.routing import BaseRoute

from voice_agents.address import Address
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.conversation.talk_time import TalkTime
from voice_agents.engines.engine import Engine, RealtimeEngine, SandwichEngine
from voice_agents.errors import ConfigurationError, Role
from voice_agents.local_models import ModelChoice
from voice_agents.providers.elevenlabs.http import list_voices, stream_speech
from voice_agents.session.base import Session
from voice_agents.settings import PostgresUrl, Settings
from voice_agents.stopping import STOP_S, Stopping
from voice_agents.transports.api.access import PasswordCheck
from voice_agents.transports.api.health import VERSION, ProviderRecord
from voice_agents.transports.api.routes import api_routes
from voice_agents.transports.daily import DailyMinutes
from voice_agents.transports.door import Door, Tries
from voice_agents.transports.live import Limits, SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.transports.watch.figures import Figures
from voice_agents.transports.watch.lines import Lines
from voice_agents.transports.watch.route import metrics_route
from voice_agents.ui.page import Page, build_page
from voice_agents.ui.realtime_tab import KIND as REALTIME
from voice_agents.ui.realtime_tab import realtime_tab
from voice_agents.ui.sandwich_tab import KIND as SANDWICH
from voice_agents.ui.sandwich_tab import sandwich_tab
from voice_agents.ui.serving import limit_connections, wait_for_slow_starts, why_not_served
from voice_agents.ui.share import end_tunnels, keep_tunnels_to_the_end
from voice_agents.ui.theme import only_own_sources

if TYPE_CHECKING:
    from voice_agents.transports.watch.spans import Spans

TRACE_PACKAGES = ("opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2")
SAMPLE = "Hello, this is how I sound. What would you like to talk about?"
LAST_SENTENCE_S = 6.0
"""How long an answer may still take when the server is to stop; then it is cut and stored as heard."""
LAST_DRAWING_S = 0.5
"""How long the pages take to show that a session is over."""


THIS_MACHINE = "127.0.0.1,::1"
PROXIES_OF_A_SPACE = f"{THIS_MACHINE},10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"


class App:
    """The engines and live sessions behind one page."""

    def __init__(self, settings: Settings, examples: Sequence[str], model_choice: ModelChoice | None = None) -> None:
        """``examples``: what the page proposes to say. ``model_choice``: of who answers in the offline agent's place,
        which the settings know."""
        self._settings = settings
        self._model_choice = model_choice
        self._examples = examples
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sandwich = SandwichEngine(settings)
        self._realtime = RealtimeEngine(settings, store=lambda: self._sandwich.store)
        self._record = ProviderRecord(REALTIME)
        self._figures = Figures(settings, VERSION)
        self._spans = _traces(settings)
        self._registry = SessionRegistry(
            self._session,
            settings.max_sessions,
            Limits(session_s=settings.session_time_limit_s),
            [self._record, self._figures, Lines(content=settings.log_content), *self._spans],
            settings.max_sessions_per_visitor,
            self._daily(settings.daily_minutes_per_visitor),
            hold=lambda conversation, taken: self._sandwich.store.hold(conversation, taken),
            others=isinstance(settings.database, PostgresUrl),
        )
        self._page: Page | None = None
        self.tries = Tries()
        """Passwords tried in the page's form and in the API: one count for each address."""
        self._samples: dict[str, bytes] = {}
        """Of the listed voices that somebody wanted to hear."""

    def page(self) -> Page:
        """The Gradio page and its routes."""
        tabs = [
            sandwich_tab(self._examples, self._voices, self._settings.endpoint(Role.TTS).voice, self._sample),
            realtime_tab(
                self._examples,
                self._settings.endpoint(Role.REALTIME).voice,
                offline=Role.REALTIME in self._settings.offline_roles,
            ),
        ]
        shelf = Shelf(lambda: self._sandwich.store)
        self._page = build_page(
            self._settings,
            self._registry,
            tabs,
            self._history,
            self._has_promises,
            self._written_elsewhere,
            shelf,
            self._model_choice,
        )
        return self._page

    def routes(self) -> list[BaseRoute]:
        """The API for other programs, on the same engines and places as the page."""
        password = PasswordCheck(self._settings.app_password, self.tries)
        api = api_routes(
            self._settings, self._registry, self._record, sandwich=SANDWICH, realtime=REALTIME, password=password
        )
        return [*api, metrics_route(self._figures, password, lambda: bool(self.public_names()))]

    def public_names(self) -> frozenset[str]:
        """The hosts this server is known under beyond its own addresses."""
        return public_names(self._settings, self._page.blocks.share_url if self._page is not None else None)

    @asynccontextmanager
    async def lifespan(self, _server: Any) -> AsyncIterator[None]:
        """Keeps the engines open while the server runs."""
        self._loop = asyncio.get_running_loop()
        try:
            async with self._sandwich, self._realtime, self._registry:
                yield
        finally:
            for spans in self._spans:
                await asyncio.to_thread(spans.close)

    def stop(self) -> None:
        """From another thread than the server's: let the sentences end that are being said, then end all sessions."""
        assert self._loop is not None
        ending = asyncio.run_coroutine_threadsafe(self._end_sessions(), self._loop)
        with suppress(TimeoutError):
            ending.result(STOP_S)

    async def _end_sessions(self) -> None:
        await self._registry.drain(LAST_SENTENCE_S)
        await asyncio.sleep(LAST_DRAWING_S)

    def _session(self, request: SessionRequest) -> Session:
        engine: Engine = self._realtime if request.kind == REALTIME else self._sandwich
        session = engine.session(request.conversation, request.turns)
        if request.voice:
            session.set_voice(request.voice)
        return session

    def _daily(self, minutes: float) -> DailyMinutes | None:
        return DailyMinutes(minutes, TalkTime(lambda: self._sandwich.store)) if minutes else None

    async def _history(self, conversation: Conversation, before: int | None) -> Sequence[HistoryEntry]:
        return await History(self._sandwich.store).newest(conversation, before)

    async def _written_elsewhere(self, conversation: Conversation) -> str:
        return await self._sandwich.store.written_elsewhere(conversation)

    async def _has_promises(self, conversation: Conversation) -> bool:
        return bool(await self._sandwich.store.timers(conversation).all())

    async def _voices(self) -> Sequence[tuple[str, str]]:
        return [(voice.name, voice.voice_id) for voice in await list_voices(self._settings.endpoint(Role.TTS))]

    async def _sample(self, voice: str) -> bytes:
        """How a voice sounds; a provider is paid for it once."""
        if voice not in self._samples:
            endpoint = self._settings.endpoint(Role.TTS)
            pieces = [piece async for piece in stream_speech(endpoint, voice or endpoint.voice, SAMPLE)]
            self._samples[voice] = b"".join(pieces)
        return self._samples[voice]


def _traces(settings: Settings) -> list[Spans]:
    """None unless they are asked for."""
    if not settings.otlp_endpoint:
        return []
    try:
        # Here, because it takes time and memory that nobody else needs.
        from voice_agents.transports.watch.spans import Spans, otlp_exporter
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and the package {error.name} is not installed: "
            f"pip install {' '.join(TRACE_PACKAGES)}"
        ) from None
    try:
        return [Spans(settings, otlp_exporter(settings), VERSION, REALTIME)]
    except ValueError as error:  # such as a batch larger than the queue: they say which of their variables it was
        raise ConfigurationError(
            f"OpenTelemetry does not take its variables ({error}): correct those beside OTEL_EXPORTER_OTLP_ENDPOINT."
        ) from None


def serve_page(app: App, settings: Settings, address: Address, share: bool, stopping: Stopping) -> None:
    """Serve the page until it is to stop, and stop it. Raises ConfigurationError when the address cannot be used."""
    os.environ.setdefault("FORWARDED_ALLOW_IPS", trusted_proxies(settings, share))  # uvicorn's own; gradio passes none
    limit_connections()
    wait_for_slow_starts()
    keep_tunnels_to_the_end()
    stopping.last_act = end_tunnels
    parts = app.page()
    page = parts.blocks

    @asynccontextmanager
    async def behind_the_door(server: Any) -> AsyncIterator[None]:
        # Hung here, since gradio puts middleware in front of any it is given: one answers the preflights of all pages.
        # What is behind the outermost layer is everything but the one that would show failures to visitors.
        stack = server.middleware_stack
        stack.app = Door(stack.app, app.public_names, framed_by(settings), app.tries)
        async with app.lifespan(server):
            yield

    stopping.serves()  # gradio's start, broken off in its middle, would leave a server behind
    try:
        page.launch(
            server_name=address.url_host,
            server_port=address.port,
            share=share or None,
            auth=("user", settings.app_password) if settings.app_password else None,
            enable_monitoring=False,
            max_file_size=1,  # byte: nothing in this page is uploaded
            ssr_mode=False,
            ssl_verify=False,  # of its own http:// address, which it asks once: no certificates are read for that
            app_kwargs={
                "lifespan": behind_the_door,
                "middleware": [only_own_sources()],
                "openapi_url": None,
                "routes": [*app.routes(), *parts.routes],
            },
            prevent_thread_lock=True,
            _frontend=False,  # else it ends when its own server's answer is late, which on a busy machine it is
        )
    except OSError:
        raise ConfigurationError(why_not_served(address.host, address.port)) from None
    stopping.wait()
    print("Stopping: whoever is talking may end the sentence. Ctrl-C again ends at once.", flush=True)
    app.stop()
    _close(page)


def _close(page: gr.Blocks) -> None:
    """End gradio's server. What still waits for an answer then is cut, of which uvicorn would speak at length."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    page.server.config.timeout_graceful_shutdown = 1
    page.close(verbose=False)
    end_tunnels()


def public_names(settings: Settings, share_url: str | None) -> frozenset[str]:
    """The hosts this server is known under beyond its own addresses: named ones, its Space's and its share link's."""
    shared = urlsplit(share_url or "").hostname
    return frozenset(filter(None, (*settings.allowed_hosts, settings.space_host, shared)))


def framed_by(settings: Settings) -> str:
    """The pages that may show ours in a frame: a Space stands in one of Hugging Face."""
    return "'self' https://huggingface.co https://*.huggingface.co" if settings.space_host else "'self'"


def trusted_proxies(settings: Settings, share: bool) -> str:
    """The addresses that may say in ``X-Forwarded-For`` for whom they ask, separated by commas.

    Nobody where no proxy is expected: else every program here would be a new visitor with every request.
    """
    if settings.space_host:
        return PROXIES_OF_A_SPACE
    return THIS_MACHINE if share or settings.allowed_hosts else ""
