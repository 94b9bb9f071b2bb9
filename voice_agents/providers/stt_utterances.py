"""What a recogniser was sent and what it answered: pairs commits with finals, and knows what to send again. No I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from voice_agents.errors import ProviderError

REPLAY_BYTES = 60 * 2 * 16_000
"""Audio of one utterance that is kept to be sent again: a minute. Of a longer one, a reconnect loses the beginning."""
REPEAT_S = 0.1
"""A final that says the same as the last one within this time is the same one, sent twice."""


@dataclass(slots=True, eq=False)
class Utterance:
    """What is said between two commits."""

    audio: deque[bytes] = field(default_factory=deque)
    """PCM16 at 16 kHz whose words are not final yet."""
    segments: list[str] = field(default_factory=list)
    """Words that became final before the commit: the server commits long utterances by itself."""
    partial: str = ""
    answer: asyncio.Future[str] | None = None
    _size: int = 0

    def hear(self, audio: bytes) -> None:
        """More audio; what does not fit any more is forgotten from the beginning."""
        self.audio.append(audio)
        self._size += len(audio)
        while self._size > REPLAY_BYTES:
            self._size -= len(self.audio.popleft())

    def follow(self, earlier: Utterance) -> None:
        """The audio of ``earlier`` belongs to this one, too."""
        self.audio.extendleft(reversed(earlier.audio))
        self._size += earlier._size

    def close_segment(self, text: str) -> None:
        """The audio so far is final as ``text``."""
        if text:
            self.segments.append(text)
        self.audio.clear()
        self._size, self.partial = 0, ""

    def words(self, last: str) -> str:
        """The utterance with ``last`` as the words of its audio."""
        return " ".join(text for text in (*self.segments, last) if text)

    def settle(self, last: str) -> None:
        """Answer the commit."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(self.words(last))

    def fail(self, error: ProviderError) -> None:
        """Answer the commit with what is known; with the error if that is nothing."""
        known = self.words(self.partial)
        if known:
            self.settle(self.partial)
        elif self.answer is not None and not self.answer.done():
            self.answer.set_exception(error)


class Utterances:
    """The utterance being spoken and those whose commit is not answered, oldest first."""

    def __init__(self) -> None:
        self.current = Utterance()
        self.pending: deque[Utterance] = deque()
        self.fresh_connection()

    def fresh_connection(self) -> None:
        """What the next connection says has nothing to do with what the last one said."""
        self._kind = ""
        self._held = ""
        self._last = ("", float("-inf"))

    def commit(self, answer: asyncio.Future[str]) -> Utterance:
        """The current utterance is over; it waits for its final unless nothing was said since the last final."""
        utterance, self.current = self.current, Utterance()
        utterance.answer = answer
        if utterance.audio:
            self.pending.append(utterance)
        else:
            utterance.settle("")
        return utterance

    def partial(self, text: str) -> str | None:
        """A hypothesis; the current utterance's words with it, or None if it is not (surely) about that one.

        A server goes through its audio in order, so while a commit waits for its final, partials are about that
        utterance; one that looks different is held until the final is there.
        """
        if not self.pending:
            self.current.partial = text
            return self.current.words(text)
        oldest = self.pending[0]
        if not oldest.partial or _same_beginning(oldest.partial, text):
            oldest.partial = text
        self._held = text
        return None

    def final(self, kind: str, text: str, now: float) -> str | None:
        """A final; the words of a partial that was held back for it, if there are any.

        ``kind``: the message's type. Some servers send each final twice, plain and with timestamps, in either
        order: the kind that comes first on a connection counts.
        """
        self._kind = self._kind or kind
        if kind != self._kind or self._is_repeat(text, now):
            return None
        self._last = (text, now)
        if not self.pending:
            self.current.close_segment(text)
            return None
        self.pending.popleft().settle(text)
        held, self._held = self._held, ""
        if self.pending or not held or _same_beginning(held, text):
            return None
        return self.partial(held)

    def throttled(self) -> None:
        """The last commit was refused for having too little audio, which stays with the server."""
        if self.pending:
            utterance = self.pending.pop()
            self.current.follow(utterance)
            utterance.settle(utterance.partial)

    def give_up(self, utterance: Utterance, error: ProviderError) -> None:
        """No final came for this one."""
        self.pending.remove(utterance)
        utterance.fail(error)

    def give_up_all(self, error: ProviderError) -> None:
        """No final will come for any."""
        while self.pending:
            answer = self.pending.popleft().answer
            if answer is not None and not answer.done():
                answer.set_exception(error)

    def unanswered(self) -> Iterator[tuple[bytes, Utterance | None]]:
        """All that a fresh connection has to be told, in order: audio, and after its audio the utterance to commit."""
        for utterance in (*self.pending, self.current):
            whole = b"".join(utterance.audio)
            for start in range(0, len(whole), _REPLAY_CHUNK):
                yield whole[start : start + _REPLAY_CHUNK], None
            if utterance.answer is not None:
                yield b"", utterance

    def _is_repeat(self, text: str, now: float) -> bool:
        last, at = self._last
        return bool(text) and text == last and now - at < REPEAT_S


_REPLAY_CHUNK = 2 * 16_000
"""Bytes: one second, the longest chunk the vendor advises."""


def _same_beginning(one: str, other: str) -> bool:
    first, second = one.casefold().split()[:1], other.casefold().split()[:1]
    return bool(first) and [word.strip(".,!?") for word in first] == [word.strip(".,!?") for word in second]
