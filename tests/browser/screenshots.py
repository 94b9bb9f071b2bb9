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
        await page.record()
        await page.shows("Listening")
        await page.type("What time is it in Tokyo?")
        await page.shows("Speaking")
        await page.page.wait_for_timeout(1500)
        await page.page.keyboard.press("Escape")
        await page.shows("Listening")
        await page.type("And is there anything else?")
        await page.shows("Speaking")
        await page.page.wait_for_timeout(1500)
        await keep("call")
        await page.open_settings()
        await keep("settings")
        await page.close_settings()
        await page.shows("Listening")
        await page.page.get_by_role("button", name="Timing").click()
        await keep("timing")
        await page.part("timing").get_by_role("button", name="Close").click()
        await page.page.context.set_offline(True)
        await expect(page.part("status")).to_have_text("Reconnecting")
        await keep("error")


async def main(folder: Path) -> None:
    async with AppProcess(["-m", "tests.ui.demo"]) as demo:
        for kind in ("sandwich", "realtime"):
            for width in SIZES:
                for theme in ("light", "dark"):
                    await take(demo, folder, kind, width, theme)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    wanted = parser.parse_args().folder
    wanted.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(wanted))
