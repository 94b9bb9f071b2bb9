"""This browser's own conversations in the drawer: found, gone on with, named, exported, deleted and taken back."""

from __future__ import annotations

import io
import json
import wave
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Locator, expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.browser.test_page_for_all import SMALLEST_TARGET_PX, serious

pytestmark = pytest.mark.asyncio(loop_scope="session")

RATE = 24_000
LOUD = 1500
MOST_OF_THE_ANSWER_S = 3.0
"""It takes four seconds."""


def drawer(page: VoicePage) -> Locator:
    return page.page.locator("#va-drawer")


def item(page: VoicePage, title: str) -> Locator:
    return page.page.locator("#va-shelf li").filter(has_text=title)


async def downloaded(page: VoicePage, press: Locator) -> bytes:
    """What a button of the drawer saves; pressed by keyboard."""
    await press.focus()
    async with page.page.expect_download() as saved:
        await page.page.keyboard.press("Enter")
    path = await (await saved.value).path()
    return path.read_bytes()


async def test_conversations_are_kept_found_named_deleted_and_taken_back(shared_demo: AppProcess) -> None:
    async with chromium(viewport={"width": 390, "height": 844}) as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        keyboard = page.page.keyboard
        for text in ("Where are my keys?", "Tell me of the sea"):
            await page.type(text)
            await page.shows("Speaking")
            await keyboard.press("Escape")
            await page.shows("Ready")
            await keyboard.press("Tab")
            await page.page.evaluate("document.activeElement.blur()")
            await keyboard.press("n")
            await expect(page.part("chat").locator(".va-line")).to_have_count(0)
        await keyboard.press("c")
        await expect(page.page.locator("#va-shelf li")).to_have_count(2)
        assert await serious(page.page) == []
        await item(page, "keys").get_by_role("button", name="More").click()
        targets = drawer(page).locator("button:visible, input:visible:not([type=checkbox])")
        heights = await targets.evaluate_all("them => them.map((it) => it.getBoundingClientRect().height)")
        assert min(heights) >= SMALLEST_TARGET_PX
        assert await page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        await item(page, "keys").get_by_role("button", name="Rename").click()
        await keyboard.type("Lost things")
        await keyboard.press("Enter")
        await expect(item(page, "Lost things")).to_be_visible()
        await page.page.locator("#va-search").fill("KEYS")
        await expect(page.page.locator("#va-shelf li")).to_have_count(1)

        await item(page, "Lost").get_by_role("button", name="Delete").click()
        await expect(page.page.locator("#va-shelf")).to_contain_text("Nothing holds")
        await keyboard.press("Enter")  # the undo has the focus
        await expect(item(page, "Lost things")).to_be_visible()
        await item(page, "Lost").get_by_role("button", name="More").click()

        export = json.loads(await downloaded(page, item(page, "Lost").get_by_role("button", name="Export as JSON")))
        [turn] = export["turns"]
        assert turn["user"] == "Where are my keys?"
        assert turn["agent"]["interrupted"] and turn["agent"]["unheard"].endswith("know?")
        assert turn["tools"][0]["name"] == "current_time"
        markdown = await downloaded(page, item(page, "Lost").get_by_role("button", name="Export as Markdown"))
        assert markdown.decode().startswith("# Lost things")

        await item(page, "Lost").get_by_role("button", name="Continue in Realtime").click()
        realtime = VoicePage(page.page, "realtime")
        await realtime.says("Where are my keys?")
        await realtime.type("And now?")
        await realtime.shows("Speaking")
        await page.page.reload()
        await realtime.says("Where are my keys?")
        await realtime.says("And now?")

        await keyboard.press("c")
        await page.page.get_by_role("button", name="Delete everything of mine").click()
        await drawer(page).get_by_role("button", name="Delete everything", exact=True).click()
        await expect(drawer(page)).to_contain_text("Everything of yours is deleted.")
        await keyboard.press("Escape")
        await expect(realtime.part("chat").locator(".va-line")).to_have_count(0)
        await page.page.reload()
        await realtime.shows("Ready")
        await keyboard.press("c")
        await expect(page.page.locator("#va-shelf")).to_contain_text("Nothing yet")


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_an_answer_is_heard_again_and_a_recording_has_both_sides_in_their_time(
    webrtc_demo: AppProcess, websocket_demo: AppProcess, transport: str
) -> None:
    noise: NDArray[np.int16] = (np.random.default_rng(1).normal(0, 6000, RATE)).astype(np.int16)
    demo = {"webrtc": webrtc_demo, "websocket": websocket_demo}[transport]
    async with chromium() as context:
        page = VoicePage(await context.new_page())
        await page.open(demo.url)
        await page.record()
        await page.shows("Listening")
        await expect(page.part("recording")).to_be_hidden()
        await page.page.keyboard.press("c")
        await page.page.locator("#va-record").check()
        await page.page.keyboard.press("Escape")
        await expect(page.part("recording")).to_be_visible()
        await page.speak(noise, RATE)
        await page.shows("Speaking")
        await page.shows("Listening")
        await page.hang_up()
        await expect(page.part("recording")).to_be_hidden()
        replay = page.part("chat").locator(".va-replay")
        await replay.click()
        await expect(replay).to_have_text("Stop")
        await expect(replay).to_have_text("Replay", timeout=10_000)
        line = await page.answers().locator("xpath=..").get_attribute("data-id")
        again = await page.page.evaluate(f"Array.from(voiceAgents.replays.sound({line}))")
        assert sounding_s(np.array(again)) > MOST_OF_THE_ANSWER_S, "it is heard again, all of it"
        await page.page.keyboard.press("c")
        await expect(page.page.locator("#va-shelf")).to_contain_text("recorded")
        await page.page.get_by_role("button", name="More").click()
        wav = await downloaded(page, page.page.get_by_role("button", name="Export the recording as WAV"))
        user, agent = channels(wav)
        assert sounding_s(user) > 0.5
        assert sounding_s(agent) > MOST_OF_THE_ANSWER_S
        assert first_s(user) < first_s(agent), "the answer comes after the question"
        assert last_s(user) < first_s(agent), "and there is nothing of it on the user's side"


def channels(wav: bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def loud(samples: NDArray[Any]) -> NDArray[Any]:
    return np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUD)


def sounding_s(samples: NDArray[Any]) -> float:
    """For how long it is loud; a wave is not loud where it crosses zero."""
    return loud(samples).size / RATE


def first_s(samples: NDArray[Any]) -> float:
    return float(loud(samples)[0]) / RATE


def last_s(samples: NDArray[Any]) -> float:
    return float(loud(samples)[-1]) / RATE
