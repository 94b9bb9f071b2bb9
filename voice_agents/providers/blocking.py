"""What a thread iterates that only the event loop can make: for the plain functions in a developer's graph."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")

LOOKS_S = 1.0
"""So often a thread that waits looks whether anybody still works for it: a loop that was closed tells nobody."""


def iterated(make: Callable[[], AsyncGenerator[T, None]], loop: asyncio.AbstractEventLoop) -> Generator[T, None, None]:
    """What the generator gives that ``make`` makes, which runs in one task of ``loop`` and ends with the iteration.

    To be iterated in another thread; raises what the generator raises, and RuntimeError in the loop's own thread.
    """
    if _running_loop() is loop:
        raise RuntimeError(
            "This call of the model would block the program, which has one thread for all conversations: in an async "
            "function write `await model.ainvoke(...)` or `async for ... in model.astream(...)`."
        )
    given: queue.SimpleQueue[T | BaseException | None] = queue.SimpleQueue()

    async def work() -> None:
        try:
            async with aclosing(make()) as items:
                async for item in items:
                    given.put(item)
            given.put(None)
        except BaseException as error:
            given.put(error)
            if not isinstance(error, Exception):
                raise

    working = asyncio.run_coroutine_threadsafe(work(), loop)
    try:
        while (item := _next(given, loop)) is not None:
            if isinstance(item, asyncio.CancelledError):
                raise RuntimeError("The call was given up.")
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        working.cancel()


def _next(given: queue.SimpleQueue[T], loop: asyncio.AbstractEventLoop) -> T:
    while True:
        try:
            return given.get(timeout=LOOKS_S)
        except queue.Empty:
            if loop.is_closed():
                raise RuntimeError("The program has ended meanwhile.") from None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
