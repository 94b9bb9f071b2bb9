"""One line in the log for every session and turn; what was said stands in it only if that is asked for."""

from __future__ import annotations

import logging

from voice_agents.events import Event, Failed, Interrupted, TurnDone, UserTranscript
from voice_agents.transports.live import Ending, LiveSession, Transport, Watcher

log = logging.getLogger("voice_agents.turns")


class Lines(Watcher):
    """Shown with ``LOG_LEVEL=info``. ``content``: with what was said and heard (``LOG_CONTENT=1``)."""

    def __init__(self, *, content: bool) -> None:
        self._content = content
        self._words: dict[LiveSession, str] = {}
        """What the user said last."""

    def called(self, live: LiveSession, transport: Transport) -> None:
        """Log by which transport a user begins to talk."""
        log.info("session %s: %s, %s", live.name, live.request.kind, transport.value)

    def ended(self, live: LiveSession, why: Ending) -> None:
        """Log that the session is over, and why."""
        self._words.pop(live, None)
        log.info("session %s: ended (%s)", live.name, why.name.lower())

    def event(self, live: LiveSession, event: Event) -> None:
        """Log a turn's interruptions, failures and times; its words only where content may be logged."""
        match event:
            case UserTranscript(text=text, final=True):
                self._words[live] = text
            case Interrupted():
                log.info("interrupted")
            case Failed(error=error):
                log.warning("%s: %s", type(error).__name__, error)
            case TurnDone(heard_text=heard, latency=latency):
                seconds = "no sound" if latency.voice_to_voice is None else f"{latency.voice_to_voice:.3f} s"
                log.info("done, voice to voice: %s%s", seconds, self._quoted(live, heard))

    def _quoted(self, live: LiveSession, heard: str) -> str:
        said = self._words.pop(live, "")
        return f"; user: {said!r}; agent: {heard!r}" if self._content else ""
