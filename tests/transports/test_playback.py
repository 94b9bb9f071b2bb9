"""What leaves for the browser: whole packets, stamped by the clock, nothing stale."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import av
import numpy as np

from voice_agents.audio import Pcm, rms_dbfs, silence
from voice_agents.transports.playback import FRAME, SILENT_END, WIRE_RATE, OpusPacket, Playback

RATE = 24_000
CHUNK = RATE // 50


def tone(seconds: float, hertz: float = 440) -> Pcm:
    t = np.arange(round(seconds * RATE)) / RATE
    return (9000 * np.sin(2 * np.pi * hertz * t)).astype(np.int16)


class Call:
    """A playback whose clock the test turns, and whose packets it takes out as the track would.

    ``listens``: at its other end is a page that turns down what it plays when it is told.
    """

    def __init__(self, *, listens: bool = False) -> None:
        self.now = 100.0
        self.queue: asyncio.Queue[OpusPacket] = asyncio.Queue()
        self.playback = Playback(self.queue, self.clear, RATE, lambda: self.now, self.tell)
        self.told: list[dict[str, object]] = []
        self._listens = listens

    def tell(self, message: dict[str, object]) -> bool:
        if self._listens:
            self.told.append(message)
        return self._listens

    def clear(self) -> None:
        self.take()

    def take(self) -> list[OpusPacket]:
        return [self.queue.get_nowait() for _ in range(self.queue.qsize())]

    def play(self, pcm: Pcm, turn: int) -> None:
        for start in range(0, len(pcm), CHUNK):
            self.playback.play(pcm[start : start + CHUNK], turn)


def decoded(packets: list[OpusPacket]) -> Pcm:
    decoder = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout, decoder.format = WIRE_RATE, "mono", "s16"
    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(bytes(packet)))]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def test_an_answer_leaves_whole_and_in_order() -> None:
    call = Call()
    call.play(tone(1.0), turn=1)
    call.playback.finish(turn=1)
    packets = call.take()
    assert [b.pts - a.pts for a, b in pairwise(packets)] == [FRAME] * (len(packets) - 1)
    sound = decoded(packets)
    spoken = sound[: len(sound) - len(SILENT_END)]
    assert abs(len(spoken) - WIRE_RATE) <= FRAME
    assert rms_dbfs(spoken[FRAME : WIRE_RATE - FRAME]) > -15


def test_the_first_packet_after_a_silence_carries_the_time_of_the_clock() -> None:
    call = Call()
    call.play(tone(0.1), turn=1)
    call.playback.finish(turn=1)
    before = call.take()
    call.now += 2.0
    call.play(tone(0.1), turn=2)
    after = call.take()
    assert after[0].pts - before[0].pts == 2 * WIRE_RATE
    assert after[0].time - before[0].time == 2.0


def test_packets_handed_out_ahead_of_time_follow_each_other_without_a_gap() -> None:
    call = Call()
    call.play(tone(0.12), turn=1)
    call.now += 0.005
    call.play(tone(0.04), turn=1)
    stamps = [packet.pts for packet in call.take()]
    assert stamps == list(range(stamps[0], stamps[0] + len(stamps) * FRAME, FRAME))


def test_after_a_hush_only_silence_leaves() -> None:
    call = Call()
    call.play(tone(0.5), turn=1)
    call.playback.hush()
    assert rms_dbfs(decoded(call.take())) < -60


def test_stamps_never_go_back_after_a_hush() -> None:
    call = Call()
    call.play(tone(0.5), turn=1)
    sent = call.queue.get_nowait()
    call.now += 0.005
    call.playback.hush()
    assert all(packet.pts >= sent.pts + FRAME for packet in call.take())


def test_nothing_held_back_of_an_older_answer_comes_with_the_next() -> None:
    call = Call()
    call.play(tone(0.109), turn=1)
    call.take()
    call.now += 1.0
    call.play(silence(0.2, RATE), turn=2)
    assert not np.any(np.abs(decoded(call.take())) > 16)


def test_a_late_end_of_an_older_turn_does_not_cut_into_the_next_answer() -> None:
    call = Call()
    call.play(tone(0.1), turn=2)
    waiting = call.queue.qsize()
    call.playback.finish(turn=1)
    assert call.queue.qsize() == waiting


def test_another_volume_holds_for_what_waits_already_and_nothing_is_lost_or_said_twice() -> None:
    call = Call()
    call.play(tone(0.2), turn=1)
    left = [call.queue.get_nowait() for _ in range(3)]
    assert all(bytes(packet) for packet in left)
    call.playback.set_volume(0.178)
    call.play(tone(0.2), turn=1)
    packets = left + call.take()
    stamps = [packet.pts for packet in packets]
    assert stamps == list(range(stamps[0], stamps[0] + len(stamps) * FRAME, FRAME))
    sound = decoded(packets)
    loud, ramp, quiet = sound[FRAME : 3 * FRAME], sound[3 * FRAME : 4 * FRAME], sound[5 * FRAME : 18 * FRAME]
    assert np.abs(np.diff(sound[FRAME:].astype(int))).max() < 1.1 * np.abs(np.diff(loud.astype(int))).max(), "no click"
    assert rms_dbfs(quiet) - rms_dbfs(loud) < -13
    assert rms_dbfs(loud) > rms_dbfs(ramp) > rms_dbfs(quiet)
    call.playback.set_volume(1.0)
    call.play(tone(0.2), turn=1)
    assert abs(rms_dbfs(decoded(call.take())[3 * FRAME : 8 * FRAME]) - rms_dbfs(loud)) < 1


def test_the_next_answer_is_as_loud_as_it_comes() -> None:
    call = Call()
    call.play(tone(0.2), turn=1)
    call.playback.set_volume(0.178)
    call.playback.finish(turn=1)
    call.take()
    call.play(tone(0.2), turn=2)
    assert rms_dbfs(decoded(call.take())[2 * FRAME :]) > -15


def test_a_page_that_turns_down_what_it_plays_is_told_and_gets_the_samples_as_loud_as_ever() -> None:
    call = Call(listens=True)
    call.play(tone(0.2), turn=1)
    call.playback.set_volume(0.178)
    assert call.told == [{"type": "volume", "volume": 0.178}]
    assert rms_dbfs(decoded(call.take())[FRAME:]) > -15
    call.play(tone(0.2), turn=1)
    call.playback.hush()
    assert call.told[1:] == [{"type": "hush"}]
    assert rms_dbfs(decoded(call.take())) < -60


def test_a_page_plays_the_next_answer_as_loud_as_it_comes() -> None:
    call = Call(listens=True)
    call.play(tone(0.2), turn=1)
    call.playback.set_volume(0.178)
    call.playback.finish(turn=1)
    call.play(tone(0.2), turn=2)
    assert call.told[1:] == [{"type": "volume", "volume": 1.0}]
    call.playback.hush()
    call.play(tone(0.2), turn=3)
    assert call.told[2:] == [{"type": "hush"}, {"type": "volume", "volume": 1.0}], "not when the hush ends by itself"
