"""Tools that a developer brings: plain functions and LangChain's, made into ours, the same for both engines."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, get_args
from uuid import uuid4

from pydantic import ValidationError

from voice_agents.errors import ConfigurationError
from voice_agents.tools.functions import called, check_returns, checked_name, is_langchain_tool, plain_schema
from voice_agents.tools.registry import AnyTool, Tool, ToolError, ToolResult, explain

logger = logging.getLogger(__name__)

SIDE_EFFECTS = "side_effects"
"""Key in the ``metadata`` of a LangChain tool that declares whether it has any."""


def as_tools(tools: Iterable[AnyTool]) -> tuple[Tool, ...]:
    """Each as a :class:`Tool`.

    What is not declared to have no side effects (``Tool.of(function, side_effects=False)``, or in the ``metadata`` of a
    LangChain tool) is taken to have some. Raises ConfigurationError for what no model could call.
    """
    return tuple(_as_tool(tool) for tool in tools)


def _as_tool(tool: AnyTool) -> Tool:
    if isinstance(tool, Tool):
        checked_name(tool.name)
        return tool
    if is_langchain_tool(tool):
        return of_langchain(tool)
    if callable(tool) and not isinstance(tool, type):
        return Tool.of(tool)
    raise ConfigurationError(
        f"{tool!r:.80} is no tool: bring a typed function with a docstring, a tool of LangChain, or a Tool."
    )


def of_langchain(tool: Any) -> Tool:
    """A tool of LangChain as a :class:`Tool`, which checks its arguments itself.

    Raises ConfigurationError for what no model could call.
    """
    from langchain_core.utils.function_calling import convert_to_openai_tool

    name = checked_name(tool.name)
    if injected := _injected(tool):
        raise ConfigurationError(
            f"The tool {name} takes {', '.join(injected)} from the state of a LangGraph graph: give it to a graph of "
            "your own (agent=...), or take these arguments out."
        )
    for function in (getattr(tool, "func", None), getattr(tool, "coroutine", None)):
        if function is not None:
            check_returns(function, name)
    try:
        declared = convert_to_openai_tool(tool)["function"]
    except Exception as error:  # LangChain and pydantic have many, and none says which tool
        raise ConfigurationError(
            f"The tool {name} has an argument of a type that no model can send ({type(error).__name__}): give it an "
            "args_schema of str, int, float, bool, lists, dicts, enums, or pydantic models of these."
        ) from error

    async def call(**arguments: Any) -> ToolResult:
        request = {"name": name, "args": arguments, "id": f"call_{uuid4().hex}", "type": "tool_call"}
        return _result(name, await _called(tool, request))

    parameters = plain_schema(declared.get("parameters") or {})
    description = declared.get("description") or name.replace("_", " ")
    return Tool(name, description, parameters, None, call, has_side_effects(tool))


def has_side_effects(tool: Any) -> bool:
    """Of a LangChain tool: unless its ``metadata`` says that it has none."""
    return bool((getattr(tool, "metadata", None) or {}).get(SIDE_EFFECTS, True))


def _injected(tool: Any) -> list[str]:
    """Arguments that no model sends and only a graph could fill in."""
    from langchain_core.tools import InjectedToolCallId

    fields = getattr(tool.args_schema, "model_fields", {})
    sent = getattr(tool.tool_call_schema, "model_fields", fields)
    return [
        field
        for field, about in fields.items()
        if field not in sent
        and not any(one is InjectedToolCallId or isinstance(one, InjectedToolCallId) for one in _marks(about))
    ]


def _marks(field: Any) -> list[Any]:
    return [*field.metadata, *get_args(field.annotation)[1:]]


async def _called(tool: Any, request: dict[str, Any]) -> Any:
    from langchain_core.tools import BaseTool, StructuredTool, ToolException

    blocks = getattr(tool, "coroutine", None) is None and type(tool)._arun in (BaseTool._arun, StructuredTool._arun)
    try:
        return await (called(tool.invoke, {"input": request}) if blocks else tool.ainvoke(request))
    except ToolException as error:
        raise ToolError(str(error)) from error
    except ValidationError as error:
        schema = tool.args_schema
        if error.title != (getattr(schema, "model_config", {}).get("title") or getattr(schema, "__name__", "")):
            raise  # of what the tool did, not of what it was to do
        raise ToolError(explain(tool.name, error)) from error


def _result(name: str, answer: Any) -> ToolResult:
    """``answer`` is a ToolMessage; a Command, or several of either, is for a graph."""
    if not hasattr(answer, "tool_call_id"):
        logger.error(
            "The tool %s answers with a Command, which only a graph can follow: give it to one of your own", name
        )
        return ToolResult(f"The tool {name} gave no answer.", error=True, uncertain=True)
    return ToolResult(str(answer.text), error=answer.status == "error")
