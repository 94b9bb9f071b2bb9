"""Where no sound can be played (Firefox without a loudspeaker lets no AudioContext run) a call goes on all the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.voices import RATE, flite
from voice_agents.session.base import OUTPUT_RATE

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_DEVICE = """(() => {
  const Native = window.AudioContext;
  window.AudioContext = class extends Native {
    constructor(options) {
      super(options);
      this.testsOwn = options?.sampleRate === 48000; // the microphone that speaks what a test tells it
      if (!this.testsOwn) super.suspend();
    }
    get state() { return this.testsOwn ? super.state : "suspended"; }
    resume() { return this.testsOwn ? super.resume() : new Promise(() => {}); }
  };
})();"""
NO_DECODER = "delete window.AudioDecoder;"
MUTE = "No sound can be played on this device: read the answers here."
DEAF = "without it this browser does not hear you: type, and read the answers."
QUESTION = flite("What time is it in Tokyo?")
ANSWER_S = 4.0
KEEPS_WHAT_IS_SENT = """(() => {
  const Native = window.WebSocket;
  window.__calls = 0;
  window.__played = [];
  window.WebSocket = class extends Native {
    constructor(url) { super(url); this.isCall = String(url).endsWith("/page/call"); window.__calls += this.isCall; }
    send(data) {
      if (this.isCall && typeof data === "string" && data.includes("played")) window.__reports = JSON.parse(data);
      super.send(data);
    }
  };
})();"""


AT_LEAST_EIGHT_SECONDS = re.compile(r"^(0:0[89]|0:[1-5]\d|[1-9]\d*:\d\d)$")
"""A busy machine may have come further by the time it is looked at."""


@asynccontextmanager
async def called(demo: AppProcess, *scripts: str) -> AsyncIterator[VoicePage]:
    """A call over the page's own port, in a browser where nothing can be played."""
    async with chromium(scripts=(NO_DEVICE, KEEPS_WHAT_IS_SENT, *scripts)) as context:
        page = VoicePage(await context.new_page())
        await page.open(demo.url)
        await page.record()
        await page.shows("Listening")
        yield page


async def is_told_where_the_answer_is(page: VoicePage) -> None:
    """As if it had been played: history and transcript go by it."""
    await page.shows("Listening")
    at_its_end = (ANSWER_S - 0.05) * OUTPUT_RATE
    await page.page.wait_for_function("at => __reports.position >= at", arg=at_its_end)  # the last word of a busy page
    reports = await page.page.evaluate("__reports")
    assert reports["position"] / OUTPUT_RATE == pytest.approx(ANSWER_S, abs=0.05)


async def outlives_silence(page: VoicePage) -> None:
    """A call whose microphone sends nothing is ended after five seconds."""
    await expect(page.part("timer")).to_have_text(AT_LEAST_EIGHT_SECONDS, timeout=20_000)
    await page.shows("Listening")
    assert await page.page.evaluate("__calls") == 1
    assert "lost" not in await page.transcript()


async def test_what_is_said_is_heard_and_answered(websocket_demo: AppProcess) -> None:
    async with called(websocket_demo) as page:
        await page.told(MUTE)
        await page.speak(QUESTION, RATE)
        await page.shows("Speaking")
        await page.says("It is ten past nine in the evening")
        await is_told_where_the_answer_is(page)
        await outlives_silence(page)
        await page.hang_up()
        await page.shows("Ready")
        assert MUTE not in await page.part("truth").inner_text()


async def test_where_the_microphone_cannot_be_read_either_typed_words_are_answered(websocket_demo: AppProcess) -> None:
    async with called(websocket_demo, NO_DECODER) as page:
        await page.told(DEAF)
        await page.type("What time is it?")
        await page.shows("Speaking")  # before, it is listening too
        await page.says("It is ten past nine in the evening")
        await is_told_where_the_answer_is(page)
        await outlives_silence(page)


async def test_over_webrtc_the_same_line_is_shown(shared_demo: AppProcess) -> None:
    async with chromium(scripts=[NO_DEVICE]) as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        await page.record()
        await page.told(MUTE)
        await page.speak(QUESTION, RATE)
        await page.says("It is ten past nine in the evening")
