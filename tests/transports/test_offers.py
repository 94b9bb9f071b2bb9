"""Offers that become no call hold no place, and a call's name is of no use to anybody but its page."""

from __future__ import annotations

import asyncio
import gc
import re
import secrets
import weakref
from collections.abc import Coroutine
from typing import Any

import gradio as gr
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from fastrtc import WebRTC

from tests.transports.page_server import serve_page
from tests.transports.rtc_client import FedMicrophone, RtcCaller
from tests.transports.test_aiortc import controls, speech, until
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.transports import offers, webrtc
from voice_agents.transports.live import LiveSession
from voice_agents.transports.visitors import visited_from
from voice_agents.transports.webrtc import answer_calls, call_button
from voice_agents.ui import page as whole_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6

PLACES = 3
BAD_SDP = ("", "v=0", "nonsense", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\n", "\x00" * 100)
BAD_BODIES: tuple[Any, ...] = (
    None, [], "offer", {}, {"type": "offer"}, {"webrtc_id": 5, "type": "offer", "sdp": "v=0"},
    {"webrtc_id": "x", "type": "answer", "sdp": "v=0"}, {"webrtc_id": "x", "type": "ice-candidate"},
    {"webrtc_id": "x" * 65, "type": "offer", "sdp": "v=0"}, {"webrtc_id": "x", "type": "offer", "sdp": "v=0" * 50_000},
)  # fmt: skip


async def nobody(_values: Any) -> LiveSession:
    raise AssertionError("no session is opened for what is no call")


def mounted(places: int = PLACES) -> WebRTC:
    """The page's call button; made on the test's own loop, because gradio makes one where none runs."""
    with gr.Blocks(analytics_enabled=False):
        button = call_button("mic")
        answer_calls(button, nobody, [], places=places)
    return button


async def kept(running: list[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` where the test can wait for its end."""
    running.append(asyncio.create_task(work))


async def offer(button: WebRTC, sdp: str, name: str = "") -> Any:
    return await button.offer({"webrtc_id": name or secrets.token_hex(16), "type": "offer", "sdp": sdp})


async def close(button: WebRTC, *browsers: RTCPeerConnection) -> None:
    """End all connections of both sides."""
    for opened in [*browsers, *button.pcs.values()]:
        await opened.close()


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
        assert (await button.offer(body))["status"] == "failed"
    assert not button.pcs and not button.connections
    browser = peer()
    browser.addTrack(FedMicrophone())
    assert (await offer(button, await sdp_of(browser)))["type"] == "answer"
    await close(button, browser)


async def test_an_offer_of_which_a_part_has_no_fingerprint_is_refused_before_aiortc_breaks_at_it() -> None:
    """aiortc answers it, and raises where nobody listens when both have found each other: a traceback for each."""
    button = mounted()
    browser = peer()
    browser.addTrack(FedMicrophone())
    browser.createDataChannel("text")
    sdp = await sdp_of(browser)
    fingerprints = re.compile(r"^a=fingerprint:.*\r\n", re.MULTILINE)
    (first, *_) = fingerprints.findall(sdp)
    bare = fingerprints.sub("", sdp)
    microphone_bare = bare.rstrip() + "\r\n" + first
    for bad in (bare, microphone_bare, fingerprints.sub("a=fingerprint:\r\n", sdp)):
        assert (await offer(button, bad))["status"] == "failed"
    assert not button.pcs
    for good in (sdp, bare.replace("m=", first + "m=", 1)):
        assert "sdp" in await offer(button, good)
    await close(button, browser)


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
    browser.addTrack(FedMicrophone())
    assert (await offer(button, await sdp_of(browser)))["type"] == "answer"
    await asyncio.gather(*half_open)
    assert not button.pcs
    await browser.close()


def with_lines(sdp: str, line: str, times: int) -> str:
    return sdp + f"{line}\r\n" * times


async def test_an_offer_of_many_sockets_opens_none(monkeypatch: pytest.MonkeyPatch) -> None:
    button = mounted()
    browser = peer()
    browser.addTrack(FedMicrophone())
    sound = await sdp_of(browser)
    microphone = sound[sound.index("m=audio") :]
    monkeypatch.setattr(offers, "RTCPeerConnection", None)
    for sdp in (
        sound + microphone * 20,
        sound + microphone.replace("m=audio", "m=video"),
        with_lines(sound, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", 2),
        with_lines(sound, "a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host", 51),
    ):
        assert (await offer(button, sdp))["status"] == "failed"
    assert not button.pcs
    await close(button, browser)


async def test_a_name_in_use_is_answered_like_any_other() -> None:
    """Every request that takes one; the peer that uses another's name learns and reaches nothing."""
    button = mounted()
    browsers = [peer() for _ in range(3)]
    for browser in browsers:
        browser.addTrack(FedMicrophone())
    used, unused = secrets.token_hex(16), secrets.token_hex(16)
    assert (await offer(button, await sdp_of(browsers[0]), used))["type"] == "answer"
    (first,) = button.handlers.values()
    assert re.fullmatch("[0-9a-f]{32}", next(iter(button.pcs))) and used not in button.pcs
    candidate = {"candidate": "candidate:1 1 udp 2130706431 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    for body in (
        {"type": "offer", "sdp": "v=0"},
        {"type": "ice-candidate", "candidate": candidate},
        {"type": "ice-candidate", "candidate": {"candidate": ""}},
        {"type": "ice-candidate", "candidate": {}},
        {},
    ):
        assert await button.offer({**body, "webrtc_id": used}) == await button.offer({**body, "webrtc_id": unused})
    for name in (used, unused, None):
        assert await button.quit_output_stream({"webrtc_id": name}) == {"success": True}
    assert await button.quit_output_stream(None) == {"success": True}
    assert {(await offer(button, await sdp_of(browser), used))["type"] for browser in browsers[1:]} == {"answer"}
    assert len(button.pcs) == 3
    for tell in (button.set_input_gradio, button.set_input_on_submit):
        assert await tell(unused, "stranger") is None
        assert await tell(used, "its page") is None
        assert await tell(used, "somebody else, later") is None
    assert first.latest_args[2:] == ["its page"]
    assert [handler.latest_args for handler in button.handlers.values()].count([]) == 2
    await close(button, *browsers)


async def test_whoever_takes_the_name_of_a_call_neither_ends_nor_hears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "CONTROLS_S", 1.0)
    monkeypatch.setattr(offers, "CONTROLS_S", 1.0)
    async with serve_page() as page, RtcCaller(page.url, "sandwich-mic", controls(Conversation())) as caller:
        await until(lambda: page.sessions and page.sessions[0].heard_samples > 1_000)
        thief = RtcCaller(page.url, "sandwich-mic", controls(Conversation()))
        thief._id, thief.tells = caller._id, False
        async with thief:
            assert (await thief.told("end_stream"))["data"].startswith("The page did not answer")
            await until(lambda: len(page.peers) == 1)
        heard = page.sessions[0].heard_samples
        await until(lambda: page.sessions[0].heard_samples > heard + 1_000)
        assert len(page.sessions) == 1


class Silent(RtcCaller):
    """Never says what it wants to talk to."""

    channel = True
    tells = False

    def _connect_peer(self) -> None:
        if self.channel:
            super()._connect_peer()
        else:
            self._peer.addTrack(self.microphone)


class Mute(Silent):
    """Has not even a channel to say it on."""

    channel = False


@pytest.mark.parametrize("kind", [Silent, Mute])
async def test_a_peer_that_does_not_say_what_it_wants_is_closed(
    monkeypatch: pytest.MonkeyPatch, kind: type[Silent]
) -> None:
    monkeypatch.setattr(webrtc, "CONTROLS_S", 1.0)
    monkeypatch.setattr(offers, "CONTROLS_S", 1.0)
    async with serve_page() as page, kind(page.url, "sandwich-mic", controls(Conversation())) as caller:
        await until(lambda: caller._peer.connectionState == "connected")
        assert page.peers
        await until(lambda: not page.peers)
        await until(lambda: caller._peer.connectionState == "closed")
        assert not page.sessions


async def test_a_peer_that_stays_when_its_call_is_over_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its session was refused, or ended by others; a page hangs up then, others may not."""
    monkeypatch.setattr(webrtc, "GOODBYE_S", 0.2)
    browser = new_id()
    async with (
        serve_page(max_sessions=2, per_visitor=1) as page,
        RtcCaller(page.url, "sandwich-mic", controls(Conversation(owner=browser))) as caller,
    ):
        await until(lambda: page.sessions and page.sessions[0].heard_samples > 1_000)
        async with RtcCaller(page.url, "sandwich-mic", controls(Conversation(owner=browser))) as refused:
            await refused.told("end_stream")
            await until(lambda: len(page.peers) == 1)
        await page.registry.close()
        await until(lambda: not page.peers)
        assert caller.messages


async def test_a_call_that_is_over_leaves_no_encoder_to_the_garbage_collector(request: pytest.FixtureRequest) -> None:
    """Each has two threads of its own, and an ended peer is a circle that is collected when it happens to be."""
    async with serve_page(answer_s=0.5) as page:
        async with RtcCaller(page.url, "sandwich-mic", controls(Conversation())) as caller:
            await until(lambda: page.sessions and page.sessions[0].heard_samples > 1_000)
            caller.microphone.say(speech())
            await caller.hears(0.3)
            (peer,) = page.peers.values()
            (sender,) = peer.getSenders()
            encoder = weakref.ref(vars(sender)[offers.ENCODER])
            assert encoder() is not None
            gc.disable()
            request.addfinalizer(gc.enable)
        await until(lambda: not page.peers and encoder() is None)
        assert peer.connectionState == "closed"  # and is still known here


async def test_a_storm_of_offers_leaves_room_for_an_honest_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than there are places for, all at once, none of which becomes a call."""
    monkeypatch.setattr(whole_page, "NEWCOMERS", 3)
    async with serve_page(max_sessions=1, answer_s=0.5) as page:
        callers = [Silent(page.url, "sandwich-mic", controls(Conversation())) for _ in range(12)]
        try:
            answers = await asyncio.gather(*(caller.__aenter__() for caller in callers), return_exceptions=True)
            assert {type(answer) for answer in answers} <= {Silent, ConnectionError}
            async with RtcCaller(page.url, "sandwich-mic", controls(Conversation())):
                await until(lambda: page.sessions and page.sessions[0].heard_samples > 1_000)
        finally:
            await asyncio.gather(*(caller._close() for caller in callers))


async def test_a_storm_from_one_address_does_not_stand_in_the_way_of_another() -> None:
    button = mounted(places=6)
    browser = peer()
    browser.addTrack(FedMicrophone())
    sdp = await sdp_of(browser)

    async def offers_from(address: str, times: int) -> list[Any]:
        with visited_from(address):
            return await asyncio.gather(*(offer(button, sdp) for _ in range(times)))

    stormed, honest = await asyncio.gather(offers_from("203.0.113.7", 30), offers_from("203.0.113.8", 1))
    assert [answer.get("type") for answer in honest] == ["answer"]
    assert [answer.get("type") for answer in stormed].count("answer") == offers.OF_ONE_ADDRESS
    assert len(button.pcs) <= 6 + offers.ANSWERED_AT_ONCE
    stormed = await offers_from("203.0.113.7", 5)
    assert [answer["type"] for answer in stormed] == ["answer"] * 5, "the line is empty again"
    await close(button, browser)
