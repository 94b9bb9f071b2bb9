"""Fixtures: a spoken microphone, the demo page with the fake engine, and a browser in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.browser.helpers.chromium import VoicePage, chromium, executable, microphone_file, one_browser
from tests.browser.helpers.process import AppProcess
from tests.voices import RATE, flite, padded


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A microphone that says "What time is it in Tokyo?" once, after a second."""
    return microphone_file(tmp_path / "microphone.wav", padded(flite("What time is it in Tokyo?"), before_s=1.5), RATE)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_browser() -> AsyncIterator[None]:
    """One browser for all tests that give it no arguments; each has a profile of its own."""
    executable()
    async with one_browser():
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_demo(shared_browser: None) -> AsyncIterator[AppProcess]:
    """The page with the fake engine, for all tests that do not kill it."""
    async with AppProcess(["-m", "tests.ui.demo"]) as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def webrtc_demo(shared_browser: None) -> AsyncIterator[AppProcess]:
    """The same page where calls may go no other way than over WebRTC."""
    async with AppProcess(["-m", "tests.ui.demo"], {"TRANSPORT": "webrtc"}) as process:
        yield process


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def websocket_demo(shared_browser: None) -> AsyncIterator[AppProcess]:
    """The same page where they may go no other way than over the page's own port."""
    async with AppProcess(["-m", "tests.ui.demo"], {"TRANSPORT": "websocket"}) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def voice_page(shared_demo: AppProcess) -> AsyncIterator[VoicePage]:
    """The demo page, open and ready, whose microphone says what it is told."""
    async with chromium(viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        yield page
