"""The agent and its memory: what was said, by whom, and what of it was heard."""
