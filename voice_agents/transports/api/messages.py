"""What a client may say, taken from its frames: one small dataclass per message."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voice_agents.audio import Pcm, from_bytes
from voice_agents.errors import InvalidInput
from voice_agents.session.base import checked_text
from voice_agents.transports.api.options import rate_of

LARGEST_MESSAGE = 1_000_000
"""Bytes of one message."""


@dataclass(frozen=True, slots=True)
class MicrophoneSound:
    """The microphone's next samples, int16 mono at the socket's rate."""

    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Start:
    """The rate of all that follows, for clients that cannot put it into the address."""

    sample_rate: int


@dataclass(frozen=True, slots=True)
class End:
    """The user's turn is over."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A typed turn."""

    text: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop talking."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The conversation is over."""


ClientMessage = MicrophoneSound | Start | End | Typed | Hush | Stop

KNOWN = ("audio", "end", "text", "interrupt", "stop", "start")


def parse(frame: str | bytes, *, binary: bool) -> ClientMessage:
    """One frame of a client; ``binary``: on a socket where audio travels as binary frames.

    Raises InvalidInput in a sentence that says what to send instead.
    """
    if isinstance(frame, bytes):
        if not binary:
            raise InvalidInput(
                'This socket takes JSON text, not binary frames: send {"type": "audio", "data": "<base64>"}, '
                "or open it with ?audio=binary."
            )
        return MicrophoneSound(_samples(frame))
    return _from_json(_json_object(frame), binary=binary)


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("This message is not JSON.") from None
    if not isinstance(found, dict):
        raise InvalidInput('A message must be a JSON object such as {"type": "end"}.')
    return found


def _from_json(message: Mapping[str, Any], *, binary: bool) -> ClientMessage:
    match message.get("type", "start" if "sample_rate" in message else None):
        case "audio":
            if binary:
                raise InvalidInput("This socket takes audio as binary frames of PCM16, not as JSON.")
            return MicrophoneSound(_samples(_decoded(message.get("data"))))
        case "end":
            return End()
        case "text":
            return Typed(_text(message.get("text")))
        case "interrupt":
            return Hush()
        case "stop":
            return Stop()
        case "start":
            return Start(rate_of(message.get("sample_rate")))
        case _:
            raise InvalidInput(f"The type of a message must be one of {', '.join(KNOWN)}.")


def _decoded(data: object) -> bytes:
    if not isinstance(data, str):
        raise InvalidInput("The data of an audio message must be a text: PCM16 in base64.")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("The data of this audio message is not base64.") from None


def _samples(data: bytes) -> Pcm:
    if len(data) % 2:
        raise InvalidInput("Audio must be PCM16, two bytes for every sample; this has an odd number of bytes.")
    return from_bytes(data)


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise InvalidInput("The text of a text message must be a text.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("The text of this message holds half a character (a lone surrogate).")
    return checked_text(text)
