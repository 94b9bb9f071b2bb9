"""What is said between two commits: its audio until the words are final, and the answer to its commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from voice_agents.alarm import Alarm
from voice_agents.audio import Pcm, to_bytes
from voice_agents.errors import ProviderError
from voice_agents.providers.elevenlabs.scribe import MESSAGE_MAX_BYTES
from voice_agents.providers.interfaces import STT_RATE

REPLAY_MAX_S = 60.0
"""Audio of an unfinished utterance that is kept for a reconnect; older audio is given up."""


@dataclass(slots=True)
class SentUtterance:
    """What is said between two commits."""

    audio: bytearray = field(default_factory=bytearray)
    """Everything since the last final, for a reconnect."""
    sent: int = 0
    """How many of these bytes the present socket was given."""
    spoken: bool = False
    """Audio was sent for it at all."""
    segments: list[str] = field(default_factory=list)
    """Finals the server gave without being asked."""
    partial: str = ""

    def add(self, pcm: Pcm) -> None:
        """More audio."""
        self.spoken = True
        self.audio += to_bytes(pcm)
        excess = len(self.audio) - round(REPLAY_MAX_S * STT_RATE) * 2
        if excess > 0:
            del self.audio[:excess]
            self.sent = max(0, self.sent - excess)

    def followed_by(self, more: SentUtterance) -> SentUtterance:
        """Both as one, of which nothing was sent."""
        return SentUtterance(self.audio + more.audio, 0, self.spoken or more.spoken, list(self.segments))

    def unsent(self) -> Iterator[bytes]:
        """The audio the socket has not been given yet, in messages of a size servers take; counts as given then."""
        while self.waiting_bytes:
            data = bytes(self.audio[self.sent : self.sent + MESSAGE_MAX_BYTES])
            self.sent += len(data)
            yield data

    @property
    def waiting_bytes(self) -> int:
        """How much audio the socket has not been given yet."""
        return len(self.audio) - self.sent

    def text(self, last: str) -> str:
        """The whole utterance when ``last`` is its latest piece."""
        return " ".join(piece.strip() for piece in (*self.segments, last) if piece.strip())

    def segment(self, text: str) -> None:
        """The server has committed by itself: the audio so far is settled."""
        self.segments.append(text)
        self.partial = ""
        del self.audio[: self.sent]
        self.sent = 0


class Commit:
    """An utterance that is over, and the answer to it: its words, or why there are none.

    Nothing is waited for longer than ``give_up_s``. ``on_silence`` is called when no answer has come in time, and what
    it does depends on ``may_be_asked_again``. Works in a running event loop.
    """

    def __init__(self, utterance: SentUtterance, give_up_s: float, on_silence: Callable[[Commit], None]) -> None:
        loop = asyncio.get_running_loop()
        self.utterance = utterance
        self.at = loop.time()
        """When it was made, on the loop's clock."""
        self.answer: asyncio.Future[str] = loop.create_future()
        self.answer.add_done_callback(_outcome_taken)
        self._deadline = self.at + give_up_s
        self._on_silence = on_silence
        self._asked = 0
        self._alarm = Alarm()
        self.await_connection()

    def await_connection(self) -> None:
        """Nothing was asked on a living socket (yet): only the whole wait is limited."""
        self._alarm.set(self._deadline, lambda: self._on_silence(self))

    def await_answer(self, within_s: float) -> None:
        """It was asked on a living socket."""
        self._asked += 1
        by = asyncio.get_running_loop().time() + within_s
        self._alarm.set(min(by, self._deadline), lambda: self._on_silence(self))

    @property
    def may_be_asked_again(self) -> bool:
        """One socket may have lost it; who asks a second one in vain has waited long enough."""
        return self._asked == 1 and asyncio.get_running_loop().time() < self._deadline

    def settle(self, text: str) -> None:
        """The words are known."""
        self._alarm.cancel()
        if not self.answer.done():
            self.answer.set_result(self.utterance.text(text))

    def fail(self, error: ProviderError) -> None:
        """The words will not be known, unless a hypothesis came that can stand in for them."""
        if self.utterance.segments or self.utterance.partial:
            return self.settle(self.utterance.partial)
        self._alarm.cancel()
        if not self.answer.done():
            self.answer.set_exception(error)
        return None


def _outcome_taken(answer: asyncio.Future[str]) -> None:
    """Whoever does not wait for an answer need not hear from asyncio that it failed."""
    if not answer.cancelled():
        answer.exception()
