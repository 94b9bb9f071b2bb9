"""How soon a browser hears the agent give way: ``python -m tests.bench.giving_way_in_chromium``.

The page in headless Chromium, its engine in a process of its own, the provider with fixed delays in a third. The
browser asks, hears three seconds of the answer, a tone, and interrupts it with a sentence, over and over. Both times
are taken in the page, from the clocks of its sound: the first sample of the sentence within 30 dB of its loud parts as
it enters the browser's microphone, and what the page plays, as its last node gives it to the loudspeaker. So the
browser, both ways of the network and what waits in the page are in it; the loudspeaker's own delay is not.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.bench.giving_way import SENTENCES, UNSEEN, VOICES, spoken
from tests.bench.provider import fixed_delays
from tests.bench.subject import PROVIDERS, Kind
from tests.bench.table import show
from tests.bench.transports import serving
from tests.browser.helpers.chromium import VoicePage, chromium
from tests.voices import RATE, onset

LEVELS = (Path(__file__).parents[1] / "browser/helpers/levels.js").read_text(encoding="utf-8")
WITHOUT_WEBRTC = "delete window.RTCPeerConnection; delete window.webkitRTCPeerConnection;"
WAYS = {"WebRTC": "", "the page's own port": WITHOUT_WEBRTC}
LISTENS_S = 3.4
"""An interruption before has to prove itself longer."""
LOOKS_S = 0.2
ANSWERS_S, ASKED = 12.0, 3
AUDIBLE_DB, SOUNDING = -40.0, 0.95
DIP_DB, SILENCE_DB = -14.0, -40.0
"""Against the answer: 15 dB with a codec in between, and nothing."""
SILENT_MS = 150.0
WINDOW_MS = 10.0
"""More than two periods of the answer's tone."""

Track = NDArray[np.float64]
"""Shape (n, 2): when each block of samples was played, in ms of the page's clock, and its mean square."""


@dataclass
class Yields:
    """In seconds since the first sample of each interruption."""

    quieter: list[float] = field(default_factory=list)
    silent: list[float] = field(default_factory=list)
    missed: int = 0
    """Interruptions before whose end the agent did not become quieter or did not fall silent."""

    @property
    def tried(self) -> int:
        """Of those for which there was an answer to interrupt: a machine that is too busy plays none without gaps."""
        return len(self.silent) + self.missed

    def add(self, played: Track, spoke_ms: float, until_ms: float) -> None:
        """One interruption: what was played around it."""
        at, level_db = smoothed(played)
        before = level_db[(at > spoke_ms - 600) & (at < spoke_ms)]
        answer_db = float(np.median(before))
        after = (at >= spoke_ms) & (at < until_ms)
        quieter = at[after & (level_db < answer_db + DIP_DB)]
        quiet = at[after & (level_db < answer_db + SILENCE_DB)]
        silent = [t for t in quiet.tolist() if _quiet_from(at, level_db < answer_db + SILENCE_DB, t)]
        if not len(quieter) or not silent:
            self.missed += 1
            return
        self.quieter.append((quieter[0] - spoke_ms) / 1000)
        self.silent.append((silent[0] - spoke_ms) / 1000)


def smoothed(played: Track) -> tuple[Track, Track]:
    """When each window begins, and its level in dB."""
    length = max(1, round(WINDOW_MS / float(np.median(np.diff(played[:, 0])))))
    power = np.convolve(played[:, 1], np.full(length, 1 / length), "valid")
    return played[: len(power), 0], 10 * np.log10(power + 1e-12)


def _quiet_from(at: Track, quiet: NDArray[np.bool_], since: float) -> bool:
    return bool(quiet[(at >= since) & (at < since + SILENT_MS)].all())


class Ear:
    """Follows what the page plays."""

    def __init__(self, page: VoicePage) -> None:
        self._page = page
        self._played: list[list[float]] = []

    async def look(self) -> Track:
        """All of it so far."""
        self._played += await self._page.page.evaluate("__levels.splice(0)")
        return np.array(self._played or [[0.0, 0.0]])

    async def listens(self, seconds: float) -> bool:
        """Wait until the answer has sounded for so long; where none does, ask for one. False: none ever did."""
        for _ in range(ASKED):
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWERS_S):
                    while not _sounds(await self.look(), seconds):  # noqa: ASYNC110  # the page is looked at
                        await asyncio.sleep(LOOKS_S)
                    return True
            await self._page.type("go on")
        return False


def _sounds(played: Track, seconds: float) -> bool:
    """All the time until now, but for what a busy machine leaves out."""
    last = played[played[:, 0] > played[-1, 0] - 1000 * seconds]
    if len(last) < 100 or played[-1, 0] - played[0, 0] < 1000 * seconds:
        return False
    _, level_db = smoothed(last)
    return bool(np.mean(level_db > max(AUDIBLE_DB, np.median(level_db) + DIP_DB)) > SOUNDING)


async def interrupt(kind: Kind, way: str, voices: Sequence[str], times: int) -> Yields:
    """One call with so many interruptions."""
    found = Yields()
    with fixed_delays(PROVIDERS[kind]) as provider, serving(provider, kind) as (url, _):
        async with chromium(scripts=[WAYS[way] + LEVELS]) as context:
            page = VoicePage(await context.new_page(), kind.value)
            await page.open(url)
            await page.record()
            await page.shows("Listening")
            await page.type("hello")
            ear = Ear(page)
            for number in range(times):
                if not await ear.listens(LISTENS_S):
                    break
                speech = spoken(SENTENCES[number // len(voices) % len(SENTENCES)], voices[number % len(voices)])
                await page.speak(speech, RATE)
                from_ms = float(await page.page.evaluate("__saidFrom"))
                played = await ear.look()
                found.add(played, from_ms + 1000 * onset(speech) / RATE, from_ms + 1000 * len(speech) / RATE)
    return found


async def main(kinds: Sequence[Kind], ways: Sequence[str], voices: Sequence[str], times: int) -> None:
    """A table for each engine and way."""
    for kind in kinds:
        for way in ways:
            found = await interrupt(kind, way, voices, times)
            rows = {"quieter by 15 dB": found.quieter, "silent": found.silent}
            show(f"{kind.value} over {way}: first sample of an interruption -> in the browser", rows)
            print(f"{'did not become quiet while spoken to':40}{found.missed} of {found.tried}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=Kind, choices=tuple(Kind), nargs="*", default=list(Kind))
    parser.add_argument("--times", type=int, default=24, help="interruptions of each engine over each way")
    parser.add_argument("--way", choices=tuple(WAYS), nargs="*", default=list(WAYS))
    parser.add_argument("--unseen", action="store_true", help="voices by which nothing was chosen")
    options = parser.parse_args()
    asyncio.run(main(options.engine, options.way, UNSEEN if options.unseen else VOICES, options.times))
