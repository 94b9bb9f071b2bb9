"""The events of a Realtime socket: those a client may send and what of them is offered here, and those it is sent."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from voice_agents.offline.checks import INVALID_REQUEST, Rejected, check_type, invalid_value, missing
from voice_agents.offline.sockets import VendorSocket

Event = dict[str, Any]
"""A JSON object with a ``type``, in either direction."""
MAX_WAITING = 4
"""Events waiting to be sent, above which an answer that is being made waits."""


class EventOutbox:
    """Events for one socket, which takes them in its own time."""

    def __init__(self, socket: VendorSocket) -> None:
        self._socket = socket
        self._waiting: asyncio.Queue[Event] = asyncio.Queue()

    def put(self, event: Event) -> None:
        """Send an event, after those before it; it gets its ``event_id`` here."""
        self._waiting.put_nowait({"type": event["type"], "event_id": new_id("event")} | event)

    async def room(self) -> None:
        """Wait until the client has taken what there is, if that is much."""
        if self._waiting.qsize() >= MAX_WAITING:
            await self._waiting.join()

    async def run(self) -> None:
        """Send, until cancelled."""
        while True:
            await self._socket.send(await self._waiting.get())
            self._waiting.task_done()


def error_event(
    message: str,
    code: str | None = None,
    param: str | None = None,
    event_id: str | None = None,
    kind: str = INVALID_REQUEST,
) -> Event:
    """The ``error`` event; ``event_id`` is that of the client's event that caused it."""
    return {
        "type": "error",
        "error": {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id},
    }


def new_id(prefix: str) -> str:
    """``item_``, ``resp_``, ``event_`` and so on with random letters after it; at most 32 characters."""
    return f"{prefix}_{secrets.token_hex(10)}"


_RANGES: Mapping[str, tuple[float, float]] = {
    "session.max_output_tokens": (1, 4096),
    "response.max_output_tokens": (1, 4096),
    "session.audio.output.speed": (0.25, 1.5),
    "session.audio.input.turn_detection.threshold": (0.0, 1.0),
    "session.audio.input.turn_detection.prefix_padding_ms": (0, float("inf")),
    "session.audio.input.turn_detection.silence_duration_ms": (0, float("inf")),
    "content_index": (0, float("inf")),
    "audio_end_ms": (0, float("inf")),
}
"""What the vendor's documentation says and its types do not."""
_ONLY: Mapping[str, tuple[Any, ...]] = {
    "session.audio.input.format.type": ("audio/pcm", None),
    "session.audio.output.format.type": ("audio/pcm", None),
    "response.audio.output.format.type": ("audio/pcm", None),
    "session.audio.input.turn_detection.idle_timeout_ms": (None,),
    "response.conversation": ("auto", None),
    "response.input": (None,),
}
"""What of the protocol is offered here where it is not all."""


def check(event: Event) -> Event:
    """The event, if it is one a client may send here. Raises Rejected."""
    from voice_agents.offline.vendor_types import REALTIME_EVENTS

    if "type" not in event:
        raise missing("type")
    if not isinstance(event["type"], str) or event["type"] not in REALTIME_EVENTS:
        raise invalid_value(event["type"], "type", list(REALTIME_EVENTS))
    for path, offered in _ONLY.items():
        if (value := _at(event, path)) not in offered:
            names = " or ".join(repr(name) for name in offered if name) or "to leave it out"
            raise Rejected(f"'{path}': {value!r} is not offered offline, only {names}.", "invalid_value", path)
    check_type(REALTIME_EVENTS[event["type"]], event)
    for path, (low, high) in _RANGES.items():
        _check_range(_at(event, path), path, low, high)
    for at, tool in enumerate((event.get("session") or event.get("response") or {}).get("tools") or ()):
        path = f"{'session' if 'session' in event else 'response'}.tools[{at}]"
        if tool["type"] != "function":
            raise invalid_value(tool["type"], f"{path}.type", ["'function'"])
        if tool.get("name") is None:
            raise missing(f"{path}.name")
    return event


def _check_range(value: Any, path: str, low: float, high: float) -> None:
    """Raises Rejected for a number outside, ends included; what is no number is left to the types."""
    if not isinstance(value, int | float) or low <= value <= high:
        return
    kind = "integer" if isinstance(low, int) else "decimal"
    side, bound = ("below_min", f">= {low}") if value < low else ("above_max", f"<= {high}")
    how = f"{kind} {side.replace('_', ' ')}imum value. Expected a value {bound}, but got {value} instead."
    raise Rejected(f"Invalid '{path}': {how}", f"{kind}_{side}_value", path)


def _at(event: Event, path: str) -> Any:
    value: Any = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
