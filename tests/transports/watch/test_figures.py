"""What /metrics says is what happened, and it is said to the operator only."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from tests.transports.api.client import client, sound
from tests.transports.api.server import listening, serve_api
from tests.transports.watch.script import (
    SETTINGS,
    cut_turn,
    failed_turn,
    figures_of,
    play,
    registry,
    request,
    spoken_turn,
)
from voice_agents.errors import InvalidInput
from voice_agents.events import AgentDucked, AgentPaused, AgentResumed, Failed, SpeechStarted
from voice_agents.transports.api.access import PasswordCheck
from voice_agents.transports.live import Transport
from voice_agents.transports.watch.figures import Figures
from voice_agents.transports.watch.route import metrics_route

STAGES = ("endpointing", "silence", "first_token", "first_audio", "voice_to_voice", "overhead")


class Call:
    """A call that hears nothing."""

    def hear(self, event: object) -> None: ...

    def ended(self, why: object) -> None: ...


def latency(stage: str, *seconds: float, engine: str = "sandwich", transport: str = "webrtc") -> dict[str, Any]:
    labels = f"{{engine={engine},stage={stage},transport={transport}}}"
    return {
        f"voice_agents_latency_seconds_count{labels}": len(seconds),
        f"voice_agents_latency_seconds_sum{labels}": pytest.approx(sum(seconds)),
    }


async def test_a_script_of_turns_is_counted_exactly() -> None:
    figures = Figures(SETTINGS, "1.2.3")
    async with registry([figures]) as places:
        spoken = await places.open(request())
        spoken.attach_call(Call())
        spoken.push_audio(np.zeros(16_000, np.int16))
        typed = await places.open(request("realtime"))
        typed.do(lambda session: None)
        await play(spoken, *spoken_turn(1, 10.0), *cut_turn(2, 20.0), *failed_turn(3, 30.0), *spoken_turn(4, 40.0))
        await play(typed, Failed(turn=0, at=1.0, error=InvalidInput("Say something.")))
        assert figures_of(figures.page().decode()) == {
            "voice_agents_info{version=1.2.3}": 1,
            "voice_agents_places{}": SETTINGS.max_sessions,
            "voice_agents_tasks{}": len(asyncio.all_tasks()),
            "voice_agents_sessions{engine=sandwich,transport=webrtc}": 1,
            "voice_agents_sessions{engine=sandwich,transport=typed}": 0,
            "voice_agents_sessions{engine=realtime,transport=typed}": 1,
            "voice_agents_calls_total{engine=sandwich,transport=webrtc}": 1,
            "voice_agents_calls_total{engine=realtime,transport=typed}": 1,
            "voice_agents_turns_total{engine=sandwich,outcome=completed,transport=webrtc}": 2,
            "voice_agents_turns_total{engine=sandwich,outcome=interrupted,transport=webrtc}": 1,
            "voice_agents_turns_total{engine=sandwich,outcome=failed,transport=webrtc}": 1,
            "voice_agents_interruptions_total{engine=sandwich,transport=webrtc}": 1,
            "voice_agents_pauses_total{engine=sandwich,transport=webrtc}": 2,
            "voice_agents_resumes_total{engine=sandwich,transport=webrtc}": 1,
            "voice_agents_tool_calls_total{engine=sandwich,outcome=ok,transport=webrtc}": 2,
            "voice_agents_errors_total{engine=sandwich,kind=ProviderTimeout,outcome=mended,provider=offline,role=speech-to-text}": 1,  # noqa: E501
            "voice_agents_errors_total{engine=sandwich,kind=ProviderTimeout,outcome=failed,provider=offline,role=chat}": 1,  # noqa: E501
            "voice_agents_errors_total{engine=realtime,kind=InvalidInput,outcome=failed,provider=,role=}": 1,
            "voice_agents_tokens_total{engine=sandwich,provider=offline,role=chat,type=input}": 440,
            "voice_agents_tokens_total{engine=sandwich,provider=offline,role=chat,type=output}": 32,
            "voice_agents_characters_total{engine=sandwich,provider=offline}": 44,
            "voice_agents_audio_seconds_total{direction=heard,engine=sandwich}": 1.0,
            "voice_agents_audio_seconds_total{direction=played,engine=sandwich}": 2.5,
            **latency("endpointing", 0.55, 0.55),
            **latency("silence", 0.5, 0.5),
            **latency("first_token", 0.2, 0.2, 0.2),
            **latency("first_audio", 0.12, 0.12),
            **latency("voice_to_voice", 0.9, 0.9, 0.4),
            **latency("overhead", 0.08, 0.08, 0.2),
            **latency("stop", 0.1),
        }


async def test_sessions_that_are_over_leave_nothing_in_use() -> None:
    figures = Figures(SETTINGS, "1.2.3")
    async with registry([figures]) as places:
        live = await places.open(request())
        live.do(lambda session: None)
        call = Call()
        live.attach_call(call, transport=Transport.WEBSOCKET, sends_silence=False)
        assert figures_of(figures.page().decode())["voice_agents_sessions{engine=sandwich,transport=websocket}"] == 1
        await live.leave(call)
        await places.open(request())
    found = figures_of(figures.page().decode())
    assert [value for name, value in found.items() if name.startswith("voice_agents_sessions{")] == [0, 0]
    assert found["voice_agents_calls_total{engine=sandwich,transport=typed}"] == 1
    assert found["voice_agents_calls_total{engine=sandwich,transport=websocket}"] == 1
    assert found["voice_agents_sessions_ended_total{engine=sandwich,reason=left,transport=websocket}"] == 1
    assert found["voice_agents_sessions_ended_total{engine=sandwich,reason=shutdown,transport=typed}"] == 1


async def test_the_stop_of_a_voice_without_a_sudden_sound_is_measured_and_a_cough_is_none() -> None:
    figures = Figures(SETTINGS, "1.2.3")
    async with registry([figures]) as places:
        live = await places.open(request())
        await play(
            live,
            SpeechStarted(turn=1, at=1.0, began=0.9),  # the user's own turn
            AgentPaused(turn=1, at=5.0, position=900),  # a cough
            AgentResumed(turn=1, at=5.5, position=900),
            SpeechStarted(turn=2, at=7.0, began=6.93),
            AgentPaused(turn=1, at=7.0, position=2000),
            AgentPaused(turn=2, at=9.0, position=0),  # nothing of the answer was heard yet: nothing to stop
            SpeechStarted(turn=2, at=9.1, began=8.9),
        )
        found = figures_of(figures.page().decode())
    assert found["voice_agents_latency_seconds_count{engine=sandwich,stage=stop,transport=typed}"] == 1
    assert found["voice_agents_latency_seconds_sum{engine=sandwich,stage=stop,transport=typed}"] == pytest.approx(0.07)


async def test_becoming_quieter_and_falling_silent_are_measured_apart() -> None:
    figures = Figures(SETTINGS, "1.2.3")
    async with registry([figures]) as places:
        live = await places.open(request())
        await play(
            live,
            AgentDucked(turn=1, at=5.0, position=900, volume=0.2),  # a cough
            AgentResumed(turn=1, at=5.5, position=2000),
            SpeechStarted(turn=2, at=7.0, began=6.9),
            AgentDucked(turn=1, at=7.0, position=5000, volume=0.2),
            AgentPaused(turn=1, at=7.2, position=6000),
        )
        found = figures_of(figures.page().decode())
    for stage, count, seconds in (("duck", 1, 0.1), ("stop", 1, 0.3)):
        of = f"{{engine=sandwich,stage={stage},transport=typed}}"
        assert found[f"voice_agents_latency_seconds_count{of}"] == count
        assert found[f"voice_agents_latency_seconds_sum{of}"] == pytest.approx(seconds)
    assert found["voice_agents_ducks_total{engine=sandwich,transport=typed}"] == 2


async def test_what_a_client_got_is_what_the_figures_say() -> None:
    figures = Figures(SETTINGS, "1.2.3")
    async with serve_api(watchers=[figures]) as api:
        async with client(f"{api.ws}/ws/sandwich?sample_rate=24000") as caller:
            await caller.say(type="text", text="hello")
            heard = sound(await caller.until("complete"))
            await caller.say(type="text", text="once more")
            await caller.until("tts_audio")
            await caller.say(type="interrupt")
            await caller.until("complete")
        await api.until_places(0)
        found = figures_of(figures.page().decode())
    assert found["voice_agents_calls_total{engine=sandwich,transport=websocket}"] == 1
    assert found["voice_agents_turns_total{engine=sandwich,outcome=completed,transport=websocket}"] == 1
    assert found["voice_agents_turns_total{engine=sandwich,outcome=interrupted,transport=websocket}"] == 1
    assert found["voice_agents_interruptions_total{engine=sandwich,transport=websocket}"] == 1
    assert found["voice_agents_audio_seconds_total{direction=played,engine=sandwich}"] >= len(heard) / 48_000
    assert found["voice_agents_sessions{engine=sandwich,transport=websocket}"] == 0


# Who may see them


async def asked(
    password: str = "", *, public: bool = False, headers: dict[str, str] | None = None, raw: bytes = b""
) -> tuple[int, str]:
    """The status and text that GET /metrics is answered with; ``raw``: sent in the place of a sane request."""
    settings = replace(SETTINGS, app_password=password)
    route = metrics_route(Figures(settings, "1"), PasswordCheck(password), lambda: public)
    async with listening(Starlette(routes=[route])) as port:
        if raw:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw)
            answer = (await reader.read()).decode()
            writer.close()
            return int(answer.split()[1]), answer
        async with httpx.AsyncClient() as http:
            told = await http.get(f"http://127.0.0.1:{port}/metrics", headers=headers)
            return told.status_code, told.text


async def test_without_a_password_a_program_of_this_machine_sees_them() -> None:
    status, text = await asked()
    assert status == 200
    assert "voice_agents_info" in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"]
)
async def test_without_a_password_nobody_sees_them_through_a_proxy(header: str) -> None:
    status, text = await asked(headers={header: "127.0.0.1"})
    assert status == 403
    assert "APP_PASSWORD" in text


async def test_without_a_password_nobody_sees_them_under_another_name() -> None:
    assert (await asked(headers={"Host": "talk.example.com"}))[0] == 403
    assert (await asked(public=True))[0] == 403


async def test_a_proxy_that_tells_nothing_of_itself_is_known_by_its_old_protocol() -> None:
    raw = b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:7860\r\nConnection: close\r\n\r\n"
    assert (await asked(raw=raw))[0] == 403


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Bearer wrong", 401), ("Bearer word", 200), ("Basic dXNlcjp3b3Jk", 200), ("Basic eDp3b3Jk", 401)],
)
async def test_with_a_password_who_has_it_sees_them_from_anywhere(authorization: str, status: int) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7"} | ({"Authorization": authorization} if authorization else {})
    assert (await asked("word", public=True, headers=headers))[0] == status
