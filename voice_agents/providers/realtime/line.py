"""The line to a Realtime server: connects, attends to one server session, and connects again when it ends."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from voice_agents.alarm import Alarm
from voice_agents.errors import ProviderError, Retry
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.providers.realtime.codec import ServerSession
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.events import ServerError
from voice_agents.providers.realtime.inbox import Inbox
from voice_agents.providers.realtime.ledger import Owed
from voice_agents.providers.realtime.socket import Connector
from voice_agents.providers.sockets import Backoff

logger = logging.getLogger(__name__)

RETRY_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class RealtimeTimeouts:
    """Seconds the client waits for things."""

    connect_s: float = 5.0
    """To the open socket, and again to the server's first word."""
    send_s: float = 10.0
    """One message into a socket that is full."""
    answer_s: float = 20.0
    """A turn that waits for a connection, reconnects included; after that it is not answered."""
    stall_s: float = 10.0
    """An answer is owed and nothing comes: the connection is replaced, once for each answer."""
    renew_s: float = 50 * 60.0
    """The age at which a server session is replaced in the next pause; Azure and OpenAI end it at 60 minutes."""
    retry_s: float = 3.0
    """After FAILED, sound counts as a wish to try again only after so long, and twice as long each time."""
    watch_s: float = 0.25
    """How often the clock is looked at for what does not happen."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """Of a connection: why, None if that is nothing to speak of; and whether it had been of use."""

    error: ProviderError | None
    opened: bool


class ServerLine:
    """Starts when told to, ends with :meth:`close`, or when trying again cannot help; then it can be started again."""

    def __init__(
        self,
        connector: Connector,
        ledger: Owed,
        sentences: Sentences,
        timeouts: RealtimeTimeouts,
        inbox: Inbox,
        on_connection: ConnectionListener,
    ) -> None:
        self.session: ServerSession | None = None
        """The server session that is ready, if one is."""
        self.timeouts = timeouts
        self._connector = connector
        self._ledger = ledger
        self._sentences = sentences
        self._inbox = inbox
        self._on_connection = on_connection
        self._clock = asyncio.get_running_loop().time
        self._state = ConnectionState.CONNECTING
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._wanted = asyncio.Event()
        self._failed = False
        self._anew = False
        """The server session is to be replaced."""
        self._trouble: ProviderError | None = None
        """Why there is no connection."""
        self._retry_at = 0.0
        self._retry_after_s = timeouts.retry_s
        self._give_up_alarm = Alarm()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and say so."""
        self._tell(ConnectionState.CONNECTING, None)
        self._start()

    async def close(self) -> None:
        """End everything."""
        self._give_up_alarm.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._connector.close()

    def need(self) -> None:
        """A turn waits for the server."""
        if self.session is not None:
            return
        self._wanted.set()
        self._wait_for_connection()
        if self._failed:
            self.start()

    def need_no_more(self) -> None:
        """No turn waits for the server any more."""
        self._give_up_alarm.cancel()

    def connect_anew(self) -> None:
        """Replace the server session, if there is one."""
        self._anew = self.session is not None

    @property
    def may_be_tried(self) -> bool:
        """It has failed, but not just now."""
        return self._failed and self._clock() >= self._retry_at

    def try_again(self) -> None:
        """Somebody may be speaking to a line that has failed: connect, and say only what comes of it."""
        self._retry_after_s = min(RETRY_LIMIT_S, 2 * self._retry_after_s)
        self._start()

    def _start(self) -> None:
        self._failed = False
        self._wanted.clear()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            ending = await self._converse(backoff)
            error = ending.error
            if error is not None and error.retry is Retry.NEVER:
                return self._fail(error)
            self._trouble = error or self._trouble
            if error is not None:
                self._tell(ConnectionState.RECONNECTING, error)
            if self._ledger.answer:
                self._wait_for_connection()
            await backoff.wait(self._wanted, at_once=ending.opened)

    def _wait_for_connection(self) -> None:
        """A turn that is owed an answer waits so long for a connection, and no longer."""
        if not self._give_up_alarm.is_set:
            self._give_up_alarm.set(self._clock() + self.timeouts.answer_s, self._give_up)

    def _fail(self, error: ProviderError) -> None:
        self._give_up_alarm.cancel()
        self._failed = True
        self._retry_at = self._clock() + self._retry_after_s
        self._ledger.abandon()
        self._tell(ConnectionState.FAILED, error)

    async def _converse(self, backoff: Backoff) -> _Ending:
        """One connection's life, and why it ended."""
        opened = False
        try:
            async with self._connector.connect(self.timeouts.connect_s) as connection:
                self._outgoing = asyncio.Queue()
                session = ServerSession(self._ledger, self._sentences, self._outgoing.put_nowait)
                try:
                    return await self._attend(connection, session, backoff)
                finally:
                    opened = session.ready
                    self.session = None
                    self._ledger.microphone.keep_all = True
        except ProviderError as error:
            return _Ending(error, opened)
        except Exception as error:
            logger.exception("%s: the connection failed", self._sentences.name)
            return _Ending(self._sentences.refused(error), opened)

    async def _attend(self, connection: ClientConnection, session: ServerSession, backoff: Backoff) -> _Ending:
        """Until one of the tasks of a connection has found a reason to end it."""
        work = (
            self._read(connection, session, backoff),
            self._write(connection, self._outgoing),
            self._watch(session),
        )
        tasks = [asyncio.create_task(part) for part in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return _Ending(next(iter(done)).result(), session.ready)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _read(
        self, connection: ClientConnection, session: ServerSession, backoff: Backoff
    ) -> ProviderError | None:
        try:
            while session.failure is None and not session.expired:
                frame = await connection.recv(decode=False)
                self._inbox.put(session.take(frame, self._clock()))
                if session.ready and self.session is None:
                    self._open(session, backoff)
                await self._inbox.dealt_with()
                session.told(self._clock())
        except ConnectionClosed as closed:
            trouble = self._sentences.closed(closed.rcvd.reason if closed.rcvd is not None else "")
            if trouble is not None:
                return trouble
            in_order = isinstance(closed, ConnectionClosedOK) or session.expired
            if in_order and session.ready and session.is_quiet(self._clock()):
                return None
            return self._sentences.lost("was closed" if in_order else "was lost")
        if session.expired and not session.is_quiet(self._clock()):
            return self._sentences.lost("was closed")
        return session.failure

    def _open(self, session: ServerSession, backoff: Backoff) -> None:
        self.session = session
        self._ledger.microphone.keep_all = self._ledger.by_hand
        self._wanted.clear()
        self._trouble = None
        self._retry_after_s = self.timeouts.retry_s
        self._give_up_alarm.cancel()
        backoff.opened()
        if self._state is not ConnectionState.OPEN:
            self._tell(ConnectionState.OPEN, None)

    async def _write(self, connection: ClientConnection, outgoing: asyncio.Queue[str]) -> ProviderError | None:
        try:
            while True:
                message = await outgoing.get()
                async with asyncio.timeout(self.timeouts.send_s):
                    await connection.send(message)
        except TimeoutError:
            return self._sentences.lost()
        except ConnectionClosed:
            await asyncio.Event().wait()  # the reader knows more
        return None

    async def _watch(self, session: ServerSession) -> ProviderError | None:
        """A clock for what does not happen."""
        began = self._clock()
        while True:
            await asyncio.sleep(self.timeouts.watch_s)
            now = self._clock()
            if not session.ready and now - began > self.timeouts.connect_s:
                return self._sentences.late()
            if session.wants_renewal(now, self.timeouts.renew_s) or (self._anew and session.ready):
                self._anew = False
                return None
            late = session.watch(now, self.timeouts.stall_s)
            if late is not None:
                self._ledger.stalls += 1
                if self._ledger.stalls > 1:
                    self._abandon(self._sentences.unanswered())
                    return None  # that was said
                return late

    def _give_up(self) -> None:
        """No connection for too long: the turn is not answered any more."""
        if self._ledger.answer:
            self._abandon(self._trouble or self._sentences.late())

    def _abandon(self, error: ProviderError) -> None:
        """The turn under way is not answered."""
        self._ledger.abandon()
        self._inbox.put([ServerError(error)])

    def _tell(self, state: ConnectionState, error: ProviderError | None) -> None:
        self._state = state
        self._on_connection(state, error)
