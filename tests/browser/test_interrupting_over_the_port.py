"""Interrupting an answer over the page's own port: the page, its engine and a browser, all real; the voice is a tone.

Every word of that voice takes a quarter of a second, so what was heard is known from what the browser has played.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from playwright.async_api import expect

from tests.bench.provider import WORD_S, fixed_delays
from tests.bench.transports import serving
from tests.browser.helpers.chromium import VoicePage, chromium
from tests.forked import quick_python
from tests.voices import RATE, flite, onset
from voice_agents.session.base import OUTPUT_RATE

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = flite("What time is it in Tokyo?")
PART_OF_A_WORD = 0.5
WITHOUT_WEBRTC = "delete window.RTCPeerConnection; delete window.webkitRTCPeerConnection;"
LISTENS_TO_WHAT_IS_TOLD = """(() => {
  const Native = window.WebSocket;
  window.__told = [];
  window.WebSocket = class extends Native {
    send(data) {
      if (typeof data === "string" && data.includes('"type":"played"')) window.__told.push(JSON.parse(data));
      super.send(data);
    }
  };
})();"""
NOTES_WHAT_IS_PRESSED = """for (const kind of ["keydown", "pointerdown"])
  addEventListener(kind, (event) => (window.__pressedAt = event.timeStamp), { capture: true });
"""
HEARD = """(words) => {
  const heard = words.cloneNode(true);
  heard.querySelector("del").remove();
  return heard.textContent;
}"""


async def by_voice(page: VoicePage) -> float:
    """Milliseconds from the voice's first sound to the answer's last."""
    speaking = asyncio.create_task(page.speak(QUESTION, RATE))
    await is_cut(page)
    last_sound, began = await page.page.evaluate("[__soundAt, __saidAt]")  # before the next answer sounds
    await speaking
    silent_ms: float = last_sound - began - 1000 * onset(QUESTION) / RATE
    return silent_ms


async def by_key(page: VoicePage) -> float:
    """Milliseconds from the moment Esc goes down."""
    await page.page.keyboard.press("Escape")
    return await since_pressed(page)


async def by_button(page: VoicePage) -> float:
    """Milliseconds from the moment the round button is pressed."""
    await page.part("talk").click()
    return await since_pressed(page)


async def since_pressed(page: VoicePage) -> float:
    await is_cut(page)
    await page.shows("Listening")
    silent_ms: float = await page.page.evaluate("__soundAt - __pressedAt")
    return silent_ms


async def is_cut(page: VoicePage) -> None:
    """The end of the answer is struck."""
    await expect(page.part("chat").locator("del").first).to_contain_text("interrupted.")


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    """The page's address; every test is a visitor of its own there."""
    with ExitStack() as stack:
        with patch("sys.executable", quick_python()):
            provider = stack.enter_context(fixed_delays())
            url, _ = stack.enter_context(serving(provider))
        yield url


@pytest.mark.parametrize(
    ("interrupt", "interruptions"),
    [(by_voice, "Normal"), (by_voice, "Sensitive"), (by_key, "Normal"), (by_button, "Normal")],
)
async def test_it_falls_silent_and_keeps_what_was_heard_within_a_word(
    interrupt: Callable[[VoicePage], Awaitable[float]], interruptions: str, served: str, shared_browser: None
) -> None:
    async with chromium(scripts=[WITHOUT_WEBRTC + LISTENS_TO_WHAT_IS_TOLD + NOTES_WHAT_IS_PRESSED]) as context:
        page = VoicePage(await context.new_page())
        await page.open(served)
        await page.open_settings()
        await page.page.get_by_label(interruptions).check()
        await page.close_settings()
        await page.record()
        await page.shows("Listening")
        await page.type("hello")
        await page.page.wait_for_function(f"__told.at(-1)?.position > {4 * OUTPUT_RATE}")
        silent_ms = await interrupt(page)
        way = f"{interrupt.__name__}, {interruptions}"
        sys.stdout.write(f"{silent_ms:6.0f} ms to the answer's last sound in the browser, {way}\n")
        told: list[dict[str, Any]] = await page.page.evaluate("__told")
        played_s = [each["position"] for each in told if each["turn"] == told[0]["turn"]][-1] / OUTPUT_RATE
        heard = await page.answers().first.evaluate(HEARD)
        assert abs(len(heard.split()) - played_s / WORD_S) <= 1 + PART_OF_A_WORD, (silent_ms, told[-4:])
