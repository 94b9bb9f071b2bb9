"""Keeps the garbage collector's pauses short.

A full collection walks every container object alive, and a process with the agent's libraries loaded has some hundred
thousand of them: on a slow core such a pause was measured at 170 to 250 ms, in the middle of a conversation. What is
loaded once stays for the life of the process, so the collector need not look at it (``gc.freeze``, made for this). What
is left to walk is little, and walking it more often keeps the garbage of one walk small: an answer that is cut leaves
about a thousand objects in cycles (the tracebacks of its cancelled tasks).
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_THRESHOLDS = 700, 5, 1
"""By default 700, 10, 10. Measured with ten conversations at once, on a slow core: full collections of 15 to 30 ms
instead of 50 to 90, and no more time spent in all."""


@cache
def leave_out_what_is_loaded() -> None:
    """From now on the collector walks only what is made later; once in a process, whoever calls it first.

    Once, because each call would also keep the garbage that happens to wait for collection at that moment.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


@contextmanager
def no_collections() -> Iterator[None]:
    """While libraries are loaded: hardly anything of that is garbage, and an eighth of the time went into looking."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
