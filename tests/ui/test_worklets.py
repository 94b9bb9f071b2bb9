"""What runs in the browser's audio thread, run in Node: the microphone's rate, and the answer's jitter buffer."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright._impl._driver import compute_driver_executable

WORKLETS = Path(__file__).parents[2] / "voice_agents" / "ui" / "static" / "worklets"
_WORLD = """
globalThis.sampleRate = Number(process.argv[1]);
globalThis.AudioWorkletProcessor = class {
  constructor() { this.port = { sent: [], postMessage: (message) => this.port.sent.push(message) }; }
};
globalThis.registerProcessor = (name, kind) => (globalThis.Kind = kind);
const module = await import(process.argv[2]);
const given = JSON.parse((await import("node:fs")).readFileSync(0, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64")).buffer;
"""
_RESAMPLE = """
const resampler = new module.Resampler(sampleRate, given.rate);
const out = [];
for (let at = 0; at < given.samples.length; at += given.piece) {
  out.push(...resampler.feed(Float32Array.from(given.samples.slice(at, at + given.piece))));
}
console.log(JSON.stringify(out));
"""
_PLAY = """
const player = new Kind();
const hear = (message) => player.port.onmessage({ data: typeof message === "string" ? bytes(message) : message });
const rows = [];
for (const step of given) {
  for (const message of step.messages) hear(message);
  const out = [];
  for (let i = 0; i < step.blocks; i += 1) {
    const block = new Float32Array(128);
    player.process([], [[block]]);
    out.push(...block);
  }
  rows.push({ out, told: player.port.sent.splice(0) });
}
console.log(JSON.stringify(rows));
"""
_CAPTURE = """
const capture = new Kind();
const half = new Float32Array(128).fill(0.5);
const process_ = (count) => { for (let i = 0; i < count; i += 1) capture.process([[half]]); };
process_(given.before);
const early = capture.port.sent.length;
capture.port.onmessage({ data: given.rate });
const kept = capture.port.sent.length;
process_(given.after);
console.log(JSON.stringify({ early, kept, sizes: capture.port.sent.map((it) => it.byteLength / 2) }));
"""
_CAPTURE_LEVELS = """
const capture = new Kind();
capture.port.onmessage({ data: 16000 });
for (const level of given) capture.process([[new Float32Array(128).fill(level)]]);
console.log(JSON.stringify(capture.port.sent.map((it) => it.byteLength / 2)));
"""
BLOCK_S = 128 / 24_000


def node(script: str, module: str, rate: int, given: Any) -> Any:
    executable = shutil.which("node") or str(compute_driver_executable()[0])
    run = [executable, "--input-type=module", "-e", _WORLD + script, str(rate), str(WORKLETS / f"{module}.js")]
    done = subprocess.run(run, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def resampled(samples: NDArray[np.float64], source: int, target: int, piece: int) -> NDArray[np.float64]:
    given = {"samples": samples.tolist(), "rate": target, "piece": piece}
    return np.array(node(_RESAMPLE, "resampler", source, given))


def tone(hz: float, rate: int, seconds: float = 0.5) -> NDArray[np.float64]:
    return np.asarray(0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate))


@pytest.mark.parametrize("source", [44_100, 48_000, 16_000, 96_000])
@pytest.mark.parametrize("target", [16_000, 24_000])
def test_speech_keeps_its_place_and_level_at_another_rate(source: int, target: int) -> None:
    got = resampled(tone(1000, source), source, target, 882)
    wanted = tone(1000, target)
    assert len(got) == pytest.approx(len(wanted), abs=0.002 * target)
    middle = slice(target // 10, target // 10 + target // 4)
    difference = got[middle] - wanted[middle]
    if source != target:
        assert np.abs(difference).max() < 0.03, "neither late nor early, neither louder nor softer"


def test_pieces_of_any_size_give_the_same_samples() -> None:
    sound = tone(700, 44_100, 0.2)
    assert np.allclose(resampled(sound, 44_100, 16_000, 128), resampled(sound, 44_100, 16_000, 4410))


def test_what_the_lower_rate_cannot_hold_does_not_come_back_as_another_tone() -> None:
    got = resampled(tone(11_000, 48_000), 48_000, 16_000, 960)
    assert np.abs(got[200:]).max() < 0.5 * 0.1, "20 dB below what it was"


def test_what_was_said_before_the_call_is_up_is_kept_and_sent_in_pieces_of_20_ms() -> None:
    found = node(_CAPTURE, "capture", 48_000, {"before": 375, "after": 75, "rate": 16_000})  # 1 s and 0.2 s
    assert found["early"] == 0
    assert found["kept"] == 50
    assert len(found["sizes"]) == 60
    assert set(found["sizes"][1:]) == {320}


def test_what_begins_suddenly_is_sent_at_once_and_what_goes_on_in_pieces_of_20_ms_again() -> None:
    levels = [0.001] * 400 + [0.3] * 400 + [0.001] * 400 + [0.3] * 2
    sizes = np.array(node(_CAPTURE_LEVELS, "capture", 48_000, levels))
    before = np.cumsum(sizes) - sizes
    begins = 400 * 128 / 48_000 * 16_000
    sudden = sizes[(before > begins) & (before < begins + 0.05 * 16_000)]
    assert len(sudden) and sudden.max() <= 0.008 * 16_000
    assert sizes[(before < begins - 320) | ((before > 2 * begins - 3200) & (before < 3 * begins - 320))].min() >= 310
    assert len(sizes) < sizes.sum() / 320 + 20, "it costs hardly anything"
    assert sizes.sum() >= (3 * begins + 200) - 320, "the last sound has left, too"


def test_a_call_that_never_comes_up_keeps_four_seconds_at_most() -> None:
    found = node(_CAPTURE, "capture", 48_000, {"before": 3750, "after": 0, "rate": 16_000})
    assert found["kept"] == 200


def frame(position: int, samples: int = 480, *, turn: int = 1, epoch: int = 0, value: int = 8192) -> str:
    """A frame of an answer, as base64."""
    pcm = np.full(samples, value, dtype="<i2").tobytes()
    return base64.b64encode(struct.pack("<III", turn, epoch, position) + pcm).decode()


def play(*steps: tuple[list[Any], float]) -> list[dict[str, Any]]:
    """What the player gives for each step: messages, and then so many seconds."""
    given = [{"messages": messages, "blocks": round(seconds / BLOCK_S)} for messages, seconds in steps]
    rows: list[dict[str, Any]] = node(_PLAY, "player", 24_000, given)
    return rows


def sound_s(row: dict[str, Any]) -> float:
    return float(np.count_nonzero(np.array(row["out"]))) / 24_000


def test_it_begins_when_enough_waits_and_plays_everything_in_order() -> None:
    first, second, third = play(
        ([frame(0)], 0.02),
        ([frame(480), frame(960), frame(1440)], 0.02),
        ([{"type": "done", "turn": 1}], 0.1),
    )
    assert sound_s(first) == 0.0, "20 ms are not enough to begin with"
    assert sound_s(second) > 0.01, "80 ms are"
    assert sound_s(second) + sound_s(third) == pytest.approx(0.08)
    assert third["told"][-1] == {"turn": 1, "epoch": 0, "position": 1920, "stopped": False, "waiting": 0}


def test_a_single_frame_does_not_wait_for_ever() -> None:
    (row,) = play(([frame(0)], 0.12))
    assert sound_s(row) == pytest.approx(0.02)
    assert play(([frame(0), {"type": "done", "turn": 1}], 0.02))[0]["told"], "at once when no more comes"


def test_a_clear_is_silence_at_once_and_tells_where_it_stopped() -> None:
    playing, cleared, after = play(
        ([frame(480 * n) for n in range(6)], 0.05),
        ([{"type": "clear", "epoch": 1}], 0.05),
        ([frame(2880, epoch=0), frame(2400, epoch=1), frame(2880, epoch=1), frame(3360, epoch=1)], 0.06),
    )
    assert sound_s(playing) > 0.04
    assert sound_s(cleared) <= 96 / 24_000, "a fade of 4 ms against a click"
    (told,) = cleared["told"]
    assert told["stopped"] and told["epoch"] == 0
    assert told["position"] == pytest.approx(0.05 * 24_000 + 96, abs=128)
    assert sound_s(after) == pytest.approx(0.06, abs=0.01), "what is stale is not played, what is not stale is"


def test_what_was_cleared_before_it_began_was_not_heard() -> None:
    _, row = play(([frame(480)], 0.01), ([{"type": "clear", "epoch": 1}], 0.01))
    assert row["told"] == [{"turn": 1, "epoch": 0, "position": 480, "stopped": True, "waiting": 480}]


def test_after_a_hole_it_waits_for_more_and_never_for_more_than_120_ms() -> None:
    steps = play(
        ([frame(480 * n) for n in range(4)], 0.2),
        ([frame(1920 + 480 * n) for n in range(4)], 0.02),
        ([frame(3840 + 480 * n) for n in range(2)], 0.02),
    )
    assert sound_s(steps[0]) == pytest.approx(0.08)
    assert sound_s(steps[1]) == 0.0, "80 ms are not enough after a hole"
    assert sound_s(steps[2]) > 0.0, "120 ms are"


def test_it_tells_ten_times_a_second_how_far_it_is() -> None:
    (row,) = play(([frame(480 * n) for n in range(50)], 1.0))
    positions = [told["position"] for told in row["told"]]
    assert len(positions) == pytest.approx(10, abs=1)
    assert positions == sorted(positions)


def test_another_volume_is_heard_at_once_without_a_click_and_ends_with_a_stop_or_the_turn() -> None:
    quiet = {"type": "volume", "volume": 0.2}
    frames = [frame(480 * number) for number in range(20)]
    loud, lower, again, cleared, after = play(
        (frames, 0.1),
        ([quiet], 0.1),
        ([{"type": "volume", "volume": 1}], 0.1),
        ([quiet, {"type": "clear", "epoch": 1}], 0.05),
        ([frame(480 * number, turn=2, epoch=1) for number in range(6)], 0.1),
    )
    full = 8192 / 32768
    assert np.allclose([sample for sample in loud["out"] if sample], full)
    assert np.abs(np.diff(lower["out"])).max() <= full / 144 * 1.01 and np.allclose(lower["out"][360:], full * 0.2)
    assert np.allclose(again["out"][360:], full)
    assert not any(cleared["out"][480:])
    assert np.allclose([sample for sample in after["out"] if sample], full)
