"""ElevenLabs' realtime speech-to-text protocol without sockets: what to send, and what answers mean.

Facts: ``elevenlabs.realtime.scribe`` of the vendor's SDK and the AsyncAPI document it is generated from. There is no id
of any kind: commits and final transcripts pair first in, first out, and a server may commit by itself.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from voice_agents.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Role,
)
from voice_agents.providers.interfaces import STT_RATE
from voice_agents.providers.names import inside

MESSAGE_MAX_BYTES = 2 * STT_RATE
"""One second, the longest message the vendor advises; servers refuse messages of more than 1 MiB."""


class Reaction(Enum):
    """What a message of the server asks of the client."""

    NONE = auto()
    PARTIAL = auto()
    FINAL = auto()
    THROTTLED = auto()
    """The commit had too little audio: there will be no final for it."""
    RENEW = auto()
    """The session has ended as sessions do: open another."""
    RETRY = auto()
    """Something failed that may not fail again."""
    FATAL = auto()
    """It would fail again until the user changes something."""


_PLAIN_FINALS = ("committed_transcript", "final_transcript")
_REACTIONS = {
    "partial_transcript": Reaction.PARTIAL,
    **dict.fromkeys(_PLAIN_FINALS, Reaction.FINAL),
    **dict.fromkeys((f"{name}_with_timestamps" for name in _PLAIN_FINALS), Reaction.FINAL),
    "commit_throttled": Reaction.THROTTLED,
    **dict.fromkeys(("session_time_limit_exceeded", "insufficient_audio_activity"), Reaction.RENEW),
    **dict.fromkeys(
        ("error", "rate_limited", "queue_overflow", "resource_exhausted", "transcriber_error", "chunk_size_exceeded"),
        Reaction.RETRY,
    ),
    **dict.fromkeys(
        ("auth_error", "quota_exceeded", "unaccepted_terms", "invalid_request", "input_error"), Reaction.FATAL
    ),
}


def reaction(message: Mapping[str, Any]) -> Reaction:
    """What a server message asks for; unknown types ask for nothing."""
    return _REACTIONS.get(str(message.get("message_type")), Reaction.NONE)


def plain_error(message: Mapping[str, Any], name: str) -> ProviderError:
    """An error message of the server as one plain sentence."""
    match message.get("message_type"):
        case "auth_error":
            sentence = f"{name} does not accept the API key: check ELEVENLABS_API_KEY."
            return AuthenticationFailed(Role.STT, name, sentence)
        case "quota_exceeded":
            sentence = f"The account at {inside(name)} has no credits left: check its plan."
            return QuotaExceeded(Role.STT, name, sentence)
        case "unaccepted_terms":
            return QuotaExceeded(Role.STT, name, f"{name} wants its terms to be accepted first: log in to the account.")
        case "rate_limited" | "queue_overflow" | "resource_exhausted":
            sentence = f"{name} gets too much to do for speech-to-text at the moment. Trying again."
            return RateLimited(Role.STT, name, sentence)
        case "invalid_request" | "input_error" as kind:
            check = "check ELEVENLABS_STT_MODEL and STT_LANGUAGE"
            sentence = f"{name} does not accept the request for speech-to-text ({kind}): {check}."
            return RequestRejected(Role.STT, name, sentence)
        case kind:
            return ProviderUnavailable(Role.STT, name, f"{name} reported a problem with speech-to-text ({kind}).")


def audio_message(pcm: bytes, commit: bool = False) -> str:
    """PCM16 at 16 kHz as the protocol's only client message; a commit carries no audio."""
    return (
        f'{{"message_type":"input_audio_chunk","audio_base_64":"{base64.b64encode(pcm).decode()}",'
        f'"commit":{json.dumps(commit)},"sample_rate":{STT_RATE}}}'
    )


REPEAT_S = 0.1
"""A final that says the same as the one before within this time is that one, sent twice."""


class Twins:
    """Some servers send every final twice: with and without timestamps in either order, or simply again."""

    def __init__(self) -> None:
        self._last: tuple[bool, str] | None = None
        self._at = 0.0

    def is_second(self, message: Mapping[str, Any], committed_at: float | None, now: float) -> bool:
        """This final says again what the one before it said.

        ``committed_at``: when the commit was made that it answers otherwise; ``now`` is of the same clock.
        """
        timed = str(message.get("message_type")).endswith("_with_timestamps")
        text = str(message.get("text", ""))
        if self._last == (not timed, text):
            self._last = None
            return True
        awaited = committed_at is not None and committed_at > self._at
        if text and self._last == (timed, text) and now - self._at < REPEAT_S and not awaited:
            return True
        self._last, self._at = (timed, text), now
        return False


STALE_S = 0.6
"""A hypothesis that says what the last final said, and no more, is that one's if it comes within this time after it."""


@dataclass(frozen=True, slots=True)
class LastFinal:
    """The words a commit was answered with, and when."""

    text: str = ""
    at: float = -math.inf

    def is_stale(self, partial: str, now: float) -> bool:
        """This hypothesis is about what was final already."""
        said, words = _words(self.text), _words(partial)
        return now - self.at < STALE_S and said[: len(words)] == words

    def is_repeated(self, text: str, partial: str, *, awaited: bool) -> bool:
        """This final says again what was said by the last one, and not what is being said now.

        ``partial``: what a hypothesis made of that; ``awaited``: a commit waits for its answer. Who says the same
        twice has it understood twice, unless nothing was heard of it at all.
        """
        if _words(text) != _words(self.text):
            return False
        return bool(partial) and not begin_alike(partial, text) if awaited else not partial


def _words(text: str) -> list[str]:
    return [word.strip(".,!?;:") for word in text.casefold().split()]


def begin_alike(one: str, other: str) -> bool:
    """Whether two hypotheses begin with the same word, so that they are about the same speech."""
    first, second = _words(one)[:1], _words(other)[:1]
    return bool(first) and first == second
