"""A session that runs, whoever talks to it by voice or by typing: who listens, how long it may go on, why it ended."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto
from typing import Protocol

from voice_agents.audio import Pcm
from voice_agents.conversation.model import Conversation
from voice_agents.errors import VoiceAgentError
from voice_agents.events import Event, Failed, Notice, Status, StatusChanged
from voice_agents.logs import Mark, current
from voice_agents.session.base import Session
from voice_agents.settings import TurnSettings
from voice_agents.transports.daily import Meter
from voice_agents.transports.sleep import StandStill
from voice_agents.transports.visitors import is_own_machine, visitor_address

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a page asks for: which engine (``kind`` is its tab's name), which conversation, how to take turns."""

    kind: str
    conversation: Conversation
    turns: TurnSettings = field(default_factory=TurnSettings)
    voice: str = ""
    address: str = field(default_factory=visitor_address, compare=False)
    """Where it comes from."""
    by_program: bool = field(default=False, compare=False)
    """Not by a browser that keeps an id: a new conversation has a new owner each time."""

    @property
    def visitor(self) -> str:
        """The browser, or the address of a program; empty for programs of this machine, which are not limited."""
        if not self.by_program:
            return self.conversation.owner
        return "" if is_own_machine(self.address) else f"a program at {self.address}"


SessionFactory = Callable[[SessionRequest], Session]
"""Makes a session on the running loop; may raise any VoiceAgentError."""


class Transport(StrEnum):
    """How a user talks to a session."""

    WEBRTC = "webrtc"
    WEBSOCKET = "websocket"
    TYPED = "typed"
    """There is no call."""


class Watcher:
    """Sees what happens in all sessions, for figures, traces and the log; nothing of it must block or raise."""

    def opened(self, live: LiveSession) -> None:
        """A session begins."""

    def called(self, live: LiveSession, transport: Transport) -> None:
        """A user begins to talk to a session (once more, if another call takes over), or to type without a call."""

    def sound(self, live: LiveSession, seconds: float) -> None:
        """So much came from a microphone."""

    def event(self, live: LiveSession, event: Event) -> None:
        """The session tells something."""

    def ended(self, live: LiveSession, why: Ending) -> None:
        """It is over; nothing more is told of it."""


Hold = Callable[[Conversation, Callable[[], None]], contextlib.AbstractAsyncContextManager[None]]
"""Entered for as long as a conversation is live here; calls back when it goes on at another instance of the server."""

STOPPING = "The server is being stopped."
LAST_SOUND_S = 0.3
"""What was handed out last is still being played so much later."""
METERED_EVERY_S = 1.0
EARLY_PIECES = 1000
"""Pieces of sound kept while a session opens: 20 s of a browser's, a minute of a recording that is sent at once."""
_AT_REST = (Status.READY, Status.LISTENING, Status.ERROR)


class Ending(Enum):
    """Why a session was ended."""

    LEFT = auto()
    IDLE = auto()
    """A typed conversation was left alone: its place is given back, the next message opens it again."""
    NO_SOUND = auto()
    SLEPT = auto()
    """This program stood still, as in a sleep of its computer, and the call did not survive it."""
    TIME_LIMIT = auto()
    USED_UP = auto()
    """The visitor's minutes of the day."""
    REPLACED = auto()
    OTHER_TAB = auto()
    """The user went on to another engine's tab of the same page."""
    SHUTDOWN = auto()
    HANDED_ON = auto()
    """As ``SHUTDOWN``, where other instances of the server run: a page calls again, and comes to one of them."""
    FAILED = auto()
    """The session broke; a Failed event has said so."""

    @property
    def sentence(self) -> str:
        """What to tell the user; empty when the user knows already."""
        return _SENTENCES.get(self, "")


