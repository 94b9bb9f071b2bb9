"""WebRTC and the page's own port side by side: ``python -m tests.bench.transports``.

One process serves the page with the engine, this one holds the callers, a third one the provider with fixed delays.
Every caller asks, hears three seconds of the answer and interrupts it with the next question, over and over. ``CPU`` is
the serving process's, per call and minute of it; ``voice to voice`` and ``stop`` are taken where the callers hear:
from the last sample they sent to the first sound, and from the first sound of their speech to the last of the answer;
``quieter`` to the first that is 12 dB below the others.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
import uvicorn
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from fastapi import FastAPI

from tests.bench.provider import VOICES, fixed_delays
from tests.bench.subject import PHRASES, Kind, engine_of
from tests.bench.table import show
from tests.browser.helpers.process import free_port
from tests.transports.page_caller import FRAME_S, PageCaller, page_call
from tests.transports.rtc_client import RATE as RTC_RATE
from tests.transports.rtc_client import RtcCaller
from tests.voices import RATE, flite, onset, resampled
from voice_agents.audio import Pcm, first_audible
from voice_agents.conversation.history import HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.session.base import Session
from voice_agents.settings import Settings
from voice_agents.transports.live import SessionRequest
from voice_agents.transports.page_call import PATH
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.identity import identity_of
from voice_agents.ui.page import build_page
from voice_agents.ui.realtime_tab import realtime_tab
from voice_agents.ui.sandwich_tab import KIND, sandwich_tab
from voice_agents.ui.voice_tab import TabSpec

LISTENS_S = 3.2
"""An interruption before has to prove itself longer."""
FURTHEST_S = 15.0
ANSWERING_S = 0.3
"""An answer that was heard so shortly before a question is interrupted by it."""
DIPS_TO = 10 ** (-12 / 20)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
TABS: Mapping[Kind, Callable[[], TabSpec]] = {Kind.SANDWICH: sandwich_tab, Kind.REALTIME: realtime_tab}


@dataclass
class Figures:
    """Of all callers of one kind."""

    voice_to_voice: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    """Of answers that sounded when the question began."""
    quieter: list[float] = field(default_factory=list)
    """... to the first sound that is 12 dB below the answer's."""
    told: list[float] = field(default_factory=list)
    """The caller's first sound -> it is told to fall silent; the rest of ``stop`` is its own."""
    cpu_s: float = 0.0
    minutes: float = 0.0
    unanswered: int = 0
    """Questions that nobody was heard to answer within ``FURTHEST_S``: the machine is too small for so many calls."""


class Line:
    """A call by either way. All times are readings of the event loop's clock."""

    rate: int
    sounds: list[float]
    """When each audible piece was over, oldest first."""
    dips: list[float]
    """When it became quieter."""
    hushed: Sequence[float] = ()
    """When it was told to fall silent, where that is told."""

    @property
    def count(self) -> int:
        """How many there are; asked so often that it must cost nothing, or the callers themselves are what is slow."""
        return len(self.sounds)

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        """When the first and the last sample were sent."""
        raise NotImplementedError


class RtcLine(RtcCaller, Line):
    """A call over WebRTC, heard behind aiortc's jitter buffer."""

    rate = RTC_RATE

    async def __aenter__(self) -> RtcLine:
        self.sounds, self.dips, self._loudest = [], [], 0
        await super().__aenter__()
        return self

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        began = asyncio.get_running_loop().time()
        self.microphone.say(pcm)
        await asyncio.sleep(len(pcm) / RTC_RATE)
        return began, began + len(pcm) / RTC_RATE

    async def _listen(self, track: MediaStreamTrack) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                pcm = (await track.recv()).to_ndarray().reshape(-1, 2)[:, 0]
                if first_audible(pcm, 300) is not None:
                    self.sounds.append(loop.time())
                    self._loudest = max(self._loudest, int(pcm.max()))
                    if pcm.max() < self._loudest * DIPS_TO:
                        self.dips.append(loop.time())
        except MediaStreamError:
            return


class PageLine(Line):
    """A call over the page's own port, heard behind a jitter buffer of 60 ms."""

    def __init__(self, caller: PageCaller) -> None:
        self._caller = caller
        self.rate = caller.input_rate

    @property
    def sounds(self) -> list[float]:  # pyrefly: ignore[bad-override]
        now = asyncio.get_running_loop().time()
        pieces = self._caller.pieces
        return [it.at + len(it.pcm) / self._caller.output_rate for it in pieces if it.at + FRAME_S <= now]

    @property
    def dips(self) -> list[float]:  # pyrefly: ignore[bad-override]
        return self._caller.dips

    @property
    def hushed(self) -> Sequence[float]:  # pyrefly: ignore[bad-override]
        return self._caller.clears

    @property
    def count(self) -> int:
        begun = asyncio.get_running_loop().time() - FRAME_S
        return bisect_right(self._caller.pieces, begun, key=lambda piece: piece.at)

    async def say(self, pcm: Pcm) -> tuple[float, float]:
        await self._caller.say(pcm)
        return self._caller.first_sent, self._caller.last_sent


