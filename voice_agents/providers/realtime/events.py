"""What a Realtime server says, as this project understands it: one frozen dataclass per event, whatever its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from voice_agents.audio import Pcm
from voice_agents.errors import ProviderError


@dataclass(frozen=True, slots=True)
class UserSpeechStarted:
    """The server's voice detector takes what it hears for the user's turn; it has stopped its own answer."""

    item_id: str
    at_ms: int
    """Where the speech begins in the audio the server was sent, padding included."""


@dataclass(frozen=True, slots=True)
class UserSpeechStopped:
    """The server takes the turn: the silence it waits for is over."""

    item_id: str
    at_ms: int
    """Where the speech ends in the audio the server was sent, the silence it waits for included (some leave it out)."""
    since_s: float | None = None
    """Seconds of sound the server was sent after that; None: it does not say."""


@dataclass(frozen=True, slots=True)
class UserCommitted:
    """The user's audio has become an item of the conversation."""

    item_id: str


@dataclass(frozen=True, slots=True)
class UserPartial:
    """The user's words of an item so far, all of them: ``text`` replaces the last partial."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class UserFinal:
    """The user's words of an item, for good; may come after the answer they caused, and comes once."""

    item_id: str
    text: str
    noise: bool = False
    """It was written down, but there is no word in it: "(coughs)", "[laughter]"."""


@dataclass(frozen=True, slots=True)
class UserFinalFailed:
    """The user's words of an item will not be known."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The model begins to answer."""

    response_id: str


@dataclass(frozen=True, slots=True)
class AudioDelta:
    """The next samples of an answer, int16 mono at 24 kHz; never of a response that was cancelled."""

    response_id: str
    item_id: str
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next words of an answer, of its sound's transcript or of a written one."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants; ``arguments`` is JSON text as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """The model has finished this response, comes once per response."""

    response_id: str
    status: Literal["completed", "cancelled", "incomplete", "failed"]
    tool_calls: tuple[ToolCall, ...] = ()
    """Complete calls, to be run when the status is "completed"."""
    reason: str = ""
    """Why it is not completed, as the server words it."""
    passing: bool = False
    """It failed for a trouble of the server's own: another one may not."""


@dataclass(frozen=True, slots=True)
class UsageReported:
    """What a response has cost, also one that was cancelled; comes once per response if the server says."""

    tokens: Mapping[str, int]
    """Counts as the server names them: ``total_tokens``, ``input_tokens``, ``output_tokens``."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """An error the user must hear of; benign races are not among them."""

    error: ProviderError


RealtimeEvent = (
    UserSpeechStarted
    | UserSpeechStopped
    | UserCommitted
    | UserPartial
    | UserFinal
    | UserFinalFailed
    | ResponseStarted
    | AudioDelta
    | TextDelta
    | ResponseDone
    | UsageReported
    | ServerError
)
