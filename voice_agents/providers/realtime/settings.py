"""The configuration a Realtime server session has been told, and what to do when it refuses a part of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.events import RealtimeEvent, ServerError
from voice_agents.providers.realtime.ledger import Owed
from voice_agents.providers.realtime.wire import (
    Generation,
    Json,
    dialect_of,
    difference,
    message,
    session_of,
    without_detection,
)
from voice_agents.settings import TurnDetection

logger = logging.getLogger(__name__)


class SessionSettings:
    """One session's configuration. A server that refuses a part is asked again without it: talking comes first."""

    def __init__(self, ledger: Owed, send: Callable[[str], None], sentences: Sentences) -> None:
        self.dialect = Generation.GA
        self.stale = False
        """What is wanted needs a fresh session."""
        self._ledger = ledger
        self._config = ledger.config
        self._send = send
        self._sentences = sentences
        self._told: Json = {}
        self._accepted = False
        self._other_dialect_tried = False
        self._updates = 0
        self._pending: list[str] = []

    @property
    def transcribing(self) -> bool:
        """The server was asked to write down what the user says."""
        return bool(self._ledger.transcribe_model)

    def begin(self, session: Mapping[str, Any], *, taking_turns: bool) -> None:
        """Tell the fresh session everything. ``taking_turns``: the server may take turns from now on."""
        known = dialect_of(session)
        self.dialect = known or Generation.GA
        self._other_dialect_tried = known is Generation.GA
        whole = self._whole()
        self._tell(whole if taking_turns else without_detection(whole))

    def take_turns(self) -> None:
        """From now on the server takes turns as configured."""
        self._tell(self._whole())

    def change(self, spoke: bool) -> None:
        """The ledger has another configuration; a voice that has spoken cannot be changed in this session."""
        config = self._ledger.config
        if spoke and config.voice != self._config.voice:
            self.stale = True
            config = replace(config, voice=self._config.voice)
        self._config = config
        self._tell(self._whole())

    def accepted(self) -> list[RealtimeEvent]:
        """``session.updated``."""
        self._accepted = True
        if self._pending:
            del self._pending[0]
        return []

    def is_about(self, error: Mapping[str, Any]) -> bool:
        """The error is an answer to one of the updates, as far as it tells."""
        if error.get("event_id"):
            return error["event_id"] in self._pending
        field = str(error.get("param") or "").split(".")[0]
        return field == "session" or (not self._accepted and (not field or field in self._told))

    def refused(self, error: Mapping[str, Any]) -> list[RealtimeEvent]:
        """Nothing of an update was taken: ask again without what the server does not like."""
        self._pending.clear()
        about = f"{error.get('param') or ''} {error.get('code') or ''}"
        events: list[RealtimeEvent] = []
        if "language" in about and self._config.language:
            events.append(ServerError(self._sentences.language(self._config.language)))
            self._ledger.config = replace(self._ledger.config, language="")
            self._config = replace(self._config, language="")
        elif "transcription" in about and self._ledger.transcribe_model:
            logger.warning("%s cannot transcribe with %s", self._sentences.name, self._ledger.transcribe_model)
            self._ledger.transcribe_model = ""
        elif "voice" in about and self._config.voice:
            if "cannot_update" in about:
                self.stale = True
            else:
                events.append(ServerError(self._sentences.voice(self._config.voice)))
                self._ledger.config = replace(self._ledger.config, voice="")
            self._config = replace(self._config, voice="")
        elif "turn_detection" in about and self._config.detection is TurnDetection.SEMANTIC_VAD:
            self._config = replace(self._config, detection=TurnDetection.SERVER_VAD)
        elif not self._accepted and not self._other_dialect_tried:
            self._other_dialect_tried = True
            self.dialect = Generation.PREVIEW if self.dialect is Generation.GA else Generation.GA
        else:
            return [ServerError(self._sentences.settings())]
        self._told = {}
        self._tell(self._whole())
        return events

    def _whole(self) -> Json:
        return session_of(self._config, self.dialect, self._ledger.transcribe_model)

    def _tell(self, whole: Json) -> None:
        changed, self._told = difference(self._told, whole), whole
        if changed:
            self._updates += 1
            self._pending.append(f"session_update_{self._updates}")
            self._send(message("session.update", event_id=self._pending[-1], session=changed))
