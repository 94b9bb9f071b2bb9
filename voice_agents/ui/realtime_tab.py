"""The Realtime tab: one model that hears and speaks."""

from __future__ import annotations

from collections.abc import Sequence

from voice_agents.errors import Role
from voice_agents.settings import TurnDetection
from voice_agents.ui.voice_tab import TabSpec, Voice

KIND = "realtime"

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
"""Of the Realtime models, as the ``openai`` SDK names them; marin and cedar are the newest."""


def realtime_tab(examples: Sequence[str] = (), default_voice: str = "", *, offline: bool = False) -> TabSpec:
    """The tab; ``examples`` are phrases the model understands, ``default_voice`` is the configured voice.

    ``offline``: one voice speaks for all of the vendor's, so none is offered to choose.
    """
    return TabSpec(
        kind=KIND,
        title="Realtime",
        description="Direct voice-to-voice: one Realtime model hears and speaks, with server-side voice detection and "
        "the same tools and memory.",
        roles=(Role.REALTIME,),
        examples=examples,
        list_voices=None if offline else _voices,
        default_voice=default_voice,
        detections=tuple(TurnDetection),
    )


async def _voices() -> Sequence[Voice]:
    return [(name.capitalize(), name) for name in VOICES]
