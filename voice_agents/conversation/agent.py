"""The LangGraph agent: one graph for all sessions, and hooks that keep account of every turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

from langchain.agents import AgentState, create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse, ToolCallRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.types import Command

from voice_agents.conversation.history import History
from voice_agents.conversation.messages import Answer, Record
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.conversation.turn import (
    AgentOutput,
    AgentTurn,
    AnswerDone,
    AnswerStarted,
    Graph,
    Remark,
    Token,
    ToolFinished,
    ToolStarted,
    TurnContext,
)
from voice_agents.prompts import system_prompt
from voice_agents.tools import Toolbox

__all__ = [
    "AgentOutput",
    "AgentTurn",
    "Graph",
    "Remark",
    "Token",
    "ToolFinished",
    "ToolStarted",
    "VoiceAgent",
    "agent_graph",
]

MODEL_CALLS_MAX = 8
"""Model calls in one turn; then the agent gives up aloud instead of going round with its tools for ever."""
GAVE_UP = "I am going round in circles with this one. Could you ask it in another way?"


def agent_graph(model: BaseChatModel, instructions: str = "") -> Graph:
    """The agent that all sessions share; ``instructions`` are added to the voice rules of :mod:`voice_agents.prompts`.

    What is a session's own, its tools, comes with each turn: to compile a graph for every session would hold up all
    others for 10 to 25 ms (measured).
    """
    return create_agent(
        model, [], system_prompt=system_prompt(instructions), middleware=[_Account()], context_schema=TurnContext
    )


class VoiceAgent:
    """The agent of one session."""

    def __init__(self, graph: Graph, history: History, toolbox: Toolbox) -> None:
        self._graph = graph
        self._history = history
        self._toolbox = toolbox

    def turn(self, conversation: Conversation, text: str) -> AgentTurn:
        """The work on what the user said; it begins with :meth:`AgentTurn.stream`."""
        return AgentTurn(self._graph, self._history, self._toolbox, conversation, text)


class _Account(AgentMiddleware[AgentState[Any], TurnContext]):
    """Brings the session's tools, and records what the model said and what they returned, the moment it is certain.

    The record, not the graph's state, becomes history: a step that is cancelled half way leaves no state.
    """

    async def awrap_model_call(
        self,
        request: ModelRequest[TurnContext],
        handler: Callable[[ModelRequest[TurnContext]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        context, write = request.runtime.context, request.runtime.stream_writer
        record = context.record
        answer = Answer(new_id())
        record.answers.append(answer)
        write(AnswerStarted(answer))
        if len(record.answers) > MODEL_CALLS_MAX:
            answer.message = AIMessage(GAVE_UP, id=answer.id)
        else:
            response = await handler(request.override(tools=[*context.toolbox.as_chat()]))
            answer.message = _with_own_ids(_only_ai(response), answer.id, record)
        write(AnswerDone(answer))
        return ModelResponse(result=[answer.message])

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """In the handler's place: that one knows only tools that a graph was compiled with."""
        context = cast(TurnContext, request.runtime.context)
        write = request.runtime.stream_writer
        call = request.tool_call
        name, call_id = call["name"], call["id"] or ""
        write(ToolStarted(name, call["args"], call_id))
        result = await context.toolbox.call(name, call["args"])
        status: Literal["error", "success"] = "error" if result.error else "success"
        message = ToolMessage(result.text, name=name, tool_call_id=call_id, status=status)
        context.record.results[call_id] = message
        write(ToolFinished(call_id, result.text, error=result.error))
        return message


def _only_ai(response: ModelResponse[Any]) -> AIMessage:
    [message] = [message for message in response.result if isinstance(message, AIMessage)]
    return message


def _with_own_ids(message: AIMessage, id: str, record: Record) -> AIMessage:
    """The message under an id that is surely unique, and every tool call under one that is unique in the turn.

    Some OpenAI-compatible servers give each answer the same id, which would make LangGraph replace the one before.
    A call whose arguments are no JSON is kept as a call that the toolbox refuses, so that the model hears of it.
    """
    used = {call["id"] for answer in record.answers if answer.message for call in answer.message.tool_calls}
    malformed = [
        ToolCall(name=call["name"] or "", args={"malformed": call["args"]}, id=call["id"], type="tool_call")
        for call in message.invalid_tool_calls
    ]
    calls: list[ToolCall] = []
    for call in [*message.tool_calls, *malformed]:
        call_id = call["id"] if call["id"] and call["id"] not in used else f"call_{new_id()}"
        used.add(call_id)
        calls.append(ToolCall(name=call["name"], args=call["args"], id=call_id, type="tool_call"))
    return message.model_copy(update={"id": id, "tool_calls": calls, "invalid_tool_calls": []})
