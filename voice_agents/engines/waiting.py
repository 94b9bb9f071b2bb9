"""Nobody waits in silence: whoever gets no answer for long is told whom it waits for, while the waiting goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voice_agents.alarm import Alarm, Guard
from voice_agents.engines.reporter import Reporter
from voice_agents.events import Notice

TOLD_AFTER_S = 7.0
"""After the user's last word. Models that think take longer, so it is no reason to give up."""

OVERSLEPT_S = 2.0
"""An alarm that rings so late has slept with its computer: the provider had no time, whatever the clock says."""

Awaited = Callable[[], str | None]
"""One plain sentence about who is waited for; None when nobody is, or when it was told."""


class Waiting:
    """One per session; the latest wait is the one that counts."""

    def __init__(self, tell: Reporter, guard: Guard) -> None:
        self._tell = tell
        self._alarm = Alarm(guard)

    def begin(self, since: float, awaited: Awaited) -> None:
        """The user has finished at ``since`` (the session's clock); ``awaited`` is asked when that is long ago."""
        self._alarm.set(since + TOLD_AFTER_S, lambda: self._ring(since, awaited, since + TOLD_AFTER_S))

    def end(self) -> None:
        """Nothing is waited for."""
        self._alarm.cancel()

    def _ring(self, since: float, awaited: Awaited, due: float) -> None:
        """Who was told of some trouble meanwhile knows enough."""
        now = asyncio.get_running_loop().time()
        if now - due > OVERSLEPT_S:
            self.begin(now, awaited)
        elif self._tell.complained_at < since and (sentence := awaited()) is not None:
            self._tell.emit(Notice, level="warning", text=sentence)
