"""A tool is written once, as a typed async function with a docstring, and serves both engines."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

logger = logging.getLogger(__name__)

ToolFunction = Callable[..., Awaitable[str]]
"""Takes keyword arguments of the annotated types, answers one plain English sentence, raises ToolError to say why not.

Written async: a cancelled turn stops it at once, where a thread would go on.
"""


class ToolError(Exception):
    """The tool could not do it; ``str(error)`` is the sentence the model is told."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told: one speakable sentence; ``error`` says that it is what went wrong."""

    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing the agent can do. ``arguments`` validates what the model sends, ``parameters`` is its JSON schema.

    ``side_effects``: calling it twice, or in a turn that is then discarded, would be noticed by the user.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    arguments: type[BaseModel]
    function: ToolFunction
    side_effects: bool = False

    @classmethod
    def of(cls, function: ToolFunction, *, side_effects: bool = False) -> Tool:
        """Derive name, description (the docstring) and schema (the annotations) from a function or bound method."""
        arguments, parameters = _arguments(getattr(function, "__func__", function))
        return cls(arguments.__name__, inspect.getdoc(function) or "", parameters, arguments, function, side_effects)

    @property
    def declaration(self) -> dict[str, Any]:
        """What a model is told of it."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


class Toolbox:
    """The tools of one session."""

    def __init__(self, tools: Iterable[Tool], timeout_s: float = 10.0) -> None:
        self.tools = tuple(tools)
        self._timeout_s = timeout_s
        self._by_name = {tool.name: tool for tool in self.tools}

    def as_chat(self) -> list[dict[str, Any]]:
        """The ``tools`` of a chat completion: ``{"type": "function", "function": {"name", "description", ...}}``."""
        return [{"type": "function", "function": tool.declaration} for tool in self.tools]

    def as_realtime(self) -> list[dict[str, Any]]:
        """The ``tools`` of a Realtime session: flat ``{"type": "function", "name", "description", "parameters"}``."""
        return [{"type": "function", **tool.declaration} for tool in self.tools]

    def effect(self, name: str, arguments: str | Mapping[str, Any]) -> str | None:
        """What a call would do, as a text that is equal for calls that do the same.

        None: there is nothing to be done, the tool has no side effects or will refuse the arguments.
        """
        tool = self._by_name.get(name)
        if tool is None or not tool.side_effects:
            return None
        try:
            return f"{name}({tool.arguments.model_validate(_mapping(arguments)).model_dump_json()})"
        except (ValidationError, ToolError):
            return None

    async def call(self, name: str, arguments: str | Mapping[str, Any]) -> ToolResult:
        """Run one tool with its arguments (JSON text or a mapping).

        Never raises but CancelledError: an unknown tool, bad arguments, a failure or a timeout is an error result.
        """
        tool = self._by_name.get(name)
        if tool is None:
            return ToolResult(f"There is no tool called {name}. The tools are: {', '.join(self._by_name)}.", error=True)
        try:
            checked = tool.arguments.model_validate(_mapping(arguments))
            async with asyncio.timeout(self._timeout_s):
                return ToolResult(await tool.function(**dict(checked)))
        except ValidationError as error:
            return ToolResult(_explain(name, error), error=True)
        except ToolError as error:
            return ToolResult(str(error), error=True)
        except TimeoutError:
            return ToolResult(f"The tool {name} took too long and was stopped.", error=True)
        except Exception:
            logger.exception("Tool %s failed", name)
            return ToolResult(f"The tool {name} failed because of an internal error.", error=True)


def _mapping(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(arguments, str):
        return dict(arguments)
    try:
        parsed = json.loads(arguments or "{}")
    except ValueError:
        raise ToolError("The arguments are not valid JSON.") from None
    if not isinstance(parsed, dict):
        raise ToolError("The arguments must be a JSON object.")
    return parsed


def _explain(name: str, error: ValidationError) -> str:
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    )
    return f"The arguments of {name} are wrong: {problems}."


@cache
def _arguments(function: ToolFunction) -> tuple[type[BaseModel], dict[str, Any]]:
    """The model of a function's keyword arguments and its JSON schema, without the titles pydantic generates."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
    }
    name = function.__name__
    model: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
    schema = model.model_json_schema()
    properties = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in schema["properties"].items()
    }
    return model, {
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
