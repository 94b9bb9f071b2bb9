"""SIGTERM and Ctrl-C: the first one asks the server to stop, a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType

STOP_S = 10.0
"""However a stop goes, it is over then."""
LOOKS_AGAIN_S = 1.0
"""Nothing can wake a wait on Windows: a signal is seen at the next look."""


class Stopping:
    """Made in the main thread, once; from then on both signals come here.

    Before :meth:`serves` is called they raise KeyboardInterrupt: nothing is served yet that could be lost. From the
    first one on the process has ten seconds until it is ended, with exit code 0.
    """

    def __init__(self) -> None:
        self.last_act: Callable[[], None] = lambda: None
        """Done before the process is ended at once, when nothing else is."""
        self._serves = False
        self._asked = False
        # a handler runs between any two lines of the main thread: of what threads offer, only this may be entered twice
        self._for_wait: SimpleQueue[None] = SimpleQueue()
        self._for_limit: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._limit, name="stop-limit", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def serves(self) -> None:
        """From here on a signal interrupts nothing: it is for :meth:`wait`."""
        self._serves = True

    def wait(self) -> None:
        """Until the server is asked to stop."""
        while True:
            with suppress(Empty):
                return self._for_wait.get(timeout=LOOKS_AGAIN_S)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if again and number == signal.SIGINT:
            self._end(128 + number)
        if not again:
            self._for_wait.put(None)
            self._for_limit.put(None)
            if not self._serves:
                raise KeyboardInterrupt

    def _limit(self) -> None:
        self._for_limit.get()
        time.sleep(STOP_S)
        self._end(0)

    def _end(self, code: int) -> None:
        try:
            self.last_act()
        finally:
            os._exit(code)
