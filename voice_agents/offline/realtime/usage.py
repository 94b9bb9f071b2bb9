"""What a Realtime response is said to cost, and the rate limits it is said to leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from voice_agents.offline.realtime.errors import Event
from voice_agents.offline.realtime.items import CallItem, Item, MessageItem

AUDIO_TOKEN_MS = 50
"""The vendor counts a token for so much of the assistant's sound ..."""
USER_AUDIO_TOKEN_MS = 100
"""... and for so much of the user's."""
_LIMIT = 100_000


def tokens(text: str) -> int:
    """Tokens of a text, a little fewer than a real tokeniser counts."""
    return len(re.findall(r"\w{1,12}|[^\w\s]", text))


def usage(instructions: str, context: Sequence[Item], output: Sequence[Item]) -> dict[str, Any]:
    """The ``usage`` of a response."""
    in_text, in_audio = _count(context)
    in_text += tokens(instructions)
    out_text, out_audio = _count(output)
    return {
        "total_tokens": in_text + in_audio + out_text + out_audio,
        "input_tokens": in_text + in_audio,
        "output_tokens": out_text + out_audio,
        "input_token_details": {
            "text_tokens": in_text,
            "audio_tokens": in_audio,
            "image_tokens": 0,
            "cached_tokens": 0,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
    }


def _count(items: Sequence[Item]) -> tuple[int, int]:
    """Text and audio tokens. The user's words are not counted beside their sound, the assistant's are."""
    of_text = of_audio = 0
    for item in items:
        if isinstance(item, MessageItem):
            for part in item.content:
                of_text += tokens(part.text) if part.type != "input_audio" else 0
                each_ms = USER_AUDIO_TOKEN_MS if part.type == "input_audio" else AUDIO_TOKEN_MS
                of_audio += round(part.audio_ms / each_ms)
        elif isinstance(item, CallItem):
            of_text += tokens(item.name) + tokens(item.arguments)
        else:
            of_text += tokens(item.output)
    return of_text, of_audio


def rate_limits() -> Event:
    """``rate_limits.updated``: there are none here, so always the same."""
    limits = [{"name": name, "limit": _LIMIT, "remaining": _LIMIT, "reset_seconds": 0.0} for name in _LIMITED]
    return {"type": "rate_limits.updated", "rate_limits": limits}


_LIMITED = ("requests", "tokens")
