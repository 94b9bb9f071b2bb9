"""How browser and server find each other: directly, or through TURN relays paid for by a Hugging Face token."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from fastrtc import get_cloudflare_turn_credentials_async

from voice_agents.errors import VoiceAgentError

log = logging.getLogger(__name__)

CREDENTIALS_TIMEOUT_S = 8.0
CREDENTIALS_LIFE_S = 2 * 3600
"""Relay credentials must outlive the longest call."""

DIRECT: dict[str, Any] = {"iceServers": []}
"""Host candidates only; without it aiortc asks Google's STUN server at every call."""

IceServers = Callable[[], Awaitable[dict[str, Any]]]
"""Fresh ``RTCConfiguration`` of a browser, asked for before every call."""


async def relays(hf_token: str) -> dict[str, Any]:
    """Fresh TURN credentials (``turn.fastrtc.org``, one set per call). Raises VoiceAgentError in plain words."""
    try:
        async with asyncio.timeout(CREDENTIALS_TIMEOUT_S):
            found = await get_cloudflare_turn_credentials_async(hf_token=hf_token, ttl=CREDENTIALS_LIFE_S)
    except Exception as error:
        log.warning("no TURN credentials: %s", type(error).__name__)
        raise VoiceAgentError(
            "The relay for audio could not be reached, so a call from another network will not connect. "
            "Check HF_TOKEN, or try again in a minute; typing still works."
        ) from None
    return dict(found)
