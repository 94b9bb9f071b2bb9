"""A streaming recogniser: words while somebody speaks, the final ones begun in the pause before they are asked for."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from weakref import WeakSet

from voice_agents.audio import Pcm
from voice_agents.offline.stt.ears import Ears
from voice_agents.offline.stt.expected import Expectation
from voice_agents.offline.stt.listening import Listening, Stretch
from voice_agents.offline.stt.spelling import joined
from voice_agents.offline.work import Urgency, Workers
from voice_agents.turns.vad import RATE, load_speech_model

SAMPLE_RATE = RATE
"""Hz. What an utterance is fed with."""

__all__ = ["SAMPLE_RATE", "Expectation", "OnPartial", "Recogniser", "Utterance"]

_PARTIAL_EVERY = RATE * 2 // 5
_LONG, _LONG_PARTIAL_EVERY = 4 * RATE, RATE * 4 // 5
"""Longer speech takes longer to be heard again, and is looked at less often."""

OnPartial = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Result:
    """The words of a stretch, on their way, as it was when its last voice was heard there."""

    words: Future[str]
    last_voice: int
    urgency: Urgency


class Utterance:
    """Audio from one commit to the next, recognised while it comes in. Made by ``Recogniser.utterance``.

    One thread of the process follows all microphones; it asks the workers for words.
    """

    def __init__(
        self, ears: Ears, workers: Workers, follower: ThreadPoolExecutor, on_partial: OnPartial | None
    ) -> None:
        self._ears = ears
        self._workers = workers
        self._follower = follower
        self._on_partial = on_partial
        self._loop = asyncio.get_running_loop()
        self._partial = ""
        self._ended = False
        self._cancelled = asyncio.Event()
        self._lock = threading.Lock()
        """Guards the two below, which both the event loop and the follower change."""
        self._waiting: deque[Pcm] = deque()
        self._following = False
        # what follows belongs to the follower's thread
        self._listening = Listening()
        self._results: dict[int, _Result] = {}
        self._partial_job: Future[None] | None = None
        self._partial_at = 0
        self._last_words: list[str] = []

    def feed(self, pcm: Pcm) -> None:
        """More audio: int16 mono at 16 kHz, shape (n,), any length. Never blocks; ignored after the end."""
        if self._ended:
            return
        with self._lock:
            self._waiting.extend(pcm[start : start + RATE].copy() for start in range(0, len(pcm), RATE))
            if not self._following:
                self._following = True
                self._follower.submit(self._follow)

    @property
    def partial(self) -> str:
        """The words two looks in a row agreed on; they may still change. "" while nothing was heard."""
        return self._partial

    @property
    def looking(self) -> bool:
        """Whether audio waits to be taken in, or words so far are being looked for."""
        job = self._partial_job
        return self._following or (job is not None and not job.done())

    async def finish(self) -> str:
        """No more audio: the final words as they are written; "" for silence, a cough or noise.

        At once if the pass begun in the last pause is done, else within tens of milliseconds for a few sure words and
        some hundred for doubtful ones. Cancelling the waiting task cancels the utterance. Raises what went wrong in a
        model, if anything did.
        """
        if self._ended:
            return ""
        self._ended = True
        cancelled = asyncio.create_task(self._cancelled.wait())
        try:
            words = asyncio.create_task(self._finish())
            await asyncio.wait((words, cancelled), return_when=asyncio.FIRST_COMPLETED)
            if words.done():
                return words.result()
            words.cancel()
            return ""
        except asyncio.CancelledError:
            self.cancel()
            raise
        finally:
            cancelled.cancel()

    def cancel(self) -> None:
        """Forget this utterance. A pending ``finish`` returns ""."""
        self._ended = True
        self._cancelled.set()

    async def _finish(self) -> str:
        try:
            results = await asyncio.wrap_future(self._follower.submit(self._end))
        except RuntimeError:  # the recogniser has been left since
            return ""
        parts = await asyncio.gather(*map(asyncio.wrap_future, results))
        return joined(parts)

    def _unwanted(self) -> bool:
        """Whether a partial should be given up: it is over, or something more urgent waits."""
        return self._ended or self._workers.wanted(Urgency.PARTIAL)

    def _follow(self) -> None:
        """In the follower's thread: take in the next piece; other microphones have their turn before the one after."""
        if self._take_in():
            with contextlib.suppress(RuntimeError):  # the recogniser has been left since
                self._follower.submit(self._follow)

    def _take_in(self) -> bool:
        """The next piece, and what is to be looked at because of it; False when none waits."""
        with self._lock:
            if not self._waiting or self._cancelled.is_set():
                self._following = False
                return False
            piece = self._waiting.popleft()
        self._listening.feed(piece)
        *over, last = enumerate(self._listening.stretches)
        for number, stretch in [*over, *([last] if self._listening.pausing else [])]:
            self._hear(number, stretch, Urgency.PAUSE)
        if self._listening.last.has_voice and not self._listening.pausing:
            self._look()
        return True

    def _end(self) -> list[Future[str]]:
        """In the follower's thread: the words of all stretches, those not begun yet begun now."""
        while self._take_in():
            pass
        for number, stretch in enumerate(self._listening.stretches):
            self._hear(number, stretch, Urgency.FINAL)
        return [result.words for _, result in sorted(self._results.items())]

    def _hear(self, number: int, stretch: Stretch, urgency: Urgency) -> None:
        """Have a stretch's final words found, unless that is done or there is no voice in it."""
        known = self._results.get(number)
        if known is not None and known.last_voice == stretch.last_voice and known.urgency <= urgency:
            return
        if known is not None and not known.words.cancel() and known.last_voice == stretch.last_voice:
            return  # it has been begun
        self._results.pop(number, None)
        if not (stretch.has_voice or stretch.may_have_voice):
            return
        sound, voiced_s, doubtful = self._listening.sound(stretch), stretch.voiced_s, not stretch.has_voice
        words = self._workers.submit(urgency, lambda: self._ears.final(sound, voiced_s, doubtful=doubtful))
        self._results[number] = _Result(words, stretch.last_voice, urgency)

    def _look(self) -> None:
        """Have the words so far looked at, if the last look is long enough ago and over."""
        stretch = self._listening.last
        assert stretch.first_voice is not None
        spoken = self._listening.position - stretch.first_voice
        every = _PARTIAL_EVERY if spoken < _LONG else _LONG_PARTIAL_EVERY
        busy = self._partial_job is not None and not self._partial_job.done()
        if busy or self._ended or self._listening.position - self._partial_at < every:
            return
        self._partial_at = self._listening.position
        before = [
            result.words.result()
            for _, result in sorted(self._results.items())
            if result.words.done() and not result.words.cancelled() and result.words.exception() is None
        ]
        number, sound = len(self._listening.stretches) - 1, self._listening.sound(stretch)

        def look() -> None:
            text = self._ears.partial(sound, self._unwanted)
            if text:
                self._loop.call_soon_threadsafe(self._show, joined([*before[:number], text]))

        self._partial_job = self._workers.submit(Urgency.PARTIAL, look)

    def _show(self, text: str) -> None:
        """In the event loop: show the words on which this look and the last one agree."""
        words, last, self._last_words = text.split(), self._last_words, text.split()
        agreed = 0
        while agreed < min(len(words), len(last)) and _plain(words[agreed]) == _plain(last[agreed]):
            agreed += 1
        partial = " ".join(words[:agreed])
        if self._ended or not partial or partial == self._partial:
            return
        self._partial = partial
        if self._on_partial is not None:
            self._on_partial(partial)


