"""The events a Realtime client may send, checked for their fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from voice_agents.offline.realtime.errors import Event, Rejected
from voice_agents.offline.realtime.schema import Check, anything, fields, integer, optional, tagged, text

_FRAME: dict[str, Check] = {"type": text, "event_id": optional(text)}


def _event(extra: Mapping[str, Check], *required: str) -> Check:
    return fields(_FRAME | dict(extra), required)


_REQUESTS = {
    "session.update": _event({"session": anything}, "session"),
    "input_audio_buffer.append": _event({"audio": text}, "audio"),
    "input_audio_buffer.commit": _event({}),
    "input_audio_buffer.clear": _event({}),
    "conversation.item.create": _event({"item": anything, "previous_item_id": optional(text)}, "item"),
    "conversation.item.retrieve": _event({"item_id": text}, "item_id"),
    "conversation.item.delete": _event({"item_id": text}, "item_id"),
    "conversation.item.truncate": _event(
        {"item_id": text, "content_index": integer(0), "audio_end_ms": integer(0)},
        "item_id", "content_index", "audio_end_ms",
    ),
    "response.create": _event({"response": anything}),
    "response.cancel": _event({"response_id": optional(text)}),
}  # fmt: skip
_check = tagged(_REQUESTS)


def parse_json(text_message: str) -> Event:
    """A message as an object. Raises Rejected."""
    try:
        event: Any = json.loads(text_message)
    except ValueError:
        raise Rejected("The message is not JSON.", "invalid_json") from None
    if not isinstance(event, dict):
        raise Rejected("The message is not a JSON object.", "invalid_type")
    return event


def check(event: Event) -> Event:
    """The event, if it is one a client may send. Raises Rejected."""
    checked: Event = _check(event, "")
    return checked
