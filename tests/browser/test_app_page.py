"""The real app in a real browser: no key, no network, flite's voices at the microphone."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.helpers.chromium import PLAYED_RATE, VoicePage, chromium, microphone_file
from tests.browser.helpers.heard import bursts, likeness, longest_hole_s, spoken, starved
from tests.browser.helpers.process import AppProcess
from tests.voices import RATE, flite, padded
from voice_agents.audio import Pcm, first_audible
from voice_agents.offline.tts import SAMPLE_RATE

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER_S = 25.0
"""A loaded machine takes its time."""
ATTEMPTS = 3
HARMLESS_S = 0.05
"""What is played has no hole when a machine stands still for so long."""

NO_KEYS = {name: "" for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_KEY", "ELEVENLABS_API_KEY", "APP_PASSWORD")}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def app(shared_browser: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[AppProcess]:
    """``python app.py`` with a database of its own."""
    database = tmp_path_factory.mktemp("app") / "conversations.sqlite3"
    async with AppProcess(["app.py", "--port"], {**NO_KEYS, "DATABASE_URL": f"sqlite:///{database}"}) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="session")
async def page(app: AppProcess) -> AsyncIterator[VoicePage]:
    """A browser in front of it, ready, whose microphone says what it is told."""
    async with chromium(viewport={"width": 1280, "height": 900}) as context:
        page = VoicePage(await context.new_page())
        await page.open(app.url)
        yield page


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for something that was said."""

    text: str
    sound: Pcm
    """What the browser played from then on, at PLAYED_RATE."""


async def ask(page: VoicePage, words: str, voice: str, right: str) -> Answer:
    """Say something in a call and wait until it is answered out loud.

    Said again when the answer is not ``right`` (a pattern), as a person would: on a loaded machine the offline
    recogniser gives up early. How often it understands at once is measured by ``tests.bench.phrases``.
    """
    for _ in range(ATTEMPTS):
        before, played = await page.answers().count(), await page.played_samples()
        await page.speak(padded(flite(words, voice)), RATE)
        with contextlib.suppress(AssertionError):
            await expect(page.answers()).not_to_have_count(before, timeout=1000 * ANSWER_S)
            await page.shows("Listening", ANSWER_S)
            said = await page.answers().last.inner_text()
            if re.search(right, said, re.IGNORECASE):
                return Answer(said, await page.played(played))
    raise AssertionError(f"{words!r} in the voice {voice} was not answered with {right!r}: {await page.transcript()}")


async def tell(page: VoicePage, words: str, right: str) -> None:
    """Type something in a call, where it is not the point that it is understood; returns when the answer was played."""
    await page.type(words)
    await expect(page.answers().last).to_contain_text(re.compile(right), timeout=1000 * ANSWER_S)
    await page.shows("Listening", ANSWER_S)


QUESTIONS = [
    ("what time is it in tokyo", "slt", r"^It is .* in Tokyo\.$"),
    ("what's seven times eight", "rms", r"^The answer is fifty-six\.$"),
]


async def test_spoken_questions_are_transcribed_answered_and_heard_and_what_is_not_understood_is_said(
    page: VoicePage,
) -> None:
    await page.record()
    await page.shows("Listening")
    for words, voice, right in QUESTIONS:
        for attempt in range(1, ATTEMPTS + 1):
            with starved() as starved_s:
                answer = await ask(page, words, voice, right)
            heard = Heard.of(answer.sound, await spoken(answer.text))
            if heard.is_as_wanted:
                break
            assert attempt < ATTEMPTS and starved_s() >= HARMLESS_S, f"{answer.text} {heard}"
            sys.stdout.write(f"{answer.text} was {heard} on a machine that stood still for {starved_s():.1f} s\n")
        await page.says(words)
    await ask(page, "the birch canoe slid on the smooth planks", "rms", "not understand")
    assert page.foreign == [], "nothing is loaded from elsewhere"


