"""The drawer of conversations with the keys alone: Tab, Enter, Space, Escape and the letters of a name."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.browser.test_conversations import drawer, item

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_STOPS = 60
TITLES = ("Where are my keys?", "Tell me of the sea", "And of the moon")


async def tab_to(page: VoicePage, wanted: Locator) -> None:
    """Press Tab until it has the focus; every stop on the way has to be seen."""
    await expect(wanted).to_be_visible()
    focused = "element => element === document.activeElement"
    for _ in range(MOST_STOPS):
        await page.page.keyboard.press("Tab")
        if await wanted.evaluate(focused):
            await expect(wanted).to_be_in_viewport()
            return
        rectangle = "[document.activeElement.offsetWidth, document.activeElement.tagName]"
        width, name = await page.page.evaluate(rectangle)
        assert width or name in ("BODY", "HTML", "DIALOG"), f"a stop that nobody sees: {name}"
    pytest.fail("Tab does not lead there")


async def press(page: VoicePage, wanted: Locator, key: str = "Enter") -> None:
    await tab_to(page, wanted)
    await page.page.keyboard.press(key)


async def three_conversations(page: VoicePage) -> None:
    for number, text in enumerate(TITLES):
        if number:
            await page.page.evaluate("document.activeElement.blur()")
            await page.page.keyboard.press("n")
            await expect(page.part("chat").locator(".va-line")).to_have_count(0)
        await page.type(text)
        await page.shows("Speaking")
        await page.page.keyboard.press("Escape")
        await page.shows("Ready")


async def test_a_conversation_is_renamed_deleted_taken_back_and_gone_on_with(shared_demo: AppProcess) -> None:
    async with chromium(viewport={"width": 1280, "height": 800}) as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        await three_conversations(page)
        keyboard = page.page.keyboard
        await page.page.reload()
        await page.shows("Ready")

        await press(page, page.page.locator("#va-conversations"))
        await expect(drawer(page)).to_be_visible()
        shelf = page.page.locator("#va-shelf li")
        await expect(shelf).to_have_count(3)

        keys = item(page, "keys")
        await press(page, keys.get_by_role("button", name="More"))
        rename = keys.get_by_role("button", name="Rename")
        await press(page, rename)
        await keyboard.type("Not this")
        await keyboard.press("Escape")
        await expect(drawer(page)).to_be_visible()
        await expect(keys.get_by_role("button", name="More")).to_be_focused()
        await expect(item(page, "Not this")).to_have_count(0)

        await press(page, rename, "Space")
        await keyboard.type("Lost things")
        await keyboard.press("Enter")
        lost = item(page, "Lost things")
        await expect(lost.get_by_role("button", name="More")).to_be_focused()

        await press(page, lost.get_by_role("button", name="Rename"))
        await keyboard.type("Lost and found")
        await press(page, drawer(page).get_by_role("button", name="Save"))
        found = item(page, "Lost and found")
        await expect(found.get_by_role("button", name="More")).to_be_focused()

        await press(page, found.get_by_role("button", name="Delete"))
        undo = drawer(page).get_by_role("button", name="Undo")
        await expect(undo).to_be_focused()
        await expect(shelf).to_have_count(2)
        await keyboard.press("Space")
        await expect(found).to_be_visible()
        assert await page.page.evaluate("document.activeElement.closest('#va-drawer') !== null"), "the focus stays"

        await press(page, found.get_by_role("button", name="More"))
        await press(page, found.get_by_role("button", name="Delete"))
        await expect(undo).to_be_focused()
        await keyboard.press("Escape")
        await expect(drawer(page)).to_be_hidden()
        await expect(page.page.locator("#va-conversations")).to_be_focused()
        await keyboard.press("Enter")
        await expect(shelf).to_have_count(2)

        sea = item(page, "sea")
        await press(page, sea.get_by_role("button", name="More"))
        await press(page, sea.get_by_role("button", name="Continue in Realtime"))
        await expect(drawer(page)).to_be_hidden()
        realtime = VoicePage(page.page, "realtime")
        await realtime.says("Tell me of the sea")
        await expect(realtime.part("talk")).to_be_focused()
        await tab_to(realtime, realtime.part("text").locator("textarea"))
        await keyboard.type("And its tides?")
        await keyboard.press("Enter")
        await realtime.says("And its tides?")
        await realtime.shows("Speaking")
        await keyboard.press("Escape")
        await realtime.shows("Ready")

        await page.page.evaluate("document.activeElement.blur()")
        await keyboard.press("c")
        moon = item(page, "moon")
        await press(page, moon.locator(".va-open"))
        await expect(drawer(page)).to_be_hidden()
        await page.says("And of the moon")
        await expect(page.part("talk")).to_be_focused()

        await keyboard.press("c")
        await press(page, drawer(page).get_by_role("button", name="New conversation"))
        await expect(page.part("chat").locator(".va-line")).to_have_count(0)
        await expect(page.part("talk")).to_be_focused()
