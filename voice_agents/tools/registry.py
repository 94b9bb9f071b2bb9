"""A tool is written once, as a typed async function with a docstring, and serves both engines."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.tools import BaseTool

ToolFunction = Callable[..., Awaitable[str]]
"""Takes validated keyword arguments, answers one plain English sentence. Raises ToolError to say why not."""


class ToolError(Exception):
    """The tool could not do it; ``str(error)`` is the sentence the model is told."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told: one speakable sentence; ``error`` says that it is what went wrong."""

    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing the agent can do. ``parameters`` is the JSON schema of the arguments.

    ``side_effects``: calling it twice, or in a turn that is then discarded, would be noticed by the user.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: ToolFunction
    side_effects: bool = False


class Toolbox:
    """The tools of one session."""

    def __init__(self, tools: Iterable[Tool], timeout_s: float = 10.0) -> None:
        self.tools = tuple(tools)
        self._timeout_s = timeout_s

    def as_langchain(self) -> list[BaseTool]:
        """The tools for ``create_agent``."""
        raise NotImplementedError

    def as_realtime(self) -> list[dict[str, Any]]:
        """The ``tools`` of a Realtime session: flat ``{"type": "function", "name", "description", "parameters"}``."""
        raise NotImplementedError

    async def call(self, name: str, arguments: str | Mapping[str, Any]) -> ToolResult:
        """Run one tool with its arguments (JSON text or a mapping).

        Never raises but CancelledError: an unknown tool, bad arguments, a failure or a timeout is an error result.
        """
        raise NotImplementedError