@dataclass(frozen=True, slots=True)
class Heard:
    """How the last stretch of sound differs from the one that is wanted."""

    longer_s: float
    hole_s: float
    """By how much its longest hole is longer."""
    likeness: float

    @classmethod
    def of(cls, played: Pcm, wanted: Pcm) -> Heard:
        """Of what was played at PLAYED_RATE, and what was to be heard at SAMPLE_RATE."""
        (sound,) = bursts(played, PLAYED_RATE)[-1:]
        return cls(
            len(sound) / PLAYED_RATE - len(wanted) / SAMPLE_RATE,
            longest_hole_s(sound, PLAYED_RATE) - longest_hole_s(wanted, SAMPLE_RATE),
            likeness(sound, PLAYED_RATE, wanted, SAMPLE_RATE),
        )

    @property
    def is_as_wanted(self) -> bool:
        return abs(self.longer_s) <= 0.15 and self.hole_s < 0.04 and self.likeness > 0.9


async def test_the_conversation_is_remembered_even_when_the_process_is_killed(page: VoicePage, app: AppProcess) -> None:
    await page.record()
    await page.shows("Listening")
    await tell(page, "My name is Robert.", "Robert")
    await page.hang_up()
    identity = await page.page.evaluate("localStorage.getItem('voice-agents')")
    await app.kill()
    await page.shows("Reconnecting", ANSWER_S)
    await app.start()
    await page.shows("Ready", ANSWER_S)
    await page.says("Nice to meet you, Robert.")
    assert await page.page.evaluate("localStorage.getItem('voice-agents')") == identity
    await page.record()
    await page.shows("Listening")
    await ask(page, "what's my name", "rms", "Robert")


async def test_speaking_into_an_answer_stops_it_and_is_answered(app: AppProcess, tmp_path: Path) -> None:
    """With a WAV as the device, so that the browser's own echo cancellation is in the way as in life."""
    story, question = flite("tell me a story"), flite("what time is it in tokyo", "rms")
    words = np.concatenate([padded(story, 2.5, 7.5), *[padded(question, 0.0, 14.0)] * 2])
    async with chromium(microphone_file(tmp_path / "microphone.wav", words, RATE, then_silence_s=60.0)) as context:
        page = VoicePage(await context.new_page())
        await page.open(app.url)
        await page.record()
        await page.says("tell me a story", ANSWER_S)
        await page.shows("Speaking", ANSWER_S)
        unheard = page.part("chat").locator("del")
        await expect(unheard).to_contain_text("never felt alone again", timeout=1000 * ANSWER_S)
        await expect(page.answers().last).to_contain_text(re.compile("It is .* in Tokyo"), timeout=1000 * ANSWER_S)
        await page.shows("Listening", ANSWER_S)  # the words are written before they are spoken
        told = await page.answers().first.inner_text()
        assert "Once upon a time" in told.replace(await unheard.inner_text(), "")
        story_sound, *answers = bursts(await page.played(), PLAYED_RATE)
        assert len(story_sound) / PLAYED_RATE < 15, "told to its end the story takes more than half a minute"
        assert answers, "the sound stopped, and came again with the answer"


async def test_a_conversation_begun_in_one_tab_is_known_in_the_other(page: VoicePage) -> None:
    await page.record()
    await page.shows("Listening")
    await tell(page, "My name is Robert.", "Robert")
    other = VoicePage(page.page, "realtime")
    await other.choose_tab()
    await other.says("Nice to meet you, Robert.")
    await other.record()
    await other.shows("Listening")
    answer = await ask(other, "what's my name", "rms", "Robert")
    assert bursts(answer.sound, PLAYED_RATE), "the other engine's answer is heard too"
    assert await page.most_microphones() == 1


async def test_two_browsers_see_and_hear_only_their_own_conversation(page: VoicePage, app: AppProcess) -> None:
    async with chromium() as context:
        other = VoicePage(await context.new_page())
        await other.open(app.url)
        for each in (page, other):
            await each.record()
            await each.shows("Listening")
        await ask(page, "my name is robert", "rms", "Robert")
        assert first_audible(await other.played(), 300) is None
        assert await other.answers().count() == 0
        silent_so_far = await page.played_samples()
        answer = await ask(other, "what's my name", "slt", "name")
        assert "Robert" not in answer.text
        assert first_audible(await page.played(silent_so_far + PLAYED_RATE), 300) is None
        assert await page.answers().count() == 1
        assert first_audible(await other.played(), 300) is not None