Dial = Callable[[str, Conversation], AsyncIterator[Line]]


@asynccontextmanager
async def over_webrtc(url: str, conversation: Conversation) -> AsyncIterator[Line]:
    wanted = {**identity_of(conversation), "patience": 0.5, "mode": "automatic"}
    async with RtcLine(url, f"{KIND}-mic", wanted) as line:
        yield line


@asynccontextmanager
async def over_the_port(url: str, conversation: Conversation) -> AsyncIterator[Line]:
    address = url.replace("http", "ws") + PATH
    async with page_call(address, kind=KIND, **identity_of(conversation), patience=0.5) as caller:
        yield PageLine(caller)


async def converse(line: Line, turns: int, variety: int, figures: Figures) -> None:
    """Ask, listen, interrupt."""
    loop = asyncio.get_running_loop()
    for turn in range(turns):
        speech = flite(PHRASES[(turn + variety) % len(PHRASES)], VOICES[(turn + variety) % len(VOICES)])
        first, last = await line.say(resampled(speech, line.rate))
        spoke_at = first + onset(speech, 30.0) / RATE
        if sounds := [at for at in line.sounds if spoke_at - ANSWERING_S < at < last + 0.2]:
            figures.stop.append(max(sounds) - spoke_at)
            figures.quieter += [
                min(found) - spoke_at for found in [[at for at in line.dips if spoke_at - 0.05 < at < last]] if found
            ]
            figures.told += [min(found) - spoke_at for found in [[at for at in line.hushed if at > spoke_at]] if found]
        heard = line.count
        try:
            async with asyncio.timeout(FURTHEST_S):
                while line.count <= heard:  # noqa: ASYNC110  # both ways are looked at alike
                    await asyncio.sleep(0.005)
        except TimeoutError:
            figures.unanswered += 1
            continue
        figures.voice_to_voice.append(line.sounds[heard] - FRAME_S - last)
        await asyncio.sleep(LISTENS_S + 0.2 - (loop.time() - line.sounds[heard]))


async def measure(dial: Callable[..., object], url: str, pid: int, calls: int, turns: int) -> Figures:
    """So many calls at once."""
    figures = Figures()

    async def one(number: int) -> None:
        await asyncio.sleep(0.37 * number)
        async with dial(url, Conversation()) as line:  # pyrefly: ignore[bad-context-manager]
            await asyncio.sleep(1.0)
            began = time.monotonic()
            await converse(line, turns, number, figures)
            figures.minutes += (time.monotonic() - began) / 60

    before = cpu_s(pid)
    await asyncio.gather(*(one(number) for number in range(calls)))
    figures.cpu_s = cpu_s(pid) - before
    return figures


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / TICKS_PER_S


@contextmanager
def serving(provider: str, kind: Kind = Kind.SANDWICH) -> Iterator[tuple[str, int]]:
    """The page with one engine in a process of its own: its address and its id."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.transports", "--serve", str(port), "--provider", provider]
    command += ["--engine", kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


async def serve(port: int, provider: str, kind: Kind) -> None:
    """The page with one engine, until it is ended."""

    async def nothing(_: Conversation, before: int | None) -> Sequence[HistoryEntry]:
        return []

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(provider)
        async with engine_of(kind, settings) as engine:

            def make(request: SessionRequest) -> Session:
                return engine.session(request.conversation, request.turns)

            async with SessionRegistry(make) as registry:
                page = build_page(settings, registry, [TABS[kind]()], nothing)
                app = gr.mount_gradio_app(FastAPI(routes=page.routes), page.blocks, path="/")
                config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error")
                server = uvicorn.Server(config)
                running = asyncio.create_task(server.serve())
                while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
                    await asyncio.sleep(0.05)
                print("serving", flush=True)
                await running


async def main(calls: int, turns: int) -> None:
    for phrase in PHRASES:
        for voice in VOICES:
            flite(phrase, voice)
    with fixed_delays() as provider:
        for name, dial in (("the page's own port", over_the_port), ("WebRTC", over_webrtc)):
            with serving(provider) as (url, pid):
                await measure(dial, url, pid, 1, 1)
                figures = await measure(dial, url, pid, calls, turns)
            rows = {"voice to voice": figures.voice_to_voice, "quieter": figures.quieter}
            rows |= {"stop": figures.stop, "told to stop": figures.told}
            show(f"{calls} calls over {name}", {row: values for row, values in rows.items() if values})
            print(f"{'CPU':34}{figures.cpu_s / figures.minutes:>8.2f} s per call and minute")
            print(f"{'questions without an answer':34}{figures.unanswered:>6}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--turns", type=int, default=5, help="per call")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--provider", help=argparse.SUPPRESS)
    parser.add_argument("--engine", type=Kind, default=Kind.SANDWICH, help=argparse.SUPPRESS)
    options = parser.parse_args()
    asyncio.run(
        serve(options.serve, options.provider, options.engine) if options.serve else main(options.calls, options.turns)
    )
