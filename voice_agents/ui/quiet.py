"""Keeps what gradio prints out of this program's output."""

from __future__ import annotations

import logging

from gradio import routes

log = logging.getLogger(__name__)


def keep_gradio_quiet() -> None:
    """gradio 5.50.0 prints a line for every request of its microphone component; it goes to the log, at debug level."""
    vars(routes)["print"] = _to_the_log


def _to_the_log(*words: object, **_how: object) -> None:
    log.debug("gradio: %s", " ".join(map(str, words)))
