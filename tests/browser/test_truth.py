"""Whatever goes wrong, the page says so in a sentence a person understands, and what helps."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import WebSocketRoute, expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")


ANSWER = "It is ten past nine in the evening"
REFUSE = """() => {
  window.__ask = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("told by the test", %r); };
}"""
ALLOW = "() => { navigator.mediaDevices.getUserMedia = window.__ask; }"
LOSE_PEER = """() => {
  const peer = __peers.at(-1);
  Object.defineProperty(peer, "connectionState", { value: "disconnected" });
  peer.dispatchEvent(new Event("connectionstatechange"));
}"""
"""Sound on this machine's own network cannot be held up from a browser, so its end is told instead."""
INSECURE = "Object.defineProperty(Navigator.prototype, 'mediaDevices', { get: () => undefined });"


@asynccontextmanager
async def a_page(url: str, *scripts: str) -> AsyncIterator[VoicePage]:
    """The page in a browser in which these scripts ran before its own."""
    async with chromium(scripts=scripts, viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.open(url)
        yield page


async def test_over_plain_http_it_says_how_to_get_a_microphone(shared_demo: AppProcess) -> None:
    async with chromium(viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        await page.page.evaluate(INSECURE)
        began = time.monotonic()
        await page.record()
        await says(page, "open the page over https, or on localhost. Typing works all the same.", began)
        await page.type("hello")
        await page.says(ANSWER)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("NotAllowedError", "The microphone is blocked for this page. Press the icon left of the address and allow"),
        ("NotFoundError", "No microphone was found. Plug one in. Typing works all the same."),
        ("NotReadableError", "The microphone is in use elsewhere or switched off. Close the other program."),
    ],
)
async def test_a_microphone_that_cannot_be_had_is_explained(
    shared_demo: AppProcess, reason: str, sentence: str
) -> None:
    async with a_page(shared_demo.url) as page:
        await page.page.evaluate(REFUSE % reason)
        began = time.monotonic()
        await page.record()
        await says(page, sentence, began)
        await page.shows("Error")
        await page.page.evaluate(ALLOW)
        await page.part("action").click()
        await page.shows("Listening")


