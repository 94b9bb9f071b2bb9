"""Timers that speak up when they fire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from voice_agents.tools.registry import Tool, ToolError
from voice_agents.tools.words import count, duration, listing, sentence

_MAX_TIMERS = 20
_LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class _Timer:
    seconds: float
    label: str

    @property
    def name(self) -> str:
        return f"timer for {self.label or duration(self.seconds)}"


class Timers:
    """The running timers of one session; they do not outlive it, and nothing of them is stored.

    ``on_fire`` is called in the event loop with the sentence to say ("Your timer for tea is done."). Time is the
    running loop's own.
    """

    def __init__(self, on_fire: Callable[[str], None]) -> None:
        self._on_fire = on_fire
        self._running: dict[_Timer, asyncio.TimerHandle] = {}
        self._closed = False

    def tools(self) -> list[Tool]:
        """What the agent can do with them."""
        return [
            Tool.of(self.set_timer, side_effects=True),
            Tool.of(self.list_timers),
            Tool.of(self.cancel_timers, side_effects=True),
        ]

    @property
    def running(self) -> bool:
        """One will fire."""
        return bool(self._running)

    def close(self) -> None:
        """Cancel all timers; none fires afterwards and none can be set."""
        self._closed = True
        self._cancel_all()

    async def set_timer(
        self,
        seconds: Annotated[float, Field(gt=0, le=_LONGEST_S, allow_inf_nan=False, description="After how long.")],
        label: Annotated[str, Field(max_length=100, description='What it is for, such as "tea".')] = "",
    ) -> str:
        """Set a timer that speaks up when the time is over, in this conversation."""
        if self._closed:
            raise ToolError("The conversation is over, so no timer can be set.")
        if len(self._running) >= _MAX_TIMERS:
            raise ToolError("There are too many timers already.")
        timer = _Timer(seconds, _plain(label))
        self._running[timer] = asyncio.get_running_loop().call_later(seconds, self._fire, timer)
        return f"Your {timer.name} is set" + (f" to {duration(seconds)}." if timer.label else ".")

    async def list_timers(self) -> str:
        """Tell which timers are running and how long they still take."""
        if not self._running:
            return "No timer is running."
        now = asyncio.get_running_loop().time()
        left = sorted((handle.when() - now, timer.name) for timer, handle in self._running.items())
        each = [f"the {name} has {duration(max(1, round(seconds)))} left" for seconds, name in left]
        return f"{sentence(count(len(each), 'timer'))} {'is' if len(each) == 1 else 'are'} running: {listing(each)}."

    async def cancel_timers(self) -> str:
        """Stop all running timers."""
        stopped = len(self._running)
        self._cancel_all()
        return f"I cancelled {count(stopped, 'timer')}." if stopped else "No timer was running."

    def _fire(self, timer: _Timer) -> None:
        del self._running[timer]
        self._on_fire(f"Your {timer.name} is done.")

    def _cancel_all(self) -> None:
        for handle in self._running.values():
            handle.cancel()
        self._running.clear()


def _plain(label: str) -> str:
    words = label.strip().strip(".!").split()
    if words and words[-1].casefold() == "timer":
        words.pop()
    if words and words[0].casefold() in ("the", "my", "a"):
        words.pop(0)
    return " ".join(words)
