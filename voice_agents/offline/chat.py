"""OpenAI and Azure chat completions, streamed and whole, answered by the rule-based model."""

from __future__ import annotations

from starlette.routing import BaseRoute

from voice_agents.offline.services import Services


def routes(services: Services) -> list[BaseRoute]:
    """The chat routes: ``/v1`` (OpenAI), ``/openai/v1`` (Azure) and classic Azure ``/openai/deployments/...``."""
    raise NotImplementedError
