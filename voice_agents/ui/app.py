"""The page with its engines: what ``python app.py`` serves. Loading this takes seconds: gradio, LangChain, the SDKs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from voice_agents.conversation.history import History, HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import Store
from voice_agents.engines.base import Engine, Session
from voice_agents.engines.realtime import RealtimeEngine
from voice_agents.engines.sandwich import SandwichEngine
from voice_agents.errors import ConfigurationError, Role
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.settings import Settings
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


class App:
    """The engines and live sessions behind one page."""

    def __init__(self, settings: Settings, examples: Sequence[str]) -> None:
        """``examples``: what the page proposes to say."""
        self._settings = settings
        self._examples = examples
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
            realtime_tab(self._examples, self._settings.endpoint(Role.REALTIME).voice),
        ]
        return build_page(self._settings, self._registry, tabs, self._history)

    def routes(self) -> list[BaseRoute]:
        """The API for other programs, on the same engines and places as the page."""
        return api_routes(self._settings, self._registry, self._record, sandwich=SANDWICH, realtime=REALTIME)

    @asynccontextmanager
    async def lifespan(self, _server: Any) -> AsyncIterator[None]:
        """Keeps the engines open while the server runs."""
        async with self._sandwich, self._realtime, self._registry:
            yield

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


def serve(app: App, settings: Settings, host: str | None, port: int | None, share: bool) -> None:
    """Serve the page until Ctrl-C. Raises ConfigurationError when the address cannot be used."""
    page = app.page()
    door = Middleware(Door, names=lambda: public_names(settings, page.share_url), framed_by=framed_by(settings))
    try:
        page.launch(
            server_name=host,
            server_port=port,
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
    except (OSError, OverflowError):  # the latter for numbers that are no port
        where = f"port {port}" if port else "any of a hundred ports"
        raise ConfigurationError(
            f"The page cannot be served on {where}: another program has it, or the host is not this machine. "
            "Choose another one with --port or --host."
        ) from None
    page.server.config.ws_max_size = LARGEST_MESSAGE  # else uvicorn takes in 16 MB before we see a byte
    page.block_thread()


def public_names(settings: Settings, share_url: str | None) -> frozenset[str]:
    """The hosts this server is known under beyond its own addresses: named ones, its Space's and its share link's."""
    shared = urlsplit(share_url or "").hostname
    return frozenset(filter(None, (*settings.allowed_hosts, settings.space_host, shared)))


def framed_by(settings: Settings) -> str:
    """The pages that may show ours in a frame: a Space stands in one of Hugging Face."""
    return "'self' https://huggingface.co https://*.huggingface.co" if settings.space_host else "'self'"


async def check_database(settings: Settings) -> None:
    """Raises ConfigurationError now, instead of in the running server, when the database cannot be used."""
    async with Store(settings.database):
        pass
