"""Runs the tools a Realtime server asks for, all calls of a response at once, while audio goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from voice_agents.alarm import Alarm
from voice_agents.engines.realtime.turn import CANCELLED, RealtimeTurn, ToolRun
from voice_agents.engines.reporter import Reporter
from voice_agents.engines.tasks import Tasks
from voice_agents.events import Notice, ToolReturned
from voice_agents.tools import Toolbox

SLOW_TOOL_S = 2.5
"""A tool that takes longer is announced in the page."""


class ToolRunner:
    """``to_server`` gets the id and the result of every call, once."""

    def __init__(self, toolbox: Toolbox, tasks: Tasks, tell: Reporter, to_server: Callable[[str, str], None]) -> None:
        self._toolbox = toolbox
        self._tasks = tasks
        self._tell = tell
        self._to_server = to_server
        self._work: asyncio.Task[None] | None = None
        self._runs: list[ToolRun] = []

    @property
    def running(self) -> bool:
        """A tool is at work."""
        return any(run.result is None for run in self._runs)

    def start(self, turn: RealtimeTurn, runs: Sequence[ToolRun], on_done: Callable[[], None]) -> None:
        """Run the calls; ``on_done`` follows when the server has been told every result."""
        self._runs = list(runs)
        self._work = self._tasks.start(self._run(turn.number, on_done))

    def cancel(self, turn: RealtimeTurn) -> None:
        """The turn was cut: tools still at work stop, and the server is told that they have no result."""
        if self._work is not None:
            self._work.cancel()
        for run in [run for run in self._runs if run.result is None]:
            self._settle(turn.number, run, CANCELLED, error=True)
        self._runs = []

    async def _run(self, turn: int, on_done: Callable[[], None]) -> None:
        announcing = Alarm()
        announcing.set(asyncio.get_running_loop().time() + SLOW_TOOL_S, self._announce)
        try:
            await asyncio.gather(*(self._call(turn, run) for run in self._runs))
        finally:
            announcing.cancel()
        on_done()

    async def _call(self, turn: int, run: ToolRun) -> None:
        result = await self._toolbox.call(run.call.name, run.call.arguments or "{}")
        if run.result is None:
            self._settle(turn, run, result.text, error=result.error)

    def _settle(self, turn: int, run: ToolRun, result: str, *, error: bool) -> None:
        run.settle(result, error)
        self._tell.emit(ToolReturned, turn=turn, call_id=run.call.call_id, result=result, error=error)
        self._to_server(run.call.call_id, result)

    def _announce(self) -> None:
        names = ", ".join(run.call.name.replace("_", " ") for run in self._runs if run.result is None)
        self._tell.emit(Notice, level="info", text=f"Still working on it: {names}.")
