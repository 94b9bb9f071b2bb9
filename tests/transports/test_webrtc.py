"""A call between fastrtc and a live session, without a network."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any, cast

import av
import numpy as np
import pytest
from av import AudioFrame

from tests.ui.fake_engine import FRAME, FakeSession, sweep
from voice_agents.audio import Pcm, rms_dbfs
from voice_agents.conversation.model import Conversation
from voice_agents.events import AgentAudio, AgentAudioDone, AgentDucked, AgentPaused, AgentResumed
from voice_agents.settings import TurnSettings
from voice_agents.transports.live import Ending, LiveSession, SessionRequest
from voice_agents.transports.playback import FRAME as PACKET
from voice_agents.transports.playback import WIRE_RATE, OpusPacket
from voice_agents.transports.registry import SessionRegistry
from voice_agents.transports.webrtc import CallHandler


class Track:
    """Where fastrtc takes the packets of a call from."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[OpusPacket] = asyncio.Queue()

    def clear_queue(self) -> None:
        self.take()

    def take(self) -> list[OpusPacket]:
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]


class Line:
    """A browser's connection to one conversation; its session comes when ``gate`` is open."""

    def __init__(self, registry: SessionRegistry, conversation: Conversation, kind: str = "sandwich") -> None:
        self.track = Track()
        self.gate = asyncio.Event()
        self.live: LiveSession | None = None

        async def open_call(_values: Any) -> LiveSession:
            await self.gate.wait()
            self.live = await registry.open(SessionRequest(kind, conversation))
            return self.live

        self.handler = CallHandler(open_call, {})
        self.handler.set_args(["the call's id"])
        self.handler._clear_queue = self.track.clear_queue

    async def hang_up_while_opening(self) -> None:
        """The call is over before its session comes."""
        starting = asyncio.create_task(self.handler.start_up())
        await asyncio.sleep(0)
        await self.handler.shutdown()
        self.gate.set()
        await starting


def make(wanted: SessionRequest) -> FakeSession:
    return FakeSession(wanted.conversation, TurnSettings())


async def test_the_end_of_an_answer_leaves_at_once_behind_its_last_sound() -> None:
    """A browser goes on with the last sound when nothing follows it, until the silent end comes."""
    async with SessionRegistry(make) as registry:
        line = Line(registry, Conversation())
        line.gate.set()
        await line.handler.start_up()
        answer = sweep(0.51)
        for position in range(0, len(answer), FRAME):
            pcm = answer[position : position + FRAME]
            line.handler.hear(AgentAudio(turn=1, at=0, pcm=pcm, position=position, epoch=0))
        sounding = len(line.track.take())
        line.handler.hear(AgentAudioDone(turn=1, at=0))
        end = line.track.take()
        assert sounding * PACKET < len(answer) * 2 <= (sounding + len(end)) * PACKET - 3 * PACKET
        assert {after.pts - before.pts for before, after in pairwise(end)} == {PACKET}


async def test_a_call_hung_up_before_its_session_came_leaves_the_other_windows_call_alone() -> None:
    conversation = Conversation()
    async with SessionRegistry(make) as registry:
        first, second = Line(registry, conversation), Line(registry, conversation)
        first.gate.set()
        await first.handler.start_up()
        await second.hang_up_while_opening()
        assert first.live is not None
        assert second.live is None
        assert first.live.ending is None
        await first.handler.shutdown()
        assert first.live.ending is Ending.LEFT


async def test_a_call_hung_up_before_its_session_came_leaves_none_behind() -> None:
    async with SessionRegistry(make) as registry:
        line = Line(registry, Conversation())
        await line.hang_up_while_opening()
        assert line.live is None
        assert len(registry) == 0


@pytest.mark.parametrize("other_engine", [False, True], ids=["in the same engine", "in the other engine"])
async def test_a_call_that_another_window_takes_over_ends_with_its_sentence(other_engine: bool) -> None:
    conversation = Conversation()
    async with SessionRegistry(make) as registry:
        first = Line(registry, conversation)
        second = Line(registry, conversation, "realtime" if other_engine else "sandwich")
        for line in (first, second):
            line.gate.set()
            await line.handler.start_up()
        goodbye = await first.handler.emit()
        assert goodbye is not None
        assert goodbye.msg == "This conversation goes on elsewhere, so the call here was ended."
        assert second.live is not None
        assert second.live.in_call


