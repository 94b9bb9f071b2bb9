"""ElevenLabs realtime speech-to-text (Scribe): one socket per session, committed by us, reopened when it is lost."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

from voice_agents.audio import Pcm, silence, to_bytes
from voice_agents.errors import ProtocolViolation, ProviderError, ProviderTimeout, ProviderUnavailable, Retry, Role
from voice_agents.providers.elevenlabs.scribe import (
    LastFinal,
    Reaction,
    Twins,
    audio_message,
    begin_alike,
    plain_error,
    reaction,
)
from voice_agents.providers.elevenlabs.socket import open_socket, unexpected
from voice_agents.providers.elevenlabs.utterance import Commit, SentUtterance
from voice_agents.providers.heard_words import words_in
from voice_agents.providers.interfaces import STT_RATE, ConnectionListener, ConnectionState, PartialListener
from voice_agents.providers.names import inside, speech_name, why_gone
from voice_agents.providers.outbox import Outbox
from voice_agents.providers.sockets import Backoff
from voice_agents.settings import Endpoint

MESSAGE_S = 0.06
"""Audio is sent in messages of about this length."""
KEEP_ALIVE = to_bytes(silence(0.1, STT_RATE))


@dataclass(frozen=True, slots=True)
class SttTimeouts:
    """Seconds the recogniser's client waits for things."""

    connect_s: float = 5.0
    commit_s: float = 3.0
    """Commit sent -> final transcript; after that another socket is asked once, then the last partial must do."""
    give_up_s: float = 8.0
    """Commit asked for -> an answer of any kind, reconnects included."""
    keep_alive_s: float = 5.0
    """A socket without audio for about 15 s is closed by the server."""


