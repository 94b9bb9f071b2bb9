"""A voice that does not cost the turn when it fails: another one speaks on from the word where it broke off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from itertools import accumulate
from types import TracebackType
from typing import Self

from voice_agents.alarm import Alarm
from voice_agents.errors import ProviderError, ProviderTimeout, Role
from voice_agents.providers.interfaces import (
    TTS_RATE,
    ConnectionListener,
    SpeechChunk,
    SpeechStream,
    SpokenWord,
    TextToSpeech,
)
from voice_agents.providers.standby import FailoverTimes, First

CHECKED_CHARACTERS = 150
"""At most so much (or one piece) of what a voice failed to speak is spoken by it again, and heard by nobody, to find
out whether it works."""
END_S = 5.0
"""A voice that has said everything may take so long to say so."""
SLACK = round(0.1 * TTS_RATE)
"""A word of which more samples are missing at its end is said again."""

MakeVoice = Callable[[ConnectionListener], TextToSpeech]


class FailoverVoice:
    """A :class:`~voice_agents.providers.interfaces.TextToSpeech` of two: the second speaks what the first fails to.

    ``second`` is asked for at every fault: None when there is nobody at the moment.
    """

    def __init__(
        self,
        first: MakeVoice,
        second: Callable[[], MakeVoice | None],
        *,
        name: str,
        meanwhile: str,
        on_connection: ConnectionListener,
        times: FailoverTimes | None = None,
    ) -> None:
        """``name``: the first one's. ``meanwhile``: a sentence about the second one."""
        self._make = first
        self._second = second
        self._name = name
        self._times = times or FailoverTimes()
        self._voice = ""
        self._failed = ["Hello."]
        """What was to be spoken when it failed, in pieces."""
        self._first = First(
            self._made,
            self._check,
            replaceable=lambda: second() is not None,
            on_connection=on_connection,
            meanwhile=meanwhile,
            times=self._times,
        )

    async def __aenter__(self) -> Self:
        await self._first.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._first.close()

    def open(self) -> FailoverSpeech:
        """A new stream, for one turn; whichever voice works when it is needed speaks it."""
        return FailoverSpeech(self._first, self._second, self._name, self._times, self._note)

    def set_voice(self, voice: str) -> None:
        """Streams opened from now on speak with this voice; the second one's stays what it is."""
        self._voice = voice
        if self._first.client is not None:
            self._first.client.set_voice(voice)

    def _made(self, listener: ConnectionListener) -> TextToSpeech:
        client = self._make(listener)
        client.set_voice(self._voice)
        return client

    def _note(self, failed: list[str]) -> None:
        lengths = accumulate(map(len, failed))
        self._failed = [piece for piece, length in zip(failed, lengths, strict=True) if length <= CHECKED_CHARACTERS]
        self._failed = self._failed or failed[:1]

    async def _check(self, client: TextToSpeech) -> None:
        """No listener would have to wait for it, either."""
        stream, patience, too_long = client.open(), _Patience(self._times), Alarm()
        for piece in self._failed:
            stream.send(piece)
        stream.finish()
        left = sum(len(piece.split()) for piece in self._failed)
        too_long.set(patience.until(owed=True), stream.cancel)
        try:
            async for chunk in stream:
                left -= len(chunk.words)
                patience.heard(len(chunk.pcm))
                too_long.set(patience.until(owed=left > 0), stream.cancel)
        finally:
            too_long.cancel()
        if left:
            raise ProviderTimeout(Role.TTS, self._name, f"{self._name} stopped speaking.")