def _plain(word: str) -> str:
    return "".join(filter(str.isalnum, word)).lower()


class Recogniser:
    """Owns the ears and the thread that follows all microphones; one per process.

    Entering loads the models off the event loop (about a CPU second, 250 MB); leaving cancels all utterances and ends
    every thread. Raises ``WeightsError`` when no model can be used. ``workers`` are shared with the voice.
    """

    def __init__(self, expectation: Expectation | None = None, *, workers: Workers | None = None) -> None:
        self._expectation = expectation
        self._given = workers
        self._workers: Workers | None = None
        self._ears: Ears | None = None
        self._follower: ThreadPoolExecutor | None = None
        self._utterances: WeakSet[Utterance] = WeakSet()

    async def __aenter__(self) -> Self:
        self._ears = await asyncio.to_thread(self._load)
        self._workers = self._given or Workers()
        self._follower = ThreadPoolExecutor(1, thread_name_prefix="microphones")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for utterance in list(self._utterances):
            utterance.cancel()
        follower, workers = self._follower, self._workers
        self._ears = self._follower = self._workers = None
        if follower is not None:
            await asyncio.to_thread(follower.shutdown)
        if workers is not None and workers is not self._given:
            await asyncio.to_thread(workers.close)

    def _load(self) -> Ears:
        load_speech_model()
        return Ears(self._expectation)

    def utterance(self, on_partial: OnPartial | None = None) -> Utterance:
        """A new utterance. ``on_partial`` is called in the event loop whenever the words so far have changed."""
        if self._ears is None or self._workers is None or self._follower is None:
            raise RuntimeError("the recogniser is used outside its 'async with'")
        utterance = Utterance(self._ears, self._workers, self._follower, on_partial)
        self._utterances.add(utterance)
        return utterance
