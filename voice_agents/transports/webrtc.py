"""A browser's call over fastrtc: its microphone into a live session, the session's answer to its speaker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiortc import RTCPeerConnection
from aiortc.exceptions import InvalidStateError
from av import AudioFrame
from fastrtc import AsyncStreamHandler, CloseStream, WebRTC
from fastrtc.tracks import AudioCallback
from numpy.typing import NDArray

from voice_agents.audio import LiveDownsampler
from voice_agents.errors import VoiceAgentError
from voice_agents.events import AgentAudio, AgentAudioDone, AgentDucked, AgentPaused, AgentResumed, Event, Interrupted
from voice_agents.session.base import OUTPUT_RATE
from voice_agents.transports.ice import DIRECT, Relays
from voice_agents.transports.live import Ending, LiveSession
from voice_agents.transports.offers import ANSWERED_AT_ONCE, CONTROLS_S, Switchboard
from voice_agents.transports.playback import WIRE_RATE, Playback
from voice_agents.transports.quiet import end_calls_quietly

MICROPHONE = {"echoCancellation": True, "noiseSuppression": True, "autoGainControl": True}
"""Wishes, not demands: a device that lacks one of them is used all the same."""

LAST_WORDS_S = 0.5
"""For the last words of a call to reach the page."""
GOODBYE_S = 2.0
"""For a page to hang up a call that is over; a peer that stays would hold its place without one."""
CHANNELS = {"mono": 1, "stereo": 2}
JITTER_S = 0.06
"""So much sound waits in a browser's jitter buffer at least: it is not heard any more when the page falls silent."""
EMIT_TURN_S = 50.0
"""fastrtc cancels an ``emit()`` after 60 s and warns; ours comes back earlier."""

OpenCall = Callable[[Sequence[Any]], Awaitable[LiveSession]]
"""The values of the page's controls, in the order they were given to :func:`answer_calls` -> the session to talk to."""


def call_button(elem_id: str, relays: Relays | None = None, elem_classes: str = "") -> WebRTC:
    """The component that answers the page's calls; inert until :func:`answer_calls`.

    Its browsers ask ``relays`` for the way to this server, each before its call.
    """
    button = WebRTC(
        label="Microphone",
        elem_id=elem_id,
        elem_classes=elem_classes,
        show_label=False,
        modality="audio",
        mode="send-receive",
        rtc_configuration=DIRECT,
        server_rtc_configuration=DIRECT,
        track_constraints=dict(MICROPHONE),
        full_screen=False,
    )
    if relays is not None:

        async def fresh_relays() -> dict[str, Any]:
            found = await relays.fresh()
            button.server_rtc_configuration = button.convert_to_aiortc_format(found)
            return found

        button.rtc_configuration = fresh_relays
    return button


def answer_calls(button: WebRTC, open_call: OpenCall, controls: Sequence[Any], places: int) -> None:
    """Connect the button: each call gets ``open_call(values of controls)`` as its session.

    A page of ours sends one value more, ``wanted``, with its offer itself. ``places`` limits the peer connections,
    those of vanished browsers included, which linger for half a minute; those that talk to nobody yet make room.
    """
    end_calls_quietly()
    Switchboard(button, places)
    button.stream(
        CallHandler(open_call, button.pcs),
        inputs=[button, *controls],
        outputs=[button],
        concurrency_limit=places + ANSWERED_AT_ONCE,  # the switchboard counts; this many may be leaving just now
        send_input_on="submit",
    )


