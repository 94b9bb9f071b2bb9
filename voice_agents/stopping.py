"""SIGTERM and Ctrl-C: the first one asks the server to stop, a second Ctrl-C ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

STOP_S = 10.0
"""However a stop goes, it is over then."""


class Stopping:
    """Made in the main thread, once; from then on both signals come here.

    Before :meth:`wait` is called they raise KeyboardInterrupt: nothing is served yet that could be lost.
    """

    def __init__(self) -> None:
        self.last_act: Callable[[], None] = lambda: None
        """Done before the process is ended at once, when nothing else is."""
        self._waiting = False
        self._asked = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def wait(self) -> None:
        """Until the server is asked to stop. Then the process has ten seconds until it is ended, with exit code 0."""
        self._waiting = True
        while not self._asked.wait(1.0):  # not for ever: on Windows no signal would be seen meanwhile
            pass
        limit = threading.Timer(STOP_S, self._end, [0])
        limit.daemon = True
        limit.start()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        again = self._asked.is_set()
        self._asked.set()
        if again and number == signal.SIGINT:
            self._end(128 + number)
        if not self._waiting and not again:
            raise KeyboardInterrupt

    def _end(self, code: int) -> None:
        try:
            self.last_act()
        finally:
            os._exit(code)
