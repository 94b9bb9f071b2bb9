"""The threads in which all models run, the most urgent work first: final words never wait for partial ones."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from itertools import count
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class Urgency(IntEnum):
    """What comes first when several wait."""

    FINAL = 0
    """The words of a turn that is over."""
    FIRST_SOUND = 1
    """The beginning of an answer."""
    PAUSE = 2
    """The words before a pause, which may be the end of the turn."""
    SOUND = 3
    """The rest of an answer, which is made faster than it plays."""
    PARTIAL = 4
    """Words while the user speaks."""


class Workers:
    """Two threads for all sessions of the process: one takes everything, one only what somebody is waiting for.

    Models are made for one thread of computing each, so these are the cores they use at most.
    """

    def __init__(self) -> None:
        self._jobs: list[tuple[Urgency, int, Future[Any], Callable[[], Any]]] = []
        self._number = count()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, args=(most,), name=f"models-{most.name.lower()}", daemon=True)
            for most in (Urgency.PAUSE, Urgency.PARTIAL)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, urgency: Urgency, job: Callable[[], _Result]) -> Future[_Result]:
        """Have ``job`` done in a thread. Its future is cancelled if the workers are closed before its turn."""
        future: Future[_Result] = Future()
        with self._changed:
            if self._closed:
                future.cancel()
                return future
            heapq.heappush(self._jobs, (urgency, next(self._number), future, job))
            self._changed.notify_all()
        return future

    def wanted(self, urgency: Urgency) -> bool:
        """Whether something more urgent waits; what can be put off then should end itself. For any thread."""
        jobs = self._jobs
        return bool(jobs) and jobs[0][0] < urgency

    def close(self) -> None:
        """End the threads: what runs is finished, what waits is cancelled. Blocks until then."""
        with self._changed:
            self._closed = True
            for *_, future, _job in self._jobs:
                future.cancel()
            self._jobs.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self, most: Urgency) -> None:
        while (taken := self._take(most)) is not None:
            future, job = taken
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    def _take(self, most: Urgency) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            while not self._closed:
                if self._jobs and self._jobs[0][0] <= most:
                    *_, future, job = heapq.heappop(self._jobs)
                    return future, job
                self._changed.wait()
            return None
