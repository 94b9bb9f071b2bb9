"""How the agents speak."""

from __future__ import annotations


def system_prompt(instructions: str = "") -> str:
    """The voice rules both agents follow, then the deployment's own ``instructions`` (AGENT_INSTRUCTIONS)."""
    raise NotImplementedError
