"""Calls that are none: bad, half-open, silent and storming offers; afterwards an honest call is answered at once."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from tests.attacks.outcome import Outcome
from tests.attacks.target import Clock, Targets, Usage, usage
from tests.attacks.visitor import CONTROLS, Visitor
from tests.attacks.wire import Wire
from tests.transports.rtc_client import FedMicrophone, RtcCaller

ANSWERED_S = 3.0
FORGOTTEN_S = 60.0
"""What the attack has opened is closed by then: who says nothing has 10 s; ICE gives up who vanished after 30 s."""
MORE_DESCRIPTORS, MORE_THREADS, MORE_MEMORY_MB = 12, 12, 80.0
BAD_SDP: tuple[Any, ...] = (
    "", "v=0", "nonsense", "\x00" * 100, "v=0\r\n" * 10_000, None, 5, [], {}, "x" * 70_000,
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 X 0\r\n",
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 500,
)  # fmt: skip


async def storm(house: Targets, outcome: Outcome) -> None:
    """Offers of every bad kind, many at once, and an honest call meanwhile and afterwards."""
    count = 120 if house.short else 500
    wire = house.app.wire
    visitor = Visitor(replace(house.app, wire=Wire(wire.host, wire.port, at_once=100)))
    await _honest(house, outcome, "before")
    await asyncio.gather(*(visitor.server.wire.ask("GET", "/config") for _ in range(100)))  # all worker threads are up
    house.before = await _settled(house, usage(house.app.process.pid), 3.0)
    began = time.monotonic()
    async with _peers(visitor, 4 if house.short else 12) as silent:
        sdp = await _good_sdp()
        offers = [_offered(visitor, sdp_of(sdp, number)) for number in range(count)]
        answers = await asyncio.gather(*offers)
        outcome.tried += count
        outcome.broke += [answer for answer in answers if answer]
        outcome.facts.append(f"{count + silent} offers in {time.monotonic() - began:.1f} s")
        await _honest(house, outcome, "with the storm's peers still there")
    await _honest(house, outcome, "after the storm")


async def aftermath(house: Targets, outcome: Outcome) -> None:
    """What is left of the storm, and of all other attacks."""
    before = house.before or usage(house.app.process.pid)
    after = await _settled(house, before, FORGOTTEN_S)
    outcome.facts.append(
        f"descriptors {before.descriptors} -> {after.descriptors}, threads {before.threads} -> {after.threads}, "
        f"memory {before.memory_mb:.0f} -> {after.memory_mb:.0f} MB"
    )
    outcome.expect(_is_as_before(before, after), f"{before} became {after}")
    await _honest(house, outcome, "at the end")


def sdp_of(good: str, number: int) -> Any:
    """Bad ones, good ones of peers that never connect, ones without a microphone, by turns."""
    kind = number % 4
    if kind == 0:
        return BAD_SDP[number // 4 % len(BAD_SDP)]
    if kind == 1:
        return good.replace("m=audio", "m=video")
    return good


async def _good_sdp() -> str:
    """An offer of a microphone as a browser makes it; its peer is closed before anybody answers."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(FedMicrophone())
    peer.createDataChannel("text")
    await peer.setLocalDescription(await peer.createOffer())
    sdp = str(peer.localDescription.sdp)
    await peer.close()
    return sdp


async def _offered(visitor: Visitor, sdp: Any) -> str:
    """What was wrong with how it was answered; nothing when it was answered well."""
    answer = await visitor.server.wire.post("/gradio_api/component_server", visitor.offered(sdp))
    failed = answer.status >= 500 and b"under the number" not in answer.body
    return f"{answer.status} for an offer {str(sdp)[:40]!r}: {answer.text[:80]}" if failed or answer.status <= 0 else ""


@contextlib.asynccontextmanager
async def _peers(visitor: Visitor, count: int) -> AsyncIterator[int]:
    """Peers that connect and then say nothing: no controls, no sound of their own."""
    peers = []
    for _ in range(count):
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(FedMicrophone())
        peer.createDataChannel("text")
        await peer.setLocalDescription(await peer.createOffer())
        body = visitor.offered(str(peer.localDescription.sdp), secrets.token_hex(8))
        answer = (await visitor.server.wire.post("/gradio_api/component_server", body)).json()
        if "sdp" in answer:
            await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        peers.append(peer)
    try:
        yield count
    finally:
        for peer in peers:
            await peer.close()


async def _honest(house: Targets, outcome: Outcome, when: str) -> None:
    """A browser's call, from the offer to the session that asks for its controls."""
    visitor = Visitor(house.app)
    clock = Clock(house.app.process.pid)
    try:
        caller = RtcCaller(house.app.wire.url, "sandwich-mic", {**visitor.identity, **CONTROLS})
        async with asyncio.timeout(15), caller:
            await caller.told("send_input")
            took_s = clock.passed_s
            outcome.expect(took_s < ANSWERED_S, f"an honest call {when} was answered after {took_s:.1f} s")
            await _until_in_use(house)
            await visitor.hang_up()
    except (TimeoutError, ConnectionError, KeyError) as error:
        outcome.expect(False, f"an honest call {when} was not answered: {type(error).__name__} {error}")


async def _until_in_use(house: Targets) -> None:
    """The call has its session."""
    while not (await house.app.traces())[0]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def _settled(house: Targets, wanted: Usage, within_s: float) -> Usage:
    """What the app holds when it is down to what is wanted, or after this time."""
    until = time.monotonic() + within_s
    while not _is_as_before(wanted, now := usage(house.app.process.pid)) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return now


def _is_as_before(before: Usage, now: Usage) -> bool:
    return (
        now.descriptors <= before.descriptors + MORE_DESCRIPTORS
        and now.threads <= before.threads + MORE_THREADS
        and now.memory_mb <= before.memory_mb + MORE_MEMORY_MB
    )
