"""Runs the tools a Realtime server asks for, all calls of a response at once, while audio goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from voice_agents.alarm import Alarm
from voice_agents.conversation.deeds import Deed
from voice_agents.engines.realtime.turn import CANCELLED, RealtimeTurn, ToolRun
from voice_agents.engines.reporter import Reporter
from voice_agents.engines.tasks import Tasks
from voice_agents.events import Notice, ToolReturned
from voice_agents.tools import Toolbox, ToolResult

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

    def recognise(self, turn: RealtimeTurn, runs: Sequence[ToolRun]) -> None:
        """Find out which calls ask for what was done already for this turn: they are told that, and nobody else is."""
        for run in runs:
            run.deed = turn.deeds.again(self._toolbox, run.call.name, run.call.arguments)
            run.repeated = run.deed is not None

    def start(self, turn: RealtimeTurn, runs: Sequence[ToolRun], on_done: Callable[[], None]) -> None:
        """Run the calls; ``on_done`` follows when the server has been told every result."""
        self._runs = list(runs)
        self._work = self._tasks.start_core(self._run(turn, on_done))

    def cancel(self, turn: RealtimeTurn) -> None:
        """The turn was cut: tools still at work stop, and the server is told that they have no result.

        Those with side effects go on, and it is told theirs.
        """
        if self._work is not None:
            self._work.cancel()
        for run in [run for run in self._runs if run.result is None]:
            if run.deed is None:
                self._settle(turn.number, run, CANCELLED, error=True)
            else:
                self._tasks.start(self._finish(turn.number, run, run.deed))
        self._runs = []

    async def _run(self, turn: RealtimeTurn, on_done: Callable[[], None]) -> None:
        announcing = Alarm(self._tasks.guard)
        announcing.set(asyncio.get_running_loop().time() + SLOW_TOOL_S, self._announce)
        try:
            await asyncio.gather(*(self._call(turn, run) for run in self._runs))
        finally:
            announcing.cancel()
        on_done()

    async def _call(self, turn: RealtimeTurn, run: ToolRun) -> None:
        name, arguments = run.call.name, run.call.arguments or "{}"
        if run.deed is None:  # another call of this response may ask for the same
            run.deed = turn.deeds.again(self._toolbox, name, arguments)
        if run.deed is None:
            run.deed = turn.deeds.begin(self._toolbox, name, run.args, run.call.call_id)
        if run.deed is not None:
            await self._finish(turn.number, run, run.deed)
        else:
            result = await self._toolbox.call(name, arguments)
            self._settle(turn.number, run, result.text, error=result.error)

    async def _finish(self, turn: int, run: ToolRun, deed: Deed) -> None:
        await asyncio.wait([deed.work])
        result = deed.result or ToolResult(CANCELLED, error=True)
        self._settle(turn, run, result.text, error=result.error)

    def _settle(self, turn: int, run: ToolRun, result: str, *, error: bool) -> None:
        if run.result is None:
            run.settle(result, error)
        if not run.repeated:
            self._tell.emit(ToolReturned, turn=turn, call_id=run.call.call_id, result=result, error=error)
        self._to_server(run.call.call_id, result)

    def _announce(self) -> None:
        names = ", ".join(run.call.name.replace("_", " ") for run in self._runs if run.result is None)
        self._tell.emit(Notice, level="info", text=f"Still working on it: {names}.")
