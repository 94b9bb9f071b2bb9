"""The page in a real browser, with the fake engine behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import expect

from tests.browser.helpers.chromium import PLAYED_RATE, VoicePage, chromium
from tests.browser.helpers.process import AppProcess
from tests.voices import RATE, flite
from voice_agents.audio import Pcm, first_audible

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUESTION = flite("What time is it in Tokyo?")


def longest_hole_s(pcm: Pcm, loud: int = 1000) -> float:
    """The longest stretch below ``loud`` between the first and the last loud sample, in seconds."""
    at = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= loud)
    return float(np.diff(at).max(initial=0)) / PLAYED_RATE


async def test_a_spoken_question_is_shown_answered_and_heard(shared_demo: AppProcess, spoken: Path) -> None:
    """With a WAV as the device, so that the browser's own handling of a microphone is in the way as in life."""
    async with chromium(spoken, viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.open(shared_demo.url)
        await is_answered(page)


async def is_answered(voice_page: VoicePage) -> None:
    """What its microphone says is written, answered and heard."""
    await voice_page.record()
    await voice_page.shows("Hearing you")
    await voice_page.says("what time is it in tokyo")
    await voice_page.shows("Speaking")
    await voice_page.says("It is ten past nine in the evening")
    await voice_page.shows("Listening")
    await expect(voice_page.part("latency")).to_contain_text("Voice to voice")
    played = await voice_page.played()
    answer = played[first_audible(played, 1000) :]
    assert np.count_nonzero(np.abs(answer.astype(np.int32)) > 1000) > 3.0 * PLAYED_RATE, (
        "the answer is four seconds long"
    )
    assert longest_hole_s(answer) < 0.06
    await voice_page.hang_up()
    await voice_page.shows("Ready")


async def test_words_in_the_page_are_never_markup(voice_page: VoicePage) -> None:
    await voice_page.type("<img src=x onerror=\"document.title='broken'\"> *not bold* [x](javascript:alert(1))")
    await voice_page.says("*not bold* [x](javascript:alert(1))")
    await voice_page.says("<b>Japan</b>")
    assert await voice_page.page.title() == "Voice Agents"
    assert await voice_page.part("chat").locator("img, strong, em, a, b").count() == 0


async def test_nothing_is_loaded_from_elsewhere(voice_page: VoicePage) -> None:
    await voice_page.record()
    await voice_page.shows("Listening")
    speaking = asyncio.create_task(voice_page.speak(QUESTION, RATE))
    await voice_page.shows("Hearing you")
    await speaking
    assert voice_page.foreign == []


async def test_an_interrupted_answer_shows_what_was_not_heard(voice_page: VoicePage) -> None:
    await voice_page.type("hello")
    await voice_page.shows("Speaking")
    await voice_page.page.keyboard.press("Escape")
    await expect(voice_page.part("chat").locator("del")).to_contain_text("you would like to know?")


async def test_the_conversation_survives_reloads_and_begins_anew_only_when_asked(
    voice_page: VoicePage, shared_demo: AppProcess
) -> None:
    await voice_page.type("remember me")
    await voice_page.says("remember me")
    await voice_page.open(shared_demo.url)
    await voice_page.says("remember me")
    await voice_page.page.get_by_role("button", name="New conversation").click()
    await expect(voice_page.part("chat")).not_to_contain_text("remember me")
    await voice_page.open(shared_demo.url)
    await expect(voice_page.part("chat")).not_to_contain_text("remember me")


async def test_push_to_talk_sends_only_what_is_said_while_held(voice_page: VoicePage) -> None:
    await voice_page.open_settings()
    await voice_page.part("mode").get_by_text("hold to speak").click()
    await voice_page.close_settings()
    await voice_page.record()
    await voice_page.told("Hold the button, or Space, while you speak.")
    await voice_page.part("talk").hover()
    await voice_page.page.mouse.down()
    speaking = asyncio.create_task(voice_page.speak(QUESTION, RATE))
    await voice_page.says("what time is it in tokyo")
    await voice_page.shows("Hearing you")
    await voice_page.page.mouse.up()
    await speaking
    await voice_page.shows("Thinking")