@dataclass(frozen=True, slots=True)
class MonoFrame:
    """What fastrtc reads of an AudioFrame, of one with one or two channels of s16."""

    frame: AudioFrame

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return int(self.frame.sample_rate)

    def to_ndarray(self) -> NDArray[np.int16]:
        """Shape (1, samples): the mean of the channels."""
        pcm: NDArray[np.int16] = self.frame.to_ndarray()
        channels = CHANNELS[self.frame.layout.name]
        if channels > 1:
            pcm = (pcm.reshape(1, -1, channels).astype(np.int32).sum(axis=2) // channels).astype(np.int16)
        return pcm


class CallHandler(AsyncStreamHandler):
    """One connection. Audio leaves through a :class:`Playback`, so ``emit`` only waits for the end of the call.

    A page that has said ``turns_down`` is told over the data channel how loud to play, since some 100 ms of sound wait
    in its jitter buffer: ``{"type": "volume", "volume": v}``; ``{"type": "hush"}``: nothing for 0.3 s, then all again.
    For others what leaves is made softer.
    """

    def __init__(self, open_call: OpenCall, peers: Mapping[str, RTCPeerConnection]) -> None:
        super().__init__(output_sample_rate=OUTPUT_RATE, input_sample_rate=WIRE_RATE)
        self._open_call = open_call
        self._peers = peers
        self._live: LiveSession | None = None
        self._playback: Playback | None = None
        self._microphone: LiveDownsampler | None = None
        self._over = asyncio.Event()
        self._last_words: str | None = None
        self._opening: asyncio.Future[LiveSession] | None = None
        """It may wait in line for a place."""
        self._closing: asyncio.Task[None] | None = None

    @property
    def talking(self) -> bool:
        """It has a session, or waits for one, and is not over."""
        waiting = self._opening is not None and not self._over.is_set()
        return self._live is not None or waiting

    def copy(self) -> CallHandler:
        """A handler for a new connection."""
        return CallHandler(self._open_call, self._peers)

    async def start_up(self) -> None:
        """The connection stands: open its session with what the page's controls say."""
        try:
            async with asyncio.timeout(CONTROLS_S - LAST_WORDS_S):
                await self.wait_for_args()
            self._opening = asyncio.ensure_future(self._open_call(self.latest_args[2:]))
            live = await self._opening
        except TimeoutError:
            self._hang_up("The page did not answer. Please reload it and press the button again.")
        except VoiceAgentError as error:
            self._hang_up(str(error))
        except InvalidStateError:
            self._over.set()  # hung up before it was asked for its controls
        except asyncio.CancelledError:
            if not self._over.is_set():
                raise  # else it was hung up while it waited
        else:
            await self._begin(live)

    async def _begin(self, live: LiveSession) -> None:
        if self._over.is_set():
            await live.leave(self)
            return
        track: AudioCallback = self.clear_queue.__self__  # a handler is given its track only as this bound method
        self._playback = Playback(track.queue, track.clear_queue, live.session.output_rate, tell=self._tell_page)
        self._microphone = LiveDownsampler(WIRE_RATE, live.session.input_rate)
        self._live = live
        live.attach_call(self, late_s=JITTER_S if self._page_turns_down else 0.0)

    @property
    def _page_turns_down(self) -> bool:
        """The page makes what it plays softer or silent when it is told, and has said so."""
        said = self.latest_args[2:]
        return bool(said) and isinstance(said[0], Mapping) and said[0].get("turns_down") is True

    def _tell_page(self, message: dict[str, Any]) -> bool:
        """Of a volume, sooner than sound comes there. False: it cannot be told."""
        if not self._page_turns_down or self.channel is None or self.channel.readyState != "open":
            return False
        self.channel.send(json.dumps(message))
        return True

    def resample(self, frame: AudioFrame) -> Iterator[AudioFrame | MonoFrame]:
        """fastrtc's way to one channel at 48 kHz. What Opus decodes to needs no filter for it, which has two threads
        that stay for as long as fastrtc keeps an ended call's handler."""
        if frame.sample_rate == WIRE_RATE and frame.format.name == "s16" and frame.layout.name in CHANNELS:
            yield MonoFrame(frame)
        else:
            yield from super().resample(frame)

    async def receive(self, frame: tuple[int, NDArray[np.int16]]) -> None:
        """20 ms from the microphone, shape (1, 960)."""
        if self._live is not None and self._microphone is not None:
            self._live.push_audio(self._microphone.feed(frame[1][0]))

    async def emit(self) -> CloseStream | None:
        """Wait for the end of the call; say its last words once, if it has any."""
        try:
            async with asyncio.timeout(EMIT_TURN_S):
                await self._over.wait()
        except TimeoutError:
            return None
        if self._last_words is None:
            raise asyncio.CancelledError  # ends fastrtc's task, which it forgets when ICE fails
        words, self._last_words = self._last_words, None
        return CloseStream(words)

    async def shutdown(self) -> None:
        """The connection is gone."""
        self._over.set()
        if self._opening is not None:
            self._opening.cancel()
        if (live := self._let_go()) is not None:
            await live.leave(self)

    def hear(self, event: Event) -> None:
        """One of the session's events: sound goes to the speaker, stops stop it."""
        if self._playback is None or self._live is None:
            return
        match event:
            case AgentAudio():
                if event.epoch >= self._live.session.epoch:
                    self._playback.play(event.pcm, event.turn)
            case AgentDucked(volume=volume):
                self._playback.set_volume(volume)
            case AgentResumed():
                self._playback.set_volume(1.0)
            case AgentPaused() | Interrupted():
                self._playback.hush()
            case AgentAudioDone(turn=turn):
                self._playback.finish(turn)

    def ended(self, why: Ending) -> None:
        """The session is over, so is the call."""
        if self._playback is not None:
            self._playback.hush()
        self._let_go()
        # The page, the session's other listener, says why; but only to this window that its call was taken over.
        # Who vanished lingers until ICE gives up, half a minute.
        # Who is to call again is told nothing: the connection breaks.
        gone = why in (Ending.NO_SOUND, Ending.SLEPT, Ending.HANDED_ON)
        words = None if why is Ending.HANDED_ON else why.sentence if why is Ending.REPLACED else ""
        self._hang_up(words, 0.0 if gone else GOODBYE_S)

    def _let_go(self) -> LiveSession | None:
        """Nothing is heard or played any more. fastrtc may keep a handler for long, an encoder has threads."""
        live, self._live = self._live, None
        self._playback = self._microphone = self._resampler = None
        return live

    def _hang_up(self, sentence: str | None, goodbye_s: float = GOODBYE_S) -> None:
        self._last_words = sentence
        self._over.set()
        if len(self.latest_args) > 1 and (peer := self._peers.get(self.latest_args[1])) is not None:
            self._closing = asyncio.create_task(_close(peer, goodbye_s))


async def _close(peer: RTCPeerConnection, after_s: float) -> None:
    await asyncio.sleep(after_s)
    await peer.close()
