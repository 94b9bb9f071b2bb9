"""What both agents can do."""

from voice_agents.tools.notes import Notes
from voice_agents.tools.registry import Tool, Toolbox, ToolError, ToolResult
from voice_agents.tools.timers import Timers

__all__ = ["Notes", "Timers", "Tool", "ToolError", "ToolResult", "Toolbox", "standard_toolbox"]


def standard_toolbox(timers: Timers, notes: Notes) -> Toolbox:
    """The tools of a session that owns ``timers`` and whose user owns ``notes``."""
    raise NotImplementedError
