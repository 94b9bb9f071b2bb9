"""The LangGraph agent: one graph for all sessions, and hooks that keep account of every turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, cast

from langchain.agents import AgentState, create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    ToolCall,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.messages.ai import add_ai_message_chunks
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command
from langsmith import set_runtime_overrides
from langsmith.utils import tracing_is_enabled

from voice_agents.conversation.copies import Copies
from voice_agents.conversation.deeds import Deeds
from voice_agents.conversation.graph_tools import AgentParts, session_tools
from voice_agents.conversation.graph_turn import GraphTurn
from voice_agents.conversation.history import History
from voice_agents.conversation.messages import Answer, Record, tool_message
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.own_graph import OwnGraph
from voice_agents.conversation.question import Question
from voice_agents.conversation.turn import (
    AgentOutput,
    AgentTurn,
    ModelUsed,
    Remark,
    Retracted,
    Token,
    ToolFinished,
    ToolStarted,
)
from voice_agents.prompts import system_prompt
from voice_agents.providers.chat import REMARK, RETRACTED
from voice_agents.tools import MALFORMED, Toolbox

__all__ = [
    "AgentOutput",
    "AgentParts",
    "AgentTurn",
    "Graph",
    "ModelUsed",
    "OwnGraph",
    "Remark",
    "Retracted",
    "Token",
    "ToolFinished",
    "ToolStarted",
    "VoiceAgent",
    "agent_graph",
    "session_tools",
]

MODEL_CALLS_MAX = 8
"""Model calls in one turn; then the agent gives up aloud instead of going round with its tools for ever."""
GAVE_UP = "I am going round in circles with this one. Could you ask it in another way?"


def agent_graph(model: BaseChatModel, instructions: str = "") -> Graph:
    """The agent that all sessions share; ``instructions`` are added to the voice rules of :mod:`voice_agents.prompts`.

    What is a session's own, its tools and its line to the model, comes with each turn: to compile a graph for every
    session would hold up all others for 10 to 25 ms (measured). ``model`` is what LangChain compiles it with, and is
    itself never asked.
    """
    return create_agent(
        model, [], system_prompt=system_prompt(instructions), middleware=[_Account()], context_schema=TurnContext
    )


async def _untraced(
    in_thread: Callable[..., Awaitable[Any]],
    context: Context,
    function: Callable[..., Any],
    /,
    *args: Any,
    **values: Any,
) -> Any:
    """What LangSmith does before and after every hook, in a thread although there is nothing to trace.

    Its two threads took 2 to 7 ms before the first token (measured), and on a busy machine a tool began in them after
    its run was cancelled.
    """
    if tracing_is_enabled():
        return await in_thread(context, function, *args, **values)
    return context.run(function, *args, **values)


set_runtime_overrides(aio_to_thread=_untraced)


@dataclass(frozen=True, slots=True)
class TurnContext:
    """What the graph's hooks know of the turn they work on; what they ``tell`` comes out of :meth:`AgentTurn.stream`.

    They do not write to the graph's own stream: that takes every token through fourteen more steps of
    the event loop (counted), and in each of them the other conversations come first.
    """

    record: Record
    model: BaseChatModel
    toolbox: Toolbox
    question: Question
    tell: Callable[[AgentOutput], None]

    def say(self, answer: Answer, text: str) -> None:
        """The next piece of an answer."""
        if text:
            self.tell(Token(text, answer.id))


Graph = CompiledStateGraph[AgentState[Any], TurnContext, Any, Any]


class StandardTurn(AgentTurn):
    """A turn of the standard agent."""

    def __init__(
        self,
        graph: Graph,
        model: BaseChatModel,
        history: History,
        toolbox: Toolbox,
        conversation: Conversation,
        read_ahead: bool = False,
        deeds: Deeds | None = None,
    ) -> None:
        super().__init__(history, conversation, read_ahead, deeds)
        self._graph = graph
        record = Record(deeds=self._deeds)
        self._context = TurnContext(record, model, toolbox, self._question, self._outputs.put_nowait)

    def _work(self) -> Coroutine[Any, Any, None]:
        return _answer(self._graph, self._context)

    def _close(self) -> None:
        self._context.record.over = True

    async def _store(self, words: AnyMessage, heard: Mapping[str, str]) -> None:
        await self._history.extend(self._conversation, [words, *self._context.record.as_heard(heard)])


async def _answer(graph: Graph, context: TurnContext) -> None:
    await graph.ainvoke({"messages": []}, context=context)


class VoiceAgent:
    """The agent of one session: the standard one, or a graph that a developer brings, with a model of its own."""

    def __init__(
        self, graph: Graph | OwnGraph, model: BaseChatModel | None, history: History, toolbox: Toolbox
    ) -> None:
        self._graph = graph
        self._model = model
        self._history = history
        self._toolbox = toolbox
        self._copies = Copies()

    def turn(self, conversation: Conversation, text: str) -> AgentTurn:
        """The work on what the user said; it begins with :meth:`AgentTurn.stream`."""
        turn = self._new(conversation)
        turn.ask(text)
        return turn

    @asynccontextmanager
    async def ready_for(
        self, conversation: Conversation, read_ahead: bool = True, deeds: Deeds | None = None
    ) -> AsyncIterator[AgentTurn]:
        """The work on words that are still on their way; discarded if it was not asked in the end.

        ``read_ahead`` and ``deeds``: see :class:`AgentTurn`.
        """
        turn = self.begin(conversation, read_ahead, deeds)
        try:
            yield turn
        finally:
            if not turn.asked:
                await turn.discard()

    def begin(self, conversation: Conversation, read_ahead: bool = True, deeds: Deeds | None = None) -> AgentTurn:
        """As :meth:`ready_for`, for who settles or discards it himself."""
        turn = self._new(conversation, read_ahead, deeds)
        turn.begin()
        return turn

    def _new(self, conversation: Conversation, read_ahead: bool = False, deeds: Deeds | None = None) -> AgentTurn:
        if isinstance(self._graph, OwnGraph):
            return GraphTurn(self._graph, self._history, self._toolbox, self._copies, conversation, read_ahead, deeds)
        assert self._model is not None
        return StandardTurn(self._graph, self._model, self._history, self._toolbox, conversation, read_ahead, deeds)


class _Account(AgentMiddleware[AgentState[Any], TurnContext]):
    """Brings the session's tools, and records what the model said and what they returned, the moment it is certain.

    The record, not the graph's state, becomes history: a step that is cancelled half way leaves no state.
    """

    async def awrap_model_call(
        self,
        request: ModelRequest[TurnContext],
        handler: Callable[[ModelRequest[TurnContext]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """In the handler's place: that one hands on the whole answer only."""
        context = request.runtime.context
        answer = Answer(new_id())
        context.record.answers.append(answer)
        if len(context.record.answers) > MODEL_CALLS_MAX:
            answer.message = AIMessage(GAVE_UP, id=answer.id)
            context.say(answer, GAVE_UP)
        else:
            message = await _streamed(request, context, answer)
            if (usage := message.usage_metadata) is not None:
                context.tell(ModelUsed(usage["input_tokens"], usage["output_tokens"]))
            answer.message = _with_own_ids(message, answer.id, context.record)
        if remark := answer.message.response_metadata.pop(REMARK, ""):
            context.tell(Remark(remark))
        return ModelResponse(result=[answer.message])

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """In the handler's place: that one knows only tools that a graph was compiled with."""
        context = cast(TurnContext, request.runtime.context)
        call = request.tool_call
        name, call_id = call["name"], call["id"] or ""
        deeds = context.record.deeds
        await deeds.may_begin(context.toolbox, name, call["args"])
        if context.record.over:
            raise asyncio.CancelledError  # a cancelled run that was held up: its turn is stored
        if (deed := deeds.again(context.toolbox, name, call["args"])) is not None:
            result = await asyncio.shield(deed.work)
            if not deed.told:  # its answer was taken back before it was done
                context.tell(ToolFinished(deed.call_id, result.text, error=result.error))
                deed.told = True
        else:
            context.tell(ToolStarted(name, call["args"], call_id))
            deed = deeds.begin(context.toolbox, name, call["args"], call_id)
            doing = context.toolbox.call(name, call["args"]) if deed is None else asyncio.shield(deed.work)
            result = await doing
            context.tell(ToolFinished(call_id, result.text, error=result.error))
            if deed is not None:
                deed.told = True
        message = tool_message(name, call_id, result)
        context.record.results[call_id] = message
        return message


