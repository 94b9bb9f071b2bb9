"""CPU seconds a conversation costs the app: ``python -m tests.bench.cpu``.

Three processes: the provider with fixed delays, the caller (this one, a frame every 20 ms), and the app, whose CPU
alone is told. The app gets the caller's frames through a pipe; ``feed`` is what waking up for them and reading them
costs without a session. The other figures are told with it and without. ``idle`` is a session whose microphone sends
digital silence, ``room`` one that sends the hiss of a quiet room, ``conversation`` a question every few seconds, each
answered in full. ``--package`` takes the engine from another checkout, to measure before and after in turns;
``--speculation off`` begins no answer early.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import numpy as np

from tests.bench.provider import VOICES, fixed_delays
from tests.bench.subject import PHRASES, PROVIDERS, Kind, arguments, engine_of
from tests.voices import flite, resampled
from voice_agents.audio import Pcm, from_bytes
from voice_agents.events import AgentAudio, Failed, TurnDone
from voice_agents.session.base import Session
from voice_agents.settings import Settings, Speculation, TurnSettings

FRAME_S = 0.02
HISS = 10.0
"""Standard deviation of the room's samples, -70 dBFS."""
TURN_S = 60.0
"""A turn that takes longer has failed."""
SETTLES_S = 2.0
RATES = {Kind.SANDWICH: 16_000, Kind.REALTIME: 24_000}
NOBODY = "nobody"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class App:
    """The app's process as its caller knows it: frames in, a byte back for each turn that is done."""

    def __init__(self, process: subprocess.Popen[bytes], rate: int, hiss: float) -> None:
        self.done = 0
        self._process = process
        self._hiss = hiss
        self._size = round(FRAME_S * rate)
        self._speech: Pcm = np.zeros(0, dtype=np.int16)
        self._news = asyncio.Event()
        self._failed = False

    async def __aenter__(self) -> Self:
        assert self._process.stdout is not None
        await asyncio.to_thread(self._process.stdout.read, 1)
        asyncio.get_running_loop().add_reader(self._process.stdout, self._take)
        self._talking = asyncio.create_task(self._talk())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._talking.cancel()
        await asyncio.wait([self._talking])
        asyncio.get_running_loop().remove_reader(self._process.stdout)  # pyrefly: ignore[bad-argument-type]

    async def ask(self, speech: Pcm) -> None:
        """Say this, and hear the answer to its end."""
        wanted, self._speech = self.done + 1, speech
        async with asyncio.timeout(TURN_S):
            while self.done < wanted:
                self._news.clear()
                await self._news.wait()
                if self._failed:
                    raise RuntimeError("The session reported a failure.")

    async def share(self, seconds: float) -> float:
        """The share of a core it uses for so long."""
        with self.measured() as result:
            await asyncio.sleep(seconds)
        return result[0]

    @contextlib.contextmanager
    def measured(self) -> Iterator[list[float]]:
        """Afterwards the list holds the share of a core it used in the block."""
        result: list[float] = []
        began, cpu = time.monotonic(), cpu_s(self._process.pid)
        yield result
        result.append((cpu_s(self._process.pid) - cpu) / (time.monotonic() - began))

    def _take(self) -> None:
        told = os.read(self._process.stdout.fileno(), 4096)  # pyrefly: ignore[missing-attribute]
        self.done += told.count(b"d")
        self._failed = self._failed or b"f" in told or not told
        self._news.set()

    async def _talk(self) -> None:
        assert self._process.stdin is not None
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            frame, self._speech = self._speech[: self._size], self._speech[self._size :]
            rest = self._size - len(frame)
            room = np.random.normal(scale=self._hiss, size=rest) if self._hiss else np.zeros(rest)
            self._process.stdin.write(np.concatenate([frame, room.astype(np.int16)]).tobytes())
            self._process.stdin.flush()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))