_SENTENCES = {
    Ending.NO_SOUND: "No sound came from this browser any more (its computer was asleep, or its network away), so the "
    "call was ended. Press the button to go on.",
    Ending.SLEPT: "The computer that runs this program was asleep, and the call did not survive it. "
    "Press the button to go on where you were.",
    Ending.TIME_LIMIT: "The time for one conversation on this server is over. "
    "Press the button to go on where you were.",
    Ending.USED_UP: "Your minutes of calls for today are used up, so the call was ended. You can call again after "
    "midnight UTC.",
    Ending.REPLACED: "This conversation goes on elsewhere, so the call here was ended.",
    Ending.OTHER_TAB: "You left the tab, so its call was ended. The conversation goes on here: "
    "press the button or type.",
    Ending.HANDED_ON: "This server is being stopped. The conversation goes on at another one.",
    Ending.SHUTDOWN: "The server is being stopped. When it runs again, the conversation goes on where you were.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """When a session is ended without being asked, in seconds."""

    no_sound_s: float = 5.0
    """A call whose microphone sends nothing; browsers send even silence, so the browser is gone."""
    idle_s: float = 60.0
    """A typed conversation without a call in which nothing happens, and nothing is promised to anybody who is there."""
    stood_still_s: float = 3.0
    """A program that wakes so much later than it wanted to has slept; a busy machine takes less."""
    backlog_s: float = 1.0
    """After a sleep, what was sent before it may still be delivered for so long."""
    session_s: float = 3600.0
    opening_s: float = 30.0


class Listener(Protocol):
    """Who hears a session's events: the page, a call."""

    def hear(self, event: Event) -> None:
        """The next event. Must not block and must not raise."""

    def ended(self, why: Ending) -> None:
        """No further event comes."""


class LiveSession:
    """A session that runs in a task of its own until it is ended; made by :class:`SessionRegistry` only."""

    def __init__(
        self,
        request: SessionRequest,
        session: Session,
        limits: Limits,
        gone: Callable[[LiveSession], None],
        watchers: Sequence[Watcher] = (),
        meter: Meter | None = None,
        hold: Hold | None = None,
    ) -> None:
        self.request = request
        self._meter = meter
        self.session = session
        self.name = name_of(request.conversation)
        self.transport = Transport.TYPED
        self._limits = limits
        self._watchers = watchers
        self._mark = Mark(self.name)
        self._hold = hold or (lambda *_: contextlib.nullcontext())
        self._listeners: list[Listener] = []
        self._call: Listener | None = None
        self._sends_silence = True
        """The call sends silence too, so one that sends nothing is gone."""
        self._waiting: list[Callable[[Session], None]] = []
        self._early_audio: deque[Pcm] = deque(maxlen=EARLY_PIECES)
        self.watched = True
        """Somebody is there to whom it may speak up by itself; else a timer does not keep it."""
        self._open = False
        self._used = False
        """Somebody has called or typed."""
        self._why: Ending | None = None
        self._failure: Failed | None = None
        """How it broke."""
        self._over = False
        """Everybody was told of its end."""
        self._turn = 0
        self._at = 0.0
        self._resting = asyncio.Event()
        """Nobody is saying anything, or the session is over."""
        loop = asyncio.get_running_loop()
        self._started = self._last_sign = self._metered_until = loop.time()
        self._context = copy_context()
        self._context.run(current.set, self._mark)
        self._task = loop.create_task(self._run(), name=f"session {request.kind}", context=self._context)
        self._watchdog = loop.create_task(self._watch(), context=self._context.copy())
        self._stand_still = StandStill(limits.stood_still_s)
        self._slept_s = 0.0
        """How long this program slept, while it is not known whether the call has survived that."""
        self._awake_since = 0.0
        self._gone = gone
        self._task.add_done_callback(self._finished)  # runs even when the task is cancelled before its first step
        for watcher in watchers:
            watcher.opened(self)

    @property
    def ending(self) -> Ending | None:
        """Why it ended or is about to end; None while it lives."""
        return self._why

    @property
    def in_call(self) -> bool:
        """A browser's microphone and speaker are attached."""
        return self._call is not None

    @property
    def lasted_s(self) -> float:
        """Seconds since it began."""
        return asyncio.get_running_loop().time() - self._started

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` everything from now on; a listener is told once, however often it asks.

        Who comes when it is over already, as after an opening that failed at once, is told why.
        """
        if self._over:
            if self._failure is not None:
                listener.hear(self._failure)
            listener.ended(self._why or Ending.SHUTDOWN)
        elif listener not in self._listeners:
            self._listeners.append(listener)

    def attach_call(
        self,
        call: Listener,
        *,
        sends_silence: bool = True,
        reports: bool = False,
        late_s: float = 0.0,
        transport: Transport = Transport.WEBRTC,
    ) -> None:
        """Give the session a microphone and a speaker; an earlier call of the same conversation is hung up.

        ``sends_silence``: its microphone never rests, so when nothing comes the call is over. Otherwise the caller
        decides how long it may say nothing. ``reports``: it tells :meth:`Session.played`; ``late_s``: as in
        :meth:`Session.set_reporting`.
        """
        if self._over:
            self.listen(call)
            return
        earlier, self._call = self._call, call
        self._sends_silence = sends_silence
        if earlier is not call:
            self._called(transport)
        self.listen(call)
        self.do(lambda session: session.set_speaking(True))
        self.do(lambda session: session.set_reporting(reports, late_s))
        if earlier is not None and earlier is not call:
            self._listeners.remove(earlier)
            earlier.ended(Ending.REPLACED)

    def push_audio(self, pcm: Pcm) -> None:
        """The microphone's next samples at the session's input rate; kept while the session is still opening."""
        if self._over:
            return
        self._sign_of_life()
        for watcher in self._watchers:
            watcher.sound(self, len(pcm) / self.session.input_rate)
        if self._open:
            self._context.copy().run(self.session.push_audio, pcm)
        else:
            self._early_audio.append(pcm)

    def do(self, action: Callable[[Session], None]) -> None:
        """Act on the session as soon as it is open. Raises what the action raises when it is open already.

        Nothing happens when it is over: whoever acts is told of that as a listener.
        """
        if self._over:
            return
        self._sign_of_life()
        if not (self._used or self.in_call):
            self._called(Transport.TYPED)
        self._used = True
        if self._open:
            self._context.copy().run(action, self.session)  # what it starts is the session's, whoever asked for it
        else:
            self._waiting.append(action)

    async def leave(self, call: Listener) -> None:
        """The call was hung up by its user, perhaps before it was attached; ends the session unless others use it."""
        if self._call is call or not self._used:
            slept = self._slept_s or self._stand_still.late_s
            await self.end(Ending.SLEPT if slept and self._call is call else Ending.LEFT)

    async def end(self, why: Ending) -> None:
        """End it and wait until its sockets and tasks are gone."""
        self._stop(why)
        if asyncio.current_task() is not self._task:
            await asyncio.wait([self._task], timeout=2.0)

    def _stop(self, why: Ending) -> None:
        if self._why is None:
            self._why = why
            self._task.cancel()

    async def finish(self, within_s: float, why: Ending = Ending.SHUTDOWN) -> None:
        """The server is being stopped: say so, let what is being said come to its end, and end the session."""
        self._tell(Notice(turn=self._turn, at=self._at, level="warning", text=STOPPING))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._resting.wait()
                await asyncio.sleep(LAST_SOUND_S if self.in_call else 0.0)
        await self.end(why)

    def _called(self, transport: Transport) -> None:
        self.transport = transport
        for watcher in self._watchers:
            watcher.called(self, transport)

    def _sign_of_life(self) -> None:
        self._last_sign = asyncio.get_running_loop().time()

    async def _run(self) -> None:
        try:
            self._tell(StatusChanged(turn=0, at=0.0, status=Status.CONNECTING))
            await self._converse()
            self._why = self._why or Ending.FAILED
        except Exception as error:
            self._fail(self._explained(error))

    def _explained(self, error: Exception) -> VoiceAgentError:
        if isinstance(error, VoiceAgentError):
            return error
        if isinstance(error, TimeoutError) and not self._open:
            return VoiceAgentError("The conversation could not be opened in time. Please try again.")
        log.error("a %s session broke", self.request.kind, exc_info=error)
        return VoiceAgentError("Something went wrong inside this app. The conversation can be started again.")

    def _finished(self, _: asyncio.Task[None]) -> None:
        self._why = self._why or Ending.SHUTDOWN
        self._over = True
        self._resting.set()
        self._watchdog.cancel()
        if self._meter is not None:
            self._meter.stop()
        self._gone(self)
        for watcher in self._watchers:
            watcher.ended(self, self._why)
        for listener in self._listeners:
            listener.ended(self._why)

    async def _converse(self) -> None:
        opening = asyncio.timeout(self._limits.opening_s)
        held = self._hold(self.request.conversation, lambda: self._stop(Ending.REPLACED))
        try:
            async with opening, held, self.session as session:
                opening.reschedule(None)
                self._opened(session)
                async for event in session:
                    self._turn, self._at = event.turn, event.at
                    if not self.in_call:
                        self._sign_of_life()
                    self._tell(event)
        finally:
            if self._open:
                await self._last_events()

    async def _last_events(self) -> None:
        """How a turn ended that its user left is of interest to watchers only."""
        async for event in self.session:
            self._watch_event(event)

    def _opened(self, session: Session) -> None:
        self._open = True
        session.set_speaking(self.in_call)
        while self._early_audio:
            session.push_audio(self._early_audio.popleft())
        for action in self._waiting:
            try:
                action(session)
            except VoiceAgentError as error:
                self._tell(Failed(turn=0, at=0.0, error=error))
        self._waiting.clear()

    def _tell(self, event: Event) -> None:
        if isinstance(event, StatusChanged):
            (self._resting.set if event.status in _AT_REST else self._resting.clear)()
        self._watch_event(event)
        for listener in tuple(self._listeners):
            listener.hear(event)

    def _watch_event(self, event: Event) -> None:
        self._mark.turn = event.turn
        for watcher in self._watchers:
            watcher.event(self, event)

    def _fail(self, error: VoiceAgentError) -> None:
        self._why = Ending.FAILED
        self._failure = Failed(turn=self._turn, at=self._at, error=error)
        self._tell(self._failure)
        self._tell(StatusChanged(turn=self._turn, at=self._at, status=Status.ERROR))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        why = None
        while why is None:
            if self.session.busy and self.watched and not self.in_call:
                self._sign_of_life()
            limit_at = self._started + self._limits.session_s
            quiet_at = self._last_sign + (self._limits.no_sound_s if self.in_call else self._limits.idle_s)
            if self.in_call and not self._sends_silence:
                quiet_at = limit_at
            pause_s = max(0.0, min(limit_at, quiet_at, loop.time() + METERED_EVERY_S) - loop.time())
            self._after_sleep(await self._stand_still.pause(pause_s), loop.time())
            why = self._overdue(loop.time()) or self._used_up(loop.time())
        self._stop(why)

    def _after_sleep(self, slept_s: float, now: float) -> None:
        """Nobody was silent while this program slept; a call shows by its next sounds that it has survived."""
        if slept_s and self.in_call:
            self._slept_s, self._awake_since = slept_s, now
            self._last_sign = now
        elif self._slept_s and self._last_sign > self._awake_since + self._limits.backlog_s:
            text = f"The computer that runs this program was asleep for about {self._slept_s:.0f} s. The call goes on."
            self._slept_s = 0.0
            self._tell(Notice(turn=self._turn, at=self._at, level="warning", text=text))

    def _used_up(self, now: float) -> Ending | None:
        """The time of a call is counted as it passes; that of a sleep is nobody's."""
        passed_s, self._metered_until = min(now - self._metered_until, 2 * METERED_EVERY_S), now
        if self._meter is None or not self.in_call or self._meter.spend(passed_s):
            return None
        return Ending.USED_UP

    def _overdue(self, now: float) -> Ending | None:
        if now >= self._started + self._limits.session_s:
            return Ending.TIME_LIMIT
        quiet = now - self._last_sign
        if self.in_call:
            silent = Ending.SLEPT if self._slept_s else Ending.NO_SOUND
            return silent if self._sends_silence and quiet >= self._limits.no_sound_s else None
        return Ending.IDLE if quiet >= self._limits.idle_s else None


def name_of(conversation: Conversation) -> str:
    """What the log and traces call a conversation; tells nothing of its id, which opens it to whoever knows it."""
    return hashlib.sha256(f"log of {conversation.id}".encode()).hexdigest()[:12]