@pytest.mark.parametrize("begins", ["first visit", "new conversation"])
async def test_who_presses_before_the_server_has_said_a_word_sees_the_call_that_was_pressed_for(
    shared_demo: AppProcess, begins: str
) -> None:
    """A slow network, or a busy server: what the page shows comes later than the press."""
    held: list[Callable[[], None]] = []
    holding = begins == "first visit"

    def between(window: WebSocketRoute) -> None:
        server = window.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            if holding and '"type":"sheet"' in str(message):
                held.append(lambda: window.send(message))
            else:
                window.send(message)

        server.on_message(pass_on)
        window.on_message(server.send)

    async with chromium(viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.page.route_web_socket("**/page/window", between)
        await page.open(shared_demo.url)
        if begins == "new conversation":
            await expect(page.part("empty")).to_be_visible()
            await page.type("hello")
            await page.says(ANSWER)
            holding = True
            await page.page.locator("#va-new").click()
        await page.record()
        await page.microphones_are(1)
        holding = False
        for pass_it_on in held:
            pass_it_on()
        await page.shows("Listening")


async def test_an_unplugged_microphone_goes_on_with_the_next_one(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        began = time.monotonic()
        await page.page.evaluate("__microphones.at(-1).dispatchEvent(new Event('ended'))")
        await says(page, "The microphone was unplugged: it goes on with", began)
        await page.shows("Listening")
        await page.microphones_are(1)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("granted", "The microphone was unplugged and there is no other one, so the call ended."),
        ("denied", "The microphone was taken away from this page, so the call ended."),
    ],
)
async def test_a_microphone_that_is_lost_for_good_ends_the_call(
    shared_demo: AppProcess, state: str, sentence: str
) -> None:
    async with a_page(shared_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        await page.page.evaluate(REFUSE % "NotFoundError")
        await page.page.evaluate(f"() => {{ navigator.permissions.query = async () => ({{ state: '{state}' }}); }}")
        began = time.monotonic()
        await page.page.evaluate("__microphones.at(-1).dispatchEvent(new Event('ended'))")
        await says(page, sentence, began)
        await page.shows("Error")
        await page.microphones_are(0)


async def test_muted_is_said_and_can_be_undone_in_the_same_line(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        began = time.monotonic()
        await page.page.keyboard.press("m")
        await says(page, "You are muted: nothing you say is heard.", began)
        assert await page.page.evaluate("__microphones.at(-1).enabled") is False
        await page.part("action").click()
        await page.told("Speak any time.")
        assert await page.page.evaluate("__microphones.at(-1).enabled") is True


async def test_a_dead_server_is_said_within_a_second_and_everything_is_as_before(shared_browser: None) -> None:
    async with AppProcess(["-m", "tests.ui.demo"]) as demo, a_page(demo.url) as sandwich:
        page = VoicePage(sandwich.page, "realtime")
        await page.choose_tab()
        await page.open_settings()
        await page.part("mode").get_by_text("hold to speak").click()
        await page.part("voice-choice").select_option("verse")
        await page.close_settings()
        await page.part("text").locator("textarea").fill("a draft")
        await demo.kill()
        began = time.monotonic()
        await page.shows("Reconnecting", within_s=2.0)
        await says(page, "The server does not answer. Trying again.", began)
        await page.page.evaluate("window.stillTheSame = true")
        await demo.start()
        began = time.monotonic()
        await says(page, "The server was restarted. The conversation goes on where you were.", began)
        assert await page.page.evaluate("window.stillTheSame"), "what is the same is not loaded anew"
        await page.shows("Ready")
        await expect(page.part("text").locator("textarea")).to_have_value("a draft")
        await expect(page.part("voice-choice")).to_have_value("verse")
        await expect(page.part("mode").locator("input:checked")).to_have_value("push to talk")


async def test_a_full_server_says_so_and_goes_on_when_there_is_a_place(shared_browser: None) -> None:
    async with (
        AppProcess(["-m", "tests.ui.demo"], {"DEMO_PLACES": "1"}) as demo,
        a_page(demo.url) as first,
        a_page(demo.url) as second,
    ):
        await first.record()
        await first.shows("Listening")
        began = time.monotonic()
        await second.record()
        await says(second, "All places of this server are taken.", began)
        await second.shows("Connecting")
        await first.hang_up()
        await second.shows("Listening")


async def test_six_seconds_without_network_are_survived_and_said(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.record()
        await page.shows("Listening")
        await page.page.context.set_offline(True)
        await page.page.evaluate(LOSE_PEER)
        await page.shows("Reconnecting")
        await page.told("The server does not answer. Trying again.")
        await page.page.wait_for_timeout(6000)  # the outage itself
        await page.page.context.set_offline(False)
        began = time.monotonic()
        await page.shows("Listening", within_s=20)
        said("Listening again", began)
        await page.says("Connection lost for")
        await page.microphones_are(1)


async def test_two_windows_of_one_conversation_stay_true_and_the_call_can_be_taken_over(
    shared_demo: AppProcess,
) -> None:
    async with a_page(shared_demo.url) as first:
        second = VoicePage(await first.page.context.new_page())
        await second.open(shared_demo.url)
        await first.record()
        await first.shows("Listening")
        began = time.monotonic()
        await says(second, "This conversation is in a call in another window.", began)
        await second.type("hello")
        for page in (first, second):
            await page.says(ANSWER)
            await page.shows("Listening", within_s=20)
        began = time.monotonic()
        await second.record()
        await says(first, "This conversation goes on elsewhere, so the call here was ended.", began)
        await first.microphones_are(0)
        await second.told("Speak any time.")
        await second.hang_up()
        for page in (first, second):
            await page.part("status").wait_for()
        await second.shows("Ready")


async def test_joined_characters_stay_together(shared_demo: AppProcess) -> None:
    words = "👩‍👩‍👧 می‌خواهم क्‍ष"
    async with a_page(shared_demo.url) as page:
        await page.type(words)
        await expect(page.part("chat").locator("[data-testid=user] .va-words")).to_have_text(words)


async def says(page: VoicePage, sentence: str, began: float) -> None:
    """Wait for a sentence in the line of truth, and tell how long it took."""
    await page.told(sentence)
    said(sentence, began)


def said(what: str, began: float) -> None:
    """How long the sentence took, for the report of the run."""
    sys.stdout.write(f"{1000 * (time.monotonic() - began):6.0f} ms until: {what}\n")
