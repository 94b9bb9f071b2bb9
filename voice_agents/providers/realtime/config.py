"""What a Realtime server session is told when it begins: how to be, and what was said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from voice_agents.settings import TurnDetection, TurnMode


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """One session's configuration; a change becomes a ``session.update`` of what differs."""

    instructions: str
    tools: tuple[Mapping[str, Any], ...] = ()
    """Flat function tools, see :meth:`voice_agents.tools.Toolbox.as_realtime`."""
    voice: str = ""
    """A server keeps the voice it has spoken with; another one needs a fresh server session."""
    detection: TurnDetection = TurnDetection.SERVER_VAD
    mode: TurnMode = TurnMode.AUTOMATIC
    """PUSH_TO_TALK turns the server's detection off: :meth:`RealtimeClient.commit` ends a turn."""
    silence_s: float = 0.5
    """Silence after which ``server_vad`` takes the turn."""
    language: str = ""
    """What the user speaks, for the transcript; empty: the server finds out."""
    speaking: bool = True
    """Answers are spoken; False: only written."""


@dataclass(frozen=True, slots=True)
class PastItem:
    """One item of an earlier conversation, for a fresh server session."""

    kind: Literal["user", "assistant", "call", "output"]
    text: str = ""
    """What was said or heard; of an "output" the tool's result."""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    """JSON text, of a "call"."""
    answering: bool = False
    """Part of an answer that is under way: comes after the user's words it answers, also where these are only sound."""
