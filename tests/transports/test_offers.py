"""Offers that become no call hold no place: bad ones, ones without a microphone, ones that are never connected."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from typing import Any

import gradio as gr
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from fastrtc import WebRTC

from tests.transports.rtc_client import Microphone
from voice_agents.transports import offers
from voice_agents.transports.registry import LiveSession
from voice_agents.transports.webrtc import answer_calls, call_button

PLACES = 3
BAD_SDP = ("", "v=0", "nonsense", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\n", "\x00" * 100)
BAD_BODIES: tuple[Any, ...] = (
    None, [], "offer", {}, {"type": "offer"}, {"webrtc_id": 5, "type": "offer", "sdp": "v=0"},
    {"webrtc_id": "x", "type": "answer", "sdp": "v=0"}, {"webrtc_id": "x", "type": "ice-candidate"},
    {"webrtc_id": "x" * 65, "type": "offer", "sdp": "v=0"}, {"webrtc_id": "x", "type": "offer", "sdp": "v=0" * 50_000},
)  # fmt: skip


async def nobody(_values: Any) -> LiveSession:
    raise AssertionError("no session is opened for what is no call")


def mounted() -> WebRTC:
    """The page's call button; made on the test's own loop, because gradio makes one where none runs."""
    with gr.Blocks(analytics_enabled=False):
        button = call_button("mic")
        answer_calls(button, nobody, [], places=PLACES)
    return button


async def kept(running: list[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` where the test can wait for its end."""
    running.append(asyncio.create_task(work))


async def offer(button: WebRTC, sdp: str) -> Any:
    body = {"webrtc_id": secrets.token_hex(8), "type": "offer", "sdp": sdp}
    return await button.handle_offer(body, lambda _outputs: None)


async def sdp_of(peer: RTCPeerConnection) -> str:
    await peer.setLocalDescription(await peer.createOffer())
    return str(peer.localDescription.sdp)


def peer() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


async def test_bad_offers_are_refused_and_the_next_good_one_is_answered() -> None:
    button = mounted()
    for sdp in BAD_SDP * PLACES:
        assert (await offer(button, sdp))["status"] == "failed"
    for body in BAD_BODIES:
        assert (await button.handle_offer(body, lambda _outputs: None))["status"] == "failed"
    assert not button.pcs and not button.connections
    browser = peer()
    browser.addTrack(Microphone())
    assert (await offer(button, await sdp_of(browser)))["type"] == "answer"
    for opened in [browser, *button.pcs.values()]:
        await opened.close()


async def test_a_peer_without_a_microphone_is_closed_at_once() -> None:
    button = mounted()
    for _ in range(PLACES + 1):
        browser = peer()
        browser.createDataChannel("text")
        assert (await offer(button, await sdp_of(browser)))["status"] == "failed"
        await browser.close()
    assert not button.pcs


async def test_a_peer_that_never_connects_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    button = mounted()
    monkeypatch.setattr(offers, "HALF_OPEN_S", 0.5)
    half_open: list[asyncio.Task[None]] = []
    wait_for = button.connection_timeout
    button.connection_timeout = lambda *call: kept(half_open, wait_for(*call))
    browser = peer()
    browser.addTrack(Microphone())
    assert (await offer(button, await sdp_of(browser)))["type"] == "answer"
    await asyncio.gather(*half_open)
    assert not button.pcs
    await browser.close()
