"""How long a user hears and reads nothing when a provider hangs: ``python -m tests.bench.first_sentence``.

The app runs in a process of its own with the offline server for its providers, which stalls, drips, loses commits, or
is stopped altogether. A caller of the API asks one question. ``nothing for`` is the longest time, after the last sound
of the question, in which neither a sentence was told nor any sound of an answer played; ``first sentence`` is when the
first one was told.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.attacks.target import ROOT, Process, providers_of_our_own
from tests.attacks.wire import Wire
from tests.voices import RATE, flite
from voice_agents.audio import Pcm, silence, to_bytes

QUESTION = "What time is it in Tokyo, and what is seven times eight?"
AT_MOST_S = 8.0
LOOKED_AT_S = 40.0
FRAME_S = 0.02
STOPPED = "stopped"
"""Instead of a fault: the whole server stands still from the question on."""
CASES = (
    ("sandwich", "spoken", (
        "stt:stall", "stt:stall:after=1", "stt:stall:after=2", "stt:stall:after=4",
        "stt:drip:delay=2", "stt:drip:delay=6", "stt:drip:delay=20:after=1",
        "stt:late-commit:delay=5", "stt:late-commit:delay=20", "stt:missing-commit",
        "chat:stall", "chat:stall:after=1", "chat:stall:after=4", "chat:drip:delay=1", "chat:drip:delay=4",
        "tts:stall", "tts:stall:after=1", "tts:stall:after=3", "tts:drip:delay=1", "tts:drip:delay=4",
        STOPPED,
    )),
    ("sandwich", "typed", ("chat:stall", "chat:drip:delay=2", "tts:stall", "tts:drip:delay=8", STOPPED)),
    ("realtime", "spoken", (
        "realtime:stall", "realtime:stall:after=1", "realtime:stall:after=2", "realtime:stall:after=3",
        "realtime:stall:after=6", "realtime:stall:after=10", "realtime:stall:after=14", "realtime:stall:after=20",
        "realtime:drip:delay=1", "realtime:drip:delay=4", "realtime:drip:delay=10:after=2",
        "realtime:late-commit:delay=20", "realtime:missing-commit", STOPPED,
    )),
    ("realtime", "typed", ("realtime:stall:after=2", "realtime:stall:after=5", "realtime:drip:delay=2", STOPPED)),
)  # fmt: skip


@dataclass
class Told:
    """What came back, and when, in seconds after the question."""

    sentences: list[tuple[float, str]] = field(default_factory=list)
    first_sound_s: float | None = None
    nothing_s: float = 0.0
    over_s: float | None = None
    _since: float = 0.0

    def sentence(self, at: float, text: str) -> None:
        self._until(at)
        self.sentences.append((at, text))

    def sound(self, at: float, seconds: float) -> None:
        if at < 0:
            return
        if self.first_sound_s is None:
            self.first_sound_s = at
        self._until(at)
        self._since = max(self._since, at) + seconds

    def over(self, at: float) -> None:
        if self.over_s is None and at > 0:
            self._until(at)
            self.over_s = at

    def _until(self, at: float) -> None:
        if not self.sentences:  # who has been told waits knowingly
            self.nothing_s = max(self.nothing_s, at - self._since)


@asynccontextmanager
async def house() -> AsyncIterator[tuple[Wire, Process, str, str]]:
    """The offline server's wire (its key in every request), its process, the app's address and the key."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        offline, address, key, env = await stack.enter_async_context(providers_of_our_own(folder))
        env["DATABASE_URL"] = f"sqlite:///{folder}/conversations.sqlite3"
        app = await stack.enter_async_context(Process([str(ROOT / "app.py"), "--port", "0"], env, folder))
        url = await app.finds(r"(http://[^\s]+?)/?(?:\s|$)")
        host, _, port = address.removeprefix("http://").rpartition(":")
        yield Wire(host, int(port)), offline, url, key


