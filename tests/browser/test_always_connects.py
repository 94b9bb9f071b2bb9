"""A call where WebRTC does not get through: the same press goes on over the page's own port."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from tests.browser.helpers.chromium import PLAYED_RATE, VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.browser.helpers.proxy import proxied
from tests.voices import RATE, flite
from voice_agents.audio import Pcm, first_audible

NO_UDP = (
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)
NEVER_CONNECTS = """
const Native = window.RTCPeerConnection;
window.RTCPeerConnection = class extends Native {
  get connectionState() { return "connecting"; }
  set onconnectionstatechange(_) {}
  addIceCandidate() { return Promise.resolve(); }
};
"""
QUESTION = flite("What time is it in Tokyo?")


@asynccontextmanager
async def a_page(url: str, script: str = "", flags: tuple[str, ...] = ()) -> AsyncIterator[VoicePage]:
    async with chromium(flags=flags) as context:
        if script:
            await context.add_init_script(script)
        page = VoicePage(await context.new_page())
        await page.open(url)
        yield page


def loud(pcm: Pcm) -> float:
    """How long there was sound, in seconds."""
    return float(np.count_nonzero(np.abs(pcm.astype(np.int32)) > 300)) / PLAYED_RATE


async def test_without_webrtc_the_same_press_is_answered_over_the_pages_port(demo: AppProcess) -> None:
    async with a_page(demo.url, NEVER_CONNECTS) as page:
        pressed = time.monotonic()
        await page.record()
        await page.shows("Listening")
        print(f"up after {time.monotonic() - pressed:.2f} s")
        await page.told("goes over the page's own port: a poor network is heard as gaps")
        await page.speak(QUESTION, RATE)
        await page.says("what time is it in tokyo")
        await page.shows("Speaking")
        await page.says("It is ten past nine in the evening")
        await page.shows("Listening")
        played = await page.played()
        answer = played[first_audible(played, 1000) :]
        assert loud(answer) > 3.0, "the answer is four seconds long"
        await page.hang_up()
        await page.shows("Ready")
        await page.microphones_are(0)
