"""The Sandwich tab: speech-to-text, agent and text-to-speech as separate stages."""

from __future__ import annotations

from collections.abc import Sequence

from voice_agents.errors import Role
from voice_agents.ui.voice_tab import ListVoices, SaySample, TabSpec

KIND = "sandwich"


def sandwich_tab(
    examples: Sequence[str] = (),
    list_voices: ListVoices | None = None,
    default_voice: str = "",
    say_sample: SaySample | None = None,
) -> TabSpec:
    """The tab; ``examples`` are phrases the agent understands, ``default_voice`` is the configured voice's id."""
    return TabSpec(
        kind=KIND,
        title="Sandwich",
        description="STT → Agent → TTS architecture: an agent with tools and memory answers your words, and speaks "
        "while it still writes.",
        roles=(Role.STT, Role.CHAT, Role.TTS),
        examples=examples,
        list_voices=list_voices,
        say_sample=say_sample,
        default_voice=default_voice,
    )
