"""The figures of the real engines on the offline server, beside what a client counted itself."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest

from tests.transports.api.client import Message, client, sound
from tests.transports.watch.script import figures_of

QUESTIONS = ("What is seven times eight?", "What time is it in Tokyo?", "How many inches are in ten centimeters?")


def words(messages: Sequence[Message]) -> str:
    """What the agent wrote."""
    agent = [m for m in messages if m["type"] == "agent_chunk" or m.get("role") == "agent"]
    return "".join(m["text"] for m in agent)


@pytest.mark.parametrize(("engine", "over"), [("sandwich", "complete"), ("realtime", "done")])
async def test_the_figures_are_those_a_client_counted(live_api: str, engine: str, over: str) -> None:
    told: list[Message] = []
    async with client(f"ws://{live_api}/ws/{engine}?sample_rate=24000") as caller, httpx.AsyncClient() as http:
        for question in QUESTIONS:
            await caller.say(type="text", text=question)
            told += await caller.until(over)
        await caller.say(type="stop")
        await caller.closed()  # what was still to be stored is, and has been counted
        found = figures_of((await http.get(f"http://{live_api}/metrics")).text)
    labels = f"engine={engine}"
    tools = [m for m in told if m["type"] == "agent_tool"]
    assert tools
    assert found[f"voice_agents_calls_total{{{labels},transport=websocket}}"] == 1
    assert found[f"voice_agents_turns_total{{{labels},outcome=completed,transport=websocket}}"] == len(QUESTIONS)
    assert found[f"voice_agents_tool_calls_total{{{labels},outcome=ok,transport=websocket}}"] == len(tools)
    assert found[f"voice_agents_latency_seconds_count{{{labels},stage=voice_to_voice,transport=websocket}}"] == len(
        QUESTIONS
    )
    played_s = found[f"voice_agents_audio_seconds_total{{direction=played,{labels}}}"]
    assert played_s == pytest.approx(len(sound(told)) / 2 / 24_000)
    role = "realtime" if engine == "realtime" else "chat"
    for direction in ("input", "output"):
        assert found[f"voice_agents_tokens_total{{{labels},provider=offline,role={role},type={direction}}}"] > 0
    if engine == "sandwich":
        written = words(told)
        characters = found[f"voice_agents_characters_total{{{labels},provider=offline}}"]
        assert len("".join(written.split())) <= characters <= len(written)
    assert not [name for name in found if name.startswith("voice_agents_errors")]


@pytest.mark.parametrize("engine", ["sandwich", "realtime"])
async def test_who_hangs_up_in_an_answer_has_interrupted_it(live_api: str, engine: str) -> None:
    async with client(f"ws://{live_api}/ws/{engine}") as caller, httpx.AsyncClient() as http:
        await caller.say(type="text", text="Tell me a story")
        await caller.until("tts_audio" if engine == "sandwich" else "audio")
        await caller.say(type="stop")
        await caller.closed()
        found = figures_of((await http.get(f"http://{live_api}/metrics")).text)
    turns = {name: value for name, value in found.items() if name.startswith("voice_agents_turns_total")}
    assert turns == {f"voice_agents_turns_total{{engine={engine},outcome=interrupted,transport=websocket}}": 1}
    assert found[f"voice_agents_sessions_ended_total{{engine={engine},reason=left,transport=websocket}}"] == 1
