"""Independent clients against the real engines on the offline server: the plan's, and voicebench's."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from websockets.asyncio.client import connect

from tests.transports.api.client import client, kinds
from tests.voices import RATE, flite, padded
from voice_agents.audio import from_bytes, rms_dbfs, silence, to_bytes, write_wav

QUESTIONS = {
    "What is seven times eight?": "fifty-six",
    "How many inches are in ten centimeters?": "inch",
    "What time is it in Tokyo?": "Tokyo",
}
PLANNED = {
    "sandwich": {"stt_partial", "stt_final", "agent_chunk", "agent_tool", "tts_audio", "complete", "error"},
    "realtime": {"speech_started", "speech_ended", "transcript", "audio", "done", "interrupted", "error"},
}


def message(pcm: bytes) -> str:
    return json.dumps({"type": "audio", "data": base64.b64encode(pcm).decode()})


async def sandwich_turn(socket: Any, speech: bytes) -> list[dict[str, Any]]:
    """The plan's page: the microphone while the button is held, ``end``, and everything up to ``complete``."""
    for start in range(0, len(speech), 8192):  # the plan's ScriptProcessorNode sends 4096 samples
        await socket.send(message(speech[start : start + 8192]))
        await asyncio.sleep(4096 / RATE)
    await socket.send('{"type": "end"}')
    told: list[dict[str, Any]] = []
    while not told or told[-1]["type"] != "complete":
        told.append(json.loads(await socket.recv()))
    return told


async def test_the_plans_sandwich_client_gets_three_full_answers_on_one_socket(live_api: str) -> None:
    async with asyncio.timeout(90), connect(f"ws://{live_api}/ws/sandwich") as socket:
        for question, answer in QUESTIONS.items():
            told = await sandwich_turn(socket, to_bytes(padded(flite(question), 0.3, 0.3)))
            planned = [message for message in told if message["type"] in PLANNED["sandwich"]]
            assert kinds(planned)[-1] == "complete"
            assert "error" not in kinds(planned)
            by_kind = {kind: [m for m in planned if m["type"] == kind] for kind in PLANNED["sandwich"]}
            assert len(by_kind["stt_final"]) == 1
            assert by_kind["stt_partial"]
            text = "".join(m["text"] for m in by_kind["agent_chunk"])
            assert answer.lower() in text.lower(), by_kind["stt_final"]
            spoken = from_bytes(b"".join(base64.b64decode(m["data"]) for m in by_kind["tts_audio"]))
            assert len(spoken) > RATE
            assert rms_dbfs(spoken) > -40


async def test_the_plans_realtime_client_gets_three_full_answers_on_one_socket(live_api: str) -> None:
    async with asyncio.timeout(90), connect(f"ws://{live_api}/ws/realtime") as socket:
        told: list[dict[str, Any]] = []

        async def listen() -> None:
            async for frame in socket:
                told.append(json.loads(frame))

        listening = asyncio.create_task(listen())
        for number, question in enumerate(QUESTIONS):
            speech = np.concatenate([flite(question), silence(0.5, RATE)])
            for start in range(0, len(speech), 1600):
                await socket.send(message(to_bytes(speech[start : start + 1600])))
                await asyncio.sleep(0.1)
            while kinds(told).count("done") <= number:
                await socket.send(message(bytes(3200)))
                await asyncio.sleep(0.1)
        await socket.send('{"type": "stop"}')
        await listening
        answers = "".join(m["text"] for m in told if m["type"] == "transcript" and m["role"] == "agent")
        for answer in QUESTIONS.values():
            assert answer.lower() in answers.lower(), told
        shown = [kind for kind in kinds(told) if kind in PLANNED["realtime"] and kind != "transcript"]
        assert "error" not in shown
        assert shown.count("speech_ended") == shown.count("done") == 3
        assert len([m for m in told if m["type"] == "audio"]) > 50


async def test_an_end_after_silence_is_answered_with_complete(live_api: str) -> None:
    manual = ("sandwich", "complete"), ("realtime?turns=manual", "done")
    by_itself = ("sandwich?turns=automatic", "complete"), ("realtime", "done")
    for path, over in (*manual, *by_itself):
        async with client(f"ws://{live_api}/ws/{path}") as caller:
            await caller.audio(bytes(RATE * 2))
            await caller.say(type="end")
            assert over in kinds(await caller.until(over))
            await caller.say(type="text", text="What is seven times eight?")
            assert {"tts_audio", "audio"} & set(kinds(await caller.until(over)))


