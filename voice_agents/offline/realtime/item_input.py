"""Items as a client may create them, checked."""

from __future__ import annotations

import base64
from typing import Any

from voice_agents.audio import resample
from voice_agents.offline.realtime.audio import ENGINE_RATE, AudioFormat
from voice_agents.offline.realtime.errors import Rejected, new_id
from voice_agents.offline.realtime.items import CallItem, Item, MessageItem, OutputItem, Part, Role
from voice_agents.offline.realtime.schema import Check, array, choice, fields, invalid_value, optional, tagged, text

MAX_ID_CHARS = 32

_FRAME: dict[str, Check] = {"type": text, "id": text, "object": text, "status": text}
_input_text = fields({"type": text, "text": text}, ["text"])
_input_audio = fields({"type": text, "audio": text, "transcript": optional(text)}, ["audio"])
_output_text = fields({"type": text, "text": text}, ["text"])
_CONTENT: dict[str, Check] = {
    "user": array(tagged({"input_text": _input_text, "input_audio": _input_audio})),
    "system": array(tagged({"input_text": _input_text})),
    "assistant": array(tagged({"output_text": _output_text})),
}


def _message(value: Any, path: str) -> Any:
    role = fields(_FRAME | {"role": choice(*_CONTENT), "content": _as_it_is}, ["role", "content"])(value, path)["role"]
    return fields(_FRAME | {"role": text, "content": _CONTENT[role]})(value, path)


def _as_it_is(value: Any, path: str) -> Any:
    return value


_item = tagged(
    {
        "message": _message,
        "function_call": fields(_FRAME | {"call_id": text, "name": text, "arguments": text}, ["name", "arguments"]),
        "function_call_output": fields(_FRAME | {"call_id": text, "output": text}, ["call_id", "output"]),
    }
)


def parse_item(raw: Any, path: str, audio_format: AudioFormat) -> Item:
    """An item as the client sent it; sound in ``audio_format``. Its words are still to be recognised.

    Raises Rejected. Assistant messages can be created from text only, as at the vendor.
    """
    given = _item(raw, path)
    item_id = given.get("id") or new_id("item")
    if len(item_id) > MAX_ID_CHARS:
        message = (
            f"Invalid '{path}.id': string too long. Expected a string with maximum length {MAX_ID_CHARS}, "
            f"but got a string with length {len(item_id)} instead."
        )
        raise Rejected(message, "string_above_max_length", f"{path}.id")
    if given["type"] == "function_call":
        return CallItem(item_id, given.get("call_id") or new_id("call"), given["name"], given["arguments"])
    if given["type"] == "function_call_output":
        return OutputItem(item_id, given["call_id"], given["output"])
    role: Role = given["role"]
    content = [
        _part(part, f"{path}.content[{index}]", role, audio_format) for index, part in enumerate(given["content"])
    ]
    return MessageItem(item_id, role, content)


def _part(given: dict[str, Any], path: str, role: Role, audio_format: AudioFormat) -> Part:
    if given["type"] == "input_text":
        return Part("input_text", given["text"])
    if given["type"] == "output_text":
        return Part("output_text", given["text"])
    if given["type"] != "input_audio":
        raise invalid_value(given["type"], f"{path}.type", ("input_text", "input_audio"))
    try:
        pcm = audio_format.unpack(base64.b64decode(given["audio"], validate=True))
    except ValueError as error:
        raise Rejected(f"Invalid '{path}.audio': {error}.", "invalid_value", f"{path}.audio") from None
    heard = resample(pcm, audio_format.rate, ENGINE_RATE) if len(pcm) else pcm
    return Part("input_audio", transcript=given.get("transcript"), audio=[heard])
