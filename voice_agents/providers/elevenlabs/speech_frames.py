"""ElevenLabs' text-to-speech frames without sockets: what to send, and what answers mean.

Facts: the types of the vendor's SDK (``InitializeConnectionMulti``, ``SendTextMulti``, ``FlushContext``,
``CloseContext``, ``KeepContextAlive``). A context begins with a single space; a text ends with one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from voice_agents.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Role,
)
from voice_agents.providers.names import inside

Frame = Mapping[str, Any]


def opening(context: str) -> Frame:
    """A context's first frame; without settings the voice speaks with its own."""
    return {"text": " ", "context_id": context}


def piece(context: str, text: str) -> Frame:
    """Something to speak at once.

    ``auto_mode`` makes no use of the flush; a server that gathers text all the same would wait without it.
    """
    return {"text": f"{text} ", "context_id": context, "flush": True}


def flush(context: str) -> Frame:
    """Whatever was gathered is to be spoken; a context that is closed now is still spoken to its end."""
    return {"context_id": context, "flush": True}


def closing(context: str) -> Frame:
    """No more text; the server may have only five contexts open."""
    return {"context_id": context, "close_context": True}


def keep_alive(context: str) -> Frame:
    """Only for a context that is open: to another it would be the first frame."""
    return {"text": "", "context_id": context}


def audio(message: Frame) -> bytes:
    """PCM16, which may end inside a sample. Raises ValueError when it is no base64."""
    try:
        return base64.b64decode(message.get("audio") or "", validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("the audio is not base64") from error


def is_final(message: Frame) -> bool:
    """The server says that the context is over."""
    return bool(message.get("isFinal") or message.get("is_final"))


def is_error(message: Frame) -> bool:
    """The frame announces the end of the socket."""
    return bool(message.get("error")) and not message.get("audio")


def check_shape(message: Frame) -> None:
    """Raises ValueError for what is no frame at all and came in place of one. A frame of an unknown type is one."""
    if not message.keys() & _KNOWN_FIELDS:
        raise ValueError("a frame of no known shape")


_KNOWN_FIELDS = frozenset(
    {
        *("audio", "alignment", "normalizedAlignment", "normalized_alignment", "isFinal", "is_final"),
        *("contextId", "context_id", "message", "error", "warning", "type", "message_type", "event"),
    }
)

_MEANINGS: tuple[tuple[str, type[ProviderError], str], ...] = (
    (
        r"input_timeout|text input within the timeout",
        ProviderUnavailable,
        "{0} closed the connection for the voice after a long silence.",
    ),
    (
        r"^quota_exceeded |^insufficient_credits ",
        QuotaExceeded,
        "The account at {1} has no credits left: check its plan.",
    ),
    (
        r"^\w*auth\w* |^\w*(api_key|permission)\w* |not authenticated|(invalid|wrong) api[_ ]key",
        AuthenticationFailed,
        "{0} does not accept the API key: check ELEVENLABS_API_KEY.",
    ),
    (
        r"rate[_ ]limit|max_active|simultaneous contexts|too[_ ]many|concurrent|busy|overload",
        RateLimited,
        "{0} gets too many requests for the voice at the moment. Please wait a little.",
    ),
    (
        r"(voice|model)\w*[ _].*(\bnot|_not|unsupported|invalid|exist)|(invalid|unsupported)\w*[ _](voice|model)",
        RequestRejected,
        "{0} does not have this voice or model: check ELEVENLABS_VOICE_ID and ELEVENLABS_TTS_MODEL.",
    ),
)
"""How the code and the message of an error frame read, joined by a space: what begins with ``^`` is a code, and the
words of a message are evidence only where some servers send no code.

In the sentences, ``{0}`` is the provider's name and ``{1}`` the name inside a sentence.
"""


def plain_error(message: Frame, name: str) -> ProviderError:
    """An error frame of the provider called ``name`` as one plain sentence."""
    said = f"{message.get('error')} {message.get('message')}".lower()
    for pattern, kind, sentence in _MEANINGS:
        if re.search(pattern, said):
            return kind(Role.TTS, name, sentence.format(name, inside(name)), explained=True)
    return ProviderUnavailable(Role.TTS, name, f"{name} reported a problem with the voice.", explained=True)