async def talk(socket: ClientConnection, speech: Pcm, said: Callable[[], None]) -> None:
    """A microphone that never rests; ``said`` when the question is over."""
    loop = asyncio.get_running_loop()
    size, due = round(FRAME_S * RATE), loop.time()
    with suppress(ConnectionClosed):
        while True:
            frame, speech = speech[:size], speech[size:]
            pcm = frame if len(frame) == size else silence(FRAME_S, RATE)
            await socket.send(json.dumps({"type": "audio", "data": base64.b64encode(to_bytes(pcm)).decode()}))
            if len(frame) and not len(speech):
                said()
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - loop.time()))


async def ask(url: str, engine: str, how: str, stop: Callable[[], None]) -> Told:
    """One question to one fresh conversation."""
    loop, told = asyncio.get_running_loop(), Told()
    asked_at = float("inf")
    speech = flite(QUESTION, "rms")

    def asked() -> None:
        nonlocal asked_at
        asked_at = loop.time()

    async def listen(socket: ClientConnection) -> None:
        async for frame in socket:
            message, at = json.loads(frame), loop.time() - asked_at
            at = max(at, -len(speech) / RATE)
            match message["type"]:
                case "error" | "notice":
                    told.sentence(at, message["message"])
                case "audio" | "tts_audio":
                    pcm = base64.b64decode(message["data"])
                    told.sound(at, len(pcm) / 2 / RATE)
                case "complete" | "done":
                    told.over(at)
                    if told.over_s is not None:
                        return

    mode = f"{url.replace('http', 'ws', 1)}/ws/{engine}?turns=automatic"
    async with connect(mode, max_size=None, proxy=None) as socket:
        await socket.recv()
        stop()
        talking = asyncio.create_task(talk(socket, speech if how == "spoken" else speech[:0], asked))
        if how == "typed":
            await socket.send(json.dumps({"type": "text", "text": QUESTION}))
            asked()
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(len(speech) / RATE + LOOKED_AT_S):
                await listen(socket)
        talking.cancel()
    if told.over_s is None:
        told.over(loop.time() - asked_at)
        told.over_s = None
    return told


def show(engine: str, how: str, fault: str, told: Told) -> bool:
    """One row; whether it was quick enough."""
    first = told.sentences[0] if told.sentences else (None, "")
    cells = "".join(
        f"{'-' if value is None else format(value, '.1f'):>10}"
        for value in (first[0], told.first_sound_s, told.nothing_s, told.over_s)
    )
    quick = told.nothing_s <= AT_MOST_S
    print(f"{engine + ', ' + how:18}{fault:32}{cells}  {'' if quick else 'TOO LONG  '}{first[1]}", flush=True)
    for at, text in told.sentences[1:]:
        print(f"{'':50}{at:>10.1f}{'':32}{text}")
    return quick


async def main(only: str, times: Sequence[int]) -> int:
    slow = 0
    async with house() as (wire, offline, url, key):
        headers = [("api-key", key)]
        print(f"{'':18}{'fault':32}{'sentence':>10}{'sound':>10}{'nothing':>10}{'over':>10}  first sentence")
        for engine, how, faults in CASES:
            for fault in faults:
                for count in times if fault != STOPPED else [0]:
                    name = fault if fault == STOPPED else f"{fault}:times={count}"
                    if only not in f"{engine} {how} {name}":
                        continue
                    if fault != STOPPED:
                        await wire.post("/faults", [name], headers)
                    stop = (lambda: os.kill(offline.pid, signal.SIGSTOP)) if fault == STOPPED else (lambda: None)
                    told = await ask(url, engine, how, stop)
                    os.kill(offline.pid, signal.SIGCONT)
                    await wire.ask("DELETE", "/faults", headers)
                    slow += not show(engine, how, name, told)
    print(f"{slow} waited longer than {AT_MOST_S:.0f} s")
    return int(slow > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows with this in their name, like 'chat:' or 'realtime spoken'")
    parser.add_argument("--times", default="-1", help="connections that are struck, -1: all of them (several: -1,1)")
    options = parser.parse_args()
    raise SystemExit(asyncio.run(main(options.only, [int(count) for count in options.times.split(",")])))
