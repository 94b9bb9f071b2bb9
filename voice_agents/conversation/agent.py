"""The LangGraph agent: a user's words in, tokens and tool calls out, and a history that equals what was heard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel

from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.tools import Toolbox


@dataclass(frozen=True, slots=True)
class Token:
    """The next piece of the answer. ``message_id`` is the message it belongs to: a turn with tools may have several."""

    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The agent calls a tool."""

    name: str
    args: Mapping[str, Any]
    call_id: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool is done; ``result`` is what the model is told."""

    call_id: str
    result: str
    error: bool


AgentOutput = Token | ToolStarted | ToolFinished


class AgentTurn:
    """The agent's work on one turn: one object that can be kept or discarded whole.

    Iterate :meth:`stream` once, then await :meth:`settle` (keep) or :meth:`discard` (forget). Nothing is stored before.
    """

    def stream(self) -> AsyncIterator[AgentOutput]:
        """Run the agent. May be cancelled at any point. Errors of the model come out as they are."""
        raise NotImplementedError

    async def settle(self, heard: Mapping[str, str]) -> None:
        """Stop the run if it is not over and store the turn as it was heard; on disk when it returns.

        ``heard`` has the text that was played per message id; a message that is missing was not heard. Heard whole:
        stored as it is; in part: cut to it and marked interrupted; not at all: left out. The user's words and the
        results of tools that ran stay; tools still running are stopped and told as cancelled. Once settled or
        discarded, further calls do nothing.
        """
        raise NotImplementedError

    async def discard(self) -> None:
        """Stop the run if it is not over and leave no trace of the turn. Does nothing once settled."""
        raise NotImplementedError


class VoiceAgent:
    """The agent of one session. ``instructions`` are added to the voice rules of :mod:`voice_agents.prompts`."""

    def __init__(self, model: BaseChatModel, history: History, toolbox: Toolbox, instructions: str = "") -> None:
        raise NotImplementedError

    def turn(self, conversation: Conversation, text: str) -> AgentTurn:
        """The work on what the user said; it begins with :meth:`AgentTurn.stream`."""
        raise NotImplementedError
