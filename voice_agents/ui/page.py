"""The whole page: a header, one tab per engine, and what a browser remembers between visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from voice_agents.conversation.model import Conversation
from voice_agents.settings import Settings
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.desk import Desk, LoadHistory
from voice_agents.ui.identity import conversation_of, identity_of, remembered
from voice_agents.ui.theme import theme
from voice_agents.ui.voice_tab import TabSpec, VoiceTab


def build_page(
    settings: Settings, registry: SessionRegistry, tabs: Sequence[TabSpec], load_history: LoadHistory
) -> gr.Blocks:
    """The page, ready to launch. Every role of every tab must be filled in ``settings``."""
    desk = Desk(registry, load_history)
    with gr.Blocks(title="Voice Agents", theme=theme(), analytics_enabled=False) as page:
        identity = remembered()
        gr.HTML("<h1>Voice Agents</h1>", padding=False)
        built = []
        with gr.Tabs():
            for spec in tabs:
                with gr.Tab(spec.title, id=spec.kind):
                    tab = VoiceTab(spec, desk, settings, identity)
                    tab.build()
                    built.append(tab)

        async def arrive(known: Any) -> list[Any]:
            conversation = conversation_of(known)
            sheet = await desk.sheet(conversation)
            return [identity_of(conversation), *(part for tab in built for part in tab.draw(sheet))]

        page.load(arrive, [identity], [identity, *(part for tab in built for part in tab.drawing)])
    page.queue(default_concurrency_limit=None, api_open=False)
    return page
