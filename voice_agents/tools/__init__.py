"""What both agents can do."""

from collections.abc import Sequence

from voice_agents.tools.arithmetic import calculate
from voice_agents.tools.chance import Chance
from voice_agents.tools.clock import Clock
from voice_agents.tools.foreign import as_tools
from voice_agents.tools.notes import Notes, NoteTools
from voice_agents.tools.registry import MALFORMED, AnyTool, Tool, Toolbox, ToolError, ToolResult
from voice_agents.tools.timers import Timer, TimerBook, Timers
from voice_agents.tools.units import convert_units

__all__ = [
    "MALFORMED",
    "AnyTool",
    "Notes",
    "Timer",
    "TimerBook",
    "Timers",
    "Tool",
    "ToolError",
    "ToolResult",
    "Toolbox",
    "as_tools",
    "standard_toolbox",
    "standard_tools",
]


def standard_tools(timers: Timers, notes: Notes) -> Sequence[Tool]:
    """The app's own tools, for a session that owns ``timers`` and whose user owns ``notes``."""
    return (
        *Clock().tools(),
        Tool.of(calculate, side_effects=False),
        Tool.of(convert_units, side_effects=False),
        *Chance().tools(),
        *timers.tools(),
        *NoteTools(notes).tools(),
    )


def standard_toolbox(timers: Timers, notes: Notes) -> Toolbox:
    """The app's own tools alone."""
    return Toolbox(standard_tools(timers, notes))
