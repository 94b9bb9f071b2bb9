"""One socket of the API: a client's messages into a live session, the session's events back to the client."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from enum import IntEnum

from starlette.types import Message
from starlette.websockets import WebSocket

from voice_agents.audio import LiveDownsampler, LiveUpsampler, Pcm, live_resampler
from voice_agents.errors import InvalidInput, SessionLimitReached, VoiceAgentError
from voice_agents.events import AgentAudio, AgentAudioDone, AgentPaused, Event, Interrupted
from voice_agents.transports.api.dialects import Dialect
from voice_agents.transports.api.limits import Intake, SocketLimits, TooMuch
from voice_agents.transports.api.messages import (
    LARGEST_MESSAGE,
    ClientMessage,
    End,
    Hush,
    MicrophoneSound,
    Start,
    Stop,
    Typed,
    parse,
)
from voice_agents.transports.api.options import SocketOptions
from voice_agents.transports.api.places import Places
from voice_agents.transports.line import Wait
from voice_agents.transports.live import Ending, LiveSession, SessionRequest, Transport
from voice_agents.transports.socket_call import SocketCall

PIECE_S = 0.1
"""Audio handed on in one go, so that a recording sent at once does not hold up the event loop."""
EARLY_S = 60.0
"""Audio kept of a client that waits for a place, the last that it sent."""
MOST_EARLY = 1000
"""Messages kept of it."""


class Code(IntEnum):
    """Why we close a socket (RFC 6455 section 7.4.1 and IANA's registry)."""

    DONE = 1000
    GOING_AWAY = 1001
    REFUSED = 1008
    TOO_BIG = 1009
    BROKEN = 1011
    FULL = 1013


_ENDINGS: dict[Ending, tuple[str, Code]] = {
    Ending.TIME_LIMIT: ("The time for one conversation on this server is over.", Code.REFUSED),
    Ending.USED_UP: (Ending.USED_UP.sentence, Code.REFUSED),
    Ending.REPLACED: ("This conversation goes on elsewhere, so this socket is closed.", Code.DONE),
    Ending.SHUTDOWN: ("The server is shutting down.", Code.GOING_AWAY),
    Ending.HANDED_ON: (Ending.HANDED_ON.sentence, Code.GOING_AWAY),
    Ending.FAILED: ("", Code.BROKEN),
}


class ApiCall(SocketCall):
    """Listens to its session. It takes a place with the client's first message, and gives it back when either ends.

    When all places are taken it waits in line with what the client has said.
    """

    def __init__(
        self, socket: WebSocket, places: Places, request: SessionRequest, options: SocketOptions, dialect: Dialect
    ) -> None:
        super().__init__(socket)
        self._places = places
        self._request = request
        self._options = options
        self._dialect = dialect
        self._microphone: LiveDownsampler | LiveUpsampler | None = None
        self._early: deque[ClientMessage] = deque()
        """What was said while it waited for a place."""

    async def run(self, limits: SocketLimits) -> None:
        """Until the client leaves, or there is a reason to close the socket, which must be accepted already."""
        self._intake = Intake(limits, asyncio.get_running_loop().time)
        self._greet()
        await self._carry(self._read(limits), limits.closing_s)

    # What the session tells

    def hear(self, event: Event) -> None:
        """Send the client this event as the API's messages; stale sound is left out, a stop drops what waits."""
        stale = isinstance(event, AgentAudio) and self._live is not None and event.epoch < self._live.session.epoch
        if stale or self._over.is_set():
            return
        if isinstance(event, AgentPaused | Interrupted):
            self._box.drop_sound()
        for message in self._dialect.tell(event):
            self._box.put(message, sound=isinstance(event, AgentAudio | AgentAudioDone))
        if self._box.full:
            self._end("", Code.REFUSED)  # it would not read a sentence either

    def ended(self, why: Ending) -> None:
        """No further event comes: the socket is closed with the reason."""
        self._end(*_ENDINGS.get(why, ("The conversation was ended.", Code.DONE)))

    # What the client says

    def _greet(self) -> None:
        self._box.put(
            {
                "type": "session",
                "conversation": self._options.conversation.id,
                "turns": self._options.turns,
                "sample_rate": self._options.sample_rate,
            }
        )

    async def _read(self, limits: SocketLimits) -> None:
        patience_s = limits.first_message_s
        while not self._over.is_set():
            frame = await self._next(patience_s)
            if frame is None:
                return
            patience_s = limits.quiet_s
            with self._explaining():
                await self._do(self._taken(frame))
            while self._early and not self._over.is_set():
                with self._explaining():
                    await self._do(self._early.popleft())

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """What goes wrong with a message is told the client."""
        try:
            yield
        except TooMuch as error:
            self._end(str(error), Code.REFUSED)
        except SessionLimitReached as error:
            self._end(str(error), Code.FULL)
        except VoiceAgentError as error:
            self._box.put({"type": "error", "message": str(error)})

    async def _next(self, patience_s: float) -> str | bytes | None:
        """The client's next frame; None when it has left or said nothing for too long."""
        while True:
            try:
                async with asyncio.timeout(patience_s):
                    received = await self._socket.receive()
            except TimeoutError:
                if self._dialect.ends.open or (self._live is not None and self._live.session.busy):
                    continue
                self._end(f"Nothing was sent for {patience_s:g} seconds, so this socket is closed.", Code.REFUSED)
                return None
            return _frame(received)

    def _taken(self, frame: str | bytes) -> ClientMessage | None:
        """What a frame says; None when it ends the call. Raises TooMuch and InvalidInput."""
        size = len(frame)
        self._intake.message(size)
        if size > LARGEST_MESSAGE:
            self._end(f"A message may have {LARGEST_MESSAGE} bytes at most.", Code.TOO_BIG)
            return None
        message = parse(frame, binary=self._options.binary)
        if isinstance(message, MicrophoneSound):
            self._intake.sound(len(message.pcm) / self._options.sample_rate)
        return message

    async def _do(self, message: ClientMessage | None) -> None:
        match message:
            case MicrophoneSound(pcm=pcm):
                await self._push(pcm)
            case Start(sample_rate=rate):
                self._change_rate(rate)
            case Stop():
                self._end("", Code.DONE)
            case End():
                if (live := await self._session()) is not None:
                    self._dialect.ends.asked()
                    live.do(lambda session: session.end_turn())
            case Typed(text=text):
                if (live := await self._session()) is not None:
                    live.do(lambda session: session.send_text(text))
            case Hush():
                if self._live is not None:
                    self._live.do(lambda session: session.interrupt())

    def _change_rate(self, rate: int) -> None:
        if self._live is not None and rate != self._options.sample_rate:
            raise InvalidInput("The sample rate can be changed before the conversation begins, not any more.")
        self._options = self._options.at(rate)
        self._dialect.set_rate(rate)

    async def _push(self, pcm: Pcm) -> None:
        live = await self._session()
        if live is None:
            return
        piece = round(PIECE_S * self._options.sample_rate)
        for start in range(0, len(pcm), piece):
            if start:
                await asyncio.sleep(0)
            if self._microphone is None:
                return
            live.push_audio(self._microphone.feed(pcm[start : start + piece]))

    async def _session(self) -> LiveSession | None:
        """The session; the first message opens it. None when the client is gone. Raises what opening raises."""
        if self._live is None:
            live = await self._opened()
            if live is None:
                return None
            self._microphone = live_resampler(self._options.sample_rate, live.session.input_rate)
            self._live = live
            live.attach_call(self, sends_silence=False, transport=Transport.WEBSOCKET)
            if live.request != self._request:
                turns, voice = self._request.turns, self._request.voice
                live.do(lambda session: session.set_turns(turns))
                if voice:
                    live.do(lambda session: session.set_voice(voice))
        return self._live

    async def _opened(self) -> LiveSession | None:
        """A place, perhaps after a wait in which the client is listened to; None when it leaves.

        Raises what opening raises.
        """
        opening = asyncio.create_task(self._places.open(self._request, self._wait))
        try:
            while not opening.done() and not self._over.is_set():
                receiving = asyncio.create_task(self._socket.receive())
                await asyncio.wait({opening, receiving}, return_when=asyncio.FIRST_COMPLETED)
                receiving.cancel()
                await asyncio.wait({receiving})
                if not receiving.cancelled():
                    self._keep(receiving.result())
            if not self._over.is_set():
                return opening.result()
        except asyncio.CancelledError:
            await self._give_back(opening)
            raise
        await self._give_back(opening)
        return None

    def _wait(self, wait: Wait) -> None:
        told = {"position": wait.position, "about_s": round(wait.about_s), "message": wait.sentence}
        self._box.put({"type": "status", "status": "Waiting", **told})

    def _keep(self, received: Message) -> None:
        """Said while waiting: it is for later, unless the client leaves."""
        frame = _frame(received)
        if frame is None:
            return self._end("", Code.DONE)
        with self._explaining():
            message = self._taken(frame)
            if isinstance(message, Stop):
                return self._end("", Code.DONE)
            if message is not None:
                self._early.append(message)
                self._forget_oldest()
        return None

    def _forget_oldest(self) -> None:
        sounds = [message for message in self._early if isinstance(message, MicrophoneSound)]
        too_long = sum(len(sound.pcm) for sound in sounds) > EARLY_S * self._options.sample_rate
        if sounds and (too_long or len(self._early) > MOST_EARLY):
            self._early.remove(sounds[0])
        elif len(self._early) > MOST_EARLY:
            self._early.popleft()

    # The end

    def _end(self, sentence: str, code: Code) -> None:
        """Say why, and close; the first reason counts."""
        self._close_with(code, {"type": "error", "message": sentence} if sentence else None)

    async def _leave(self) -> None:
        self._microphone = None
        await super()._leave()


def _frame(received: Message) -> str | bytes | None:
    """What a client sent; None when it has left."""
    if received["type"] == "websocket.disconnect":
        return None
    text, data = received.get("text"), received.get("bytes")
    found: str | bytes | None = data if text is None else text
    return found
