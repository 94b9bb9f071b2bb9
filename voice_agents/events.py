"""What an engine says: one frozen dataclass per event, one meaning each, the same from both engines.

Every event carries ``turn`` (0 before the first turn, then counting up with every user turn or
agent-initiated announcement) and ``at``, the session clock in seconds (monotonic).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from voice_agents.audio import Pcm
from voice_agents.errors import Role, VoiceAgentError
from voice_agents.turns.latency import TurnLatency


class Status(StrEnum):
    """What the session does right now; the words are shown in the page."""

    READY = "Ready"
    CONNECTING = "Connecting"
    LISTENING = "Listening"
    HEARING = "Hearing you"
    THINKING = "Thinking"
    SPEAKING = "Speaking"
    PAUSED = "Paused"
    RECONNECTING = "Reconnecting"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events."""

    turn: int
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Event):
    """The session's state as the page shows it."""

    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(Event):
    """The user began to speak (own VAD). ``began``: when the first speech sample arrived, on the session's clock."""

    began: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechEnded(Event):
    """The user's turn was taken; speech ended ``silence_s`` earlier."""

    silence_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTranscript(Event):
    """The user's words so far (``final=False`` replaces the previous one) or for good."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentText(Event):
    """The next piece of the answer as the model wrote it; append to what came before in this turn."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled(Event):
    """The agent calls a tool."""

    name: str
    args: Mapping[str, Any]
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReturned(Event):
    """A tool is done; ``error`` says that ``result`` is what went wrong, as the model was told."""

    call_id: str
    result: str
    error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAudio(Event):
    """The next samples to play: int16 mono at the session's ``output_rate``.

    ``position`` is the sample index of ``pcm[0]`` in this turn's audio. ``epoch`` counts every time queued audio
    became stale (pause, interruption): a queue drops chunks whose epoch is older than the session's.
    """

    pcm: Pcm
    position: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAudioDone(Event):
    """The last samples of the answer were handed out: a speaker that holds some back lets them go.

    Told again when the end is played again after a pause; never for an answer that was cut or made no sound.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDucked(Event):
    """Perhaps an interruption: play on at ``volume`` (1.0 is as it was) within 20 ms, what was handed out included.

    Until AgentResumed, or until what was played is stopped. ``position``: first sample not played yet.
    """

    position: int
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPaused(Event):
    """Stop playing now; queued audio of this and older epochs is stale. ``position``: first sample not played."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResumed(Event):
    """The agent goes on from ``position``, as loud as it was."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted(Event):
    """The answer of this turn was cut; ``heard_text`` is what had been played and what memory now holds."""

    heard_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDone(Event):
    """The turn is over, played to its end or cut."""

    heard_text: str
    latency: TurnLatency


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderUsed(Event):
    """What a provider did for this turn, as it is paid for; each use is told once, also for answers that were cut.

    A chat server does not say what an answer cost that was cut while it was written.
    """

    role: Role
    input_tokens: int = 0
    output_tokens: int = 0
    characters: int = 0
    """Of the text that was given to a voice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderReplaced(Event):
    """The offline provider does the work of one that fails (a :class:`Notice` says why), or no longer does it."""

    role: Role
    offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunEarly(Event):
    """An answer was begun before it was certain that the user had finished; each is told of once, when it is known
    what came of it.

    ``used``: it became the answer. Else it was dropped: ``tokens`` (of the question, estimated, and of what the model
    had written) and ``characters`` (given to the voice) were for nothing.
    """

    used: bool
    saved_s: float = 0.0
    """How much later the first sound would have come otherwise."""
    tokens: int = 0
    characters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something the user should know that does not stop the conversation."""

    level: Literal["info", "warning"]
    text: str
    error: VoiceAgentError | None = None
    """What was mended, or is being mended: a connection that was lost, a provider asked a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The turn (or the session) could not go on; ``str(error)`` is one plain sentence for the page."""

    error: VoiceAgentError