class ElevenLabsStt:
    """A :class:`PatientSpeechToText`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        on_partial: PartialListener,
        on_connection: ConnectionListener,
        timeouts: SttTimeouts | None = None,
        language: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._name = speech_name(endpoint)
        self._on_partial = on_partial
        self._on_connection = on_connection
        self._timeouts = timeouts or SttTimeouts()
        self._language = language
        self._pending: deque[Commit] = deque()
        self._current = SentUtterance()
        self._perhaps: SentUtterance | None = None
        """What was committed in a pause, while it is not known whether that was its end."""
        self._outbox: Outbox | None = None
        self._failure: ProviderError | None = None
        self._lost_connection: ProviderError | None = None
        self._tried_again = False
        self._held = ""
        """A partial that came while a final was awaited, and may be about what was said after that commit."""
        self._last = LastFinal()
        self._wanted = asyncio.Event()
        self._renew = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fail_pending(self._lost("was closed"))
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def send_audio(self, pcm: Pcm) -> None:
        """Queue int16 mono samples at 16 kHz. A client that gave up tries once more."""
        if self._failure is not None and not self._tried_again:
            self._tried_again = True
            self._start()
        if not self._current.spoken:
            self._wanted.set()
        self._current.add(pcm)
        if self._perhaps is None and self._current.waiting_bytes >= MESSAGE_S * STT_RATE * 2:
            self._send_audio(self._current)

    def commit_perhaps(self) -> asyncio.Future[str]:
        """As :meth:`commit`, in a pause that may be the end; what comes after it is kept back until that is known."""
        utterance = self._current
        answer = self.commit()
        self._perhaps = utterance
        return answer

    def confirm(self) -> None:
        """It was the end: what was kept back begins the next utterance."""
        if self._perhaps is not None:
            self._perhaps = None
            self._send_audio(self._current)

    def recall(self) -> None:
        """It was not the end: the next commit gives the words from the utterance's beginning on."""
        if self._perhaps is not None:
            self._current, self._perhaps = self._perhaps.followed_by(self._current), None
            self._send_audio(self._current)

    def commit(self) -> asyncio.Future[str]:
        """End the utterance; the future gives its words or a ProviderError. A client that gave up tries once more."""
        self._perhaps = None
        utterance, self._current = self._current, SentUtterance()
        self._tried_again = False
        commit = Commit(utterance, self._timeouts.give_up_s, self._on_silence)
        if not utterance.spoken:
            commit.settle("")
            return commit.answer
        self._pending.append(commit)
        self._send_commit(commit)
        if self._failure is not None:
            self._start()
        self._wanted.set()
        return commit.answer

    # The socket

    def _start(self) -> None:
        self._failure = None
        self._wanted.clear()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        backoff = Backoff()
        self._on_connection(ConnectionState.CONNECTING, None)
        while True:
            try:
                error = await self._converse(backoff)
            except ProviderError as refused:
                error = refused
            except Exception as surprise:
                error = unexpected(surprise, self._endpoint, Role.STT)
            self._outbox = None
            self._lost_connection = error
            for commit in self._pending:
                commit.await_connection()
            if error is not None and error.retry is Retry.NEVER:
                self._failure = error
                self._fail_pending(error)
                return self._on_connection(ConnectionState.FAILED, error)
            if error is not None:
                self._on_connection(ConnectionState.RECONNECTING, error)
            await backoff.wait(self._wanted, at_once=error is None)

    async def _converse(self, backoff: Backoff) -> ProviderError | None:
        """One socket's life; why it ended, None when that is nothing to speak of."""
        query = {"model_id": self._endpoint.model, "audio_format": f"pcm_{STT_RATE}", "commit_strategy": "manual"}
        if self._language:
            query["language_code"] = self._language
        path = f"/v1/speech-to-text/realtime?{urlencode(query)}"
        self._renew.clear()
        async with open_socket(self._endpoint, path, Role.STT, self._timeouts.connect_s) as socket:
            outbox = self._outbox = Outbox(socket)
            for commit in self._pending:
                commit.utterance.sent = 0
                self._send_commit(commit)
            self._current.sent = 0
            if self._perhaps is None:
                self._send_audio(self._current)
            self._held = ""
            backoff.opened()
            self._on_connection(ConnectionState.OPEN, None)
            renewing = asyncio.create_task(self._renew.wait())
            tasks = [renewing, asyncio.create_task(outbox.run()), asyncio.create_task(self._keep_alive(outbox))]
            reading = asyncio.create_task(self._read(socket))
            try:
                await asyncio.wait([reading, renewing], return_when=asyncio.FIRST_COMPLETED)
                return reading.result() if reading.done() else self._lost("did not answer")
            finally:
                for task in (*tasks, reading):
                    task.cancel()
                await asyncio.wait([*tasks, reading])

    async def _keep_alive(self, outbox: Outbox) -> None:
        """Send a little silence when nothing was sent for long."""
        while True:
            due = outbox.newest_at + self._timeouts.keep_alive_s
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if outbox.newest_at + self._timeouts.keep_alive_s <= due:
                outbox.put(audio_message(KEEP_ALIVE))

    async def _read(self, socket: ClientConnection) -> ProviderError | None:
        twins = Twins()
        try:
            async for frame in socket:
                if self._renew.is_set():
                    break  # of a connection that is being dropped
                error, over = self._take(frame, twins)
                if over:
                    return error
        except ConnectionClosedOK:
            pass
        except ConnectionClosed:
            return self._lost("was lost")
        return self._lost("was closed") if self._pending else None

    def _take(self, frame: str | bytes, twins: Twins) -> tuple[ProviderError | None, bool]:
        """Handle one message: an error that ends the session, and whether the session is over."""
        try:
            message = json.loads(frame)
            kind = reaction(message)
            if kind is Reaction.FINAL and not isinstance(message.get("text"), str):
                raise ValueError("a final without words")
        except (ValueError, AttributeError):
            sentence = f"{self._name} sent something for speech-to-text that could not be understood."
            return ProtocolViolation(Role.STT, self._name, sentence), True
        match kind:
            case Reaction.PARTIAL:
                self._partial(words_in(str(message.get("text") or ""), unfinished=True))
            case Reaction.FINAL if not twins.is_second(message, self._oldest_commit, asyncio.get_running_loop().time()):
                self._final(words_in(str(message.get("text") or "")))
            case Reaction.THROTTLED if self._pending:
                commit = self._pending.pop()  # refused at once, while the final of an older one takes its time
                commit.settle(commit.utterance.partial)
            case Reaction.RENEW:
                return None, True
            case Reaction.RETRY | Reaction.FATAL:
                return plain_error(message, self._name), True
        return None, False

    # Words

    def _partial(self, text: str) -> None:
        """While a final is awaited, hypotheses are still about that utterance; and one just after it may be late."""
        if self._pending:
            oldest = self._pending[0].utterance
            if text and (not oldest.partial or begin_alike(oldest.partial, text)):
                oldest.partial = text
                if len(self._pending) == 1:
                    self._on_partial(oldest.text(text), committed=True)
            self._held = text
            return
        if text and self._last.is_stale(text, asyncio.get_running_loop().time()):
            return
        self._current.partial = text
        self._on_partial(self._current.text(text))

    def _final(self, text: str) -> None:
        partial = self._pending[0].utterance.partial if self._pending else self._current.partial
        if text and self._last.is_repeated(text, partial, awaited=bool(self._pending)):
            return
        if self._pending:
            self._pending.popleft().settle(text)
            self._last = LastFinal(text, asyncio.get_running_loop().time())
            held, self._held = self._held, ""
            if held and not self._pending and not begin_alike(held, text):
                self._partial(held)
        elif text:
            self._current.segment(text)
            self._on_partial(self._current.text(""))

    def _send_audio(self, utterance: SentUtterance) -> None:
        if self._outbox is not None:
            for audio in utterance.unsent():
                self._outbox.put(audio_message(audio))

    def _send_commit(self, commit: Commit) -> None:
        if self._outbox is not None:
            self._send_audio(commit.utterance)
            self._outbox.put(audio_message(b"", commit=True))
            commit.await_answer(self._timeouts.commit_s)

    def _on_silence(self, commit: Commit) -> None:
        """No answer to a commit: a late one must not be taken for the next, so the socket is replaced, and asked."""
        self._renew.set()
        if commit.may_be_asked_again:
            return commit.await_connection()
        self._pending.remove(commit)
        sentence = f"{self._name} took too long to understand you. Please say it again."
        late = ProviderTimeout(Role.STT, self._name, sentence)
        return commit.fail(late if self._outbox is not None else self._lost_connection or late)

    @property
    def _oldest_commit(self) -> float | None:
        """When the commit the next final answers was made."""
        return self._pending[0].at if self._pending else None

    def _fail_pending(self, error: ProviderError) -> None:
        while self._pending:
            self._pending.popleft().fail(error)

    def _lost(self, how: str) -> ProviderError:
        sentence = why_gone(self._endpoint, f"The connection to {inside(self._name)} for speech-to-text {how}.")
        return ProviderUnavailable(Role.STT, self._name, sentence)