def cpu_s(pid: int) -> float:
    """Seconds of CPU a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / TICKS_PER_S


@contextlib.asynccontextmanager
async def app(
    kind: Kind, provider: str, hiss: float, package: str = ".", speculation: Speculation = Speculation.CAREFUL
) -> AsyncIterator[App]:
    """The app in a process of its own, with one session; ``provider`` may be ``NOBODY``."""
    command = [sys.executable, "-m", "tests.bench.cpu", "--engine", kind, "--serve", provider]
    if speculation is not Speculation.CAREFUL:  # another checkout may not know the option
        command += ["--speculation", speculation]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=package) as process:  # noqa: ASYNC220
        async with App(process, RATES[kind], hiss) as running:
            await asyncio.sleep(SETTLES_S)
            yield running
        assert process.stdin is not None
        process.stdin.close()


async def conversation(running: App, rate: int, seconds: float) -> tuple[float, int]:
    """The app's share of a core while caller and agent take turns, and how many turns there were."""
    await running.ask(resampled(flite(PHRASES[0]), rate))
    began = time.monotonic()
    with running.measured() as result:
        while time.monotonic() - began < seconds:
            speech = flite(PHRASES[running.done % len(PHRASES)], VOICES[running.done % len(VOICES)])
            await running.ask(resampled(speech, rate))
    return result[0], running.done - 1


# The app's side


class Nobody:
    """Takes what the caller sends and says nothing."""

    def push_audio(self, pcm: Pcm) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[TurnDone]:
        await asyncio.Event().wait()
        raise AssertionError("nobody ends this wait")
        yield  # makes it a generator


async def serve(kind: Kind, provider: str, speculation: Speculation) -> None:
    """Until the standard input closes."""
    if provider == NOBODY:
        await _attend(cast(Session, Nobody()), RATES[kind])
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(provider)
        async with (
            engine_of(kind, settings) as engine,
            engine.session(turns=TurnSettings(adaptive=False, speculation=speculation)) as session,
        ):
            assert session.input_rate == RATES[kind]
            await _attend(session, session.input_rate)


async def _attend(session: Session, rate: int) -> None:
    loop, over, size = asyncio.get_running_loop(), asyncio.Event(), 2 * round(FRAME_S * rate)

    def take() -> None:
        if not (frames := os.read(0, size)):
            return over.set()
        return session.push_audio(from_bytes(frames))

    os.write(1, b"r")
    loop.add_reader(0, take)
    telling = asyncio.create_task(_tell(session))
    await over.wait()
    loop.remove_reader(0)
    telling.cancel()
    await asyncio.wait([telling])


async def _tell(session: Session) -> None:
    async for event in session:
        match event:
            case AgentAudio(pcm=pcm):
                pcm.tobytes()
            case TurnDone():
                os.write(1, b"d")
            case Failed():
                os.write(1, b"f")


async def main(options: argparse.Namespace) -> None:
    kind, seconds, package, speculation = options.engine, options.seconds, options.package, options.speculation
    for phrase in PHRASES:
        for voice in VOICES:
            flite(phrase, voice)
    with fixed_delays(PROVIDERS[kind]) as provider:
        async with app(kind, NOBODY, HISS, package) as running:
            feed = await running.share(seconds / 2)
        print(f"{'feed':14}{60 * feed:6.2f} CPU seconds a minute")
        for name, hiss in () if options.only else (("idle", 0.0), ("room", HISS)):
            async with app(kind, provider, hiss, package) as running:
                print(_line(name, await running.share(seconds / 2), feed))
        async with app(kind, provider, HISS, package, speculation) as running:
            share, turns = await conversation(running, RATES[kind], seconds)
        print(f"{_line('conversation', share, feed)} ({turns} turns in {seconds:.0f} s)")


def _line(name: str, share: float, feed: float) -> str:
    return f"{name:14}{60 * share:6.2f} CPU seconds a minute, {60 * (share - feed):.2f} without the feed"


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", action="store_true", help="the conversation (and the feed) alone")
    parser.add_argument(
        "--speculation",
        type=Speculation,
        choices=tuple(Speculation),
        default=Speculation.CAREFUL,
        help="of the Sandwich",
    )
    parser.add_argument("--package", default=".", help="the folder of the checkout whose engine is measured")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(serve(given.engine, given.serve, given.speculation) if given.serve else main(given))
