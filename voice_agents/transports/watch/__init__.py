"""Figures, traces and log lines of what happens in all sessions."""
