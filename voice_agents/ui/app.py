"""The page with its engines: what ``python app.py`` serves. Loading this takes seconds: gradio, LangChain, the SDKs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from gradio.tunneling import CURRENT_TUNNELS
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from voice_agents.address import Address
from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import Engine, Session
from voice_agents.engines.realtime import RealtimeEngine
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.errors import ConfigurationError, Role
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.settings import Settings
from voice_agents.stopping import STOP_S, Stopping
from voice_agents.transports.api.health import ProviderRecord
from voice_agents.transports.api.messages import LARGEST_MESSAGE
from voice_agents.transports.api.routes import api_routes
from voice_agents.transports.door import Door
from voice_agents.transports.registry import Limits, SessionRegistry, SessionRequest
from voice_agents.ui.page import build_page
from voice_agents.ui.realtime_tab import KIND as REALTIME
from voice_agents.ui.realtime_tab import realtime_tab
from voice_agents.ui.sandwich_tab import KIND as SANDWICH
from voice_agents.ui.sandwich_tab import sandwich_tab
from voice_agents.ui.theme import only_own_sources

LAST_SENTENCE_S = 6.0
"""How long an answer may still take when the server is to stop; then it is cut and stored as heard."""
LAST_DRAWING_S = 0.5
"""How long the pages take to show that a session is over."""


class App:
    """The engines and live sessions behind one page."""

    def __init__(self, settings: Settings, examples: Sequence[str]) -> None:
        """``examples``: what the page proposes to say."""
        self._settings = settings
        self._examples = examples
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sandwich = SandwichEngine(settings)
        self._realtime = RealtimeEngine(settings, store=lambda: self._sandwich.store)
        self._record = ProviderRecord(REALTIME)
        self._registry = SessionRegistry(
            self._session, settings.max_sessions, Limits(session_s=settings.session_time_limit_s), self._record.watch
        )

    def page(self) -> gr.Blocks:
        """The Gradio page."""
        tabs = [
            sandwich_tab(self._examples, self._voices, self._settings.endpoint(Role.TTS).voice),
            realtime_tab(
                self._examples,
                self._settings.endpoint(Role.REALTIME).voice,
                offline=Role.REALTIME in self._settings.offline_roles,
            ),
        ]
        return build_page(self._settings, self._registry, tabs, self._history)

    def routes(self) -> list[BaseRoute]:
        """The API for other programs, on the same engines and places as the page."""
        return api_routes(self._settings, self._registry, self._record, sandwich=SANDWICH, realtime=REALTIME)

    @asynccontextmanager
    async def lifespan(self, _server: Any) -> AsyncIterator[None]:
        """Keeps the engines open while the server runs."""
        self._loop = asyncio.get_running_loop()
        async with self._sandwich, self._realtime, self._registry:
            yield

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

    async def _history(self, conversation: Conversation) -> Sequence[HistoryEntry]:
        return await History(self._sandwich.store).messages(conversation)

    async def _voices(self) -> Sequence[tuple[str, str]]:
        return [(voice.name, voice.voice_id) for voice in await list_voices(self._settings.endpoint(Role.TTS))]


def serve_page(app: App, settings: Settings, address: Address, share: bool, stopping: Stopping) -> None:
    """Serve the page until it is to stop, and stop it. Raises ConfigurationError when the address cannot be used."""
    page = app.page()
    door = Middleware(Door, names=lambda: public_names(settings, page.share_url), framed_by=framed_by(settings))
    try:
        page.launch(
            server_name=address.url_host,
            server_port=address.port,
            share=share or None,
            auth=("user", settings.app_password) if settings.app_password else None,
            enable_monitoring=False,
            max_file_size=1,  # byte: nothing in this page is uploaded
            ssr_mode=False,
            app_kwargs={
                "lifespan": app.lifespan,
                "middleware": [door, only_own_sources()],
                "openapi_url": None,
                "routes": app.routes(),
            },
            prevent_thread_lock=True,
        )
    except OSError:
        raise ConfigurationError(
            f"The page cannot be served on port {address.port} of {address.host}: another program took it just now. "
            "Start it again, or choose another one with --port."
        ) from None
    page.server.config.ws_max_size = LARGEST_MESSAGE  # else uvicorn takes in 16 MB before we see a byte
    stopping.wait()
    print("Stopping: whoever is talking may end the sentence. Ctrl-C again ends at once.", flush=True)
    app.stop()
    _close(page)


def _close(page: gr.Blocks) -> None:
    """End gradio's server. What still waits for an answer then is cut, of which uvicorn would speak at length."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    page.server.config.timeout_graceful_shutdown = 1
    page.close(verbose=False)
    for tunnel in CURRENT_TUNNELS:
        tunnel.kill()


def public_names(settings: Settings, share_url: str | None) -> frozenset[str]:
    """The hosts this server is known under beyond its own addresses: named ones, its Space's and its share link's."""
    shared = urlsplit(share_url or "").hostname
    return frozenset(filter(None, (*settings.allowed_hosts, settings.space_host, shared)))


def framed_by(settings: Settings) -> str:
    """The pages that may show ours in a frame: a Space stands in one of Hugging Face."""
    return "'self' https://huggingface.co https://*.huggingface.co" if settings.space_host else "'self'"
