"""A recogniser that does not cost the turn when it fails: the sound of the turn is kept, and heard by another one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm, silence
from voice_agents.errors import ProviderError, ProviderTimeout, ProviderUnavailable, Role
from voice_agents.providers.interfaces import (
    STT_RATE,
    ConnectionListener,
    PartialListener,
    PatientSpeechToText,
    SpeechToText,
)
from voice_agents.providers.names import inside
from voice_agents.providers.standby import FailoverTimes, First

KEPT_S = 60.0
"""So much of an utterance is kept for the other recogniser; older sound is given up."""
CHECKED_S = 3.0
"""So much of what was said last is heard by the first recogniser again, to find out whether it works."""

MakeEars = Callable[[PartialListener, ConnectionListener], SpeechToText]


class FailoverEars:
    """A :class:`~voice_agents.providers.interfaces.PatientSpeechToText` of two: one hears what the other does not.

    ``second`` is asked for at every fault: None when there is nobody at the moment. It hears each utterance over a
    connection of its own, from its first sample on.
    """

    def __init__(
        self,
        first: MakeEars,
        second: Callable[[], MakeEars | None],
        *,
        name: str,
        meanwhile: str,
        on_partial: PartialListener,
        on_connection: ConnectionListener,
        times: FailoverTimes | None = None,
    ) -> None:
        """``name``: the first one's. ``meanwhile``: a sentence about the second one."""
        self._name = name
        self._second = second
        self._on_partial = on_partial
        self._times = times or FailoverTimes()
        self._first = First(
            lambda listener: first(self._heard_by_first, listener),
            self._check,
            replaceable=lambda: second() is not None,
            on_connection=on_connection,
            meanwhile=meanwhile,
            times=self._times,
        )
        self._current = _Utterance()
        self._committed: _Utterance | None = None
        """The one before, while its words are awaited."""
        self._perhaps: _Utterance | None = None
        """What was committed in a pause, while it is not known whether that was its end."""
        self._checked = [silence(1.0, STT_RATE)]
        """What was said last, for a check."""
        self._last: asyncio.Task[None] | None = None
        self._asked: dict[asyncio.Task[None], tuple[_Utterance, asyncio.Future[str]]] = {}
        self._hearing: set[asyncio.Task[str]] = set()

    async def __aenter__(self) -> Self:
        await self._first.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closed = f"The connection to {inside(self._name)} for speech-to-text was closed."
        for utterance, answer in self._asked.values():
            _settle(answer, utterance.partial or ProviderUnavailable(Role.STT, self._name, closed))
        tasks = [*self._asked, *self._hearing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(self._first.close(), *tasks, return_exceptions=True)

    def send_audio(self, pcm: Pcm) -> None:
        """Queue int16 mono samples at 16 kHz; they are kept for the second recogniser, should the first one fail."""
        utterance, client = self._current, self._first.client
        utterance.add(pcm)
        if client is not None:
            for each in [pcm] if utterance.first is client else utterance.sound:
                client.send_audio(each)
            utterance.first = client
        if client is None or self._first.trouble is not None:
            self._hear_too(utterance)

    def commit_perhaps(self) -> asyncio.Future[str]:
        """As :meth:`commit`, in a pause that may be the end; :meth:`recall` or the next commit tells."""
        utterance, client = self._current, self._first.client
        answer = self._commit(client.commit_perhaps if isinstance(client, PatientSpeechToText) else None)
        self._perhaps = utterance if utterance.sound else None
        return answer

    def confirm(self) -> None:
        """It was the end: what was said since begins the next utterance."""
        utterance, self._perhaps = self._perhaps, None
        client = self._first.client
        if utterance is not None and utterance.first is client and isinstance(client, PatientSpeechToText):
            client.confirm()

    def recall(self) -> None:
        """It was not the end: the next commit gives the words from the utterance's beginning on."""
        utterance, self._perhaps = self._perhaps, None
        if utterance is None:
            return
        client, more = self._first.client, self._current
        joined = self._current = utterance.followed_by(more)
        if utterance.first is client and more.first in (None, client) and isinstance(client, PatientSpeechToText):
            client.recall()
            joined.first = client
        for task, (about, answer) in list(self._asked.items()):
            if about is utterance:  # nobody waits for it, and nothing is to wait for it
                _settle(answer, utterance.partial)
                task.cancel()
        if client is None or self._first.trouble is not None:
            self._hear_too(joined)

    def commit(self) -> asyncio.Future[str]:
        """End the utterance. The future gives its words, by the second recogniser where the first one fails."""
        return self._commit(None)

    def _commit(self, by: Callable[[], asyncio.Future[str]] | None) -> asyncio.Future[str]:
        """``by``: how the first recogniser is asked; None: by its ``commit``."""
        self._perhaps = None
        loop = asyncio.get_running_loop()
        utterance, self._current = self._current, _Utterance()
        answer: asyncio.Future[str] = loop.create_future()
        answer.add_done_callback(_outcome_taken)
        if not utterance.sound:
            answer.set_result("")
            return answer
        client = self._first.client
        asked = (by or client.commit)() if client is not None and utterance.first is client else None
        utterance.over.set()
        self._committed = utterance
        self._checked = utterance.tail(CHECKED_S)
        self._last = loop.create_task(self._answer(utterance, asked, answer, self._last), name="words of an utterance")
        self._asked[self._last] = utterance, answer
        self._last.add_done_callback(lambda task: self._asked.pop(task, None))
        return answer

    async def _answer(
        self,
        utterance: _Utterance,
        asked: asyncio.Future[str] | None,
        answer: asyncio.Future[str],
        before: asyncio.Task[None] | None,
    ) -> None:
        try:
            words: str | ProviderError = await self._words(utterance, asked)
        except ProviderError as error:
            words = utterance.partial or error
        finally:
            if utterance.second is not None:
                utterance.second.cancel()
        if before is not None and not before.done():
            await asyncio.wait([before])
        _settle(answer, words)

    async def _words(self, utterance: _Utterance, asked: asyncio.Future[str] | None) -> str:
        """Those of the first recogniser if they come in time, else those of the second if it has some."""
        loop = asyncio.get_running_loop()
        at = loop.time()
        if asked is not None and self._first.trouble is None:
            await asyncio.wait([asked], timeout=self._times.asked_too_s)
        if asked is not None and self._answered(utterance, asked):
            return asked.result()
        second = self._hear_too(utterance)
        if asked is not None and (second is None or not asked.done()):
            wait_s = None if second is None else at + self._times.words_s - loop.time()
            await asyncio.wait([asked], timeout=wait_s)
        if asked is not None and (second is None or self._answered(utterance, asked)):
            return asked.result()
        if second is None:
            raise self._failure(asked)
        return await self._first_of(utterance, asked, second)

    async def _first_of(
        self, utterance: _Utterance, asked: asyncio.Future[str] | None, second: asyncio.Task[str]
    ) -> str:
        """The first recogniser is late, or will not answer: whose words come first count."""
        waiting: set[asyncio.Future[str]] = {second} if asked is None or asked.done() else {second, asked}
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if asked is not None and self._answered(utterance, asked):
                return asked.result()
            if second.done() and second.exception() is None:
                if asked is not None:
                    self._first.give_up(self._failure(asked))
                return second.result()
        raise self._failure(asked)

    def _answered(self, utterance: _Utterance, asked: asyncio.Future[str]) -> bool:
        """The first recogniser has answered; of one that failed then, it is only what it had guessed."""
        if not asked.done() or asked.exception() is not None:
            return False
        return utterance.first is self._first.client

    def _failure(self, asked: asyncio.Future[str] | None) -> ProviderError:
        """Why the first recogniser has no words."""
        known = asked.exception() if asked is not None and asked.done() else None
        if isinstance(known, ProviderError):
            return known
        late = ProviderTimeout(Role.STT, self._name, f"{self._name} did not answer in time for speech-to-text.")
        return self._first.trouble or late

    # The second recogniser

    def _hear_too(self, utterance: _Utterance) -> asyncio.Task[str] | None:
        """Let the second recogniser hear all of it, too; None: there is nobody."""
        if utterance.second is None and (make := self._second()) is not None:
            hearing = self._hear(utterance, make)
            utterance.second = asyncio.get_running_loop().create_task(hearing, name="the other recogniser")
            utterance.second.add_done_callback(self._heard)
            self._hearing.add(utterance.second)
        return utterance.second

    async def _hear(self, utterance: _Utterance, make: MakeEars) -> str:
        def heard(text: str, *, committed: bool = False) -> None:
            utterance.partial = text
            if utterance is self._current:
                self._on_partial(text)

        async with make(heard, lambda state, error: None) as ears:
            for pcm in utterance.sound:
                ears.send_audio(pcm)
            utterance.ears = ears
            await utterance.over.wait()
            return await ears.commit()

    def _heard(self, hearing: asyncio.Task[str]) -> None:
        self._hearing.discard(hearing)
        if not hearing.cancelled():
            hearing.exception()  # of one that nobody waits for, nobody need hear

    def _heard_by_first(self, text: str, *, committed: bool = False) -> None:
        if committed:
            if self._committed is not None and self._committed.second is None:
                self._committed.partial = text
                self._on_partial(text, committed=True)
        elif self._current.second is None and self._current.first is self._first.client:
            self._current.partial = text
            self._on_partial(text)

    # The checks

    async def _check(self, client: SpeechToText) -> None:
        """What was said last is heard once more, and the words are thrown away."""
        for pcm in self._checked:
            client.send_audio(pcm)
        async with asyncio.timeout(2 * self._times.words_s):  # which is with the time it takes to connect
            await client.commit()


class _Utterance:
    """What is said between two commits, and who hears it."""

    def __init__(self) -> None:
        self.sound: deque[Pcm] = deque()
        self.partial = ""
        self.first: SpeechToText | None = None
        """The client of the first recogniser that has heard all of it."""
        self.second: asyncio.Task[str] | None = None
        """Gives the words of the second recogniser."""
        self.ears: SpeechToText | None = None
        """The second one's client, once it has heard what was said before."""
        self.over = asyncio.Event()
        self._samples = 0

    def add(self, pcm: Pcm) -> None:
        """More of it."""
        self.sound.append(pcm)
        self._samples += len(pcm)
        while self._samples > KEPT_S * STT_RATE and len(self.sound) > 1:
            self._samples -= len(self.sound.popleft())
        if self.ears is not None:
            self.ears.send_audio(pcm)

    def followed_by(self, more: _Utterance) -> _Utterance:
        """Both as one, that nobody has heard."""
        if more.second is not None:
            more.second.cancel()
        joined = _Utterance()
        joined.partial = self.partial
        for pcm in (*self.sound, *more.sound):
            joined.add(pcm)
        return joined

    def tail(self, seconds: float) -> list[Pcm]:
        """The end of it."""
        found: list[Pcm] = []
        for pcm in reversed(self.sound):
            if sum(map(len, found)) >= seconds * STT_RATE:
                break
            found.insert(0, pcm)
        return found


def _settle(answer: asyncio.Future[str], words: str | ProviderError) -> None:
    if answer.done():
        return
    if isinstance(words, ProviderError):
        answer.set_exception(words)
    else:
        answer.set_result(words)


def _outcome_taken(answer: asyncio.Future[str]) -> None:
    """Whoever does not wait for an answer need not hear from asyncio that it failed."""
    if not answer.cancelled():
        answer.exception()
