"""The LangGraph agent of a session: its model, its tools, and hooks that keep account of every turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

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
)
from voice_agents.prompts import system_prompt
from voice_agents.tools import Toolbox

__all__ = ["AgentOutput", "AgentTurn", "Remark", "Token", "ToolFinished", "ToolStarted", "VoiceAgent"]

MODEL_CALLS_MAX = 8
"""Model calls in one turn; then the agent gives up aloud instead of going round with its tools for ever."""
GAVE_UP = "I am going round in circles with this one. Could you ask it in another way?"


class VoiceAgent:
    """The agent of one session. ``instructions`` are added to the voice rules of :mod:`voice_agents.prompts`."""

    def __init__(self, model: BaseChatModel, history: History, toolbox: Toolbox, instructions: str = "") -> None:
        self._history = history
        self._graph: Graph = create_agent(
            model,
            toolbox.as_langchain(),
            system_prompt=system_prompt(instructions),
            middleware=[_Account()],
            context_schema=Record,
        )

    def turn(self, conversation: Conversation, text: str) -> AgentTurn:
        """The work on what the user said; it begins with :meth:`AgentTurn.stream`."""
        return AgentTurn(self._graph, self._history, conversation, text)


class _Account(AgentMiddleware[AgentState[Any], Record]):
    """Records what the model said and what tools returned, the moment it is certain.

    The record, not the graph's state, becomes history: a step that is cancelled half way leaves no state.
    """

    async def awrap_model_call(
        self,
        request: ModelRequest[Record],
        handler: Callable[[ModelRequest[Record]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        record, write = request.runtime.context, request.runtime.stream_writer
        answer = Answer(new_id())
        record.answers.append(answer)
        write(AnswerStarted(answer))
        if len(record.answers) > MODEL_CALLS_MAX:
            answer.message = AIMessage(GAVE_UP, id=answer.id)
        else:
            response = await handler(request)
            answer.message = _with_own_ids(_only_ai(response), answer.id, record)
        write(AnswerDone(answer))
        return ModelResponse(result=[answer.message])

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        record = cast(Record, request.runtime.context)
        write = request.runtime.stream_writer
        call = request.tool_call
        call_id = call["id"] or ""
        write(ToolStarted(call["name"], call["args"], call_id))
        result = await handler(request)
        if isinstance(result, ToolMessage):
            record.results[call_id] = result
            write(ToolFinished(call_id, result.text, error=result.status == "error"))
        return result


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
