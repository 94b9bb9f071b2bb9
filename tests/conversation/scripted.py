"""A chat model that follows a script, and what the tests of this room share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable

from voice_agents.conversation.agent import AgentTurn, Token, VoiceAgent, agent_graph
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.tools import Tool, Toolbox

Step = str | BaseException | asyncio.Event | tuple[str, str, str]
"""A token, a failure, something to wait for, or a tool call (name, JSON arguments, call id)."""
Answer = Sequence[Step]


class ScriptedModel(BaseChatModel):
    """Answers its calls one after the other with the given scripts; keeps what it was asked."""

    script: list[Answer]
    asked: list[list[BaseMessage]]
    message_id: str | None = None
    """Given to every answer, as careless servers do."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=tools)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked.append(messages)
        assert_valid(messages)
        steps = self.script[min(len(self.asked), len(self.script)) - 1]
        for index, step in enumerate(steps):
            if isinstance(step, asyncio.Event):
                await step.wait()
                continue
            if isinstance(step, BaseException):
                raise step
            await asyncio.sleep(0)
            if isinstance(step, str):
                chunk = AIMessageChunk(content=step, id=self.message_id)
            else:
                name, args, call_id = step
                call = tool_call_chunk(name=name, args=args, id=call_id, index=index)
                chunk = AIMessageChunk(content="", tool_call_chunks=[call], id=self.message_id)
            generation = ChatGenerationChunk(message=chunk)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=generation)
            yield generation


class WholeModel(ScriptedModel):
    """The same without streaming."""

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(messages)
        text = "".join(step for step in self.script[len(self.asked) - 1] if isinstance(step, str))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text, id=self.message_id))])

    _astream = BaseChatModel._astream


def scripted(*script: Answer, kind: type[ScriptedModel] = ScriptedModel, **fields: Any) -> ScriptedModel:
    """A fresh model with its own list of what it was asked."""
    return kind(script=list(script), asked=[], **fields)


class Probe:
    """Tools whose running and ending the test decides."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.quick_done = asyncio.Event()
        self.go_on = asyncio.Event()
        self.done: list[str] = []

    def toolbox(self) -> Toolbox:
        return Toolbox([Tool.of(tool, side_effects=False) for tool in (self.quick, self.slow, self.broken)])

    async def quick(self, word: str = "x") -> str:
        """Answer at once."""
        self.done.append(word)
        self.quick_done.set()
        return f"Quick says {word}."

    async def slow(self) -> str:
        """Answer when told to."""
        self.started.set()
        await self.go_on.wait()
        self.done.append("slow")
        return "Slow is done."

    async def broken(self) -> str:
        """Fail."""
        raise RuntimeError("secret details")


def agent_of(model: BaseChatModel, history: History, toolbox: Toolbox | None = None) -> VoiceAgent:
    return VoiceAgent(agent_graph(model), model, history, toolbox or Probe().toolbox())


async def heard_of(turn: AgentTurn, stop_after: int | None = None) -> dict[str, str]:
    """Iterate a turn, at most ``stop_after`` outputs; the text of each message so far."""
    texts: dict[str, str] = {}
    seen = 0
    async for output in turn.stream():
        if isinstance(output, Token):
            texts[output.message_id] = texts.get(output.message_id, "") + output.text
        seen += 1
        if stop_after is not None and seen >= stop_after:
            break
    return texts


async def say(agent: VoiceAgent, conversation: Conversation, text: str) -> str:
    """One turn, heard to its end; what the agent said last."""
    turn = agent.turn(conversation, text)
    texts = await heard_of(turn)
    await turn.settle(texts)
    return list(texts.values())[-1] if texts else ""


def assert_valid(messages: Sequence[BaseMessage]) -> None:
    """What every provider demands: each call is answered right after its message, and nothing else is."""
    open_calls: set[str | None] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            assert message.tool_call_id in open_calls, f"an answer without its call: {message}"
            open_calls.discard(message.tool_call_id)
            continue
        assert not open_calls, f"calls without an answer before {message}"
        if isinstance(message, AIMessage):
            assert message.text or message.tool_calls, "an empty answer"
            open_calls = {call["id"] for call in message.tool_calls}
            assert len(open_calls) == len(message.tool_calls)
    assert not open_calls, "calls without an answer at the end"


def spoken(messages: Sequence[BaseMessage]) -> list[str]:
    """The conversation as one line per message: "user: hello"."""
    roles: dict[type[BaseMessage], str] = {HumanMessage: "user", AIMessage: "agent", ToolMessage: "tool"}
    return [f"{roles[type(message)]}: {message.text}" for message in messages]
