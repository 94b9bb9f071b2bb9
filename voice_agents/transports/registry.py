"""Which conversations are live right now: one running session each, and who waits for a place."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from voice_agents.conversation.model import Conversation
from voice_agents.errors import SessionLimitReached, VoiceAgentError
from voice_agents.transports.daily import DailyMinutes, Meter
from voice_agents.transports.line import Line, Told
from voice_agents.transports.live import (
    STOPPING,
    Ending,
    Hold,
    Limits,
    LiveSession,
    SessionFactory,
    SessionRequest,
    Watcher,
)
from voice_agents.transports.shares import Shares


class SessionRegistry:
    """All live sessions of this server, one per conversation. Leaving it as a context ends them all."""

    def __init__(
        self,
        make_session: SessionFactory,
        max_sessions: int = 20,
        limits: Limits | None = None,
        watchers: Sequence[Watcher] = (),
        per_visitor: int | None = None,
        daily: DailyMinutes | None = None,
        hold: Hold | None = None,
        others: bool = False,
    ) -> None:
        """``per_visitor``: the most places of one visitor; None: as many as there are. ``daily``: their time a day.

        ``others``: further instances of this server have the same conversations.
        """
        self._stopped = Ending.HANDED_ON if others else Ending.SHUTDOWN
        self._daily = daily
        self.max_sessions = max_sessions
        self._shares = Shares.of(max_sessions, per_visitor or max_sessions)
        self._watchers = tuple(watchers)
        self._hold = hold
        self._make_session = make_session
        self._limits = limits or Limits()
        self._live: dict[str, LiveSession] = {}
        self.line: Line[SessionRequest] = Line(max_sessions)
        """Who waits for a place."""
        self._moving = 0
        """Places whose holders go on with another kind of session: those are not free meanwhile."""
        self._stopping = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __len__(self) -> int:
        return len(self._live)

    @property
    def stopping(self) -> bool:
        """The server is being stopped: no session begins any more."""
        return self._stopping

    @property
    def conversations(self) -> Sequence[Conversation]:
        """Those with a live session."""
        return [live.request.conversation for live in self._live.values()]

    def get(self, conversation: Conversation) -> LiveSession | None:
        """The live session of this conversation, for its owner only."""
        live = self._live.get(conversation.id)
        return live if live is not None and live.request.conversation == conversation else None

    async def open(self, request: SessionRequest, told: Told | None = None) -> LiveSession:
        """The live session of a conversation; an existing one of the same kind is gone on with.

        When all places are taken, who gives ``told`` waits in line and is told where; cancelling leaves the line.
        Raises SessionLimitReached for others, when the line is too long, when this visitor has (or waits for) all
        places that one may have or has talked long enough for today; and what making a session raises.
        """
        meter = await self._daily.meter(request) if self._daily is not None else None
        try:
            if (live := await self._own(request)) is not None:
                return live
            if self._free > 0:
                self._check_share(request)
                return self._begin(request, meter)
            if told is None:
                raise SessionLimitReached(
                    f"All {self.max_sessions} places of this server are taken. Press the button to wait in line for "
                    "one, or try again in a few minutes."
                )
            self._check_share(request)
            return await self._wait_for_place(request, meter, told)
        finally:
            self._call_next()

    async def _wait_for_place(self, request: SessionRequest, meter: Meter | None, told: Told) -> LiveSession:
        ticket = self.line.join(request, told)
        try:
            await ticket.turn
            return await self._own(request) or self._begin(request, meter)
        finally:
            self.line.leave(ticket)

    def _check_share(self, request: SessionRequest) -> None:
        waiting = (other for other in self.line.waiting if other.conversation != request.conversation)
        held = [*(live.request for live in self._live.values()), *waiting]
        if refusal := self._shares.refusal(request, held):
            raise SessionLimitReached(refusal)

    async def _own(self, request: SessionRequest) -> LiveSession | None:
        """The session that this request's conversation goes on with; one of another kind is ended."""
        if self._stopping:
            raise VoiceAgentError(STOPPING)
        wanted = request.conversation
        while (live := self._live.get(wanted.id)) is not None:
            if live.request.conversation != wanted:
                raise VoiceAgentError("This conversation belongs to another browser. Press New conversation.")
            if live.request.kind == request.kind and live.ending is None:
                return live
            self._moving += 1
            try:
                await live.end(Ending.REPLACED)
            finally:
                self._moving -= 1
        return None

    @property
    def _free(self) -> int:
        """Places that are not kept for those who have waited."""
        return self.max_sessions - len(self._live) - self.line.called

    def _begin(self, request: SessionRequest, meter: Meter | None) -> LiveSession:
        live = LiveSession(
            request, self._make_session(request), self._limits, self._forget, self._watchers, meter, self._hold
        )
        self._live[request.conversation.id] = live
        self.line.call(lambda waiting: waiting.conversation == request.conversation)
        return live

    async def drain(self, within_s: float) -> None:
        """No session begins any more; those that live are told, come to the end of what is being said, and end."""
        self._stopping = True
        self.line.close(VoiceAgentError(STOPPING))
        await asyncio.gather(*(live.finish(within_s, self._stopped) for live in tuple(self._live.values())))

    async def close(self) -> None:
        """End every session."""
        self._stopping = True
        self.line.close(VoiceAgentError(STOPPING))
        await asyncio.gather(*(live.end(Ending.SHUTDOWN) for live in tuple(self._live.values())))
        if self._daily is not None:
            await self._daily.close()

    def _forget(self, live: LiveSession) -> None:
        if self._live.get(live.request.conversation.id) is live:
            del self._live[live.request.conversation.id]
            self.line.lasted(live.lasted_s)
            self._call_next()

    def _call_next(self) -> None:
        """A place may be free: it is kept for who has waited longest."""
        self.line.advance(self.max_sessions - len(self._live) - self._moving)
