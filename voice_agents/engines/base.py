"""The shape of an engine: a conversation in, events out, whichever architecture is behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from voice_agents.audio import Pcm
from voice_agents.conversation.messages import whole
from voice_agents.conversation.model import Conversation
from voice_agents.errors import InvalidInput
from voice_agents.events import Event
from voice_agents.settings import TurnSettings

OUTPUT_RATE = 24_000
"""Hz of AgentAudio from every engine."""
MAX_TEXT = 4000
"""Characters a typed turn may have."""


def checked_text(text: str) -> str:
    """A typed turn without outer white space, with nothing in it that cannot be stored.

    Raises InvalidInput when nothing is left or it is too long.
    """
    text = whole(text.strip())
    if not text:
        raise InvalidInput("There is nothing to send: type something first.")
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"This text has {len(text)} characters; at most {MAX_TEXT} fit into one turn.")
    return text


class Session(Protocol):
    """One live conversation. Enter it, push audio, iterate its events; leaving ends every socket and task.

    Iterate from one task only. The iteration ends when the session is closed.
    """

    conversation: Conversation
    input_rate: int
    """Hz that :meth:`push_audio` expects."""
    output_rate: int
    """Hz of :class:`AgentAudio`."""

    @property
    def epoch(self) -> int:
        """Counts up whenever audio already handed out became stale; drop AgentAudio whose epoch is lower."""

    @property
    def busy(self) -> bool:
        """The agent will speak up by itself: a timer is running, or has fired and waits for a pause."""

    @property
    def heard_so_far(self) -> str:
        """The words of the answer that is being spoken which were played until now; "" while nothing is spoken."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def push_audio(self, pcm: Pcm) -> None:
        """The microphone's next samples, int16 mono at ``input_rate``, any length. Never blocks.

        Raises InvalidInput for anything that is not one-dimensional int16.
        """

    def send_text(self, text: str) -> None:
        """A typed turn; interrupts like speech does. Raises InvalidInput when empty or longer than 4000 characters."""

    def end_turn(self) -> None:
        """Push-to-talk release: the user's turn ends now."""

    def interrupt(self) -> None:
        """Stop talking now; nothing happens when the agent is silent."""

    def set_turns(self, turns: TurnSettings) -> None:
        """Change patience, mode or the server's detector, at once: for what the user is saying too."""

    def set_voice(self, voice: str) -> None:
        """Change the agent's voice, from its next answer on."""

    def set_speaking(self, speaking: bool) -> None:
        """Whether answers are spoken (as at first) or, where nobody listens, only written; from the next one on."""

    def set_reporting(self, reporting: bool) -> None:
        """Whether whoever plays the sound reports by :meth:`played` how far it is; at first nobody does."""

    def played(self, turn: int, epoch: int, position: int) -> None:
        """Of the AgentAudio of this turn and epoch, all samples before ``position`` have sounded.

        Words are taken as heard by it. After AgentPaused the word about the epoch before says where the sound really
        stopped, and the answer goes on from there. A word about anything else is too late and changes nothing.
        """

    def __aiter__(self) -> AsyncIterator[Event]: ...


class Engine(Protocol):
    """Makes sessions; holds only what sessions may share: settings, connection pools, warm models."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def session(self, conversation: Conversation | None = None, turns: TurnSettings | None = None) -> Session:
        """A session on a conversation (a new one by default)."""
