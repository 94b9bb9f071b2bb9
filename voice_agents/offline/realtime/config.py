"""The configuration of a Realtime session: what holds in it, and what holds for one response."""

from __future__ import annotations

import copy
import time
from typing import Any

from voice_agents.offline.checks import Rejected, missing
from voice_agents.offline.vad import Detection, SemanticVad, ServerVad

SESSION_S = 60 * 60
"""What a session says of how long it may last; this server does not end it."""
DEFAULT_INSTRUCTIONS = "You are the small offline agent. Be helpful and brief."
DEFAULT_VOICE = "marin"
PCM = {"type": "audio/pcm", "rate": 24_000}
"""The one format in both directions."""

_ANSWERS = {"create_response": True, "interrupt_response": True}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "audio/pcm": PCM,
    "server_vad": {
        **{"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500},
        **{"idle_timeout_ms": None} | _ANSWERS,
    },
    "semantic_vad": {"type": "semantic_vad", "eagerness": "auto"} | _ANSWERS,
}
"""What a part starts from when its ``type`` becomes another one."""
_CAN_BE_OFF = frozenset({"turn_detection", "transcription", "noise_reduction", "tracing", "prompt", "include"})


class SessionConfig:
    """What holds in a session, or for one response of it; never changed, ``updated`` and ``response`` give another."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        """The session object of ``session.created`` and ``session.updated``."""

    @classmethod
    def initial(cls, model: str, session_id: str) -> SessionConfig:
        """Before the first update."""
        heard = {"transcription": None, "noise_reduction": None, "turn_detection": _DEFAULTS["server_vad"]}
        spoken = {"voice": DEFAULT_VOICE, "speed": 1.0}
        values = {
            **{"type": "realtime", "object": "realtime.session", "id": session_id, "model": model},
            **{
                "output_modalities": ["audio"],
                "instructions": DEFAULT_INSTRUCTIONS,
                "tools": [],
                "tool_choice": "auto",
            },
            **{"max_output_tokens": "inf", "tracing": None, "truncation": "auto", "prompt": None, "include": None},
            "expires_at": int(time.time()) + SESSION_S,
            "audio": {"input": {"format": PCM} | heard, "output": {"format": PCM} | spoken},
        }
        return cls(copy.deepcopy(values))

    def updated(self, update: Any, *, has_spoken: bool, is_responding: bool) -> SessionConfig:
        """With the fields of a ``session.update`` that was checked; what is absent stays. Raises Rejected.

        ``has_spoken``: there was assistant audio, the voice stays. ``is_responding``: the speed cannot change now.
        """
        if update.get("model") not in (None, self.values["model"]):
            raise Rejected("The model of a session cannot be changed.", "invalid_value", "session.model")
        changed = SessionConfig(copy.deepcopy(_merged(self.values, update)))
        _check_modalities(changed.values["output_modalities"], "session")
        if has_spoken and changed.voice != self.voice:
            message = "Cannot update a conversation's voice if assistant audio is present."
            raise Rejected(message, "cannot_update_voice", "session.audio.output.voice")
        if is_responding and changed.speed != self.speed:
            message = "The speed can only be changed in between model turns."
            raise Rejected(message, "invalid_value", "session.audio.output.speed")
        transcription = changed.values["audio"]["input"]["transcription"]
        if transcription is not None and transcription.get("model") is None:
            raise missing("session.audio.input.transcription.model")
        return changed

    @property
    def voice(self) -> str:
        """The voice's name, or the id of a custom one."""
        voice = self.values["audio"]["output"]["voice"]
        return str(voice["id"] if isinstance(voice, dict) else voice)

    @property
    def speed(self) -> float:
        """Of speech, 1.0 is normal."""
        return float(self.values["audio"]["output"]["speed"])

    @property
    def transcribes(self) -> bool:
        """Whether the client wants to be told the user's words."""
        return self.values["audio"]["input"]["transcription"] is not None

    @property
    def detection(self) -> Detection | None:
        """How turns are detected; None: the client commits."""
        values = self.values["audio"]["input"]["turn_detection"]
        if values is None:
            return None
        options = {name: value for name, value in values.items() if name not in ("type", "idle_timeout_ms")}
        return ServerVad(**options) if values["type"] == "server_vad" else SemanticVad(**options)

    def response(self, asked: Any = None) -> SessionConfig:
        """What holds for a response; ``asked`` is the ``response`` of a ``response.create``. Raises Rejected."""
        asked = asked or {}
        _check_modalities(asked.get("output_modalities") or ["audio"], "response")
        return SessionConfig(_merged(self.values, asked))

    @property
    def spoken(self) -> bool:
        """Whether answers are audio with its transcript, or text."""
        return bool(self.values["output_modalities"] == ["audio"])

    @property
    def functions(self) -> tuple[dict[str, Any], ...]:
        """Those that may be called, as the client described them."""
        tools, how = self.values["tools"], self.values["tool_choice"]
        if isinstance(how, dict):
            return tuple(tool for tool in tools if tool["name"] == how.get("name", ""))
        return () if how == "none" else tuple(tools)

    @property
    def one_call(self) -> bool:
        """Whether one function is called at most."""
        return self.values.get("parallel_tool_calls") is False

    @property
    def max_tokens(self) -> float:
        """Of one answer."""
        return float(self.values["max_output_tokens"])


def _merged(old: Any, new: Any) -> Any:
    """``new`` laid over ``old``, field by field; a part that becomes another type starts from that type's defaults.

    Null turns off what can be turned off, and leaves the rest as it is.
    """
    if not isinstance(new, dict):
        return new
    kind = new.get("type")
    if not isinstance(old, dict) or (kind is not None and kind != old.get("type")):
        old = _DEFAULTS.get(str(kind), {})
    said = {name: value for name, value in new.items() if value is not None or name in _CAN_BE_OFF}
    return old | {name: _merged(old.get(name), value) for name, value in said.items()}


def _check_modalities(modalities: list[str], path: str) -> None:
    if modalities not in (["audio"], ["text"]):
        message = f"Invalid value: {modalities}. Supported values are: ['audio'], and ['text']."
        raise Rejected(message, "invalid_value", f"{path}.output_modalities")
