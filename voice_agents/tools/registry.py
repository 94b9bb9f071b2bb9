"""A tool is written once, as a typed function with a docstring, and serves both engines."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from voice_agents.errors import ConfigurationError
from voice_agents.tools.functions import (
    ToolFunction,
    arguments_of,
    as_text,
    called,
    checked_name,
    description_of,
    is_langchain_tool,
    name_of,
)

logger = logging.getLogger(__name__)

TIMEOUT_S = 30.0
"""How long a tool may take if it does not say."""
LONGEST = 40_000
"""Characters of a result that the model is told: more than one result may fill what it can read, for good."""
MALFORMED = "malformed"
"""In the place of arguments that are no JSON object: they stand there as the model wrote them."""


class ToolError(Exception):
    """The tool could not do it, and has done nothing; ``str(error)`` is the sentence the model is told."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told: one speakable sentence; ``error`` says that it is what went wrong.

    ``uncertain``: it broke or was stopped half way, so what it was to do may be done all the same.
    """

    text: str
    error: bool = False
    uncertain: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing the agent can do; usually made by :meth:`of`.

    ``parameters`` is the JSON schema of its arguments. ``arguments`` checks what the model sends; None: the function
    does that itself. ``side_effects``: calling it twice would be noticed, so it is never called twice with the same
    arguments for one turn of the user, and an interruption lets it come to its end. ``timeout_s``: it is given up then.
    ``meanwhile``: what the agent says when it takes longer than a second, in place of words that its name suggests.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    arguments: type[BaseModel] | None
    function: ToolFunction
    side_effects: bool = True
    timeout_s: float = TIMEOUT_S
    meanwhile: str = ""

    @classmethod
    def of(
        cls,
        function: Any,
        *,
        side_effects: bool = True,
        name: str = "",
        description: str = "",
        timeout_s: float = TIMEOUT_S,
        meanwhile: str = "",
    ) -> Tool:
        """Derive name, description (the docstring) and schema (the annotations) from a typed function.

        The function may be async, or block: then it runs in a thread. What it returns is told to the model, text as it
        is and anything else as JSON, 40,000 characters at most; it raises :class:`ToolError` to say why it cannot. One
        that only looks something up says ``side_effects=False``: it may be asked twice, and is dropped when the user
        interrupts. A tool of LangChain may stand in the function's place. Raises ConfigurationError for what a model
        could not call.
        """
        if is_langchain_tool(function):
            from voice_agents.tools.foreign import of_langchain  # which makes a Tool

            made = of_langchain(function)
            return replace(
                made,
                name=checked_name(name or made.name),
                description=description or made.description,
                side_effects=side_effects and made.side_effects,
                timeout_s=timeout_s,
                meanwhile=meanwhile,
            )
        name = checked_name(name or name_of(function))
        arguments, parameters = arguments_of(function, name)
        description = description or description_of(function, name)
        return cls(name, description, parameters, arguments, function, side_effects, timeout_s, meanwhile)

    @property
    def declaration(self) -> dict[str, Any]:
        """What a model is told of it."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}

    def checked(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the function is called with. Raises ValidationError, or ToolError when something is missing."""
        arguments = self._given(arguments)
        if self.arguments is not None:
            return dict(self.arguments.model_validate(arguments))
        if missing := [name for name in self.parameters.get("required", ()) if name not in arguments]:
            raise ToolError(f"The arguments of {self.name} are wrong: {', '.join(missing)} is missing.")
        return arguments

    def _given(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without the nulls that some models write for what is optional."""
        required = self.parameters.get("required", ())
        return {name: value for name, value in arguments.items() if value is not None or name in required}

    def canonical(self, arguments: Mapping[str, Any]) -> str:
        """Equal for arguments that mean the same. Raises ValidationError."""
        arguments = self._given(arguments)
        if self.arguments is None:
            return canonical(arguments)
        return BaseModel.model_dump_json(self.arguments.model_validate(arguments))


class Toolbox:
    """The tools of one session."""

    def __init__(self, tools: Iterable[Tool], timeout_s: float | None = None) -> None:
        """``timeout_s``: for all of them, whatever they say. Raises ConfigurationError when two share a name."""
        self.tools = tuple(tools)
        self._timeout_s = timeout_s
        self._by_name = {tool.name: tool for tool in self.tools}
        if len(self._by_name) < len(self.tools):
            names = [tool.name for tool in self.tools]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigurationError(
                f"Two tools are called {twice}: give one another name (Tool.of(function, name=...)), or leave out the "
                "app's own tools (standard_tools=False)."
            )

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
            return effect_of(name, tool.canonical(_mapping(arguments)))
        except (ValidationError, ToolError):
            return None

    def meanwhile(self, name: str) -> str:
        """What the agent says while this tool takes its time; "" if it does not say."""
        tool = self._by_name.get(name)
        return tool.meanwhile if tool is not None else ""

    async def call(self, name: str, arguments: str | Mapping[str, Any]) -> ToolResult:
        """Run one tool with its arguments (JSON text or a mapping).

        Never raises but CancelledError: an unknown tool, bad arguments, a failure or a timeout is an error result.
        """
        tool = self._by_name.get(name)
        if tool is None:
            names = ", ".join(self._by_name) or "none"
            return ToolResult(f"There is no tool called {name}. The tools are: {names}.", error=True)
        try:
            checked = tool.checked(_mapping(arguments))
        except ValidationError as error:
            return ToolResult(explain(name, error), error=True)
        except ToolError as error:
            return ToolResult(str(error), error=True)
        return await self._done(tool, checked)

    async def _done(self, tool: Tool, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            async with asyncio.timeout(tool.timeout_s if self._timeout_s is None else self._timeout_s):
                return _told(await called(tool.function, arguments))
        except ToolError as error:
            return ToolResult(str(error) or f"The tool {tool.name} could not do it.", error=True)
        except TimeoutError:
            return ToolResult(f"The tool {tool.name} took too long and was stopped.", error=True, uncertain=True)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # also sys.exit(), or a task of its own that was cancelled
            if isinstance(error, asyncio.CancelledError) and _cancelled():
                raise
            logger.exception("Tool %s failed", tool.name)
            return ToolResult(f"The tool {tool.name} failed because of an internal error.", error=True, uncertain=True)


def _cancelled() -> bool:
    """Somebody wants this task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def effect_of(name: str, arguments: str) -> str:
    """What a call does, as a text; ``arguments`` is canonical."""
    return f"{name}({arguments})"


def canonical(arguments: Mapping[str, Any]) -> str:
    """Equal for arguments that are equal, in whatever order they stand."""
    return json.dumps(arguments, sort_keys=True, default=str)


def _told(result: Any) -> ToolResult:
    told = result if isinstance(result, ToolResult) else ToolResult(as_text(result))
    if len(told.text) <= LONGEST:
        return told
    rest = len(told.text) - LONGEST
    return replace(told, text=f"{told.text[:LONGEST]} ... ({rest} more characters are left out)")


def _mapping(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(arguments, str):
        if arguments.keys() != {MALFORMED}:
            return dict(arguments)
        arguments = str(arguments[MALFORMED])
    try:
        parsed = json.loads(arguments or "{}")
    except ValueError:
        raise ToolError("The arguments are not valid JSON.") from None
    if not isinstance(parsed, dict):
        raise ToolError("The arguments must be a JSON object.")
    return parsed


def explain(name: str, error: ValidationError) -> str:
    """What is wrong with the arguments that a model sent, for the model."""
    problems = "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    )
    return f"The arguments of {name} are wrong: {problems}."


AnyTool = Tool | Callable[..., Any] | Any
"""What a developer brings: a :class:`Tool`, a typed function, or a tool of LangChain (its ``BaseTool``)."""
