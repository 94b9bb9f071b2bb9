"""The scorecard's script for the package voicebench, and its account of a call over the API's WebSocket."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.scenes import Material
from tests.voices import RATE
from voice_agents.audio import Pcm, write_wav

PAUSE_MS = 1000
"""A shorter silence of the agent is no end of what it says."""
SETTLED_MS = 1000


def script(material: Material) -> list[tuple[str, str, str, int, Pcm]]:
    """What is said: name, expectation, after what, so many ms later, and the sound."""
    next_in_story = ("previous_turn_end", 3000)
    _, own_aside = material.aside(), material.aside()  # voicebench takes no notice of people in the background
    turns: list[tuple[str, str, str, int, Pcm]] = [
        ("question", "respond", "session_start", SETTLED_MS, material.turn("question")),
        ("hesitation", "respond", "agent_speech_end", SETTLED_MS, material.hesitation()),
        ("correction", "respond", "agent_speech_end", SETTLED_MS, material.turn("correction")),
        ("story", "respond", "agent_speech_end", SETTLED_MS, material.story()),
        ("backchannel", "ignore", "agent_speech_start", 2500, material.backchannel()),
        ("cough", "ignore", *next_in_story, material.tic()),
        ("others", "ignore", *next_in_story, own_aside),
        ("late", "stop", *next_in_story, material.turn("cut in")),
        ("again", "respond", "agent_speech_end", SETTLED_MS, material.story()),
        ("early", "stop", "agent_speech_start", 600, material.turn("cut in")),
        ("last", "respond", "agent_speech_end", SETTLED_MS, material.turn("question")),
    ]
    return turns


def written(folder: Path, material: Material) -> Path:
    """The scenario's file, its sounds beside it."""
    turns: list[dict[str, Any]] = []
    for name, expect, after, delay_ms, pcm in script(material):
        write_wav(folder / f"{name}.wav", pcm, RATE)
        start = {"after": after, "delay_ms": delay_ms}
        turns.append({"id": name, "audio": {"file": f"{name}.wav"}, "expect": expect, "start": start})
    whole = {
        "name": "conversation", "sample_rate": RATE, "vad": {"agent": {"min_silence_ms": PAUSE_MS}}, "turns": turns,
        "adapter": {"type": "websocket"}, "tail_ms": 1500, "max_duration_ms": 180_000,
    }  # fmt: skip
    path = folder / "scenario.yaml"
    path.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML
    return path


async def run(url: str, engine: str) -> None:
    """One session of an app that is served; prints voicebench's own summary."""
    address = f"{url.replace('http', 'ws', 1)}/ws/{engine}?audio=binary"
    with tempfile.TemporaryDirectory() as folder:
        path = await asyncio.to_thread(written, Path(folder), Material())
        options = ("--adapter", "websocket", "--url", address, "--no-write")
        print(f"\n{engine} through voicebench, over the API's WebSocket", flush=True)
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "voicebench", "run", str(path), *options)
        await process.wait()
