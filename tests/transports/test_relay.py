"""A real TURN server (Debian's coturn) between two peers: with our configuration the sound goes through it."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from aioice import stun
from aiortc import RTCPeerConnection, RTCSessionDescription
from fastrtc import WebRTC

from tests.transports.rtc_client import FedMicrophone
from voice_agents.relay import Relay, RelayKind
from voice_agents.transports.ice import Relays

WAIT_S = 30.0
USER, WORD = "caller", "let-me-through"
_NOT_RELAYED = re.compile(r"^a=candidate:.* typ (?!relay).*\r\n", re.MULTILINE)


@asynccontextmanager
async def coturn(folder: Path) -> AsyncIterator[int]:
    """The port of 127.0.0.1 it answers on."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (apt install coturn)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(program, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}"),
        *("--lt-cred-mech", f"--user={USER}:{WORD}", "--realm=test", "--allow-loopback-peers", "--no-cli"),
        *("--no-tls", "--no-dtls", f"--pidfile={folder / 'pid'}", f"--userdb={folder / 'db'}", "--log-file=stdout"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _answers(port)
        yield port
    finally:
        process.kill()
        await process.wait()


async def _answers(port: int) -> None:
    """Until the relay takes packets. It is asked again and again: what comes before it listens is lost."""
    heard = asyncio.Event()

    class Asking(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            heard.set()

    loop = asyncio.get_running_loop()
    binding = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
    sender, _ = await loop.create_datagram_endpoint(Asking, remote_addr=("127.0.0.1", port))
    try:
        async with asyncio.timeout(WAIT_S):
            while not heard.is_set():
                sender.sendto(binding)
                with suppress(TimeoutError):
                    await asyncio.wait_for(heard.wait(), 0.1)
    finally:
        sender.close()


def relayed_only(description: RTCSessionDescription) -> RTCSessionDescription:
    """The same peer, to be reached through its relay only."""
    sdp = _NOT_RELAYED.sub("", description.sdp)
    assert " typ relay" in sdp, "no relay was given to us"
    return RTCSessionDescription(sdp, description.type)


async def test_sound_goes_through_a_relay_where_nothing_else_leads(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port, asyncio.timeout(WAIT_S):
        relay = Relay(RelayKind.OWN, WORD, USER, (f"turn:127.0.0.1:{port}?transport=udp",))
        config = WebRTC.convert_to_aiortc_format(await Relays(relay, 60).fresh())
        browser, server = RTCPeerConnection(config), RTCPeerConnection(config)
        heard = asyncio.Event()

        async def listen(track: FedMicrophone) -> None:
            await track.recv()
            heard.set()

        server.add_listener("track", listen)
        browser.addTrack(FedMicrophone())
        try:
            await browser.setLocalDescription(await browser.createOffer())
            await server.setRemoteDescription(relayed_only(browser.localDescription))
            await server.setLocalDescription(await server.createAnswer())
            await browser.setRemoteDescription(relayed_only(server.localDescription))
            await heard.wait()
        finally:
            await asyncio.gather(browser.close(), server.close())
