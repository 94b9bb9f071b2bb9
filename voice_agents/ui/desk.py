"""Keeps what each open conversation shows, feeds it with its session's events and tells the pages about changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from voice_agents.conversation.history import HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import Session, checked_text
from voice_agents.errors import VoiceAgentError
from voice_agents.events import AgentAudio, Event, Status
from voice_agents.transports.line import Wait
from voice_agents.transports.registry import Ending, LiveSession, SessionRegistry, SessionRequest
from voice_agents.ui.view import Banner, ConversationView

log = logging.getLogger(__name__)

LoadHistory = Callable[[Conversation], Awaitable[Sequence[HistoryEntry]]]
"""What was said in a stored conversation, oldest first; nothing for a conversation nobody has begun."""

HasPromises = Callable[[Conversation], Awaitable[bool]]
"""Whether the agent was to speak up by itself in a stored conversation, and has not yet: its timers."""

CONNECT_S = 30.0
"""How long a page waits for its call to be established before it stops following."""

REDRAW_S = 0.1
STILL_THERE_S = 10.0
"""How often gradio is given a chance to see that the page is gone for which a session with a timer is kept."""

NOT_CONNECTED = (
    "The call could not be connected: a firewall or VPN may block it. Over a public link or from another network, "
    "the server needs HF_TOKEN for a relay. Typing works all the same."
)


class Sheet:
    """What the page shows of one conversation; listens to its session."""

    def __init__(self) -> None:
        self.view = ConversationView()
        self.live: LiveSession | None = None
        self._followers: list[asyncio.Event] = []
        """One for each window that draws this sheet, set when there is something new for it."""
        self._untaken: list[tuple[LiveSession, str]] = []
        self._windows: dict[str, asyncio.Event] = {}
        self._expected_until = 0.0
        self._waits = ""

    @property
    def shown_status(self) -> Status:
        """The session's status; without a call nobody listens, so a waiting session is simply ready."""
        if self.view.status is Status.LISTENING and (self.live is None or not self.live.in_call):
            return Status.READY
        return self.view.status

    def follow(self, live: LiveSession) -> None:
        """Show this session from now on."""
        if self.live is not live:
            self.live = live
            live.watched = bool(self._followers)
            self.view.begin_session(live.request.kind)
            live.listen(self)

    def send(self, live: LiveSession, text: str) -> None:
        """Hand a typed turn to a session that may still be opening. Raises what an open session raises."""
        waiting = (live, text)
        self._untaken.append(waiting)

        def hand_over(session: Session) -> None:
            session.send_text(text)
            self._untaken.remove(waiting)

        try:
            live.do(hand_over)
        except VoiceAgentError:
            self._untaken.remove(waiting)
            raise

    def give_back(self) -> list[str]:
        """Typed turns whose session ended before it had taken them, each given once."""
        lost = [waiting for waiting in self._untaken if waiting[0] is not self.live]
        self._untaken = [waiting for waiting in self._untaken if waiting not in lost]
        return [text for _, text in lost]

    def hear(self, event: Event) -> None:
        """One event of the session."""
        if not isinstance(event, AgentAudio):
            self.view.apply(event)
            self._touch()

    def ended(self, why: Ending) -> None:
        """The session is over."""
        self.live = None
        self._expected_until = 0.0
        told = why.sentence if why is not Ending.REPLACED else ""  # whose call was taken over is told by the call
        self.view.end_session(Banner("info", told) if told else None)
        self._touch()

    def fail(self, error: VoiceAgentError) -> None:
        """Say what could not be done."""
        self.view.say("error", str(error))
        self._touch()

    def expect(self, within_s: float = CONNECT_S) -> None:
        """A call is being established."""
        self._expected_until = asyncio.get_running_loop().time() + within_s
        self.view.status = Status.CONNECTING
        self.view.banner = None
        self._touch()

    def wait(self, where: Wait) -> None:
        """A call waits in line for a place."""
        self.view.say("info", where.sentence)
        self._waits = where.sentence
        self._expected_until = math.inf
        self._touch()

    def wait_no_more(self) -> None:
        """It left the line."""
        if self.view.banner is not None and self.view.banner.text == self._waits:
            self.view.banner = None
        self._touch()

    def unexpect(self) -> None:
        """No call will come."""
        self._expected_until = 0.0
        if self.live is None and self.view.status is Status.CONNECTING:
            self.view.status = Status.READY
        self._touch()

    def unfollow(self, window: str = "") -> None:
        """This window draws this sheet no more: it goes on with another conversation."""
        if (earlier := self._windows.pop(window, None)) is not None:
            self._let_go(earlier)

    async def changes(self, window: str = "") -> AsyncGenerator[None, None]:
        """Yields when there is something new to draw, ten times a second at most, until nothing is live any more.

        Any number of windows may follow. A later follower in the same window (another of its buttons) takes over.
        """
        self.unfollow(window)
        changed = self._windows[window] = asyncio.Event()
        self._followers.append(changed)
        self._look()
        changed.set()
        try:
            while changed in self._followers:
                changed.clear()
                yield
                await asyncio.sleep(REDRAW_S)
                if self.live is None and self._patience_s <= 0:
                    self._give_up()
                    if not changed.is_set():
                        return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._patience_s if self.live is None else STILL_THERE_S):
                        await changed.wait()
        finally:
            self._let_go(changed)
            if self._windows.get(window) is changed:
                del self._windows[window]

    def _touch(self) -> None:
        for changed in self._followers:
            changed.set()

    def _let_go(self, follower: asyncio.Event) -> None:
        if follower in self._followers:
            self._followers.remove(follower)
            follower.set()
        self._look()

    def _look(self) -> None:
        if self.live is not None:
            self.live.watched = bool(self._followers)

    @property
    def _patience_s(self) -> float:
        """How much longer a call is waited for."""
        return max(0.0, self._expected_until - asyncio.get_running_loop().time())

    def _give_up(self) -> None:
        if self.view.status is Status.CONNECTING:
            self.unexpect()
            self.view.say("error", NOT_CONNECTED)


