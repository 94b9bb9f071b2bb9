"""The line to a Realtime server: connects, attends to one server session, and connects again when it ends.

While its server fails, another one that stands in for it is called, and the first one tried quietly until it is there
again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from voice_agents.alarm import Alarm
from voice_agents.errors import ProviderError, ProviderTimeout, Retry
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.providers.outbox import Outbox
from voice_agents.providers.realtime.codec import ServerSession, is_greeting
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.events import ServerError
from voice_agents.providers.realtime.inbox import Inbox
from voice_agents.providers.realtime.ledger import Owed
from voice_agents.providers.realtime.socket import Connector
from voice_agents.providers.sockets import STEADY_S, Backoff
from voice_agents.providers.standby import FailoverTimes, replaced

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
    hurried_s: float = 2.5
    """To the open socket, and again to the first word, of a server that another one can stand in for."""
    failed_s: float = 5.0
    """... and of an answer that is owed, the silence after which that one is asked for it."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """Of a connection: why, None if that is nothing to speak of; and whether it had been of use."""

    error: ProviderError | None
    opened: bool


@dataclass(frozen=True, slots=True)
class Way:
    """To one server."""

    connector: Connector
    sentences: Sentences
    transcribe_model: str
    """Empty: nobody writes down what the user says."""
    meanwhile: str = ""
    """A sentence about who answers until the first server does again; of that one nothing."""


class ServerLine:
    """Starts when told to, ends with :meth:`close`, or when trying again cannot help; then it can be started again."""

    def __init__(
        self,
        way: Way,
        stand_in: Callable[[], Way | None],
        ledger: Owed,
        timeouts: RealtimeTimeouts,
        inbox: Inbox,
        on_connection: ConnectionListener,
        failover: FailoverTimes | None = None,
    ) -> None:
        """``stand_in`` is asked at every fault: None when there is nobody at the moment."""
        self.session: ServerSession | None = None
        """The server session that is ready, if one is."""
        self.timeouts = timeouts
        self._first = way
        self._way = way
        """To the server that is called at present."""
        self._second = stand_in
        self._replaced: ProviderError | None = None
        """Why the second one is called."""
        self._given_up: ProviderError | None = None
        """Why the first one is not to be waited for any more."""
        self._nobody = False
        """The second one failed as well."""
        self._lost_at = -STEADY_S
        self._works_again = False
        self._failover = failover or FailoverTimes()
        self._check_s = self._failover.first_check_s
        self._checking: asyncio.Task[None] | None = None
        self._ledger = ledger
        self._inbox = inbox
        self._on_connection = on_connection
        self._clock = asyncio.get_running_loop().time
        self._state = ConnectionState.CONNECTING
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
        if tasks := [task for task in (self._task, self._checking) if task is not None]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for way in {self._first, self._way}:
            await way.connector.close()

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

    def replace(self, error: ProviderError) -> bool:
        """Have another server answer what this one owes and will not answer, by this ``error``. False: nobody can."""
        if self._replaced is not None or self.session is None or self._second() is None:
            return False
        self._given_up = error
        return True

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
            ending = self._way_on(await self._converse(backoff))
            if ending is None:
                backoff = Backoff()
                continue
            error = ending.error
            if error is not None and error.retry is Retry.NEVER:
                return self._fail(error)
            self._trouble = error or self._trouble
            if error is not None:  # while another server can stand in for this one, it is spoken of when that does
                quiet = self._may_be_replaced and not self._nobody
                self._tell(ConnectionState.RECONNECTING, None if quiet else error)
            if self._ledger.answer:
                self._wait_for_connection()
            await backoff.wait(self._wanted, at_once=ending.opened)

    # Who is called

    @property
    def _may_be_replaced(self) -> bool:
        return self._replaced is None and self._second() is not None

    def _way_on(self, ending: _Ending) -> _Ending | None:
        """How to go on after it; None: at once, by calling another server."""
        if self._replaced is not None:
            if ending.error is None and not self._works_again:
                return ending
            why, self._nobody = self._replaced, ending.error is not None
            self._go(self._first)
            return _Ending(why, opened=False) if self._nobody else None
        error = ending.error
        if error is None or self._blinked(ending, error) or (other := self._second()) is None:
            return ending
        self._tell(ConnectionState.RECONNECTING, None)
        self._go(other)
        self._replaced = error
        self._checking = asyncio.get_running_loop().create_task(self._check(), name="check of a Realtime server")
        return None

    def _blinked(self, ending: _Ending, error: ProviderError) -> bool:
        """It was lost for the first time in a while, and may be there again at once."""
        last, self._lost_at = self._lost_at, self._clock()
        passing = ending.opened and error.retry is not Retry.NEVER and not isinstance(error, ProviderTimeout)
        return passing and self._given_up is None and self._lost_at - last >= STEADY_S

    def _go(self, way: Way) -> None:
        self._way = way
        self._ledger.transcribe_model = way.transcribe_model
        self._given_up, self._works_again = None, False
        if way is self._first:
            self._replaced = None
            if self._checking is not None:
                self._checking.cancel()

    async def _check(self) -> None:
        """Call the first server, after pauses that double, until it greets. It is called again in the next pause."""
        while True:
            await asyncio.sleep(self._check_s)
            self._check_s = min(self._failover.last_check_s, 2 * self._check_s)
            with suppress(ProviderError, ConnectionClosed, TimeoutError):
                async with asyncio.timeout(self._failover.check_s):
                    async with self._first.connector.connect(self._failover.check_s) as connection:
                        self._works_again = is_greeting(await connection.recv(decode=False))
            if self._works_again:
                return

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
            async with self._way.connector.connect(self._connect_s) as connection:
                outbox = Outbox(connection)
                session = ServerSession(self._ledger, self._way.sentences, outbox.put)
                try:
                    return await self._attend(connection, session, outbox, backoff)
                finally:
                    opened = session.ready
                    self.session = None
                    self._ledger.microphone.keep_all = True
        except ProviderError as error:
            return _Ending(error, opened)
        except Exception as error:
            logger.exception("%s: the connection failed", self._way.sentences.name)
            return _Ending(self._way.sentences.refused(error), opened)

    @property
    def _connect_s(self) -> float:
        times = self.timeouts
        return min(times.connect_s, times.hurried_s) if self._may_be_replaced else times.connect_s

    async def _attend(
        self, connection: ClientConnection, session: ServerSession, outbox: Outbox, backoff: Backoff
    ) -> _Ending:
        """Until one of the tasks of a connection has found a reason to end it."""
        writing = asyncio.create_task(outbox.run())
        tasks = [
            asyncio.create_task(part)
            for part in (self._read(connection, session, backoff), self._watch(session, outbox))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return _Ending(next(iter(done)).result(), session.ready)
        finally:
            for task in (writing, *tasks):
                task.cancel()
            await asyncio.wait([writing, *tasks])

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
            trouble = self._way.sentences.closed(closed.rcvd.reason if closed.rcvd is not None else "")
            if trouble is not None:
                return trouble
            in_order = isinstance(closed, ConnectionClosedOK) or session.expired
            if in_order and session.ready and session.is_quiet(self._clock()):
                return None
            return self._way.sentences.lost("was closed" if in_order else "was lost")
        if session.expired and not session.is_quiet(self._clock()):
            return self._way.sentences.lost("was closed")
        return session.failure

    def _open(self, session: ServerSession, backoff: Backoff) -> None:
        self.session = session
        self._ledger.microphone.keep_all = self._ledger.by_hand
        self._wanted.clear()
        self._trouble = None
        self._retry_after_s = self.timeouts.retry_s
        self._give_up_alarm.cancel()
        backoff.opened()
        self._nobody = False
        if self._replaced is not None:
            self._tell(ConnectionState.REPLACED, replaced(self._replaced, self._way.meanwhile))
        elif self._state is not ConnectionState.OPEN:
            self._tell(ConnectionState.OPEN, None)

    async def _watch(self, session: ServerSession, outbox: Outbox) -> ProviderError | None:
        """A clock for what does not happen."""
        began = self._clock()
        while True:
            await asyncio.sleep(self.timeouts.watch_s)
            now = self._clock()
            if outbox.stuck(now, self.timeouts.send_s):
                return self._way.sentences.lost()
            if not session.ready and now - began > self._connect_s:
                return self._way.sentences.late()
            if self._given_up is not None:
                return self._given_up
            if session.wants_renewal(now, self.timeouts.renew_s) or (self._anew and session.ready):
                self._anew = False
                return None
            if self._works_again and session.is_quiet(now):
                return None
            late = session.watch(now, self.timeouts.failed_s if self._may_be_replaced else self.timeouts.stall_s)
            if late is not None:
                self._ledger.stalls += 1
                if self._ledger.stalls > 1:
                    self._abandon(self._way.sentences.unanswered())
                    return None  # that was said
                return late

    def _give_up(self) -> None:
        """No connection for too long: the turn is not answered any more."""
        if self._ledger.answer:
            self._abandon(self._trouble or self._way.sentences.late())

    def _abandon(self, error: ProviderError) -> None:
        """The turn under way is not answered."""
        self._ledger.abandon()
        self._inbox.put([ServerError(error)])

    def _tell(self, state: ConnectionState, error: ProviderError | None) -> None:
        self._state = state
        self._on_connection(state, error)
