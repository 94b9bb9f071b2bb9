"""The tasks of one session: every one has this owner, none outlives it, and none fails unnoticed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any, ParamSpec, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")


class SessionTasks:
    """Starts tasks and ends them all. ``on_broken``: the session cannot go on, a task it depends on has failed."""

    def __init__(self, on_broken: Callable[[], None] = lambda: None) -> None:
        self._on_broken = on_broken
        self._tasks: set[asyncio.Task[Any]] = set()

    def start_core(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run what the session cannot do without; an exception it does not handle is logged and breaks the session."""
        task = self.start(work)
        task.add_done_callback(self._core_done)
        return task

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine; an exception it does not handle is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def guard(self, call: Callable[P, None]) -> Callable[P, None]:
        """What the loop or a provider may call: what it raises is logged and breaks the session, as in a core task."""

        def guarded(*args: P.args, **values: P.kwargs) -> None:
            try:
                call(*args, **values)
            except Exception:
                logger.exception("A callback of a session failed")
                self._on_broken()

        return guarded

    async def close(
        self, last: Collection[asyncio.Task[None]], timeout_s: float, outlive: Callable[[asyncio.Task[None]], None]
    ) -> None:
        """Let ``last`` come to their end for at most ``timeout_s``, then :meth:`end` everything, and wait for that."""
        if unfinished := [task for task in last if not task.done()]:
            await asyncio.wait(unfinished, timeout=timeout_s)
        if ended := self.end(last, outlive):
            await asyncio.wait(ended, timeout=timeout_s)

    def end(
        self, last: Collection[asyncio.Task[None]], outlive: Callable[[asyncio.Task[None]], None]
    ) -> Collection[asyncio.Task[Any]]:
        """Those of ``last`` that are not over are given to ``outlive``, which becomes their owner; all others are
        cancelled, and returned.
        """
        for task in last:
            if task in self._tasks:
                self._tasks.discard(task)
                outlive(task)
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        return tasks

    def _core_done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._on_broken()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A task of a session failed", exc_info=error)


async def end_all(timeout_s: float, *endings: Coroutine[Any, Any, None]) -> None:
    """Run all at once what ends the parts of a session: none waits for another, and none is left out if one fails.

    What is not over in time is cancelled; what fails is logged.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            for outcome in await asyncio.gather(*endings, return_exceptions=True):
                if isinstance(outcome, Exception):
                    logger.error("A part of a session did not end well", exc_info=outcome)
