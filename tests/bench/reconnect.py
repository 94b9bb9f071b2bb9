"""How soon a Realtime conversation goes on after its connection was cut: ``python -m tests.bench.reconnect``.

Over the offline server. The wire is cut in the middle of an answer, in the middle of the user's sentence and when a
tool has just been called. Each answer must be the right one, and the user told in one line.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.caller import RealTimeCaller
from tests.bench.table import show
from tests.cuttable import Cuttable
from tests.voices import flite, resampled
from voice_agents.engines.engine import RealtimeEngine
from voice_agents.engines.server_answer import RealtimeConnection
from voice_agents.errors import ProviderError
from voice_agents.events import AgentAudio, Event, Failed, Notice, ToolCalled
from voice_agents.offline.server import OfflineServer
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.settings import Settings

VOICES = ("slt", "rms", "awb")


@dataclass(frozen=True)
class Situation:
    """When to cut, and what shows that nothing was lost."""

    words: str
    cut_at: type[Event] | float
    """At the first such event, or so many seconds into the sentence."""
    answer: str
    """Something the answer says."""


SITUATIONS = {
    "in the answer": Situation("tell me a story please", AgentAudio, "never felt alone again"),
    "in the sentence": Situation("what is twelve times seven", 0.8, "eighty"),
    "during a tool": Situation("what time is it in tokyo", ToolCalled, "Tokyo"),
}


class WatchedEngine(RealtimeEngine):
    """Notes when its sessions' connections change."""

    opened: asyncio.Queue[float]

    def realtime(
        self, config: RealtimeConfig, past: Callable[[], Sequence[PastItem]], on_connection: ConnectionListener
    ) -> RealtimeConnection:
        self.opened = asyncio.Queue()

        def note(state: ConnectionState, error: ProviderError | None) -> None:
            if state is ConnectionState.OPEN:
                self.opened.put_nowait(asyncio.get_running_loop().time())
            on_connection(state, error)

        return super().realtime(config, past, note)


async def measure(engine: WatchedEngine, wire: Cuttable, situation: Situation, voice: str) -> float:
    """One turn, cut once: the seconds until there was a connection again."""
    async with engine.session() as session, RealTimeCaller(session) as caller:
        await engine.opened.get()
        speaking = asyncio.create_task(caller.say(resampled(flite(situation.words, voice), session.input_rate)))
        if isinstance(situation.cut_at, float):
            await asyncio.sleep(situation.cut_at)
        else:
            while not any(isinstance(event, situation.cut_at) for event in caller.events):
                await caller.news()
        cut_at = asyncio.get_running_loop().time()
        wire.cut()
        back_at = await engine.opened.get()
        await speaking
        heard = (await caller.turn_done(1)).heard_text
        told = [event for event in caller.events if isinstance(event, Notice | Failed)]
        if situation.answer not in heard or len(told) != 1:
            raise RuntimeError(f"{situation.words!r} was answered {heard!r}, and the user told {told}")
        return back_at - cut_at


async def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with OfflineServer() as server, Cuttable(server.url) as wire:
            settings = Settings(database=Path(folder) / "bench.sqlite3").with_offline(wire.url)
            async with WatchedEngine(settings) as engine:
                rows: dict[str, list[float]] = {name: [] for name in SITUATIONS}
                for number in range(times * len(SITUATIONS)):
                    name = list(SITUATIONS)[number % len(SITUATIONS)]
                    voice = VOICES[number // len(SITUATIONS) % len(VOICES)]
                    rows[name].append(await measure(engine, wire, SITUATIONS[name], voice))
    show("Connection cut -> connected again", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="how often in each situation")
    asyncio.run(main(parser.parse_args().times))
