"""``GET /health``: whether this server can hold conversations, and with whose help."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from voice_agents.errors import ProviderError, Role
from voice_agents.events import AgentAudio, AgentText, Event, Failed, UserTranscript
from voice_agents.settings import Settings
from voice_agents.transports.api.access import PasswordCheck
from voice_agents.transports.api.places import Places
from voice_agents.transports.live import LiveSession, SessionRequest, Watcher

VERSION = "0.1.0"
SERVICE = "voice-agents"
HEALTHY, UNHEALTHY, DRAINING = "healthy", "unhealthy", "draining"
"""``draining``: the server is being stopped; conversations under way come to their end, none begins."""
LAST_CALLS = 3
"""So many calls, the last ones, must all have failed."""
REMEMBERED_S = 300.0
"""Older failures say nothing of now: who is asked no more could not become healthy again."""


class ProviderRecord(Watcher):
    """How each provider's last calls went, from what sessions tell."""

    def __init__(self, realtime: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``realtime``: the kind of session that speaks to a Realtime server."""
        self._realtime = realtime
        self._clock = clock
        self._failures: dict[Role, deque[float]] = {role: deque(maxlen=LAST_CALLS) for role in Role}

    def event(self, live: LiveSession, event: Event) -> None:
        """Note which providers fail and which are seen to work."""
        self.watch(live.request, event)

    def watch(self, request: SessionRequest, event: Event) -> None:
        """One event of a session."""
        if isinstance(event, Failed):
            if isinstance(event.error, ProviderError):
                self._failures[event.error.role].append(self._clock())
        elif (role := self._shown_to_work(request, event)) is not None:
            self._failures[role].clear()

    def failing(self, role: Role) -> bool:
        """All of its last calls failed, and not long ago."""
        failures = self._failures[role]
        return len(failures) == LAST_CALLS and failures[0] > self._clock() - REMEMBERED_S

    def _shown_to_work(self, request: SessionRequest, event: Event) -> Role | None:
        if request.kind == self._realtime:
            return Role.REALTIME if isinstance(event, AgentText | AgentAudio) else None
        match event:
            case AgentAudio():
                return Role.TTS
            case AgentText():
                return Role.CHAT
            case UserTranscript(final=False):  # a final one may have been typed
                return Role.STT
        return None


class Health:
    """The route. Without the password (if one is set) it says no more than whether the server is healthy."""

    def __init__(self, settings: Settings, places: Places, record: ProviderRecord, password: PasswordCheck) -> None:
        self._password = password
        self._settings = settings
        self._places = places
        self._record = record

    async def answer(self, request: Request) -> JSONResponse:
        """200 when healthy; 503 when no conversation could begin well.

        That is: a provider's last calls all failed, the offline server is down, or this server is being stopped.
        """
        status = self._status
        told: dict[str, Any] = {"status": status, "service": SERVICE}
        if await self._password.admits(request):
            told |= self._details()
        return JSONResponse(told, 200 if status == HEALTHY else 503, {"cache-control": "no-store"})

    @property
    def _status(self) -> str:
        if self._places.stopping:
            return DRAINING
        return UNHEALTHY if any(self._failing(role) for role in self._roles) else HEALTHY

    @property
    def _roles(self) -> list[Role]:
        return [role for role in Role if role not in self._settings.missing_roles]

    def _failing(self, role: Role) -> bool:
        return self._record.failing(role) or bool(self._settings.endpoint(role).outage())

    def _details(self) -> dict[str, Any]:
        used = len(self._places)
        return {
            "version": VERSION,
            "sessions": {"in_use": used, "free": max(0, self._places.max_sessions - used)},
            "providers": {
                role.value: {
                    "provider": self._settings.endpoint(role).present.provider.value,
                    "status": "failing" if self._failing(role) else "ok",
                }
                for role in self._roles
            },
        }
