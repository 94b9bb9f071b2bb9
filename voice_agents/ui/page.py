"""The whole page: a header, one tab per engine, and what a browser remembers between visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from voice_agents.settings import Settings
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.desk import Desk, HasPromises, LoadHistory
from voice_agents.ui.identity import conversation_of, identity_of, is_known, remembered
from voice_agents.ui.quiet import keep_gradio_quiet, keep_no_statistics
from voice_agents.ui.theme import CSS, SCRIPT, theme
from voice_agents.ui.voice_tab import TabSpec, lay_out
from voice_agents.ui.wiring import Wiring, draw

TITLE = "Voice Agents"


def build_page(
    settings: Settings,
    registry: SessionRegistry,
    tabs: Sequence[TabSpec],
    load_history: LoadHistory,
    has_promises: HasPromises | None = None,
) -> gr.Blocks:
    """The page, ready to launch. Every role of every tab must be filled in ``settings``."""
    keep_gradio_quiet()
    desk = Desk(registry, load_history, has_promises=has_promises)
    with gr.Blocks(title=TITLE, theme=theme(), css=CSS, js=SCRIPT, analytics_enabled=False) as page:
        identity = remembered()
        gr.HTML(_header(len(tabs)), elem_classes="va-header", padding=False)
        wirings = []
        with gr.Tabs():
            for spec in tabs:
                with gr.Tab(spec.title, id=spec.kind) as tab:
                    wiring = Wiring(spec, lay_out(spec, settings), desk, settings.turns, identity)
                    wiring.connect(tab)
                    wirings.append(wiring)
        _on_arrival(page, desk, wirings, identity)
    page.queue(default_concurrency_limit=None, api_open=False)
    keep_no_statistics(page)
    return page


def _header(architectures: int) -> str:
    which = " with two powerful architectures" if architectures == 2 else ""
    return f"<h1>{TITLE}</h1><p>AI-powered voice interactions{which}</p>"


def _on_arrival(page: gr.Blocks, desk: Desk, wirings: Sequence[Wiring], identity: Any) -> None:
    async def arrive(known: Any) -> list[Any]:
        conversation = conversation_of(known)
        sheet = await desk.sheet(conversation)
        if is_known(known):
            await desk.keep_promises(wirings[0].usual_request(known))
        return [identity_of(conversation), *(part for wiring in wirings for part in draw(sheet, wiring.spec.kind))]

    drawn = [part for wiring in wirings for part in wiring.components.drawn]
    arrived = page.load(arrive, [identity], [identity, *drawn], show_progress="hidden")
    arrived.then(wirings[0].follow, [identity], wirings[0].components.drawn, show_progress="hidden")
    for wiring in wirings:
        page.load(wiring.voices, None, [wiring.components.voice], show_progress="hidden")
