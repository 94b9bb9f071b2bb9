"""The tools of a graph that a developer brings: done once for one turn, like those of the standard agent."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import ToolMessage
from langchain_core.runnables.config import run_in_executor
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph._internal._runnable import RunnableCallable
from langgraph.errors import GraphBubbleUp
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import ToolNode
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.types import Command

from voice_agents.conversation.deeds import Deed, Deeds
from voice_agents.tools import Tool, Toolbox, ToolResult
from voice_agents.tools.foreign import has_side_effects
from voice_agents.tools.registry import canonical, effect_of

Answer = ToolMessage | Command[Any] | list[Any]
Execute = Callable[[ToolCallRequest], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class AgentParts:
    """What an agent can be made of: hand the engine a function from these to a compiled graph."""

    model: BaseChatModel
    """The chat model of the settings."""
    tools: Sequence[BaseTool]
    """The app's own tools and the engine's, for every session its own."""
    instructions: str
    """How to speak, and AGENT_INSTRUCTIONS."""


@dataclass(frozen=True, slots=True)
class Doing:
    """On whose behalf a graph runs."""

    toolbox: Toolbox
    deeds: Deeds


DOING: ContextVar[Doing] = ContextVar("DOING")


def session_tools(tools: Sequence[Tool]) -> list[BaseTool]:
    """For a graph that is compiled once for all sessions: each call goes to the toolbox of the session it runs for."""
    return [_session_tool(tool) for tool in tools]


def _session_tool(tool: Tool) -> BaseTool:
    async def call(**arguments: Any) -> str:
        doing = DOING.get()
        if tool.side_effects:
            await doing.deeds.allowed()
        result = await doing.toolbox.call(tool.name, arguments)
        if result.error:
            raise ToolException(result.text)
        return result.text

    return StructuredTool(
        name=tool.name,
        description=tool.description,
        args_schema=dict(tool.parameters),
        coroutine=call,
        handle_tool_error=True,
        metadata={"side_effects": tool.side_effects},
    )


def guarded(graph: CompiledStateGraph[Any, Any, Any, Any]) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The graph with its tool nodes, also those of its subgraphs, doing once what has side effects; else as it is.

    Only nodes that are ``ToolNode`` can be guarded: what any other node does is its own business.
    """
    nodes = {name: _guarded_node(node) for name, node in graph.nodes.items()}
    if all(nodes[name] is node for name, node in graph.nodes.items()):
        return graph
    again = copy.copy(graph)
    again.nodes = nodes
    return again


def _guarded_node(node: Any) -> Any:
    match node.bound:
        case ToolNode():
            bound: Any = copy.copy(node.bound)
            around = node.bound._awrap_tool_call
            if node.bound._wrap_tool_call is not None and (around is None or blocks_only(around)):
                around = _in_a_thread(node.bound._wrap_tool_call)
            bound._awrap_tool_call = _once(around)
            bound.func, bound.afunc = bound._func, bound._afunc  # else they are those of the node that was copied
        case RunnableCallable(func=func, afunc=afunc) if func is not None and afunc is not None and blocks_only(afunc):
            bound = copy.copy(node.bound)
            bound.afunc = partial(run_in_executor, None, func)
        case CompiledStateGraph():
            bound = guarded(node.bound)
        case _:
            return node
    if bound is node.bound:
        return node
    return node.copy(
        {"bound": bound, "subgraphs": [bound] if isinstance(bound, CompiledStateGraph) else node.subgraphs}
    )


_NOT_ASYNC = (AgentMiddleware.awrap_model_call, AgentMiddleware.awrap_tool_call)


def blocks_only(function: Any) -> bool:
    """It leads to middleware that wraps calls only where they block: what LangChain has in its place just fails."""
    left, seen = [function], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if getattr(one, "__func__", None) in _NOT_ASYNC:
            return True
        if isinstance(one, FunctionType | MethodType):
            left += [cell.cell_contents for cell in one.__closure__ or () if callable(_content(cell))]
            left.append(getattr(one, "__wrapped__", None))
    return False


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet set
        return None


def _in_a_thread(wrapped: Callable[[ToolCallRequest, Any], Answer]) -> Callable[..., Awaitable[Answer]]:
    """Middleware that blocks, around a call that does not."""

    async def call(request: ToolCallRequest, execute: Execute) -> Answer:
        loop = asyncio.get_running_loop()

        def wait(asked: ToolCallRequest) -> Answer:
            async def run() -> Answer:
                return await execute(asked)

            return asyncio.run_coroutine_threadsafe(run(), loop).result()

        return await run_in_executor(None, wrapped, request, wait)

    return call


def _once(wrapped: Callable[[ToolCallRequest, Any], Awaitable[Answer]] | None) -> Any:
    """Around what middleware the node has already."""

    async def call(request: ToolCallRequest, execute: Execute) -> Answer:
        async def run() -> Answer:
            return await (execute(request) if wrapped is None else wrapped(request, execute))

        doing = DOING.get(None)
        if doing is None or not has_side_effects(request.tool):
            return await run()
        return await _do_once(doing.deeds, request, run)

    return call


async def _do_once(deeds: Deeds, request: ToolCallRequest, run: Callable[[], Awaitable[Answer]]) -> Answer:
    name, args, call_id = request.tool_call["name"], request.tool_call["args"], request.tool_call["id"] or ""
    await deeds.allowed()
    deed = deeds.same(_effect(name, args))
    if deed is None:
        answers: list[Answer | Exception] = []
        deed = deeds.do(name, args, call_id, _effect(name, args), _told(run, answers))
        deed.answer = answers
    await asyncio.shield(deed.work)
    return _again(deed, call_id)


def _effect(name: str, args: Mapping[str, Any]) -> str:
    return effect_of(name, canonical(args))


def deed_of(deeds: Deeds, name: str, args: Mapping[str, Any]) -> Deed | None:
    """What this call is to do, if that was done already or has begun."""
    return deeds.find(_effect(name, args))


async def _told(run: Callable[[], Awaitable[Answer]], answers: list[Answer | Exception]) -> ToolResult:
    """Never raises: what went wrong is the answer."""
    try:
        answer = await run()
    except GraphBubbleUp as waiting:  # it has done nothing yet
        answers.append(waiting)
        return ToolResult("It was not done.", error=True)
    except Exception as error:
        answers.append(error)
        return ToolResult("The tool failed.", error=True, uncertain=True)
    answers.append(answer)
    if isinstance(answer, ToolMessage):
        return ToolResult(str(answer.text), error=answer.status == "error", uncertain=answer.status == "error")
    return ToolResult("Done.")


def _again(deed: Deed, call_id: str) -> Answer:
    """The answer, to whoever asks for it."""
    answer: Answer | Exception = deed.answer[0]
    match answer:
        case Exception():
            raise answer
        case ToolMessage() if answer.tool_call_id != call_id:
            return answer.model_copy(update={"tool_call_id": call_id, "id": None})
        case Command() | list() if deed.call_id != call_id:
            return ToolMessage("This was done already.", tool_call_id=call_id, name=deed.name)
    return answer
