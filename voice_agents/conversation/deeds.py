"""What tools with side effects did for one turn of the user: never undone, never done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voice_agents.tools import Toolbox, ToolResult

FINISH_S = 0.5
"""How long what has begun is waited for when its turn is over."""


@dataclass(slots=True, eq=False)
class Deed:
    """One call of a tool with side effects. It goes on when the answer it was done for is cut or taken back."""

    name: str
    args: Mapping[str, Any]
    call_id: str
    effect: str
    """Equal for calls that do the same; see :meth:`Toolbox.effect`."""
    work: asyncio.Task[ToolResult]
    answer: Any = None
    """What a graph is told of it: a message or a command."""
    told: bool = False
    """The user was shown what came of it."""

    @property
    def result(self) -> ToolResult | None:
        """None: it is not over, or was stopped."""
        return self.work.result() if self.work.done() and not self.work.cancelled() else None

    @property
    def failed(self) -> bool:
        """Nothing was done: it may be tried again. What broke half way was perhaps done, and is not tried again."""
        result = self.result
        return result is not None and result.error and not result.uncertain


class Deeds:
    """One per turn of the user, however many answers to it are begun and taken back."""

    def __init__(self) -> None:
        self._withdrawn: list[Deed] = []
        """Of answers that were taken back: what an answer now asks for once more."""
        self._present: list[Deed] = []
        self._allowed = asyncio.Event()
        self._allowed.set()

    def forbid(self) -> None:
        """It is not certain that there is anything to do: nothing with side effects begins before :meth:`allow`."""
        self._allowed.clear()

    def allow(self) -> None:
        """What was to be done is done now."""
        self._allowed.set()

    async def allowed(self) -> None:
        """Wait until something may be done; who is taken back is cancelled meanwhile."""
        await self._allowed.wait()

    async def may_begin(self, toolbox: Toolbox, name: str, args: str | Mapping[str, Any]) -> None:
        """:meth:`allowed` for what has side effects; the rest begins at once. Ask :meth:`again` afterwards: another
        call may have waited for the same.
        """
        if toolbox.effect(name, args) is not None:
            await self.allowed()

    def withdraw(self) -> None:
        """The answer they were done for is taken back; another one will be given."""
        self._withdrawn += self._present
        self._present = []

    def again(self, toolbox: Toolbox, name: str, args: str | Mapping[str, Any]) -> Deed | None:
        """What was done already for this turn, and this call would do once more.

        What an answer that was taken back did is this answer's from now on.
        """
        return self.same(toolbox.effect(name, args))

    def same(self, effect: str | None) -> Deed | None:
        """As :meth:`again`, of what would have this effect."""
        for deed in (*self._withdrawn, *self._present):
            if deed.effect == effect and not deed.failed:
                if deed in self._withdrawn:
                    self._withdrawn.remove(deed)
                    self._present.append(deed)
                return deed
        return None

    def begin(self, toolbox: Toolbox, name: str, args: Mapping[str, Any], call_id: str) -> Deed | None:
        """Do it; None: this tool has no side effects. The caller may be cancelled, this goes on."""
        effect = toolbox.effect(name, args)
        if effect is None:
            return None
        return self.do(name, args, call_id, effect, toolbox.call(name, args))

    def do(
        self, name: str, args: Mapping[str, Any], call_id: str, effect: str, work: Coroutine[Any, Any, ToolResult]
    ) -> Deed:
        """Do this. The caller may be cancelled, it goes on."""
        task = asyncio.get_running_loop().create_task(work, name=f"tool {name}")
        self._present.append(Deed(name, args, call_id, effect, task))
        return self._present[-1]

    def untold(self) -> Sequence[tuple[Deed, ToolResult]]:
        """What answers that were taken back did after they were, so that nobody was shown what came of it; once."""
        done = [(deed, result) for deed in self._withdrawn if not deed.told and (result := deed.result) is not None]
        for deed, _ in done:
            deed.told = True
        return done

    def told(self) -> Sequence[Deed]:
        """Those of which the user was shown what came of them."""
        return [deed for deed in (*self._withdrawn, *self._present) if deed.told]

    def find(self, effect: str) -> Deed | None:
        """What has this effect, in whichever answer."""
        return next((deed for deed in (*self._withdrawn, *self._present) if deed.effect == effect), None)

    @property
    def withdrawn(self) -> Sequence[Deed]:
        """What was done for answers that were taken back, as far as the present one has not asked for it again."""
        return [deed for deed in self._withdrawn if not deed.failed]

    @property
    def present(self) -> Sequence[Deed]:
        """What the present answer did, or has begun."""
        return self._present

    async def finish(self) -> None:
        """Until all that has begun is over; what takes too long is stopped."""
        work = [deed.work for deed in (*self._withdrawn, *self._present) if not deed.work.done()]
        if not work:
            return
        try:
            await asyncio.wait(work, timeout=FINISH_S)
        finally:
            for task in work:
                task.cancel()
