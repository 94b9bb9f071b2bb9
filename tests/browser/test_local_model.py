"""A model server on this machine is offered where the page says who does what, and taken with one press."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.browser.test_page_for_all import serious
from tests.ui.test_models import model_server

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_is_taken_and_given_back_by_keyboard(shared_browser: None) -> None:
    async with (
        model_server() as port,
        AppProcess(["-m", "tests.ui.demo"], {"DEMO_OLLAMA": str(port)}) as demo,
        chromium(viewport={"width": 390, "height": 844}) as context,
    ):
        page = VoicePage(await context.new_page())
        await page.open(demo.url)
        keyboard = page.page.keyboard
        await page.page.locator("#va-providers").click()
        press = page.part("models").get_by_role("button", name="Let Ollama answer")
        await expect(press).to_be_visible()
        await expect(page.part("models")).to_contain_text("llama3.2:3b")
        assert await serious(page.page) == []
        await press.focus()
        await keyboard.press("Enter")
        back = page.part("models").get_by_role("button", name="Use the built-in agent again")
        await expect(back).to_be_focused()
        await expect(page.part("models")).to_contain_text("Ollama on this machine (llama3.2:3b) answers now")
        await expect(page.part("who")).to_contain_text("Ollama · llama3.2:3b")
        assert await page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await keyboard.press("Enter")
        await expect(press).to_be_focused()
        await expect(back).to_be_hidden()
        await expect(page.part("who")).not_to_contain_text("Ollama")


async def test_where_none_answers_the_page_says_what_to_start(shared_demo: AppProcess) -> None:
    async with chromium() as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        await page.page.locator("#va-providers").click()
        await expect(page.part("models")).to_contain_text("No model server answers on this machine. Start Ollama")
