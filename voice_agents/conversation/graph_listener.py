"""Hears what the models and tools of a graph do while it runs, and makes it the output of an agent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, GenerationChunk, LLMResult
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langgraph.constants import TAG_NOSTREAM

from voice_agents.conversation.copies import same_messages
from voice_agents.conversation.deeds import Deeds
from voice_agents.conversation.graph_tools import deed_of
from voice_agents.conversation.model import new_id
from voice_agents.conversation.own_graph import OwnGraph, Path
from voice_agents.conversation.turn import AgentOutput, ModelUsed, Remark, Token, ToolFinished, ToolStarted
from voice_agents.providers.chat import REMARK


@dataclass(slots=True, eq=False)
class Writing:
    """What one call of a model writes. ``key``: what its tokens are told under."""

    key: str
    path: Path
    call: int
    """How many calls of models its node made before."""
    spoken: bool
    """It is told while it is written."""
    text: str = ""
    message_id: str | None = None
    written: bool = False
    """It is whole, or was broken off."""
    landed: bool = False
    """It is in the conversation."""


@dataclass(slots=True)
class ToolDone:
    """A tool that was called. ``result`` is None until it is over."""

    name: str
    args: Mapping[str, Any]
    call_id: str
    result: str | None = None
    error: bool = False


@dataclass(slots=True)
class GraphRecord:
    """What was told of a run: the basis of what is remembered of it."""

    said: list[Writing] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)
    """By key, the text that was told."""
    keys: dict[str, str] = field(default_factory=dict)
    """By the id of a message in the conversation, the key its text was told under."""
    tools: dict[str, ToolDone] = field(default_factory=dict)
    """By call id."""
    order: dict[str, int] = field(default_factory=dict)
    """By key or call id, as the how manieth thing it was told or asked for."""


class GraphListener(BaseCallbackHandler, _StreamingCallbackHandler[Any]):
    """A LangChain callback handler; being a streaming one, it has models stream that a node only invokes.

    ``stream_mode="messages"`` tells neither which call was made inside a tool nor which asks for structured output, and
    takes every token through more steps of the event loop. May be called from the threads of nodes that are not async.
    """

    run_inline = True

    def __init__(
        self,
        graph: OwnGraph,
        before: Sequence[AnyMessage],
        ids: Set[str | None],
        new: Sequence[AnyMessage],
        deeds: Deeds,
        tell: Callable[[AgentOutput], None],
    ) -> None:
        """``before``: the conversation, with these ``ids``, which are not changed meanwhile; ``new``: what it is told.

        ``deeds``: what was done for this turn.
        """
        self.record = GraphRecord()
        self.over = False
        """The turn is being stored or forgotten."""
        self._graph = graph
        self._before = ids
        self._since = {message.id for message in new}
        self._seen = [*before, *new]
        self._written: set[str | None] = set()
        """The ids of what models wrote since."""
        self._deeds = deeds
        self._tell_in_loop = tell
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._in_tool: set[UUID] = set()
        """Runs that are a tool's or decide where to go on, or belong to one."""
        self._models: dict[UUID, Writing] = {}
        self._asked_for_data: set[UUID] = set()
        self._data: set[str | None] = set()
        """The ids of what they wrote: no words for anybody."""
        self._calls: dict[str, int] = {}
        """Of models, by the task of a node that made them."""
        self._floor = threading.Lock()
        self._speaking: Writing | None = None
        """Of nodes that work side by side one speaks, and the others wait until it has written all."""
        self._tools: dict[UUID, ToolDone] = {}

    # What the conversation holds now

    def on_messages(self, messages: Sequence[AnyMessage]) -> None:
        """A step of the graph is over; what is new in its ``messages`` is the answer."""
        seen, self._seen = self._seen, list(messages)  # a graph may go on with the same list
        added_to = same_messages(messages[: len(seen)], seen)
        for message in messages[len(seen) :] if added_to else messages:
            if message.id is None:
                message.id = new_id()
            if message.id in self._before or message.id in self._since:
                continue
            self._since.add(message.id)
            if isinstance(message, AIMessage):
                self._landed(message, message.id)
            elif isinstance(message, HumanMessage):
                self._landed_as_users(message, message.id)
            elif isinstance(message, ToolMessage):
                self._finish(message.tool_call_id, message.name or "tool", message.text, message.status == "error")

    def on_step(self) -> None:
        """All nodes so far are over: what models wrote in them is in the conversation now, or was none of it."""
        for said in self.record.said:
            if said.message_id is not None and not said.landed:
                self._graph.distrust(said.path, said.call)

    def on_last(self, message: AnyMessage) -> None:
        """The graph is over, and this is its last message: it is said although no model has put it into words.

        A tool's result that is to be handed on as it is (``return_direct``); a worker's that its graph keeps as if a
        user had said it, if there is no other answer.
        """
        direct = isinstance(message, ToolMessage) and message.status == "success"
        if direct or (isinstance(message, HumanMessage) and not self.record.told):
            self._say(message.id or "", message.text)

    def _landed(self, message: AIMessage, id: str) -> None:
        if message.text and id not in self._data:
            said = self._source(message, id)
            if said is not None:
                said.landed = True
                self._graph.trust(said.path, said.call)
            key = said.key if said is not None else id
            self.record.keys[id] = key
            told = self.record.told.get(key, "")
            if message.text.startswith(told):
                self._say(key, message.text[len(told) :])
        for call in message.tool_calls:
            self._start(call["name"], call["args"], call["id"] or new_id())

    def _landed_as_users(self, message: HumanMessage, id: str) -> None:
        """A graph keeps what a worker wrote as if a user had said it: if it was told, it is the agent's."""
        said = self._source(message, id)
        if said is not None and said.key in self.record.told:
            said.landed = True
            self.record.keys[id] = said.key

    def _source(self, message: AnyMessage, id: str) -> Writing | None:
        """The call of a model that wrote this message: it, or one made of it."""
        waiting = [said for said in self.record.said if not said.landed]
        same = (said for said in waiting if said.message_id == id)
        like = (said for said in waiting if said.text and message.text.split()[:3] == said.text.split()[:3])
        return next(same, None) or next(like, None)

    # What LangChain reports

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """LangGraph asks every listener of streamed output; this one leaves it as it is."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[Any]) -> Iterator[Any]:
        """As :meth:`tap_output_aiter`, for graphs that do not run asynchronously."""
        return output

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A node begins: it may belong to a tool that is at work. Or an edge: what it asks a model is no answer."""
        if self._belongs(run_id, parent_run_id):
            return
        if self._graph.is_edge(_path(kwargs.get("metadata") or {}), kwargs.get("name")):
            self._in_tool.add(run_id)

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A model begins to write: an answer, unless it works for a tool, a structured result or with ``nostream``."""
        inner = self._belongs(run_id, parent_run_id)
        if inner or _is_structured(kwargs):
            self._asked_for_data.add(run_id)
            return
        path, task = _path(metadata or {}), str((metadata or {}).get("langgraph_checkpoint_ns"))
        call = self._calls[task] = self._calls.get(task, -1) + 1
        spoken = TAG_NOSTREAM not in (tags or ()) and self._graph.answers(path, call)
        said = Writing(str(run_id), path, call, spoken)
        self._models[run_id] = said
        self.record.said.append(said)

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        """The next piece of what a model writes; said at once where it will surely be the answer."""
        said = self._models.get(run_id)
        if said is None or not isinstance(chunk, ChatGenerationChunk):
            return
        text = str(chunk.text)
        said.text += text
        if said.spoken:
            with self._floor:
                if self._speaking is None:
                    self._speaking = said
                if self._speaking is said:
                    self._say_rest(said)

    def on_llm_end(
        self, response: LLMResult, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A model has written all: its message is kept until its node has handed it on, its tokens are told."""
        generation = response.generations[0][0] if response.generations and response.generations[0] else None
        if not isinstance(generation, ChatGeneration) or not isinstance(generation.message, AIMessage):
            return
        message = generation.message
        if (usage := message.usage_metadata) is not None:
            self._tell(ModelUsed(usage["input_tokens"], usage["output_tokens"]))
        if remark := message.response_metadata.pop(REMARK, ""):
            self._tell(Remark(remark))
        # Careless servers give each answer the same, and one would replace the other.
        if any(message.id in ids for ids in (self._before, self._since, self._written)):
            message.id = new_id()
        self._written.add(message.id)
        said = self._models.pop(run_id, None)
        if said is None:
            if run_id in self._asked_for_data:
                self._data.add(message.id)
            return
        said.message_id = message.id
        for made in message.tool_calls:
            self._in_order(made["id"] or "")
        if not said.text:  # it does not stream
            said.text = str(message.text)
        self._pass_on(said)

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A model broke off: what it wrote stays said."""
        if (said := self._models.pop(run_id, None)) is not None:
            self._pass_on(said)

    def _pass_on(self, said: Writing) -> None:
        """It has written all: who waited may speak."""
        with self._floor:
            said.written = True
            if self._speaking not in (None, said):
                return
            self._speaking = None
            for waiting in self.record.said:
                if waiting.spoken:
                    self._say_rest(waiting)
                    if waiting.text and not waiting.written:
                        self._speaking = waiting
                        return

    def _say_rest(self, said: Writing) -> None:
        self._say(said.key, said.text[len(self.record.told.get(said.key, "")) :])

    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A tool begins; one that another tool calls is not told."""
        inner = self._belongs(run_id, parent_run_id)
        self._in_tool.add(run_id)
        if not inner:
            call_id = str(kwargs.get("tool_call_id") or run_id)
            name = str((serialized or {}).get("name") or "tool")
            self._tools[run_id] = self._start(name, kwargs.get("inputs") or {}, call_id)

    def on_tool_end(self, output: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """A tool is done; what it returned is told."""
        if (tool := self._tools.pop(run_id, None)) is not None:
            text = output.text if isinstance(output, ToolMessage) else str(output)
            error = isinstance(output, ToolMessage) and output.status == "error"
            if isinstance(output, ToolMessage | str):
                self._finish(tool.call_id, tool.name, text, error)

    def on_tool_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        """A tool has failed; that is told in its result's place."""
        if (tool := self._tools.pop(run_id, None)) is not None:
            self._finish(tool.call_id, tool.name, f"The tool {tool.name} failed.", error=True)

    def _belongs(self, run_id: UUID, parent: UUID | None) -> bool:
        """Whether a run that begins belongs to a tool."""
        if parent in self._in_tool:
            self._in_tool.add(run_id)
            return True
        return False

    # What is told

    def _start(self, name: str, args: Mapping[str, Any], call_id: str) -> ToolDone:
        if call_id not in self.record.tools:
            self.record.tools[call_id] = ToolDone(name, args, call_id)
            self._in_order(call_id)
            deed = deed_of(self._deeds, name, args)
            if deed is None or deed.call_id == call_id:  # else it was told for the call that did it
                self._tell(ToolStarted(name, args, call_id))
        return self.record.tools[call_id]

    def _finish(self, call_id: str, name: str, text: str, error: bool) -> None:
        tool = self._start(name, {}, call_id)
        if tool.result is None:
            tool.result, tool.error = text, error
            deed = deed_of(self._deeds, tool.name, tool.args)
            if deed is None or not deed.told:
                self._tell(ToolFinished(call_id if deed is None else deed.call_id, text, error=error))
            if deed is not None:
                deed.told = deed.told or not self.over

    def _say(self, key: str, text: str) -> None:
        if text and not self.over:
            self.record.told[key] = self.record.told.get(key, "") + text
            self._in_order(key)
            self._tell(Token(text, key))

    def _in_order(self, key: str) -> None:
        self.record.order.setdefault(key, len(self.record.order))

    def _tell(self, output: AgentOutput) -> None:
        if self.over:
            return
        if threading.get_ident() == self._thread:
            self._tell_in_loop(output)
        else:
            self._loop.call_soon_threadsafe(self._tell_in_loop, output)


def _path(metadata: Mapping[str, Any]) -> Path:
    """Where in the graph a model is called."""
    space = str(metadata.get("langgraph_checkpoint_ns", ""))
    return tuple(part.partition(":")[0] for part in space.split("|") if part)


def _is_structured(call: Mapping[str, Any]) -> bool:
    """The model is asked for data, not for words."""
    options = call.get("options") or {}
    asked = call.get("invocation_params") or {}
    return bool(options.get("ls_structured_output_format") or asked.get("response_format"))
