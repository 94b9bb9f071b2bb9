"""Many callers, one after the other, a third of them killed: ``python -m tests.bench.endurance``.

The app runs offline in a process of its own. Every caller asks one question: one hangs up in the answer, one hears it
out, one is killed without a goodbye. What the process holds is shown every ten callers; at the end the figures have to
agree with what the callers did, and nothing may be left.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from voice_agents.doctor.callers import SocketCaller, WebRtcCaller, over_socket, over_webrtc
from voice_agents.doctor.process import AppProcess, ScrapedFigures

QUESTION = "What is seven times eight?"
PATIENCE_S = 30.0
OVER_S = 1.5
"""Silence after which an answer was heard out."""
SHOWN_EVERY = 10
TASKS_MORE, FILES_MORE, MEMORY_MORE_MB = 3, 5, 40.0

Ask = Callable[[AppProcess, int], Awaitable[None]]


async def over_the_page(app: AppProcess, number: int) -> None:
    """One caller over WebRTC."""
    async with over_webrtc(app, "sandwich") as caller:
        assert isinstance(caller, WebRtcCaller)
        await ask(caller, number)
        if number % 3 == 2:
            await caller.vanish()


async def over_the_api(app: AppProcess, number: int) -> None:
    """One caller over the WebSocket."""
    async with over_socket(app, "sandwich") as caller:
        assert isinstance(caller, SocketCaller)
        await ask(caller, number)
        if number % 3 == 2:
            caller.vanish()


async def ask(caller: WebRtcCaller | SocketCaller, number: int) -> None:
    """One question; every third caller hears the answer out."""
    await caller.type(QUESTION)
    if await caller.heard.sound(0.0, PATIENCE_S) is None:
        raise RuntimeError(f"caller {number} heard no answer")
    while number % 3 == 1:
        await asyncio.sleep(0.1)
        if asyncio.get_running_loop().time() - caller.heard.loud_at[-1] > OVER_S:
            return


async def callers(app: AppProcess, transport: str, call: Ask, count: int) -> list[ScrapedFigures]:
    """All of them; what the process held every so often."""
    held = []
    for number in range(count):
        await call(app, number)
        if (number + 1) % SHOWN_EVERY == 0 or number + 1 == count:
            held.append(await settled(app))
            print(row(f"{number + 1} {transport}", held[-1]), flush=True)
    return held


async def settled(app: AppProcess) -> ScrapedFigures:
    """Once every session is over; the killed ones are noticed after some seconds."""
    await app.until(lambda figures: not figures.total("voice_agents_sessions"), 60.0)
    await asyncio.sleep(1.0)
    return await app.figures()


def row(name: str, held: ScrapedFigures) -> str:
    memory = held.total("process_resident_memory_bytes") / 1e6
    tasks, files = held.total("voice_agents_tasks"), held.total("process_open_fds")
    return f"{name:14}{tasks:8.0f} tasks{files:8.0f} files{memory:8.0f} MB"


def disagreements(last: ScrapedFigures, count: int) -> list[str]:
    """Where the figures say something else than what happened."""
    killed, left = len(range(2, count, 3)), count - len(range(2, count, 3))
    expected = {
        "calls over WebRTC": (last.total("voice_agents_calls_total", transport="webrtc"), count),
        "calls over WebSocket": (last.total("voice_agents_calls_total", transport="websocket"), count),
        "sessions that ended": (last.total("voice_agents_sessions_ended_total"), 2 * count),
        "WebRTC, hung up": (
            last.total("voice_agents_sessions_ended_total", transport="webrtc", reason="left"), left
        ),
        "WebRTC, no sound any more": (
            last.total("voice_agents_sessions_ended_total", transport="webrtc", reason="no_sound"), killed
        ),
        "WebSocket, hung up or cut off": (
            last.total("voice_agents_sessions_ended_total", transport="websocket", reason="left"), count
        ),
        "turns": (last.total("voice_agents_turns_total"), 2 * count),
        "errors": (last.total("voice_agents_errors_total"), 0),
    }  # fmt: skip
    return [f"{what}: {told:.0f}, not {real}" for what, (told, real) in expected.items() if told != real]


def growth(warm: ScrapedFigures, last: ScrapedFigures) -> list[str]:
    """What became more after the first callers had everything loaded."""
    found = []
    for what, name, most in (
        ("tasks", "voice_agents_tasks", TASKS_MORE),
        ("files", "process_open_fds", FILES_MORE),
        ("MB", "process_resident_memory_bytes", MEMORY_MORE_MB * 1e6),
    ):
        if (more := last.total(name) - warm.total(name)) > most:
            found.append(f"{more / (1e6 if what == 'MB' else 1):.0f} {what} more")
    return found


async def main(count: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder))
        try:
            await app.start()
            print(row("before", await app.figures()), flush=True)
            first = await callers(app, "WebRTC", over_the_page, count)
            second = await callers(app, "WebSocket", over_the_api, count)
            held = [*first, *second]
            wrong = disagreements(held[-1], count) + growth(first[0], held[-1])
        finally:
            await app.end()
    print("\n".join(wrong) or "The figures agree with what happened, and nothing was left.")
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=50, help="of each kind")
    options = parser.parse_args()
    sys.exit(asyncio.run(main(options.callers)))
