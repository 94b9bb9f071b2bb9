"""The preview's names and flat session shape, for clients that come the preview way; everything inside speaks GA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from voice_agents.offline.realtime.checks import Event, in_range

DEFAULT_TEMPERATURE = 0.8

_EVENTS = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_UNKNOWN = frozenset({"conversation.item.done"})
"""Events the preview does not have."""
_FORMATS = {"audio/pcm": "pcm16"}
_CONTENT = {"output_text": "text", "output_audio": "audio"}
_NESTED: dict[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
"""Where GA has what the preview has at the top."""
_SAME = ("id", "object", "model", "instructions", "tools", "tool_choice", "expires_at", "tracing")


class Shape(Protocol):
    """How one generation of clients words the protocol."""

    def incoming(self, event: Event) -> Event:
        """A client's event in GA's words; what is wrong with it stays wrong. Raises Rejected."""

    def outgoing(self, event: Event) -> Sequence[Event]:
        """What the client is sent in place of a GA event."""


class GaShape:
    """Nothing to translate."""

    def incoming(self, event: Event) -> Event:
        return event

    def outgoing(self, event: Event) -> Sequence[Event]:
        return (event,)


class PreviewShape:
    """One connection's translator; it keeps what only the preview knows."""

    def __init__(self) -> None:
        self._temperature = DEFAULT_TEMPERATURE
        self._detection = "server_vad"

    def incoming(self, event: Event) -> Event:
        match event:
            case {"type": "session.update", "session": dict(session)}:
                return event | {"session": {"type": "realtime"} | self._nested(session, "session")}
            case {"type": "response.create", "response": dict(response)}:
                return event | {"response": self._nested(response, "response")}
            case {"type": "conversation.item.create", "item": item}:
                return event | {"item": _ga_item(item)}
            case _:
                return event

    def outgoing(self, event: Event) -> Sequence[Event]:
        kind = event["type"]
        if kind in _UNKNOWN:
            return ()
        translated = event | {"type": _EVENTS.get(kind, kind)}
        if "session" in event:
            translated["session"] = self._flat_session(event["session"])
        if "item" in event:
            translated["item"] = _preview_item(event["item"])
        if "response" in event:
            translated["response"] = self._flat_response(event["response"])
        if "error" in event and kind == "error":
            translated["error"] = _preview_error(event["error"])
        return (translated,)

    def _nested(self, flat: dict[str, Any], path: str) -> dict[str, Any]:
        """A flat session or response as GA has it; names neither knows stay, to be refused."""
        nested: dict[str, Any] = {}
        for name, value in flat.items():
            if name == "temperature":
                in_range(value, f"{path}.temperature", 0.6, 1.2)
                self._temperature = value if path == "session" else self._temperature
                continue
            place = nested
            *above, last = _NESTED.get(name, (name,))
            for step in above:
                place = place.setdefault(step, {})
            place[last] = self._ga_value(name, value)
        return nested

    def _ga_value(self, name: str, value: Any) -> Any:
        match name, value:
            case "modalities", list():
                return ["audio"] if "audio" in value else value
            case (("input_audio_format" | "output_audio_format"), str()):
                ga = {preview: ga for ga, preview in _FORMATS.items()}
                return {"type": ga.get(value, value)}
            case "turn_detection", dict():
                self._detection = value.get("type", self._detection)
                return {"type": self._detection} | value
            case "input_audio_transcription", dict():
                return {"model": "whisper-1"} | value
            case "tool_choice", {"type": "function", "function": {"name": str(function)}}:
                return {"type": "function", "name": function}
            case _:
                return value

    def _flat_session(self, session: dict[str, Any]) -> dict[str, Any]:
        flat = {name: session[name] for name in _SAME}
        for name, path in _NESTED.items():
            value: Any = session
            for step in path:
                value = value[step]
            flat[name] = _preview_value(name, value)
        return flat | {"temperature": self._temperature}

    def _flat_response(self, response: dict[str, Any]) -> dict[str, Any]:
        flat = {name: value for name, value in response.items() if name not in ("audio", "output_modalities")}
        output = response["audio"]["output"]
        return flat | {
            "modalities": _preview_value("modalities", response["output_modalities"]),
            "output": [_preview_item(item) for item in response["output"]],
            "voice": output["voice"],
            "output_audio_format": _FORMATS[output["format"]["type"]],
            "temperature": self._temperature,
        }


def _preview_value(name: str, value: Any) -> Any:
    if name == "modalities":
        return ["text"] if value == ["text"] else ["audio", "text"]
    if name == "turn_detection" and value is not None:
        return {field: held for field, held in value.items() if field != "idle_timeout_ms"}  # GA's alone
    return _FORMATS[value["type"]] if name.endswith("_audio_format") else value


def _preview_item(item: dict[str, Any]) -> dict[str, Any]:
    if "content" not in item:
        return item
    return item | {"content": [part | {"type": _CONTENT.get(part["type"], part["type"])} for part in item["content"]]}


def _ga_item(item: Any) -> Any:
    """An item a client sent, which may be anything, with GA's names for the assistant's content."""
    ga = {preview: ga for ga, preview in _CONTENT.items()}
    match item:
        case {"content": list(content), "role": "assistant"}:
            named = [
                part | {"type": ga.get(str(part.get("type")), part.get("type"))} if isinstance(part, dict) else part
                for part in content
            ]
            return item | {"content": named}
        case _:
            return item


def _preview_error(error: dict[str, Any]) -> dict[str, Any]:
    """An error that names the field as the client knows it."""
    param = error["param"] or ""
    for name, path in _NESTED.items():
        for root in ("session", "response"):
            ga = f"{root}.{'.'.join(path)}"
            if param == ga or param.startswith((f"{ga}.", f"{ga}[")):
                preview = f"{root}.{name}"
                return error | {"param": preview + param[len(ga) :], "message": error["message"].replace(ga, preview)}
    return error
