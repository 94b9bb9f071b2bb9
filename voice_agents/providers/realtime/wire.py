"""What a Realtime client says: JSON text messages, in the GA shape and in the preview shape that came before it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any

from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.settings import TurnDetection, TurnMode

RATE = 24_000
"""Hz; ``audio/pcm`` is accepted at no other rate."""
BYTES_PER_S = 2 * RATE
PIECE_BYTES = BYTES_PER_S // 2
"""Audio that waited is sent in messages of at most half a second."""
VAD_THRESHOLD = 0.5
PREFIX_PADDING_MS = 300
"""Both are the vendors' defaults, said so that they hold on every server."""

Json = dict[str, Any]


class Generation(Enum):
    """The two generations of the protocol."""

    GA = auto()
    PREVIEW = auto()
    """Flat sessions, ``response.audio.delta`` and its kin; what servers spoke before GA."""


_GA_NAMES = {
    "conversation.item.created": "conversation.item.added",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
}


def ga_name(kind: str) -> str:
    """The GA name of a server event in either dialect."""
    return _GA_NAMES.get(kind, kind)


def dialect_of(session: Mapping[str, Any]) -> Generation | None:
    """Which dialect a server's ``session`` object is written in; None when it does not tell."""
    if session.get("type") == "realtime" or "output_modalities" in session or "audio" in session:
        return Generation.GA
    if any(name in session for name in ("modalities", "input_audio_format", "output_audio_format", "voice")):
        return Generation.PREVIEW
    return None


def session_of(config: RealtimeConfig, dialect: Generation, transcribe_model: str) -> Json:
    """A whole session object. Absent fields are the server's own; null turns something off."""
    language = {"language": config.language} if config.language else {}
    transcription = {"model": transcribe_model, **language} if transcribe_model else None
    shared: Json = {
        "instructions": config.instructions,
        "tools": [dict(t) for t in config.tools],
        "tool_choice": "auto",
    }
    voice = {"voice": config.voice} if config.voice else {}
    if dialect is Generation.PREVIEW:
        return {
            "modalities": ["audio", "text"] if config.speaking else ["text"],
            **shared,
            **voice,
            "input_audio_format": "pcm16",
            "output_audio_format": "pcm16",
            "input_audio_transcription": transcription,
            "turn_detection": turn_detection(config),
        }
    pcm = {"type": "audio/pcm", "rate": RATE}
    heard = {"format": pcm, "transcription": transcription, "turn_detection": turn_detection(config)}
    return {
        "type": "realtime",
        "output_modalities": ["audio"] if config.speaking else ["text"],
        **shared,
        "audio": {"input": heard, "output": {"format": pcm, **voice}},
    }


def turn_detection(config: RealtimeConfig) -> Json | None:
    """Who takes the turns: one of the server's detectors, or nobody (push to talk)."""
    if config.mode is TurnMode.PUSH_TO_TALK:
        return None
    taking = {"create_response": True, "interrupt_response": False}  # a murmur or a cough is no interruption
    if config.detection is TurnDetection.SEMANTIC_VAD:
        return {"type": "semantic_vad", "eagerness": _eagerness(config.silence_s), **taking}
    return {
        "type": "server_vad",
        "threshold": VAD_THRESHOLD,
        "prefix_padding_ms": PREFIX_PADDING_MS,
        "silence_duration_ms": round(config.silence_s * 1000),
        **taking,
    }


def _eagerness(silence_s: float) -> str:
    if silence_s < 0.4:
        return "high"
    return "auto" if silence_s < 1.0 else "low"


def without_detection(session: Json) -> Json:
    """The same session with nobody to take turns, so that audio of earlier turns can be committed as it was."""
    if "audio" not in session:
        return {**session, "turn_detection": None}
    heard = {**session["audio"]["input"], "turn_detection": None}
    return {**session, "audio": {**session["audio"], "input": heard}}


_NESTED = ("audio", "input", "output")


def difference(old: Json, new: Json) -> Json:
    """The fields of ``new`` that are not so in ``old``; a GA session keeps its ``type``."""
    changed: Json = {}
    for name, value in new.items():
        before = old.get(name)
        if name in _NESTED and isinstance(value, dict) and isinstance(before, dict):
            value = difference(before, value)
            if value:
                changed[name] = value
        elif name not in old or value != before:
            changed[name] = value
    if changed and new.get("type") == "realtime":
        changed["type"] = "realtime"
    return changed


def message(kind: str, **fields: Any) -> str:
    """A client event."""
    return json.dumps({"type": kind, **fields}, separators=(",", ":"))


def append(pcm: bytes) -> str:
    """Microphone audio; written without the JSON encoder, since it goes out fifty times a second."""
    return f'{{"type":"input_audio_buffer.append","audio":"{b64encode(pcm).decode()}"}}'


def append_all(pcm: bytes) -> Iterator[str]:
    """Audio of any length in messages of a modest size."""
    return (append(pcm[start : start + PIECE_BYTES]) for start in range(0, len(pcm), PIECE_BYTES))


def item(past: PastItem, dialect: Generation) -> Json:
    """An item as ``conversation.item.create`` wants it. Spoken answers can only be given back as text."""
    match past.kind:
        case "user":
            content = [{"type": "input_text", "text": past.text}]
            return {"type": "message", "role": "user", "content": content}
        case "assistant":
            kind = "output_text" if dialect is Generation.GA else "text"
            return {"type": "message", "role": "assistant", "content": [{"type": kind, "text": past.text}]}
        case "call":
            name, arguments = past.name, past.arguments or "{}"
            return {"type": "function_call", "call_id": past.call_id, "name": name, "arguments": arguments}
        case "output":
            return {"type": "function_call_output", "call_id": past.call_id, "output": past.text}
