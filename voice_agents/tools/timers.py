"""Timers that speak up when they fire; those of a conversation that was left do so when it is gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import time as wall_clock
from typing import Annotated, Protocol
from uuid import uuid4

from pydantic import Field

from voice_agents.tools.registry import Tool, ToolError
from voice_agents.tools.words import count, duration, listing, sentence

MAX_TIMERS = 20
_LONGEST_S = 24 * 3600.0
_LATE_S = 60.0
"""From so long after its time on, a timer says when that was."""


@dataclass(frozen=True, slots=True, eq=False)
class Timer:
    """One timer. ``due``: when it fires, as ``time.time()``."""

    seconds: float
    label: str
    due: float
    id: str = field(default_factory=lambda: uuid4().hex)

    @property
    def name(self) -> str:
        """How it is spoken of."""
        return f"timer for {self.label or duration(self.seconds)}"


class TimerBook(Protocol):
    """Where the timers of one conversation are kept until they were told. What is written is written in order."""

    async def all(self) -> Sequence[Timer]:
        """Those that were not told yet."""

    def keep(self, timer: Timer) -> None:
        """Begin to write this one in."""

    def forget(self, *timers: Timer) -> None:
        """Begin to strike these out."""


class Timers:
    """The timers of one session; with a ``book`` they outlive it, and the conversation's next session has them.

    ``on_fire`` is called in the event loop with the sentence to say ("Your timer for tea is done."). Time is the
    running loop's own. Whoever has said a sentence says so with :meth:`said`; else it is said again another time.
    """

    def __init__(self, on_fire: Callable[[str], None], book: TimerBook | None = None) -> None:
        self._on_fire = on_fire
        self._book = book
        self._running: dict[Timer, asyncio.TimerHandle] = {}
        self._unsaid: list[tuple[str, Timer]] = []
        self._closed = False

    async def open(self) -> None:
        """Go on with those of the conversation's earlier sessions; who is overdue speaks up at once."""
        for timer in await self._book.all() if self._book is not None else ():
            self._start(timer, max(0.0, timer.due - wall_clock()))

    def tools(self) -> list[Tool]:
        """What the agent can do with them."""
        return [
            Tool.of(self.set_timer),
            Tool.of(self.list_timers, side_effects=False),
            Tool.of(self.cancel_timers),
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
        if len(self._running) >= MAX_TIMERS:
            raise ToolError(f"{sentence(count(MAX_TIMERS, 'timer'))} are running already, which is the most.")
        timer = Timer(seconds, _plain(label), wall_clock() + seconds)
        self._start(timer, seconds)
        if self._book is not None:
            self._book.keep(timer)
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
        if self._book is not None:
            self._book.forget(*self._running)
        self._cancel_all()
        return f"I cancelled {count(stopped, 'timer')}." if stopped else "No timer was running."

    def said(self, text: str) -> None:
        """The user has heard or read a sentence of ``on_fire``, at least its beginning."""
        timer = next((timer for unsaid, timer in self._unsaid if unsaid == text), None)
        if timer is not None:
            self._unsaid.remove((text, timer))
            if self._book is not None:
                self._book.forget(timer)

    def _start(self, timer: Timer, after_s: float) -> None:
        self._running[timer] = asyncio.get_running_loop().call_later(after_s, self._fire, timer)

    def _fire(self, timer: Timer) -> None:
        del self._running[timer]
        late_s = wall_clock() - timer.due
        when = "is done" if late_s < _LATE_S else f"was done {duration(late_s // 60 * 60)} ago"
        text = f"Your {timer.name} {when}."
        self._unsaid.append((text, timer))
        self._on_fire(text)

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
