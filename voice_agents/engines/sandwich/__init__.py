"""The Sandwich engine: speech-to-text, agent and text-to-speech, overlapping."""

from voice_agents.engines.sandwich.engine import SandwichEngine, SandwichTimeouts

__all__ = ["SandwichEngine", "SandwichTimeouts"]
