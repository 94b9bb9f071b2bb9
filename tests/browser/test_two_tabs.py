"""Two tabs, one conversation, never two microphones; with the fake engine behind both."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.helpers.chromium import VoicePage
from tests.voices import RATE, flite

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = flite("What time is it in Tokyo?")
ANSWER = "It is ten past nine in the evening"


@pytest.fixture
def realtime_page(voice_page: VoicePage) -> VoicePage:
    """The same page's other tab."""
    return VoicePage(voice_page.page, "realtime")


async def test_what_was_said_in_one_tab_stands_in_the_other(voice_page: VoicePage, realtime_page: VoicePage) -> None:
    await voice_page.type("remember me")
    await voice_page.says("else you would like to know?")
    await realtime_page.choose_tab()
    await realtime_page.says("remember me")
    await realtime_page.says("else you would like to know?")
    await realtime_page.type("and now here")
    await realtime_page.shows("Speaking")
    await voice_page.choose_tab()
    await voice_page.says("and now here")


async def test_leaving_the_tab_ends_its_call_and_shuts_the_microphone(
    voice_page: VoicePage, realtime_page: VoicePage
) -> None:
    await voice_page.record()
    await voice_page.shows("Listening")
    await voice_page.speak(QUESTION, RATE)
    await voice_page.says(ANSWER)
    assert await voice_page.live_microphones() == 1
    await realtime_page.choose_tab()
    await realtime_page.shows("Ready")
    await expect(realtime_page.part("banner")).to_contain_text("its call was ended")
    await realtime_page.says(ANSWER)
    await realtime_page.microphones_are(0)
    await realtime_page.record()
    await realtime_page.shows("Listening")
    assert await realtime_page.most_microphones() == 1
    await voice_page.choose_tab()
    await voice_page.shows("Ready")
    await voice_page.microphones_are(0)
    await voice_page.record()
    await voice_page.shows("Listening")
    await voice_page.microphones_are(1)
    await voice_page.hang_up()
    await voice_page.microphones_are(0)


async def test_a_call_left_while_it_connects_never_comes_to_life(
    voice_page: VoicePage, realtime_page: VoicePage
) -> None:
    await voice_page.record()
    await realtime_page.choose_tab()
    await realtime_page.microphones_are(0)
    await realtime_page.record()
    await realtime_page.shows("Listening")
    await realtime_page.microphones_are(1)
    assert await realtime_page.most_microphones() == 1


async def test_only_the_realtime_tab_offers_the_servers_detectors(
    voice_page: VoicePage, realtime_page: VoicePage
) -> None:
    await voice_page.open_settings()
    await expect(voice_page.part("patience")).to_be_visible()
    await expect(voice_page.part("detection")).not_to_be_visible()
    await voice_page.close_settings()
    await realtime_page.choose_tab()
    await realtime_page.open_settings()
    await expect(realtime_page.part("patience")).to_be_visible()
    await realtime_page.part("detection").get_by_text("Semantic VAD").click()
    await expect(realtime_page.part("patience")).not_to_be_visible()
    await realtime_page.part("mode").get_by_text("hold to speak").click()
    await expect(realtime_page.part("detection")).not_to_be_visible()
