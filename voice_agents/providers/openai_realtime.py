"""The Realtime protocol of Azure OpenAI and OpenAI: one server session per conversation, renewed when it is lost."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from voice_agents.audio import Pcm, to_bytes
from voice_agents.errors import ProviderError, Retry
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.providers.realtime_codec import ServerSession
from voice_agents.providers.realtime_config import PastItem, RealtimeConfig
from voice_agents.providers.realtime_errors import Sentences
from voice_agents.providers.realtime_events import RealtimeEvent, ServerError
from voice_agents.providers.realtime_ledger import Ledger
from voice_agents.providers.realtime_microphone import is_loud
from voice_agents.providers.realtime_socket import Connector, TokenProvider
from voice_agents.providers.sockets import Backoff
from voice_agents.settings import Endpoint

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


class RealtimeClient:
    """Entering starts to connect in the background and returns at once; leaving closes every socket and task.

    Verbs never block. What is sent while there is no connection is kept and sent when there is one again.

    **A lost connection.** Nothing is reported of it but RECONNECTING, then OPEN (to ``on_connection``). The fresh
    server session is told, in this order: the configuration; every item of ``past()``; results of tools ``past()``
    shows as still running but that were sent meanwhile; the typed turn that is not answered, unless it is the last
    user item of ``past()``; the audio of turns whose words are not known yet; the request for the answer that is owed;
    the audio of the sentence the user is in the middle of. So ``past()`` has to hold, beside the stored conversation,
    of the open turn: the user's words as far as known, the calls with their results so far, and the words of the
    answer received so far (kind "assistant").

    * An answer is owed from the user's turn (:class:`UserSpeechStopped`, :meth:`commit`, :meth:`send_text`) or
      :meth:`respond` until :class:`ResponseDone` or :meth:`cancel`. A response that was under way is never finished:
      no ResponseDone comes for it, a new ResponseStarted takes its place. The model is asked to go on where ``past()``
      ends.
    * A sentence the user is in the middle of is heard again by the new server session: UserSpeechStarted comes a
      second time, with another item id.
    * A turn that was taken but whose words were not known keeps its item id: UserFinal comes as if nothing had
      happened.
    * A tool's result goes to the fresh session if ``past()`` or an earlier response there has its call; else it is
      dropped.
    * Items of earlier server sessions cannot be truncated any more; that is ignored, ``past()`` has told what
      was heard.

    **FAILED** (key, deployment, quota: what trying again cannot mend) drops what is owed. The next :meth:`send_text`,
    :meth:`commit` or loud enough sound tries once more.

    **Renewal.** Before the server's time limit, and for another voice than the one the server has spoken with, the
    server session is replaced in a pause of the conversation: nothing is reported.

    :class:`ServerError` means that the turn under way will not be answered; the conversation can go on.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        config: RealtimeConfig,
        *,
        past: Callable[[], Sequence[PastItem]],
        on_connection: ConnectionListener,
        timeouts: RealtimeTimeouts | None = None,
        token: TokenProvider | None = None,
    ) -> None:
        """``past`` is asked at every (re)connect: the conversation so far, for the fresh server session.

        ``token`` is asked for an Entra access token at every connect; without it ``endpoint.api_key`` is the key.
        """
        self._sentences = Sentences(endpoint)
        self._connector = Connector(endpoint, self._sentences, token)
        self._on_connection = on_connection
        self._timeouts = timeouts or RealtimeTimeouts()
        self._ledger = Ledger(config, past, endpoint.transcribe_model)
        self._clock = asyncio.get_running_loop().time
        self._session: ServerSession | None = None
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._events: deque[RealtimeEvent] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self._wanted = asyncio.Event()
        self._failure: ProviderError | None = None
        self._trouble: ProviderError | None = None
        """Why there is no connection."""
        self._retry_at = 0.0
        self._retry_after_s = self._timeouts.retry_s
        self._alarm: asyncio.TimerHandle | None = None
        self._state = ConnectionState.CONNECTING
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._start(ConnectionState.CONNECTING)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_alarm()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._connector.close()
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        """Events, until the client is left."""
        while not self._closed:
            while self._events:
                yield self._events.popleft()
            self._ready.clear()
            await self._ready.wait()

    def send_audio(self, pcm: Pcm) -> None:
        """The microphone's next samples, int16 mono at 24 kHz."""
        data = to_bytes(pcm)
        self._ledger.microphone.add(data)
        if self._session is not None:
            self._session.send_audio(data)
        elif self._failure is not None and self._clock() >= self._retry_at and is_loud(data):
            self._retry_after_s = min(RETRY_LIMIT_S, 2 * self._retry_after_s)
            self._start(None)

    def commit(self) -> None:
        """Push-to-talk: what was sent since the last turn is the user's turn, and is to be answered.

        Less than 0.1 s of sound is no turn: a ServerError says so.
        """
        if self._ledger.microphone.take("") is None:
            return self._report([ServerError(self._sentences.nothing_said())])
        self._ledger.owe()
        if self._session is not None:
            self._session.commit(self._clock())
        return self._need()

    def send_text(self, text: str) -> None:
        """A typed turn, to be answered (after what is being answered now has been cancelled)."""
        self._ledger.owe(typed=text)
        if self._session is not None:
            self._session.send_text(text, self._clock())
        self._need()

    def send_tool_output(self, call_id: str, output: str) -> None:
        """A tool's result; :meth:`respond` makes the model go on."""
        self._ledger.outputs[call_id] = output
        if self._session is not None:
            self._session.send_tool_output(call_id, output)

    def respond(self) -> None:
        """Ask for the next response, as soon as none is active."""
        self._ledger.owe_next()
        if self._session is not None:
            self._session.respond(self._clock())
        self._need()

    def cancel(self) -> None:
        """Cancel the response that is active, if one is; nothing of it is reported any more."""
        dropped = self._ledger.response_id
        self._ledger.forgive()
        self._events = deque(e for e in self._events if not dropped or getattr(e, "response_id", None) != dropped)
        if self._session is not None:
            self._session.cancel(self._clock())

    def truncate(self, item_id: str, played: int) -> None:
        """Cut an assistant message to its first ``played`` samples (24 kHz); clamped to what was received."""
        if self._session is not None:
            self._session.truncate(item_id, played)

    def configure(self, config: RealtimeConfig) -> None:
        """Another configuration, from the next response on. Sound of a turn that is not taken yet is forgotten when
        another one takes the turns."""
        another_takes_turns = config.mode is not self._ledger.config.mode
        self._ledger.config = config
        if another_takes_turns:
            self._ledger.microphone.clear()
        self._ledger.microphone.keep_all = self._session is None or self._ledger.by_hand
        if self._session is not None:
            self._session.configure(clear=another_takes_turns)

    # The connection

    def _start(self, state: ConnectionState | None) -> None:
        self._failure = None
        self._wanted.clear()
        if state is not None:
            self._tell(state, None)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def _need(self) -> None:
        """Something waits for the server."""
        if self._session is not None:
            return
        self._wanted.set()
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(self._timeouts.answer_s, self._give_up)
        if self._failure is not None:
            self._start(ConnectionState.CONNECTING)

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
                self._need()
            await backoff.wait(self._wanted, at_once=ending.opened)

    def _fail(self, error: ProviderError) -> None:
        self._stop_alarm()
        self._failure = error
        self._retry_at = self._clock() + self._retry_after_s
        self._ledger.abandon()
        self._tell(ConnectionState.FAILED, error)

    async def _converse(self, backoff: Backoff) -> _Ending:
        """One connection's life, and why it ended."""
        opened = False
        try:
            async with self._connector.connect(self._timeouts.connect_s) as connection:
                self._outgoing = asyncio.Queue()
                session = ServerSession(self._ledger, self._sentences, self._outgoing.put_nowait)
                try:
                    return await self._attend(connection, session, backoff)
                finally:
                    opened = session.ready
                    self._session = None
                    self._ledger.microphone.keep_all = True
        except ProviderError as error:
            return _Ending(error, opened)
        except Exception as error:
            logger.exception("The connection to %s failed", self._sentences.name)
            return _Ending(self._sentences.refused(error), opened)

    async def _attend(self, connection: AsyncRealtimeConnection, session: ServerSession, backoff: Backoff) -> _Ending:
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
        self, connection: AsyncRealtimeConnection, session: ServerSession, backoff: Backoff
    ) -> ProviderError | None:
        try:
            while session.failure is None and not session.expired:
                frame = await connection.recv_bytes()
                self._report(session.take(frame, self._clock()))
                if session.ready and self._session is None:
                    self._open(session, backoff)
        except ConnectionClosed as closed:
            in_order = isinstance(closed, ConnectionClosedOK) or session.expired
            if in_order and session.ready and session.is_quiet(self._clock()):
                return None
            return self._sentences.lost("was closed" if in_order else "was lost")
        if session.expired and not session.is_quiet(self._clock()):
            return self._sentences.lost("was closed")
        return session.failure

    def _open(self, session: ServerSession, backoff: Backoff) -> None:
        self._session = session
        self._ledger.microphone.keep_all = self._ledger.by_hand
        self._trouble = None
        self._retry_after_s = self._timeouts.retry_s
        self._stop_alarm()
        backoff.opened()
        if self._state is not ConnectionState.OPEN:
            self._tell(ConnectionState.OPEN, None)

    async def _write(self, connection: AsyncRealtimeConnection, outgoing: asyncio.Queue[str]) -> ProviderError | None:
        try:
            while True:
                message = await outgoing.get()
                async with asyncio.timeout(self._timeouts.send_s):
                    await connection.send_raw(message)
        except TimeoutError:
            return self._sentences.lost()
        except ConnectionClosed:
            await asyncio.Event().wait()  # the reader knows more
        return None

    async def _watch(self, session: ServerSession) -> ProviderError | None:
        """A clock for what does not happen."""
        began = self._clock()
        while True:
            await asyncio.sleep(self._timeouts.watch_s)
            now = self._clock()
            if not session.ready and now - began > self._timeouts.connect_s:
                return self._sentences.late()
            if session.wants_renewal(now, self._timeouts.renew_s):
                return None
            late = session.watch(now, self._timeouts.stall_s)
            if late is not None:
                self._ledger.stalls += 1
                if self._ledger.stalls > 1:
                    self._abandon(self._sentences.unanswered())
                return late

    def _give_up(self) -> None:
        """No connection for too long: the turn is not answered any more."""
        self._alarm = None
        if self._ledger.answer:
            self._abandon(self._trouble or self._sentences.late())

    def _abandon(self, error: ProviderError) -> None:
        """The turn under way is not answered."""
        self._ledger.abandon()
        self._report([ServerError(error)])

    def _stop_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _tell(self, state: ConnectionState, error: ProviderError | None) -> None:
        self._state = state
        self._on_connection(state, error)

    def _report(self, events: Sequence[RealtimeEvent]) -> None:
        if events:
            self._events.extend(events)
            self._ready.set()
