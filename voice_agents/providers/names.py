"""What users call a provider, and the variables that hold its key."""

from __future__ import annotations

from voice_agents.settings import Endpoint, Provider

KEY_VARIABLES = {Provider.AZURE: "AZURE_OPENAI_API_KEY", Provider.OPENAI: "OPENAI_API_KEY"}
"""Of the providers of chat and realtime."""


def speech_name(endpoint: Endpoint) -> str:
    """The name of who hears or speaks."""
    return _name(endpoint, "The offline speech server")


def agent_name(endpoint: Endpoint) -> str:
    """The name of who thinks: chat or realtime."""
    return _name(endpoint, "The offline agent")


def why_gone(endpoint: Endpoint, sentence: str) -> str:
    """What to say when a provider cannot be reached any more: what is known of it, else ``sentence``."""
    return endpoint.outage() or sentence


def inside(name: str) -> str:
    """A provider's name as it reads in the middle of a sentence."""
    return name.replace("The ", "the ", 1) if name.startswith("The ") else name


def _name(endpoint: Endpoint, offline: str) -> str:
    named = endpoint.name or str(endpoint.provider.value)
    return offline if endpoint.provider is Provider.OFFLINE else named
