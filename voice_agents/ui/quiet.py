"""Keeps gradio's own book-keeping out of this program: its prints, and its statistics of every event."""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr
from gradio import routes

log = logging.getLogger(__name__)

KEPT_EVENTS = 200
"""Of which gradio knows the state; it would remember every one since the start."""


def keep_gradio_quiet() -> None:
    """gradio 5.50.0 prints a line for every request of its microphone component; it goes to the log, at debug level."""
    vars(routes)["print"] = _to_the_log


def keep_no_statistics(page: gr.Blocks) -> None:
    """For a page whose queue is set up.

    gradio 5.50.0 puts every event since the start into a pandas table after each event (104 ms at 100,000 events, in
    a thread beside the audio) for a monitoring page that is switched off here.
    """
    queue = page._queue
    queue.event_analytics = _LastEvents()
    queue.compute_analytics_summary = lambda _events: queue.cached_event_analytics_summary


class _LastEvents(dict[str, dict[str, Any]]):
    """The states of the last events by their ids; what gradio notes about a forgotten one is lost."""

    def __setitem__(self, event: str, state: dict[str, Any]) -> None:
        super().__setitem__(event, state)
        while len(self) > KEPT_EVENTS:
            del self[next(iter(self))]

    def __missing__(self, _event: str) -> dict[str, Any]:
        return {}


def _to_the_log(*words: object, **_how: object) -> None:
    log.debug("gradio: %s", " ".join(map(str, words)))