@pytest.mark.parametrize("others", [True, False])
async def test_a_server_that_stops_ends_the_call_unless_another_one_takes_it(others: bool) -> None:
    async with SessionRegistry(make, others=others) as registry:
        line = Line(registry, Conversation())
        line.gate.set()
        await line.handler.start_up()
        await registry.drain(0.0)
        if others:
            with pytest.raises(asyncio.CancelledError):
                await line.handler.emit()  # the connection breaks, and the page calls again
        else:
            goodbye = await line.handler.emit()
            assert goodbye is not None
            assert goodbye.msg == ""


class Channel:
    """A call's data channel."""

    def __init__(self, state: str) -> None:
        self.readyState = state
        self.sent: list[dict[str, Any]] = []

    def send(self, message: str) -> None:
        self.sent.append(json.loads(message))


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("state", ["open", "closed"])
async def test_a_page_is_told_to_be_softer_and_silent_before_sound_could_come_there(told: bool, state: str) -> None:
    async with SessionRegistry(make) as registry:
        line, channel = Line(registry, Conversation()), Channel(state)
        line.handler.set_args(["the call's id", {"turns_down": told}])
        line.handler._channel = channel
        line.gate.set()
        await line.handler.start_up()
        line.handler.hear(AgentAudio(turn=1, at=0, pcm=sweep(0.1), position=0, epoch=0))
        loud = [bytes(packet) for packet in line.track.take()]
        line.handler.hear(AgentDucked(turn=1, at=0, position=0, volume=0.2))
        line.handler.hear(AgentResumed(turn=1, at=0, position=0))
        line.handler.hear(AgentDucked(turn=1, at=0, position=0, volume=0.2))
        line.handler.hear(AgentAudio(turn=1, at=0, pcm=sweep(0.1), position=2400, epoch=0))
        softer = [bytes(packet) for packet in line.track.take()]
        line.handler.hear(AgentPaused(turn=1, at=0, position=0))
        volumes = [
            message.get("volume", message["type"]) for message in channel.sent if message["type"] != "send_input"
        ]
        assert volumes == ([0.2, 1.0, 0.2, "hush"] if told and state == "open" else [])
        as_loud = abs(loudness(loud) - loudness(softer)) < 3
        assert as_loud == bool(volumes), "not made softer twice"


def loudness(packets: list[bytes]) -> float:
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout, decoder.format = WIRE_RATE, "mono", "s16"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]
    return rms_dbfs(np.concatenate([frame.to_ndarray()[0] for frame in frames]))


def heard(pcm: Pcm, layout: str, rate: int = WIRE_RATE) -> list[tuple[int, Pcm]]:
    """What a handler gives of one frame; ``pcm``: channels interleaved."""
    frame = AudioFrame.from_ndarray(pcm[None, :], format="s16", layout=layout)
    frame.sample_rate = rate
    handler = Line(cast(SessionRegistry, None), Conversation()).handler
    frames = [(each.sample_rate, each.to_ndarray()) for each in handler.resample(frame)]
    assert (handler._resampler is None) == (rate == WIRE_RATE), "a filter has threads of its own"
    return frames


def test_what_opus_decodes_to_becomes_one_channel_without_a_filter() -> None:
    left, right = sweep(0.02), np.roll(sweep(0.02), 7)
    ((rate, mono),) = heard(np.stack([left, right], axis=1).reshape(-1), "stereo")
    assert rate == WIRE_RATE and mono.shape == (1, len(left)) and mono.dtype == np.int16
    assert np.abs(mono[0] - (left.astype(int) + right) / 2).max() <= 1
    ((_, same),) = heard(left, "mono")
    assert np.array_equal(same[0], left)


def test_a_telephone_codec_is_heard_at_the_wires_rate() -> None:
    """As aiortc decodes G.711."""
    found = heard(np.full(160, 5000, np.int16), "mono", rate=8_000)
    assert {rate for rate, _ in found} == {WIRE_RATE} and {pcm.shape[0] for _, pcm in found} == {1}
    assert sum(pcm.shape[1] for _, pcm in found) >= 640, "20 ms, less what the filter holds back"
