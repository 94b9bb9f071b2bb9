"""The page for everybody: by keyboard alone, with a screen reader, on a small phone, over a slow line."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.helpers.chromium import VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.browser.test_truth import LOSE_PEER

pytestmark = pytest.mark.asyncio(loop_scope="session")


AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
ANSWER = "It is ten past nine in the evening"
MOST_BYTES = 700_000
"""Half of what gradio and fastrtc would load."""
SMALLEST_TARGET_PX = 44
PHONE = {"width": 390, "height": 844}


@asynccontextmanager
async def a_page(url: str, dark: bool = False, **viewport: int) -> AsyncIterator[VoicePage]:
    """The page, ready, in one of its themes."""
    size = viewport or {"width": 1280, "height": 900}
    async with chromium(viewport=size, color_scheme="dark" if dark else "light") as context:
        page = VoicePage(await context.new_page())
        await page.open(url)
        yield page


async def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out."""
    await page.evaluate(AXE)
    found: dict[str, Any] = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{problem['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for problem in found["violations"]
        if problem["impact"] in ("serious", "critical")
        for node in problem["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_serious_in_any_state(shared_demo: AppProcess, dark: bool) -> None:
    async with a_page(shared_demo.url, dark) as page:
        assert await serious(page.page) == [], "empty"
        await page.record()
        await page.shows("Listening")
        await page.type("hello")
        await page.says(ANSWER)
        assert await serious(page.page) == [], "in a call"
        await page.page.keyboard.press("m")
        assert await serious(page.page) == [], "muted"
        for name in ("Settings", "Timing", "Conversations", "Who does what"):
            await page.page.get_by_role("button", name=name).or_(page.page.get_by_title(name)).first.click()
            assert await serious(page.page) == [], name
            await page.page.locator("dialog[open]").get_by_role("button", name="Close").click()
        await page.page.context.set_offline(True)
        await page.page.evaluate(LOSE_PEER)
        await page.shows("Reconnecting")
        assert await serious(page.page) == [], "error"


async def test_a_whole_call_and_an_interruption_by_keyboard_alone(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        keyboard = page.page.keyboard
        await focus(page, "talk")
        await keyboard.press("Enter")
        await page.shows("Listening")
        await keyboard.press("/")
        await keyboard.type("hello")
        await keyboard.press("Enter")
        await page.shows("Speaking")
        await keyboard.press("Escape")
        await expect(page.part("chat").locator("del")).to_contain_text("you would like to know?")
        await focus(page, "end")
        await keyboard.press("Enter")
        await page.shows("Ready")
        await keyboard.press("?")
        await expect(page.page.get_by_role("dialog", name="Keys")).to_be_visible()
        await keyboard.press("Escape")
        await expect(page.page.get_by_role("dialog", name="Keys")).not_to_be_visible()
        await keyboard.press("n")
        await expect(page.part("chat")).not_to_contain_text("hello")
        await page.told("A new conversation.")
        await page.part("action").press("Enter")
        await page.says("hello")


async def focus(page: VoicePage, part: str) -> None:
    """Go to a part of the tab with the Tab key."""
    wanted = f"{page.kind}-{part}"
    for _ in range(40):
        if await page.page.evaluate("document.activeElement.id") == wanted:
            return
        await page.page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not lead to {wanted}")


async def test_every_stop_of_the_tab_key_can_be_seen(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        seen = set()
        for _ in range(40):
            await page.page.keyboard.press("Tab")
            ghost = await page.page.evaluate(
                """() => { const at = document.activeElement, box = at.getBoundingClientRect();
                return at !== document.body && (box.width < 2 || box.height < 2) ? at.outerHTML.slice(0, 200) : ""; }"""
            )
            assert ghost == ""
            seen.add(await page.page.evaluate("document.activeElement.id"))
        assert {"sandwich-talk", "va-providers", "va-open-settings", "sandwich-send"} <= seen


async def test_a_screen_reader_hears_finals_and_states_once(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.type("hello")
        finals = page.page.locator("#va-finals")
        await expect(finals).to_contain_text("You: hello")
        await expect(page.page.locator("#va-status")).to_have_text("Speaking")
        await expect(finals).to_contain_text(f"Agent: {ANSWER}", timeout=15_000)
        assert (await finals.inner_text()).count(ANSWER) == 1
        await page.open(shared_demo.url)
        assert await finals.inner_text() == "", "what was said earlier is not read out again"


async def test_holding_space_speaks_and_is_remembered(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.page.keyboard.down(" ")
        await page.shows("Listening")
        assert await page.page.evaluate("__microphones.at(-1).enabled") is True
        await page.page.keyboard.up(" ")
        await page.page.wait_for_function("__microphones.at(-1).enabled === false")
        await page.told("Hold the button, or Space, while you speak.")
        await page.open(shared_demo.url)
        await expect(page.part("mode").locator("input:checked")).to_have_value("push to talk")


async def test_a_long_press_on_the_button_speaks_until_it_is_let_go(shared_demo: AppProcess) -> None:
    async with a_page(shared_demo.url) as page:
        await page.part("talk").hover()
        await page.page.mouse.down()
        await page.shows("Listening")
        assert await page.page.evaluate("__microphones.at(-1).enabled") is True
        await page.page.mouse.up()
        await page.page.wait_for_function("__microphones.at(-1).enabled === false")
        await page.microphones_are(1)


@pytest.mark.parametrize("width", [320, 390, 820])
async def test_nothing_is_cut_off_or_too_small_to_press(shared_demo: AppProcess, width: int) -> None:
    async with a_page(shared_demo.url, width=width, height=700) as page:
        await page.record()
        await page.shows("Listening")
        await page.type("averylongwordwithoutanyspaceinit" * 6)
        await page.says(ANSWER)
        wide = "() => [document.documentElement.scrollWidth, document.querySelector('.va-scroll').scrollWidth]"
        assert max(await page.page.evaluate(wide)) <= width
        outside = await page.page.evaluate(
            """width => [...document.querySelectorAll("button, textarea")].filter((it) => it.checkVisibility())
            .map((it) => [it.id || it.textContent, it.getBoundingClientRect()])
            .filter(([, box]) => box.width > 2 && (box.left < 0 || box.right > width + 0.5)).map(([name]) => name)""",
            width,
        )
        assert outside == []
        if width < 500:
            assert await too_small(page.page) == []


async def too_small(page: Page) -> list[str]:
    """What a thumb would miss, and text that would make a phone zoom."""
    return list(
        await page.evaluate(
            """least => [...document.querySelectorAll(".va-header button, .va-dock button, .va-dock textarea")]
            .filter((it) => it.checkVisibility()).map((it) => [it, it.getBoundingClientRect()])
            .filter(([it, box]) => box.height < least - 0.5 || box.width < 39.5
              || (it.tagName === "TEXTAREA" && parseFloat(getComputedStyle(it).fontSize) < 16))
            .map(([it, box]) => `${it.id} ${box.width}x${box.height}`)""",
            SMALLEST_TARGET_PX,
        )
    )


async def test_the_page_is_light_and_loads_without_a_complaint(shared_demo: AppProcess) -> None:
    async with chromium(viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        sizes: dict[str, int] = {}
        urls: dict[str, str] = {}
        complaints: list[str] = []
        page.page.on("console", lambda it: complaints.append(it.text) if it.type == "error" else None)
        page.page.on("pageerror", lambda it: complaints.append(str(it)))
        network = await context.new_cdp_session(page.page)
        await network.send("Network.enable")
        network.on("Network.responseReceived", lambda it: urls.update({it["requestId"]: it["response"]["url"]}))
        network.on("Network.loadingFinished", lambda it: sizes.update({it["requestId"]: it["encodedDataLength"]}))
        await page.open(shared_demo.url)
        ready_ms = await page.page.evaluate("performance.now()")
        sys.stdout.write(f"{ready_ms:9.0f} ms from the address to a button that can be pressed\n")
        await page.page.wait_for_load_state("networkidle")
        for request, size in sorted(sizes.items(), key=lambda it: -it[1])[:8]:
            sys.stdout.write(f"{size:9.0f} {urls.get(request, '')[:110]}\n")
        sys.stdout.write(f"{sum(sizes.values()):9.0f} bytes in all\n")
        assert complaints == []
        assert sum(sizes.values()) <= MOST_BYTES
