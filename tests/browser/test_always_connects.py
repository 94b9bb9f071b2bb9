"""A call where WebRTC does not get through: the same press goes on over the page's own port."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from playwright.async_api import expect

from tests.browser.helpers.chromium import PLAYED_RATE, VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.browser.helpers.proxy import proxied
from tests.browser.test_truth import said
from tests.voices import RATE, flite
from voice_agents.audio import Pcm

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_UDP = (
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)
NEVER_CONNECTS = """(() => {
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    get connectionState() { return "connecting"; }
    set onconnectionstatechange(_) {}
    addIceCandidate() { return Promise.resolve(); }
  };
})();"""
COUNTS_CALLS = """(() => {
  const Native = window.WebSocket;
  window.__calls = [];
  window.WebSocket = class extends Native {
    constructor(url) { super(url); if (String(url).endsWith("/page/call")) window.__calls.push(this); }
  };
})();"""
QUESTION = flite("What time is it in Tokyo?")
NO_KEYS = {name: "" for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "APP_PASSWORD")}
DETOUR = "goes over the page's own port: a poor network is heard as gaps"
MODEL_S = 60.0


@asynccontextmanager
async def a_page(url: str, script: str = "", flags: tuple[str, ...] = ()) -> AsyncIterator[VoicePage]:
    async with chromium(flags=flags, scripts=[script] if script else ()) as context:
        page = VoicePage(await context.new_page())
        await page.open(url)
        yield page


def loud_s(pcm: Pcm) -> float:
    """How long there was sound."""
    return float(np.count_nonzero(np.abs(pcm.astype(np.int32)) > 300)) / PLAYED_RATE


async def is_answered(page: VoicePage) -> None:
    """What is asked right after the press, while the call is still on its way, is answered out loud."""
    pressed = time.monotonic()
    await page.record()
    await page.page.wait_for_function("__liveMicrophones() > 0")
    await page.speak(QUESTION, RATE)
    await page.shows("Speaking")
    said(f"an answer to a question of {len(QUESTION) / RATE:.1f} s asked at once", pressed)
    await page.says("It is ten past nine in the evening")
    await page.told(DETOUR)
    assert loud_s(await page.played()) > 3.0, "the answer is four seconds long"


async def test_where_webrtc_never_connects_the_same_press_is_answered(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url, NEVER_CONNECTS) as page:
        await is_answered(page)
        await page.hang_up()
        await page.shows("Ready")
        await page.microphones_are(0)


async def test_where_udp_is_blocked_the_same_press_is_answered(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url, flags=NO_UDP) as page:
        await is_answered(page)


async def test_through_a_proxy_of_http_and_websockets_the_same_press_is_answered(shared_demo: AppProcess) -> None:
    async with proxied(shared_demo.url) as url, a_page(url, flags=NO_UDP) as page:
        await is_answered(page)


async def test_without_any_webrtc_nobody_waits_for_it(shared_demo: AppProcess) -> None:
    async with a_page(
        shared_demo.url, "delete window.RTCPeerConnection; delete window.webkitRTCPeerConnection;"
    ) as page:
        await is_answered(page)


async def test_where_webrtc_gets_through_it_is_used_and_nothing_is_said_of_it(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        await page.told("Speak any time.")
        await expect(page.part("truth")).not_to_contain_text("port")
        assert await page.page.evaluate("__peers.at(-1).connectionState") == "connected"


async def test_the_button_empties_what_was_still_to_be_played(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url, NEVER_CONNECTS) as page:
        await page.record()
        await page.shows("Listening")
        await page.speak(QUESTION, RATE)
        await page.shows("Speaking")
        await page.page.wait_for_function("__soundAt > 0")
        took_ms = await page.page.evaluate(
            """async () => {
                const pressed = performance.now();
                document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
                await new Promise((done) => setTimeout(done, 1000));
                return __soundAt - pressed;
            }"""
        )
        sys.stdout.write(f"{took_ms:6.0f} ms from Esc to the last sound in the browser\n")
        await page.shows("Listening")
        assert -200 < took_ms < 900, "it was speaking until then, and not to the end of the answer"


async def test_a_lost_socket_is_called_again_over_the_same_way(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url, NEVER_CONNECTS + COUNTS_CALLS) as page:
        await page.record()
        await page.shows("Listening")
        await page.page.evaluate("__calls[0].close()")
        await page.shows("Reconnecting")
        await page.shows("Listening")
        await page.says("Connection lost for")
        await page.speak(QUESTION, RATE)
        await page.shows("Speaking")
        assert await page.page.evaluate("__calls.length") == 2


async def test_the_server_allows_webrtc_only(webrtc_demo: AppProcess) -> None:
    async with a_page(webrtc_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        assert await page.page.evaluate("__peers.length") == 1
    async with a_page(webrtc_demo.url, "delete window.RTCPeerConnection;") as page:
        await page.record()
        await page.told("TRANSPORT=webrtc on the server allows no other way")


async def test_the_server_allows_the_pages_port_only(websocket_demo: AppProcess) -> None:
    async with a_page(websocket_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        assert await page.page.evaluate("__peers.length") == 0
        await page.told("As TRANSPORT says, sound goes over the page's own port")
