"""Takes pictures of the page in its states: ``python -m tests.browser.screenshots FOLDER``, with the fake engine."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from playwright.async_api import expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess

SIZES = {1440: 900, 820: 1180, 390: 844}
SETTLE_MS = 400
"""For a sheet to stand and its shadow to be drawn."""


SEEDS = ("Remember to buy oat milk", "How do I say thank you in Finnish?", "Plan a rainy afternoon in Lisbon")


async def take(demo: AppProcess, folder: Path, kind: str, width: int, theme: str) -> None:
    """One tab, size and theme in all states."""
    async with chromium(viewport={"width": width, "height": SIZES[width]}, color_scheme=theme) as context:
        page = VoicePage(await context.new_page(), kind)

        async def keep(state: str) -> None:
            await page.page.wait_for_timeout(SETTLE_MS)
            await page.page.screenshot(path=folder / f"{kind}-{width}-{theme}-{state}.png")

        await VoicePage(page.page).open(demo.url)
        await page.choose_tab()
        await keep("empty")
        await talk_before(page, kind)
        await page.record()
        await page.shows("Listening")
        await page.type("What time is it in Tokyo?")
        await page.shows("Speaking")
        await page.page.wait_for_timeout(2500)
        await page.page.keyboard.press("Escape")
        await page.shows("Listening")
        await page.type("And when is sunset there?")
        await page.shows("Speaking")
        await page.page.wait_for_timeout(2000)
        await keep("call")
        await page.open_settings()
        await keep("settings")
        await page.close_settings()
        await page.shows("Listening")
        await page.page.get_by_role("button", name="Timing").click()
        await keep("timing")
        await page.part("timing").get_by_role("button", name="Close").click()
        await page.page.locator("#va-conversations").click()
        await page.page.get_by_role("button", name="More").nth(1).click()
        await page.page.locator("#va-record").check()
        await keep("conversations")
        await page.page.keyboard.press("Escape")
        await page.page.context.set_offline(True)
        await expect(page.part("status")).to_have_text("Reconnecting")
        await keep("error")


async def talk_before(page: VoicePage, kind: str) -> None:
    """Some conversations of earlier, and a turn of the other engine in this one, to be compared with."""
    for text in SEEDS:
        await short_turn(page, text)
        await page.page.evaluate("voiceAgents.act('new')")
        await expect(page.part("chat").locator(".va-line")).to_have_count(0)
    other = VoicePage(page.page, "realtime" if kind == "sandwich" else "sandwich")
    await other.choose_tab()
    await short_turn(other, "Good morning!")
    await page.choose_tab()


async def short_turn(page: VoicePage, text: str) -> None:
    await page.type(text)
    await page.shows("Speaking")
    await page.shows("Ready")


async def main(folder: Path, kinds: list[str], widths: list[int]) -> None:
    async with AppProcess(["-m", "tests.ui.demo"], env={"DEMO_FRIENDLY": "1"}) as demo:
        for kind in kinds:
            for width in widths:
                for theme in ("light", "dark"):
                    await take(demo, folder, kind, width, theme)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", default=["sandwich", "realtime"])
    parser.add_argument("--widths", nargs="+", type=int, choices=list(SIZES), default=list(SIZES))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(options.folder, options.kinds, options.widths))
