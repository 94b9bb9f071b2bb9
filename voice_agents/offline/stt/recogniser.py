"""A streaming recogniser over pocketsphinx: the demo's phrases by grammar, all else by a general language model."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from types import TracebackType
from typing import Self
from weakref import WeakSet

from voice_agents.audio import Pcm
from voice_agents.offline.stt.gate import SAMPLE_RATE
from voice_agents.offline.stt.grammar import Grammar
from voice_agents.offline.stt.listening import Decoders, Listening

__all__ = ["SAMPLE_RATE", "OnPartial", "Recogniser", "Utterance"]

_SLICE = SAMPLE_RATE * 30 // 1000
"""Samples decoded in one piece: pocketsphinx holds the interpreter's lock, so others wait that long."""
_SLICES_A_TURN = 10
"""Then another utterance gets its turn."""

OnPartial = Callable[[str], None]


class _State(Enum):
    OPEN = "audio may come"
    FINISHING = "the rest is being decoded"
    CANCELLED = "nobody wants the result"
    ENDED = "the result is delivered, the decoders are free"


class Utterance:
    """Audio from one commit to the next, recognised while it comes in. Made by ``Recogniser.utterance``.

    At most one thread works on it at a time, a turn of some slices, then others get theirs.
    """

    def __init__(self, decoders: Decoders, threads: ThreadPoolExecutor, on_partial: OnPartial | None) -> None:
        self._threads = threads
        self._on_partial = on_partial
        self._loop = asyncio.get_running_loop()
        self._final: asyncio.Future[str] = self._loop.create_future()
        self._partial = ""
        self._lock = threading.Lock()
        """Guards the three below, which both the event loop and a thread change."""
        self._state = _State.OPEN
        self._waiting: deque[Pcm] = deque()
        self._working = False
        self._listening = Listening(decoders)

    def feed(self, pcm: Pcm) -> None:
        """More audio: int16 mono at 16 kHz, shape (n,), any length. Never blocks; ignored after the end."""
        with self._lock:
            if self._state is _State.OPEN:
                self._waiting.extend(pcm[start : start + _SLICE].copy() for start in range(0, len(pcm), _SLICE))
                self._schedule()

    @property
    def partial(self) -> str:
        """The words heard so far; they may still change. "" while nothing was heard."""
        return self._partial

    async def finish(self) -> str:
        """No more audio: the final words, lower case without punctuation; "" for silence, a cough or noise.

        Takes tens of milliseconds for a phrase of the grammar, a few hundred for a sentence outside it. Cancelling the
        waiting task cancels the utterance. Raises what went wrong in the recogniser, if anything did.
        """
        with self._lock:
            if self._state is _State.OPEN:
                self._state = _State.FINISHING
                self._schedule()
        try:
            return await asyncio.shield(self._final)
        except asyncio.CancelledError:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Forget this utterance; its decoders are free within a moment. A pending ``finish`` returns ""."""
        if not self._final.done():
            self._final.set_result("")
        with self._lock:
            if self._state in (_State.OPEN, _State.FINISHING):
                self._state = _State.CANCELLED
                self._listening.cancel()
                self._schedule()

    def _schedule(self) -> None:
        """Have a thread work on it, if none does. Call with the lock held."""
        if not self._working:
            self._working = True
            self._threads.submit(self._turn)

    def _turn(self) -> None:
        """Some slices of work, in a thread."""
        try:
            for _ in range(_SLICES_A_TURN):
                if not self._step():
                    return
        except Exception as error:
            self._end(error)
            return
        try:
            self._threads.submit(self._turn)
        except RuntimeError:  # the recogniser has been left since
            self._end("")

    def _step(self) -> bool:
        """One slice, or the end. False when there is nothing more to do for now."""
        with self._lock:
            state = self._state
            piece = self._waiting.popleft() if self._waiting and state is not _State.CANCELLED else None
            if piece is None and state is _State.OPEN:
                self._working = False
                return False
        if piece is None:
            self._end("" if state is _State.CANCELLED else self._listening.finish())
            return False
        before = self._listening.partial
        self._listening.feed(piece)
        if self._listening.partial != before:
            self._loop.call_soon_threadsafe(self._show, self._listening.partial)
        return True

    def _end(self, result: str | Exception) -> None:
        """Free the decoders and deliver, from a thread. It stays marked as working: no thread takes it up again."""
        with self._lock:
            self._state = _State.ENDED
            self._waiting.clear()
        self._listening.close()
        self._loop.call_soon_threadsafe(self._deliver, result)

    def _show(self, partial: str) -> None:
        if self._final.done():
            return
        self._partial = partial
        if self._on_partial is not None:
            self._on_partial(partial)

    def _deliver(self, result: str | Exception) -> None:
        if self._final.done():
            return
        if isinstance(result, str):
            self._final.set_result(result)
        else:
            self._final.set_exception(result)


class Recogniser:
    """Owns decoders and the threads they run in; one per process.

    ``grammar`` is JSGF with at least one public rule, lower-case words. Entering loads the models off the event
    loop (about 1.5 CPU seconds, 100 MB per worker); leaving cancels all utterances and ends every thread. Entering
    raises ``ConfigurationError`` when the grammar cannot be parsed or uses a word without a pronunciation.
    """

    def __init__(self, grammar: str, *, workers: int = 2) -> None:
        self._grammar = grammar
        self._workers = workers
        self._decoders: Decoders | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._utterances: WeakSet[Utterance] = WeakSet()

    async def __aenter__(self) -> Self:
        self._decoders = await asyncio.to_thread(lambda: Decoders(Grammar(self._grammar), self._workers))
        self._threads = ThreadPoolExecutor(self._workers, thread_name_prefix="recogniser")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for utterance in list(self._utterances):
            utterance.cancel()
        threads = self._threads
        self._decoders = self._threads = None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)

    def utterance(self, on_partial: OnPartial | None = None) -> Utterance:
        """A new utterance. ``on_partial`` is called in the event loop whenever the words so far have changed."""
        if self._decoders is None or self._threads is None:
            raise RuntimeError("the recogniser is used outside its 'async with'")
        utterance = Utterance(self._decoders, self._threads, on_partial)
        self._utterances.add(utterance)
        return utterance
