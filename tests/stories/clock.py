"""An event loop on virtual time: it jumps to the next timer as soon as nothing is left to do."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import Any, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

import aiosqlite.core

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for sockets only where no timer is due; otherwise moves the loop's clock instead of waiting."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)
        self.loop.now += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``loop.time()`` starts at 0 and passes only by jumps; a minute of conversation takes milliseconds."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """At once, in the loop's own thread: on virtual time a thread's milliseconds would be an age."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


def play(story: Coroutine[Any, Any, T]) -> T:
    """Run a scripted conversation on virtual time."""
    with patch("aiosqlite.core.SimpleQueue", _AtOnceQueue), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(story)


class _AtOnceQueue:
    """Stands in for the queue of aiosqlite's thread: every call runs in the caller's own thread, at once."""

    def __init__(self) -> None:
        self._thread_side: SimpleQueue[tuple[None, Callable[[], Any]]] = SimpleQueue()

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, function = item
        try:
            result = function()
        except Exception as error:
            if future is not None:
                future.set_exception(error)
            return
        if future is not None:
            future.set_result(result)
        if result is aiosqlite.core._STOP_RUNNING_SENTINEL:
            self._thread_side.put_nowait((None, lambda: result))

    def get(self) -> tuple[None, Callable[[], Any]]:
        return self._thread_side.get()
