"""The agent's work on one turn, from the user's words to a history that equals what was heard."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AnyMessage

from voice_agents.conversation.deeds import Deeds
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.question import Question

_STOP_S = 0.5


@dataclass(frozen=True, slots=True)
class Token:
    """The next piece of the answer. ``message_id`` is the message it belongs to: a turn with tools may have several."""

    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Retracted:
    """What was written of this message so far was no answer, but the model thinking; what follows is one."""

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


@dataclass(frozen=True, slots=True)
class Remark:
    """``text``: a plain sentence about how an answer came about, or why it is not whole."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """What an answer of the model cost, if its server says."""

    input_tokens: int
    output_tokens: int


AgentOutput = Token | Retracted | ToolStarted | ToolFinished | Remark | ModelUsed
Tell = Callable[[AgentOutput], None]


@dataclass(frozen=True, slots=True)
class _OutputsEnd:
    error: BaseException | None = None


class AgentTurn(ABC):
    """The agent's work on one turn: one object that can be kept or discarded whole.

    :meth:`ask` and iterate :meth:`stream` once, then await :meth:`settle` (keep) or :meth:`discard` (forget). The run
    is a fork of the conversation that lives in memory: nothing is stored before it is settled, so that neither a crash
    nor a failure nor a discarded turn can leave a broken history. Settle a turn before the next one is asked, or that
    one will not know of it.
    """

    def __init__(
        self, history: History, conversation: Conversation, read_ahead: bool = False, deeds: Deeds | None = None
    ) -> None:
        """``read_ahead``: see :class:`~voice_agents.conversation.question.Question`.

        ``deeds``: what was done already for this turn of the user, in answers that were taken back.
        """
        self._history = history
        self._conversation = conversation
        self._question = Question(history, conversation, read_ahead)
        self._outputs: asyncio.Queue[AgentOutput | _OutputsEnd] = asyncio.Queue()
        self._deeds = deeds or Deeds()
        self._run: asyncio.Task[None] | None = None
        self._streamed = False
        self._ending = asyncio.Lock()
        self._ended = False

    @abstractmethod
    def _work(self) -> Coroutine[Any, Any, None]:
        """What is to be run; it does not hold the turn.

        A cancelled run keeps its frames, which would keep the turn, which keeps the run. Such a circle, of a thousand
        objects an answer that is cut, waits for the garbage collector and makes it slow.
        """

    @abstractmethod
    def _close(self) -> None:
        """The turn is being stored or forgotten: nothing more may begin."""

    @abstractmethod
    async def _store(self, words: AnyMessage, heard: Mapping[str, str]) -> None:
        """Store the user's words, and what followed as it was heard."""

    def begin(self) -> None:
        """Run the agent as far as it gets without the user's words: some milliseconds less to wait after them."""
        # A task of its own, so that the run can be stopped wherever its consumer is.
        self._run = asyncio.create_task(self._work(), name="agent turn")
        self._run.add_done_callback(self._finished)

    def ask(self, text: str) -> None:
        """What the user said."""
        self._question.ask(text)

    def reword(self, text: str) -> None:
        """The words it was asked, as the recogniser writes them for good: so they are stored."""
        self._question.reword(text)

    @property
    def characters_shown(self) -> int:
        """Of the messages that the model was shown so far; 0 where a graph of a developer's own asks it."""
        return self._question.characters

    @property
    def asked(self) -> bool:
        """The user's words are known."""
        return self._question.words is not None

    async def stream(self) -> AsyncIterator[AgentOutput]:
        """Run the agent. May be cancelled at any point. Errors of the model come out as they are.

        A run that is not iterated to its end stops, at the latest in :meth:`settle` or :meth:`discard`.
        """
        if self._streamed or self._ended or not self.asked:
            raise RuntimeError("A turn is streamed once, after it was asked and before it is settled.")
        self._streamed = True
        if self._run is None:
            self.begin()
        assert self._run is not None
        try:
            while not isinstance(output := await self._outputs.get(), _OutputsEnd):
                yield output
            if output.error is not None:
                raise output.error
        finally:
            self._run.cancel()

    def cancel(self) -> None:
        """Stop the run, whoever settles or discards it afterwards."""
        self._close()
        if self._run is not None:
            self._run.cancel()

    async def settle(self, heard: Mapping[str, str], facts: TurnFacts | None = None) -> None:
        """Stop the run if it is not over and store the turn as it was heard; on disk when it returns.

        ``heard`` has the text that was played per message id; a message that is missing was not heard. Heard whole:
        stored as it is; in part: cut to it and marked interrupted; not at all: left out. The user's words and the
        results of tools that ran stay; tools still running are stopped and answered as cancelled, but those with side
        effects first get a moment to come to their end. Once settled or discarded, further calls do nothing.
        """
        async with self._ending:
            if self._ended:
                return
            await self._stop()
            await self._deeds.finish()
            if (words := self._question.words) is not None:
                first = words if facts is None else facts.put_on(words)
                await self._store(first, heard)
            self._ended = True

    async def discard(self) -> None:
        """Stop the run if it is not over and leave no trace of the turn but what tools with side effects did.

        That stays in the :class:`Deeds` the turn was made with. Does nothing once settled.
        """
        async with self._ending:
            await self._stop()
            self._ended = True

    async def _stop(self) -> None:
        self._close()
        if self._run is not None and not self._run.done():
            self._run.cancel()
            # A model or tool that does not let go cannot hold up the conversation: the run has nothing to write to.
            await asyncio.wait({self._run}, timeout=_STOP_S)
            self._outputs.put_nowait(_OutputsEnd())

    def _finished(self, run: asyncio.Task[None]) -> None:
        self._outputs.put_nowait(_OutputsEnd(None if run.cancelled() else run.exception()))