async def test_a_typed_turn_cuts_the_one_before_which_is_over_first(live_api: str) -> None:
    for path, over in (("sandwich", "complete"), ("realtime", "done")):
        async with client(f"ws://{live_api}/ws/{path}") as caller:
            await caller.say(type="text", text="Flip a coin")
            await caller.until("tts_audio" if path == "sandwich" else "audio")
            await caller.say(type="text", text="What is seven times eight?")
            told = kinds(await caller.until(over))
            assert told[-2:] == ["interrupted", over]
            told = kinds(await caller.until(over))
            assert {"tts_audio", "audio"} & set(told)
            assert "interrupted" not in told


async def test_health_names_providers_and_places(live_api: str) -> None:
    async with httpx.AsyncClient() as http, client(f"ws://{live_api}/ws/sandwich") as caller:
        await caller.say(type="text", text="hello")
        await caller.until("complete")
        found = (await http.get(f"http://{live_api}/health")).json()
        assert found["status"] == "healthy"
        assert found["sessions"] == {"in_use": 1, "free": 19}
        assert found["providers"]["chat"] == {"provider": "offline", "status": "ok"}


def scenario(folder: Path, vad: dict[str, Any], *last: tuple[str, str, str, int]) -> Path:
    """A file for voicebench: a question, a story, and while it is told, what ``last`` says.

    ``last``: name, expectation, words ("" = a cough), delay.
    """
    said = (("question", "respond", "What is seven times eight?", 600), ("story", "respond", "Tell me a story.", 600))
    turns = []
    for number, (name, expect, text, delay_ms) in enumerate((*said, *last)):
        write_wav(folder / f"{name}.wav", flite(text) if text else cough(), RATE)
        after = ("session_start", "agent_speech_end", "agent_speech_start", "previous_turn_end")[number]
        start = {"after": after, "delay_ms": delay_ms}
        turns.append({"id": name, "audio": {"file": f"{name}.wav"}, "expect": expect, "start": start})
    ours = {
        "name": "ours", "sample_rate": RATE, "vad": vad, "turns": turns, "adapter": {"type": "websocket"},
        "tail_ms": 1500, "max_duration_ms": 30_000, "assert": {"max_missed_responses": 0, "max_false_barge_ins": 0},
    }  # fmt: skip
    (folder / "scenario.yaml").write_text(json.dumps(ours))  # JSON is YAML
    return folder / "scenario.yaml"


def cough() -> Any:
    """A burst of noise that dies away."""
    noise = np.random.default_rng(1).normal(0, 6000, RATE // 5) * np.exp(-np.arange(RATE // 5) / 700)
    return np.clip(noise, -32767, 32767).astype(np.int16)


async def voicebench(live_api: str, script: Path) -> None:
    """``voicebench run``, as a user types it."""
    url = f"ws://{live_api}/ws/sandwich?audio=binary"
    out = script.parent / "report"
    options = ("--adapter", "websocket", "--url", url, "--out", str(out), "--format", "json")
    command = (sys.executable, "-m", "voicebench", "run", str(script), *options)
    run = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    printed, _ = await run.communicate()
    assert run.returncode == 0, printed.decode()
    report = json.loads((out / "report.json").read_text())
    assert report["passed"]
    [session] = report["sessions"]
    failed = [turn for turn in session["turns"] if not turn["passed"] and not stopped_at_once(turn, session)]
    assert not failed, printed.decode()


def stopped_at_once(turn: dict[str, Any], session: dict[str, Any]) -> bool:
    """The agent fell silent in the very 20 ms of the first sound: for voicebench there was nothing to stop."""
    onset = turn["user_onset_s"]
    return turn["expect"] == "stop" and any(0 <= onset - end < 0.02 for _, end in session["agent_segments"])


async def test_voicebench_interrupts_through_its_own_adapter(live_api: str, tmp_path: Path) -> None:
    """In the middle of the second sentence, with a vowel: an "s" stops the agent before voicebench has heard it."""
    pauses = {"agent": {"min_silence_ms": 1000}}
    cut = ("cut", "stop", "And what time is it in Tokyo?", 2600)
    await voicebench(live_api, scenario(tmp_path, pauses, cut))


async def test_voicebench_coughs_and_agrees_through_its_own_adapter(live_api: str, tmp_path: Path) -> None:
    """A pause that is taken back is no stop: the agent gives way to any sound first, and goes on."""
    pauses = {"agent": {"min_silence_ms": 2800}}
    harmless = ("cough", "ignore", "", 1200), ("backchannel", "ignore", "mm hmm", 2500)
    await voicebench(live_api, scenario(tmp_path, pauses, *harmless))
