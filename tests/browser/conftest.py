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


@pytest.fixture
async def demo() -> AsyncIterator[AppProcess]:
    """The page with the fake engine."""
    executable()
    async with AppProcess(["-m", "tests.ui.demo"]) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_demo() -> AsyncIterator[AppProcess]:
    """One demo page for all tests of a file that do not kill it, and one browser."""
    executable()
    async with AppProcess(["-m", "tests.ui.demo"]) as process, one_browser():
        yield process


@pytest.fixture
async def voice_page(demo: AppProcess, spoken: Path) -> AsyncIterator[VoicePage]:
    """The demo page, open and ready."""
    async with chromium(spoken, viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.open(demo.url)
        yield page
