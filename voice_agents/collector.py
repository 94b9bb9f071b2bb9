"""Keeps the garbage collector's pauses short.

A full collection walks every container object alive, and a process with the agent's libraries loaded has some hundred
thousand of them: one such pause was measured at 170 to 250 ms on a slow core, in the middle of a conversation. What is
loaded once stays for the life of the process, so the collector need not look at it (``gc.freeze``, made for this).
"""

from __future__ import annotations

import gc
from functools import cache


@cache
def leave_out_what_is_loaded() -> None:
    """From now on the collector walks only what is made later; once in a process, whoever calls it first.

    Once, because each call would also keep the garbage that happens to wait for collection at that moment.
    """
    gc.collect()
    gc.freeze()
