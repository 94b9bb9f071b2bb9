"""What one test did in the browser, the next one does not find there."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.helpers.chromium import chromium
from tests.browser.helpers.process import AppProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEEP = """async () => {
  localStorage.setItem("kept", "1");
  document.cookie = "kept=1";
  await (await caches.open("kept")).put("/kept", new Response("1"));
  await new Promise((done) => (indexedDB.open("kept").onsuccess = done));
  await (await navigator.storage.getDirectory()).getFileHandle("kept", { create: true });
}"""
FOUND = """async () => [
  ...Object.keys(localStorage),
  document.cookie,
  ...(await caches.keys()),
  ...(await indexedDB.databases()).map((it) => it.name),
  ...(await Array.fromAsync((await navigator.storage.getDirectory()).keys())),
].filter(Boolean)"""


async def test_a_profile_that_was_used_before_is_empty(shared_demo: AppProcess) -> None:
    async with chromium() as context:
        page = await opened(context, shared_demo)
        await page.evaluate(KEEP)
        assert len(await page.evaluate(FOUND)) == 5
        await context.set_offline(True)
    async with chromium() as again:
        assert again is context, "else there is nothing to be seen here"
        page = await opened(again, shared_demo)
        assert await page.evaluate(FOUND) == []


async def opened(context: BrowserContext, demo: AppProcess) -> Page:
    """A page of the app that runs nothing."""
    page = await context.new_page()
    await page.goto(f"{demo.url}/page/static/dock.js")
    return page
