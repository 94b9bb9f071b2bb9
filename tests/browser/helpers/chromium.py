"""Headless Chromium with a WAV file as its microphone, and what its page plays as samples."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.async_api import Browser, BrowserContext, CDPSession, Frame, Page, async_playwright, expect

from voice_agents.audio import Pcm, from_bytes, resample, write_wav

PLAYED_RATE = 48_000

_RECORDER = (Path(__file__).parent / "recorder.js").read_text(encoding="utf-8")
_MICROPHONE = (Path(__file__).parent / "microphone.js").read_text(encoding="utf-8")
_FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --autoplay-policy=no-user-gesture-required "
    "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
)


_AS_NICE = Path(__file__).parent / "as_nice.sh"
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first is the same engine without windows to draw around the page: half the processor time of an opened page."""


def executable() -> str:
    """Chromium's path; skips the test when there is none."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium is installed (Debian package chromium-headless-shell, or chromium)")
    return found


def microphone_file(path: Path, pcm: Pcm, rate: int, then_silence_s: float = 20.0) -> Path:
    """A WAV for :func:`chromium`; Chromium repeats it for ever, so a long silence follows the words."""
    padded = np.concatenate([resample(pcm, rate, PLAYED_RATE), np.zeros(round(then_silence_s * PLAYED_RATE), np.int16)])
    write_wav(path, padded, PLAYED_RATE)
    return path


@dataclass(slots=True)
class _Shared:
    """The browser of an event loop, and its profiles that nobody uses at the moment, by their options."""

    browser: Browser
    free: dict[str, list[_Profile]] = field(default_factory=dict)


_shared: dict[asyncio.AbstractEventLoop, _Shared] = {}


@asynccontextmanager
async def one_browser() -> AsyncIterator[None]:
    """While it is open, :func:`chromium` on this event loop gives profiles of one process: two seconds less each."""
    loop = asyncio.get_running_loop()
    async with _launched(()) as browser:
        _shared[loop] = _Shared(browser)
        try:
            yield
        finally:
            del _shared[loop]


@asynccontextmanager
async def chromium(
    microphone: Path | None = None, flags: Sequence[str] = (), scripts: Sequence[str] = (), **context: Any
) -> AsyncIterator[BrowserContext]:
    """A fresh browser (own profile; own process unless it is inside :func:`one_browser` and needs no arguments).

    Its microphone plays the WAV ``microphone`` from its first opening on; without one, what :meth:`VoicePage.speak`
    is told to say. ``flags``: further ones of its command line. ``scripts`` run before those of each page.

    Inside :func:`one_browser` a profile without scripts may be one that was used before. Nothing is left in it but what
    it has loaded, which it need not load again: a fifth of the processor time of an opened page.
    """
    all_flags = [*flags, *([f"--use-file-for-fake-audio-capture={microphone}"] if microphone else [])]
    shared = None if all_flags else _shared.get(asyncio.get_running_loop())
    own = [*(() if microphone else (_MICROPHONE,)), _RECORDER, *scripts]
    if shared is None:
        async with _launched(all_flags) as browser, await _context(browser, own, context) as fresh:
            yield fresh
    elif scripts:
        async with await _context(shared.browser, own, context) as fresh:
            yield fresh
    else:
        free = shared.free.setdefault(repr(sorted(context.items())), [])
        profile = free.pop() if free else await _Profile.made(await _context(shared.browser, own, context))
        try:
            yield profile.context
        except BaseException:  # who knows what is left in it
            await profile.context.close()
            raise
        await profile.clear()
        free.append(profile)


async def _context(browser: Browser, scripts: Sequence[str], options: Mapping[str, Any]) -> BrowserContext:
    still: dict[str, Any] = {"reduced_motion": "reduce", **options}
    fresh = await browser.new_context(permissions=["microphone"], **still)
    for script in scripts:
        await fresh.add_init_script(script)
    return fresh


class _Profile:
    """A profile that one test after another uses."""

    def __init__(self, context: BrowserContext, storage: CDPSession, page: Page) -> None:
        self.context = context
        self._storage = storage
        self._page = page
        self._origins = set[str]()
        """Where its pages have been."""
        context.on("page", lambda opened: opened.on("framenavigated", self._note))

    @classmethod
    async def made(cls, context: BrowserContext) -> Self:
        """With an empty page, through which it is cleared."""
        page = await context.new_page()
        return cls(context, await context.new_cdp_session(page), page)

    async def clear(self) -> None:
        """Close its pages, and forget all that they have stored."""
        for page in self.context.pages:
            if page is not self._page:
                await page.close()
        await self.context.unroute_all()
        await self.context.set_offline(False)
        await self.context.clear_cookies()
        for origin in self._origins:
            await self._storage.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        self._origins.clear()

    def _note(self, frame: Frame) -> None:
        parts = urlsplit(frame.url)
        if parts.netloc:
            self._origins.add(f"{parts.scheme}://{parts.netloc}")


@asynccontextmanager
async def _launched(flags: Sequence[str]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        arguments = [*_FLAGS.split(), *flags]
        own = executable()
        browser = await playwright.chromium.launch(
            executable_path=_AS_NICE if os.name == "posix" else own,
            env={**os.environ, "CHROMIUM": own},
            headless=True,
            args=arguments,
        )
        try:
            yield browser
        finally:
            await browser.close()


class VoicePage:
    """One tab of the app's page, used as a person uses it. ``kind``: "sandwich" or "realtime"; ``own``: its address."""

    def __init__(self, page: Page, kind: str = "sandwich", own: str = "http://127.0.0.1") -> None:
        self.page = page
        self._own = own
        self.kind = kind
        self.foreign: list[str] = []
        """Addresses outside this machine the page really asked for."""
        page.on("requestfinished", lambda request: self._note(request.url))

    async def open(self, url: str) -> None:
        """Load the page and wait until it can be used."""
        await self.page.goto(url)
        shown = self.page.locator(".va-tab:not([hidden]) [id$='-status']")  # the other engine's is not drawn
        await expect(shown).to_have_text("Ready", timeout=20_000)

    def part(self, name: str) -> Any:
        """The locator of ``#<kind>-<name>``."""
        return self.page.locator(f"#{self.kind}-{name}")

    def answers(self) -> Any:
        """The locator of the agent's words, tool calls left out."""
        return self.part("chat").locator("[data-testid=bot] .va-words")

    async def transcript(self) -> str:
        """All that stands in it, in one line."""
        return " | ".join((await self.part("chat").inner_text()).split("\n"))

    async def lines(self) -> list[tuple[str, str]]:
        """What was said: ("user" or "bot", the words), tool calls left out."""
        found = self.part("chat").locator("[data-testid=user], [data-testid=bot]")
        words = "them => them.map((it) => [it.dataset.testid, it.querySelector('.va-words').innerText.trim()])"
        said = await found.evaluate_all(words)
        return [(who, text) for who, text in said]

    async def choose_tab(self) -> None:
        """Turn to this tab."""
        await self.page.get_by_role("tab", name=self.kind.capitalize()).click()

    async def live_microphones(self) -> int:
        """How many microphone tracks are open now."""
        return int(await self.page.evaluate("__liveMicrophones()"))

    async def most_microphones(self) -> int:
        """How many were open at once, at most, since the page was loaded."""
        return int(await self.page.evaluate("__mostLive"))

    async def microphones_are(self, number: int, within_s: float = 10.0) -> None:
        """Wait until so many are open."""
        await self.page.wait_for_function(
            "number => __liveMicrophones() === number", arg=number, timeout=within_s * 1000
        )

    async def record(self) -> None:
        """Start a call: one press."""
        await self.part("talk").click()

    async def hang_up(self) -> None:
        """End the call."""
        await self.part("end").click()

    async def open_settings(self) -> None:
        """Show the settings of this tab."""
        await self.page.get_by_role("button", name="Settings").click()

    async def close_settings(self) -> None:
        """Hide them again."""
        await self.part("settings").get_by_role("button", name="Close").click()

    async def told(self, words: str, within_s: float = 15.0) -> None:
        """Wait for words in the line of truth."""
        await expect(self.part("truth")).to_contain_text(words, timeout=within_s * 1000)

    async def speak(self, pcm: Pcm, rate: int) -> None:
        """Say this into the microphone of a browser without a WAV; returns when it is said."""
        samples = resample(pcm, rate, PLAYED_RATE).astype("<i2").tobytes()
        await self.page.evaluate("pcm => __say(pcm)", base64.b64encode(samples).decode())

    async def type(self, text: str) -> None:
        """Send a typed message."""
        await self.part("text").locator("textarea").fill(text)
        await self.part("send").click()

    async def shows(self, status: str, within_s: float = 15.0) -> None:
        """Wait for a status word."""
        await expect(self.part("status")).to_have_text(status, timeout=within_s * 1000)

    async def says(self, words: str, within_s: float = 15.0) -> None:
        """Wait for words in the transcript, however they are capitalised."""
        await expect(self.part("chat")).to_contain_text(words, timeout=within_s * 1000, ignore_case=True)

    async def played(self, since: int = 0) -> Pcm:
        """Everything played so far but the first ``since`` samples, mono at 48 kHz, silences included."""
        return from_bytes(base64.b64decode(await self.page.evaluate("since => __playedBase64(since)", since)))

    async def played_samples(self) -> int:
        """How much was played so far."""
        return int(await self.page.evaluate("__playedSamples()"))

    def _note(self, url: str) -> None:
        if not url.startswith((self._own, "data:", "blob:")):
            self.foreign.append(url)