class FailoverSpeech:
    """One turn of a :class:`FailoverVoice`; see :class:`~voice_agents.providers.interfaces.SpeechStream`."""

    def __init__(
        self,
        first: First[TextToSpeech],
        second: Callable[[], MakeVoice | None],
        name: str,
        times: FailoverTimes,
        failed: Callable[[list[str]], None],
    ) -> None:
        """``failed`` gets the pieces of a text that the first one did not speak to its end."""
        self._first = first
        self._failed = failed
        self._second = second
        self._name = name
        self._pieces: list[str] = []
        self._finished = self._cancelled = False
        self._given = 0
        """Words whose times were given."""
        self._received = 0
        """Samples that were given."""
        self._ends_at = 0
        """The sample at which the word given last ends."""
        self._cut_off = False
        """The word given last did not come to its end."""
        self._broken: ProviderError | None = None
        self._stream: SpeechStream | None = first.client.open() if first.client is not None else None
        """The one that speaks at present."""
        self._watched = self._stream is not None
        """It is the first one's."""
        self._patience = _Patience(times)
        self._too_long = Alarm()

    def send(self, text: str) -> None:
        """Speak this piece next, by the voice that speaks this stream; kept for the other one, should that fail."""
        if text.strip() and not self._finished:
            self._pieces.append(text)
            if self._stream is not None:
                self._stream.send(text)
            self._watch()

    def finish(self) -> None:
        """No more text will come."""
        self._finished = True
        if self._stream is not None:
            self._stream.finish()
        self._watch()

    def cancel(self) -> None:
        """Stop now; audio that still arrives is dropped."""
        self._cancelled = True
        self._too_long.cancel()
        if self._stream is not None:
            self._stream.cancel()

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        try:
            if self._stream is not None:
                async with aclosing(self._by_first(self._stream)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                if self._broken is None or self._cancelled:
                    return
            async with aclosing(self._by_second()) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            self.cancel()

    async def _by_first(self, stream: SpeechStream) -> AsyncGenerator[SpeechChunk, None]:
        """Until it is over, or breaks off."""
        try:
            async for chunk in stream:
                if self._broken is None:
                    self._count(chunk)
                    self._patience.heard(len(chunk.pcm))
                    self._watch()
                    yield chunk
        except ProviderError as error:
            self._broken = self._broken or error
        finally:
            self._too_long.cancel()
            self._stream, self._watched = None, False
            stream.cancel()

    async def _by_second(self) -> AsyncGenerator[SpeechChunk, None]:
        """What is left, from the word where the first one broke off."""
        make = self._second()
        if self._broken is not None:
            if make is None:
                raise self._broken
            self._failed(self._pieces)
            self._first.give_up(self._broken)
        if make is None:
            assert self._first.trouble is not None
            raise self._first.trouble
        left = self._left()
        if self._finished and not left:
            return
        offset, again = self._received, int(self._cut_off)
        async with make(lambda state, error: None) as voice:
            self._stream = stream = voice.open()
            for piece in left:
                stream.send(piece)
            if self._finished:
                stream.finish()
            async for chunk in stream:
                words = chunk.words[again:]
                again -= len(chunk.words) - len(words)
                moved = tuple(SpokenWord(word.text, word.start + offset, word.end + offset) for word in words)
                yield SpeechChunk(chunk.pcm, moved)

    def _left(self) -> list[str]:
        """The pieces whose words were not given, the first one from the word on that was not."""
        skip = self._given - self._cut_off
        left = []
        for piece in self._pieces:
            words = piece.split()
            if skip < len(words):
                left.append(" ".join(words[skip:]))
            skip = max(0, skip - len(words))
        return left

    def _count(self, chunk: SpeechChunk) -> None:
        self._given += len(chunk.words)
        self._received += len(chunk.pcm)
        if chunk.words:
            self._ends_at = chunk.words[-1].end
        self._cut_off = bool(self._given) and self._ends_at > self._received + SLACK

    # How long the first voice may be silent

    def _watch(self) -> None:
        owed = sum(len(piece.split()) for piece in self._pieces) > self._given
        replaceable = self._watched and self._broken is None and self._second() is not None
        if not replaceable:
            self._too_long.cancel()
        elif owed or not self._finished:
            self._too_long.set(self._patience.until(owed=owed), self._stalled)
        else:
            self._too_long.set(self._patience.ends_at, self._end)

    def _end(self) -> None:
        """Everything was said, and the voice does not come to its end."""
        if self._stream is not None:
            self._stream.cancel()

    def _stalled(self) -> None:
        sentence = f"{self._name} stopped speaking before the answer was over."
        self._broken = self._first.trouble or ProviderTimeout(Role.TTS, self._name, sentence)
        if self._stream is not None:
            self._stream.cancel()


class _Patience:
    """How long a voice may let its listener wait, by what the listener has heard meanwhile."""

    def __init__(self, times: FailoverTimes) -> None:
        self._times = times
        self._clock = asyncio.get_running_loop().time
        self._owed_since: float | None = None
        self._plays_until = self._clock()
        """When the listener has heard everything that has come."""
        self._waited_s = 0.0

    def until(self, *, owed: bool) -> float | None:
        """When it is too long; ``owed``: text was given that has not sounded. None: nobody waits."""
        if not owed:
            self._owed_since, self._waited_s = None, 0.0
            return None
        if self._owed_since is None:
            self._owed_since = self._clock()
        return self._due + self._times.silent_s - self._waited_s

    @property
    def ends_at(self) -> float:
        """When a voice that owes nothing is taken to have ended."""
        return max(self._clock(), self._plays_until) + END_S

    def heard(self, samples: int) -> None:
        """More sound has come."""
        now = self._clock()
        self._waited_s += max(0.0, now - self._due) if self._owed_since is not None else 0.0
        self._plays_until = max(now, self._plays_until) + samples / TTS_RATE
        if self._plays_until - now >= self._times.caught_up_s:
            self._waited_s = 0.0

    @property
    def _due(self) -> float:
        """When the listener begins to wait."""
        return max(self._plays_until, self._owed_since or 0.0)
