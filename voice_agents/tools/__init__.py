"""What both agents can do."""

from voice_agents.tools.arithmetic import calculate
from voice_agents.tools.chance import Chance
from voice_agents.tools.clock import Clock
from voice_agents.tools.notes import Notes, NoteTools
from voice_agents.tools.registry import Tool, Toolbox, ToolError, ToolResult
from voice_agents.tools.timers import Timer, TimerBook, Timers
from voice_agents.tools.units import convert_units

__all__ = ["Notes", "Timer", "TimerBook", "Timers", "Tool", "ToolError", "ToolResult", "Toolbox", "standard_toolbox"]


def standard_toolbox(timers: Timers, notes: Notes) -> Toolbox:
    """The tools of a session that owns ``timers`` and whose user owns ``notes``."""
    return Toolbox(
        [
            *Clock().tools(),
            Tool.of(calculate),
            Tool.of(convert_units),
            *Chance().tools(),
            *timers.tools(),
            *NoteTools(notes).tools(),
        ]
    )
