"""The tasks of one session: every one has this owner, none outlives it, and none fails unnoticed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """Starts tasks and ends them all. ``on_broken``: the session cannot go on, a task it depends on has failed."""

    def __init__(self, on_broken: Callable[[], None] = lambda: None) -> None:
        self._on_broken = on_broken
        self._tasks: set[asyncio.Task[Any]] = set()

    def start_core(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
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

    async def close(self, last: asyncio.Task[None] | None, timeout_s: float) -> None:
        """Let ``last`` come to its end for at most ``timeout_s``, then cancel everything and wait for it."""
        if last is not None and not last.done():
            await asyncio.wait([last], timeout=timeout_s)
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

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