async def _streamed(request: ModelRequest[TurnContext], context: TurnContext, answer: Answer) -> AIMessage:
    """Ask the model, and say its answer token by token."""
    model = context.model.bind_tools(context.toolbox.as_chat())
    instructions = [request.system_message] if request.system_message else []
    question = await context.question.shown()
    before = context.record.done_before()
    for deed, result in context.record.deeds.untold():
        context.tell(ToolFinished(deed.call_id, result.text, error=result.error))
    parts = list[Any]()
    async for part in model.astream([*instructions, *question, *before, *request.messages]):
        if part.response_metadata.pop(RETRACTED, False):
            parts.clear()
            context.tell(Retracted(answer.id))
        parts.append(part)
        context.say(answer, part.text)
    return _whole(parts)


def _whole(parts: Sequence[AIMessage]) -> AIMessage:
    """What a model streamed, or the one message of a model that does not."""
    chunks = [part for part in parts if isinstance(part, AIMessageChunk)]
    return cast(AIMessage, message_chunk_to_message(add_ai_message_chunks(*chunks))) if chunks else parts[-1]


def _with_own_ids(message: AIMessage, id: str, record: Record) -> AIMessage:
    """The message under an id that is surely unique, and every tool call under one that is unique in the turn.

    Some OpenAI-compatible servers give each answer the same id, which would make LangGraph replace the one before.
    A call whose arguments are no JSON is kept as a call that the toolbox refuses, so that the model hears of it.
    """
    used = {call["id"] for answer in record.answers if answer.message for call in answer.message.tool_calls}
    malformed = [
        ToolCall(name=call["name"] or "", args={MALFORMED: call["args"]}, id=call["id"], type="tool_call")
        for call in message.invalid_tool_calls
    ]
    calls: list[ToolCall] = []
    for call in [*message.tool_calls, *malformed]:
        call_id = call["id"] if call["id"] and call["id"] not in used else f"call_{new_id()}"
        used.add(call_id)
        calls.append(ToolCall(name=call["name"], args=call["args"], id=call_id, type="tool_call"))
    changes = {"id": id, "tool_calls": calls, "invalid_tool_calls": [], "usage_metadata": None}
    return message.model_copy(update=changes)
