"""Keeps what each open conversation shows, feeds it with its session's events and tells the pages about changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from voice_agents.conversation.history import HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.errors import VoiceAgentError
from voice_agents.events import Event, Status
from voice_agents.session.base import Session, checked_text
from voice_agents.transports.line import Wait
from voice_agents.transports.live import Ending, LiveSession, SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.view import MOST_LINES, Banner, ConversationView, TranscriptLine, earlier_lines, position_of

log = logging.getLogger(__name__)

LoadHistory = Callable[[Conversation, int | None], Awaitable[Sequence[HistoryEntry]]]
"""What was said last in a stored conversation (or last before this position), oldest first; nothing for one that
nobody has begun. See :meth:`voice_agents.conversation.history.History.newest`."""

WrittenElsewhere = Callable[[Conversation], Awaitable[str]]
"""The newest state of a stored conversation if another instance of this server wrote it, else nothing."""

HasPromises = Callable[[Conversation], Awaitable[bool]]
"""Whether the agent was to speak up by itself in a stored conversation, and has not yet: its timers."""

REDRAW_S = 0.1
DELETED = "This conversation was deleted."


class Sheet:
    """What the page shows of one conversation; listens to its session."""

    def __init__(self) -> None:
        self.view = ConversationView()
        self.live: LiveSession | None = None
        self._followers: list[asyncio.Event] = []
        """One for each window that draws this sheet, set when there is something new for it."""
        self.restored = ""
        """The state another instance wrote that was shown last."""
        self._untaken: list[tuple[LiveSession, str, str]] = []
        self._waits = ""

    @property
    def shown_status(self) -> Status:
        """The session's status; without a call nobody listens, so a waiting session is simply ready."""
        if self.view.status is Status.LISTENING and not self.in_call:
            return Status.READY
        return self.view.status

    @property
    def in_call(self) -> bool:
        """Some window's microphone and speaker are attached."""
        return self.live is not None and self.live.in_call

    @property
    def heard_so_far(self) -> str:
        """The words of the present answer that were played until now."""
        return self.live.session.heard_so_far if self.live is not None else ""

    @property
    def followed(self) -> bool:
        """Some window draws it."""
        return bool(self._followers)

    def follow(self, live: LiveSession) -> None:
        """Show this session from now on."""
        if self.live is not live:
            self.live = live
            live.watched = bool(self._followers)
            self.view.begin_session(live.request.kind)
            live.listen(self)

    def send(self, live: LiveSession, text: str, window: str = "") -> None:
        """Hand a window's typed turn to a session that may still be opening. Raises what an open session raises."""
        waiting = (live, text, window)
        self._untaken.append(waiting)

        def hand_over(session: Session) -> None:
            session.send_text(text)
            self._untaken.remove(waiting)

        try:
            live.do(hand_over)
        except VoiceAgentError:
            self._untaken.remove(waiting)
            raise

    def give_back(self, window: str = "") -> list[str]:
        """Typed turns of this window whose session ended before it had taken them, each given once."""
        lost = [waiting for waiting in self._untaken if waiting[0] is not self.live and waiting[2] == window]
        self._untaken = [waiting for waiting in self._untaken if waiting not in lost]
        return [text for _, text, _ in lost]

    def hear(self, event: Event) -> None:
        """One event of the session."""
        self.view.apply(event)
        self._touch()

    def ended(self, why: Ending) -> None:
        """The session is over."""
        self.live = None
        told = why.sentence if why is not Ending.REPLACED else ""  # whose call was taken over is told by the call
        self.view.end_session(Banner("info", told) if told else None)
        self._touch()

    def restore(self, entries: Sequence[HistoryEntry]) -> None:
        """Show what is stored in the place of what was shown."""
        self.view.restore(entries)
        self._touch()

    def clear(self) -> None:
        """The conversation was deleted."""
        self.view.restore(())
        self.view.say("info", DELETED)
        self._touch()

    def fail(self, error: VoiceAgentError) -> None:
        """Say what could not be done."""
        self.view.say("error", str(error))
        self._touch()

    def wait(self, where: Wait) -> None:
        """A call waits in line for a place."""
        self.view.say("info", where.sentence)
        self._waits = where.sentence
        self._touch()

    def wait_no_more(self) -> None:
        """It left the line."""
        if self.view.banner is not None and self.view.banner.text == self._waits:
            self.view.banner = None
        self._touch()

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields at first, and when there is something new to draw: ten times a second at most, until it is closed.

        Any number of windows may follow, each sees everything.
        """
        changed = asyncio.Event()
        self._followers.append(changed)
        self._look()
        try:
            while True:
                changed.clear()
                yield
                await asyncio.sleep(REDRAW_S)
                await changed.wait()
        finally:
            self._followers.remove(changed)
            self._look()

    def _touch(self) -> None:
        for changed in self._followers:
            changed.set()

    def _look(self) -> None:
        if self.live is not None:
            self.live.watched = bool(self._followers)


class Desk:
    """All sheets of this server, oldest unused ones forgotten; what the page's buttons do happens here."""

    def __init__(
        self,
        registry: SessionRegistry,
        load_history: LoadHistory,
        size: int = 500,
        has_promises: HasPromises | None = None,
        written_elsewhere: WrittenElsewhere | None = None,
    ) -> None:
        """``written_elsewhere``: None where nobody else can write to the store."""
        self.registry = registry
        self._load_history = load_history
        self._has_promises = has_promises
        self._written_elsewhere = written_elsewhere
        self._size = size
        self._sheets: dict[Conversation, Sheet] = {}

    async def sheet(self, conversation: Conversation) -> Sheet:
        """The sheet of a conversation; read from the store when it went on elsewhere, or is not known here yet."""
        sheet = self._sheets.get(conversation) or Sheet()
        try:
            state = await self._foreign_state(conversation)
            if conversation not in self._sheets or (state not in ("", sheet.restored) and sheet.live is None):
                entries = await self._load_history(conversation, None)
                sheet = self._sheets.get(conversation, sheet)  # another window of the page may have been quicker
                if sheet.live is None:
                    sheet.view.restore(entries)
                    sheet.restored = state
        except VoiceAgentError as error:
            if conversation not in self._sheets:
                sheet.fail(error)
        self._sheets[conversation] = self._sheets.pop(conversation, sheet)
        self._forget_old()
        return self._sheets[conversation]

    async def _foreign_state(self, conversation: Conversation) -> str:
        return await self._written_elsewhere(conversation) if self._written_elsewhere is not None else ""

    async def open(
        self, request: SessionRequest, *, waits: bool = False, on_wait: Callable[[], None] = lambda: None
    ) -> LiveSession:
        """The live session this request asks for. Its sheet shows it, and any VoiceAgentError that is raised.

        ``waits``: when all places are taken it stands in line until this is cancelled; the sheet shows where, and
        ``on_wait`` is called whenever that changes.
        """
        sheet = await self.sheet(request.conversation)

        def told(where: Wait) -> None:
            sheet.wait(where)
            on_wait()

        try:
            live = await self.registry.open(request, told if waits else None)
        except VoiceAgentError as error:
            sheet.fail(error)
            raise
        except asyncio.CancelledError:
            sheet.wait_no_more()
            raise
        if sheet.live is not live and len(sheet.view.lines) > MOST_LINES:
            sheet.view.restore(await self._load_history(request.conversation, None))
        sheet.follow(live)
        return live

    async def keep_promises(self, request: SessionRequest) -> None:
        """A page shows this conversation: the timers it left behind go on, or speak up; its sheet says why not."""
        if self._has_promises is None or self.registry.get(request.conversation) is not None:
            return
        with contextlib.suppress(VoiceAgentError):
            if await self._has_promises(request.conversation):
                await self.open(request)

    async def say(
        self, request: SessionRequest, text: str, window: str = "", on_wait: Callable[[], None] = lambda: None
    ) -> str:
        """A window's typed turn; opens a session when none is live, and waits for a place as :meth:`open` tells.

        Returns what is left to send: nothing, or the text when it was refused, which its sheet explains.
        """
        if not text.strip():
            return ""
        sheet = await self.sheet(request.conversation)
        try:
            wanted = checked_text(text)
            sheet.send(await self.open(request, waits=True, on_wait=on_wait), wanted, window)
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
        """Who is in a call looks at this engine's tab now: a call in another one is over, typed turns may finish."""
        live = self.registry.get(conversation)
        if live is not None and live.in_call and live.request.kind != kind:
            await live.end(Ending.OTHER_TAB)

    # When conversations are deleted, or come back

    async def clear_away(self, conversation: Conversation) -> None:
        """It is about to be deleted: its session is over, windows that show it are told, and nothing of it is kept."""
        await self.hang_up(conversation)
        if (sheet := self._sheets.get(conversation)) is not None:
            sheet.clear()

    async def clear_away_all(self, owner: str) -> None:
        """As :meth:`clear_away`, all of this owner's conversations."""
        known = {*self._sheets, *self.registry.conversations}
        for conversation in [each for each in known if each.owner == owner]:
            await self.clear_away(conversation)
            self._forget(conversation)

    async def read_again(self, conversation: Conversation) -> None:
        """It is as it was: windows that still show it see that."""
        if (sheet := self._sheets.get(conversation)) is not None and sheet.live is None:
            sheet.restore(await self._load_history(conversation, None))

    async def earlier(self, conversation: Conversation, before: int) -> Sequence[TranscriptLine]:
        """The lines above the one with this id, oldest first; none when it is the first one there is."""
        sheet = await self.sheet(conversation)
        if shown := sheet.view.lines_before(before):
            return shown
        before = min(before, sheet.view.first_id)
        return earlier_lines(await self._load_history(conversation, position_of(before)), before)

    def _forget(self, conversation: Conversation) -> None:
        if (sheet := self._sheets.get(conversation)) is not None and not sheet.followed:
            del self._sheets[conversation]

    def _forget_old(self) -> None:
        for conversation, sheet in list(self._sheets.items())[: -self._size]:
            if sheet.live is None and not sheet.followed:
                del self._sheets[conversation]
