"""GET /health: what it says, to whom, and when it is 503."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import httpx
import pytest

from tests.test_floors import ROOT
from tests.transports.api.client import client
from tests.transports.api.server import OFFLINE, serve_api
from voice_agents.conversation.model import Conversation
from voice_agents.errors import InvalidInput, ProviderTimeout, Role
from voice_agents.events import AgentText, Event, Failed, UserTranscript
from voice_agents.settings import Settings
from voice_agents.transports.api.health import REMEMBERED_S, VERSION, ProviderRecord
from voice_agents.transports.live import SessionRequest

SANDWICH = SessionRequest("sandwich", Conversation())
REALTIME = SessionRequest("realtime", Conversation())


def failure(role: Role) -> Failed:
    return Failed(turn=1, at=0, error=ProviderTimeout(role, "ElevenLabs", "It did not answer in time."))


def record(*events: Event, request: SessionRequest = SANDWICH) -> ProviderRecord:
    found = ProviderRecord("realtime", lambda: 1000.0)
    for event in events:
        found.watch(request, event)
    return found


def test_a_provider_is_failing_when_its_last_calls_all_failed() -> None:
    failed = [failure(Role.CHAT)] * 3
    assert record(*failed).failing(Role.CHAT)
    assert not record(*failed).failing(Role.TTS)
    assert not record(*failed[:2]).failing(Role.CHAT)
    worked = AgentText(turn=1, at=0, text="It is")
    assert not record(*failed, worked).failing(Role.CHAT)
    assert not record(*failed[:2], worked, *failed[:2]).failing(Role.CHAT)


def test_a_typed_turn_says_nothing_of_the_recogniser_but_a_partial_does() -> None:
    failed = [failure(Role.STT)] * 3
    assert record(*failed, UserTranscript(turn=1, at=0, text="hello", final=True)).failing(Role.STT)
    assert not record(*failed, UserTranscript(turn=1, at=0, text="hello", final=False)).failing(Role.STT)


def test_a_realtime_answer_says_nothing_of_the_chat_model() -> None:
    worked = AgentText(turn=1, at=0, text="It is")
    assert record(*[failure(Role.CHAT)] * 3, worked, request=REALTIME).failing(Role.CHAT)
    assert not record(*[failure(Role.REALTIME)] * 3, worked, request=REALTIME).failing(Role.REALTIME)


def test_a_users_mistake_is_no_providers_failure() -> None:
    mistakes = [Failed(turn=1, at=0, error=InvalidInput("Say something."))] * 3
    assert not any(record(*mistakes).failing(role) for role in Role)


def test_failures_of_long_ago_are_forgotten() -> None:
    now = [0.0]
    found = ProviderRecord("realtime", lambda: now[0])
    for _ in range(3):
        found.watch(SANDWICH, failure(Role.TTS))
    assert found.failing(Role.TTS)
    now[0] = REMEMBERED_S + 1
    assert not found.failing(Role.TTS)


async def test_health_is_503_while_a_provider_fails() -> None:
    async with serve_api() as api, httpx.AsyncClient() as http:
        async with client(f"{api.ws}/ws/sandwich") as caller:
            await caller.say(type="text", text="hello")
            await caller.until("complete")
            answer = await http.get(f"{api.http}/health")
            assert answer.status_code == 200
            assert answer.json()["sessions"] == {"in_use": 1, "free": 4}
            assert answer.json()["providers"]["text-to-speech"] == {"provider": "offline", "status": "ok"}
        for _ in range(3):
            api.record.watch(SANDWICH, failure(Role.TTS))
        answer = await http.get(f"{api.http}/health")
        assert answer.status_code == 503
        assert answer.json()["status"] == "unhealthy"
        assert answer.json()["providers"]["text-to-speech"]["status"] == "failing"


async def test_health_is_503_while_the_offline_server_is_down() -> None:
    down = Settings().with_offline("http://127.0.0.1:1", outage=lambda: "It has stopped.")
    async with serve_api(settings=down) as api, httpx.AsyncClient() as http:
        answer = await http.get(f"{api.http}/health")
        assert answer.status_code == 503
        assert answer.json()["providers"]["chat"]["status"] == "failing"


async def test_health_is_503_while_the_server_is_being_stopped() -> None:
    async with serve_api() as api, httpx.AsyncClient() as http:
        await api.registry.drain(0.0)
        answer = await http.get(f"{api.http}/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "draining")


@pytest.mark.parametrize(("auth", "known"), [(None, False), (("user", "word"), True), (("user", "no"), False)])
async def test_details_are_behind_the_password(auth: tuple[str, str] | None, known: bool) -> None:
    locked = replace(OFFLINE, app_password="word")
    async with serve_api(settings=locked) as api, httpx.AsyncClient() as http:
        answer = await http.get(f"{api.http}/health", auth=auth)
        assert answer.status_code == 200
        assert answer.json()["status"] == "healthy"
        assert ("providers" in answer.json()) is known


def test_the_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
