"""Takes browsers' offers of a call: a place is held only by what becomes one.

fastrtc 0.0.34 counts a connection before it has looked at the offer and forgets to uncount one that fails, so sixty
bad offers ended all calls until a restart; one without a microphone was kept for as long as its sender liked.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiortc import RTCPeerConnection
from fastrtc import WebRTC

log = logging.getLogger(__name__)

HALF_OPEN_S = 15.0
"""For a peer that was answered to connect."""
LARGEST_OFFER = 64_000
_FAILED = {"status": "failed", "meta": {"error": "The call could not be understood. Please reload the page."}}

Outputs = Callable[[Any], None]


def guard_offers(button: WebRTC) -> None:
    """Every offer to this component frees its place, whatever fails; a half-open one does so after ``HALF_OPEN_S``."""
    answer, wait_for = button.handle_offer, button.connection_timeout

    async def guarded(body: Any, set_outputs: Outputs) -> Any:
        if not _is_sound(body):
            return _FAILED
        if body["type"] != "offer" or body["webrtc_id"] in button.pcs:
            return await answer(body, set_outputs)
        call = body["webrtc_id"]
        try:
            answered = await answer(body, set_outputs)
        except Exception as error:
            log.info("an offer was refused: %s", type(error).__name__)
            await _let_go(button, call)
            return _FAILED
        except BaseException:
            await _let_go(button, call)
            raise
        if call in button.pcs and call not in button.connections:  # no microphone
            await _let_go(button, call)
            return _FAILED
        return answered

    async def half_open(peer: RTCPeerConnection, call: str, _time_limit_s: float) -> None:
        await wait_for(peer, call, HALF_OPEN_S)

    button.handle_offer = guarded
    button.connection_timeout = half_open


def _is_sound(body: Any) -> bool:
    if not isinstance(body, dict) or not isinstance(call := body.get("webrtc_id"), str) or not 0 < len(call) <= 64:
        return False
    if body.get("type") == "ice-candidate":
        return isinstance(body.get("candidate"), dict)
    sdp = body.get("sdp")
    return body.get("type") == "offer" and isinstance(sdp, str) and len(sdp) <= LARGEST_OFFER


async def _let_go(button: WebRTC, call: str) -> None:
    peer = button.pcs.get(call)
    button.clean_up(call)
    if peer is not None:
        await asyncio.shield(peer.close())