class Desk:
    """All sheets of this server, oldest unused ones forgotten; what the page's buttons do happens here."""

    def __init__(
        self,
        registry: SessionRegistry,
        load_history: LoadHistory,
        size: int = 500,
        has_promises: HasPromises | None = None,
    ) -> None:
        self.registry = registry
        self._load_history = load_history
        self._has_promises = has_promises
        self._size = size
        self._sheets: dict[Conversation, Sheet] = {}

    async def sheet(self, conversation: Conversation) -> Sheet:
        """The sheet of a conversation; read from the store when this server does not know it yet."""
        known = self._sheets.get(conversation)
        if known is None:
            restored = Sheet()
            try:
                restored.view.restore(await self._load_history(conversation))
            except VoiceAgentError as error:
                restored.fail(error)
            known = self._sheets.setdefault(conversation, restored)
        self._sheets[conversation] = self._sheets.pop(conversation)
        self._forget_old()
        return known

    async def open(self, request: SessionRequest, *, waits: bool = False) -> LiveSession:
        """The live session this request asks for. Its sheet shows it, and any VoiceAgentError that is raised.

        ``waits``: when all places are taken it stands in line until this is cancelled; the sheet shows where.
        """
        sheet = await self.sheet(request.conversation)
        try:
            live = await self.registry.open(request, sheet.wait if waits else None)
        except VoiceAgentError as error:
            sheet.unexpect()
            sheet.fail(error)
            raise
        except asyncio.CancelledError:
            sheet.unexpect()
            sheet.wait_no_more()
            raise
        sheet.follow(live)
        return live

    async def keep_promises(self, request: SessionRequest) -> None:
        """A page shows this conversation: the timers it left behind go on, or speak up; its sheet says why not."""
        if self._has_promises is None or self.registry.get(request.conversation) is not None:
            return
        with contextlib.suppress(VoiceAgentError):
            if await self._has_promises(request.conversation):
                await self.open(request)

    async def say(self, request: SessionRequest, text: str) -> str:
        """A typed turn; opens a session when none is live.

        Returns what is left to send: nothing, or the text when it was refused, which its sheet explains.
        """
        if not text.strip():
            return ""
        sheet = await self.sheet(request.conversation)
        try:
            wanted = checked_text(text)
            sheet.send(await self.open(request), wanted)
        except VoiceAgentError as error:
            sheet.fail(error)
            return text
        return ""

    def act(self, conversation: Conversation, action: Callable[[Session], None]) -> None:
        """Do something to the conversation's session; nothing happens when none is live."""
        live = self.registry.get(conversation)
        if live is not None:
            live.do(action)

    async def hang_up(self, conversation: Conversation, kind: str = "") -> None:
        """The user ends the conversation's session; with ``kind`` only when it is one of this engine."""
        live = self.registry.get(conversation)
        if live is not None and kind in ("", live.request.kind):
            await live.end(Ending.LEFT)

    async def turn_to(self, kind: str, conversation: Conversation) -> None:
        """The user looks at this engine's tab now: a call in another one is over, typed turns are left to finish."""
        (await self.sheet(conversation)).unexpect()
        live = self.registry.get(conversation)
        if live is not None and live.in_call and live.request.kind != kind:
            await live.end(Ending.OTHER_TAB)

    def _forget_old(self) -> None:
        for conversation, sheet in list(self._sheets.items())[: -self._size]:
            if sheet.live is None:
                del self._sheets[conversation]
