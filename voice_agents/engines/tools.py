"""Which tools the sessions of an engine have: the app's own, and what a developer brings."""

from __future__ import annotations

from collections.abc import Iterable

from voice_agents.tools import AnyTool, Notes, Timers, Toolbox, as_tools, standard_tools


class SessionTools:
    """Makes the toolbox of every session."""

    def __init__(self, tools: Iterable[AnyTool] = (), *, standard: bool = True) -> None:
        """``tools``: typed functions with docstrings, tools of LangChain, :class:`Tool`; beside the app's own.

        ``standard``: False leaves the app's own tools (time, sums, dice, timers, notes) out. Raises ConfigurationError
        for a function that does not say what it takes, a name that vendors refuse, and a name given twice.
        """
        self.own = as_tools(tools)
        """Those the developer brings."""
        self._standard = standard
        self.template = self(Timers(lambda _: None), _NoNotes()).tools
        """What every session has, bound to none."""

    def __call__(self, timers: Timers, notes: Notes) -> Toolbox:
        """The tools of a session that owns ``timers`` and whose user owns ``notes``."""
        return Toolbox([*(standard_tools(timers, notes) if self._standard else ()), *self.own])


class _NoNotes:
    """For a look at the names of the tools."""

    async def add(self, text: str) -> None:
        """Nobody asks."""

    async def all(self) -> list[str]:
        """Nobody asks."""
        return []

    async def clear(self) -> int:
        """Nobody asks."""
        return 0
