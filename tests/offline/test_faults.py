"""Faults strike what they are declared for, when they are declared to, and nothing else."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.offline.conftest import WAIT_S, close_code, connect, said, tell
from tests.offline.elevenlabs.test_stt import error_and_close, hear, stt
from tests.offline.elevenlabs.test_tts import multi, until_final
from voice_agents.offline.faults import ALWAYS, Fault, FaultKind, FaultPlan, Service
from voice_agents.offline.server import OfflineServer

# the plan


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("stt:refuse:401", Fault(Service.STT, FaultKind.REFUSE, 401)),
        ("stt:refuse", Fault(Service.STT, FaultKind.REFUSE, 500)),
        ("tts:error:quota_exceeded:after=2", Fault(Service.TTS, FaultKind.ERROR_FRAME, name="quota_exceeded", after=2)),
        ("chat:stall:delay=3:times=-1", Fault(Service.CHAT, FaultKind.STALL, delay_s=3.0, times=ALWAYS)),
        ("realtime:close:1006", Fault(Service.REALTIME, FaultKind.CLOSE, 1006)),
    ],
)
def test_a_fault_reads_as_it_is_written(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault
    assert Fault.parse(str(fault)) == fault


@pytest.mark.parametrize("text", ["stt", "radio:refuse", "stt:explode", "stt:stall:until=3", "stt:drip:delay=slow"])
def test_a_fault_that_makes_no_sense_is_not_accepted(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Fault.parse(text)


def test_a_stall_is_for_good_unless_said_otherwise() -> None:
    assert Fault.parse("stt:stall").delay_s == math.inf


def test_a_fault_strikes_as_many_connections_as_declared() -> None:
    plan = FaultPlan([Fault.parse("stt:refuse:times=2")])
    struck = [plan.begin(Service.STT).refusal is not None for _ in range(3)]
    assert struck == [True, True, False]
    assert plan.faults == ()


def test_a_fault_of_another_service_waits() -> None:
    plan = FaultPlan([Fault.parse("stt:refuse")])
    assert plan.begin(Service.TTS).refusal is None
    assert plan.begin(Service.STT).refusal is not None


def test_faults_of_one_kind_strike_one_connection_after_the_other() -> None:
    plan = FaultPlan([Fault.parse("stt:refuse:401"), Fault.parse("stt:refuse:429"), Fault.parse("stt:drip")])
    first, second = plan.begin(Service.STT), plan.begin(Service.STT)
    assert [connection.refusal and connection.refusal.status for connection in (first, second)] == [401, 429]
    assert [connection.of(FaultKind.DRIP) is None for connection in (first, second)] == [False, True]


def test_always_means_always() -> None:
    plan = FaultPlan([Fault.parse("stt:refuse:times=-1")])
    assert all(plan.begin(Service.STT).refusal for _ in range(5))
    plan.clear()
    assert plan.begin(Service.STT).refusal is None


def test_after_counts_messages_and_only_some_faults_last() -> None:
    connection = FaultPlan([Fault.parse("stt:malformed:after=1"), Fault.parse("stt:drip:after=2")]).begin(Service.STT)
    kinds = [[fault.kind for fault in connection.on_message()] for _ in range(4)]
    assert kinds == [[], [FaultKind.MALFORMED], [FaultKind.DRIP], [FaultKind.DRIP]]


def test_a_duplicate_can_be_of_one_type_only() -> None:
    connection = FaultPlan([Fault.parse("stt:duplicate:committed_transcript")]).begin(Service.STT)
    assert connection.on_message("session_started") == []
    assert connection.on_message("committed_transcript") != []


def test_a_commit_fault_strikes_one_commit() -> None:
    connection = FaultPlan([Fault.parse("stt:missing-commit:after=1")]).begin(Service.STT)
    assert [connection.on_event(FaultKind.MISSING_COMMIT) is not None for _ in range(3)] == [False, True, False]


# on the sockets


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize(
    ("service", "path"),
    [("stt", "/v1/speech-to-text/realtime"), ("tts", "/v1/text-to-speech/any/multi-stream-input")],
)
async def test_a_refused_handshake_says_why_and_the_next_one_works(
    server: OfflineServer, service: str, path: str, status: int
) -> None:
    server.services.faults.add(Fault.parse(f"{service}:refuse:{status}"))
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(server, path)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["detail"]["status"]
    async with connect(server, path, model_id="scribe_v2_realtime"):
        pass


@pytest.mark.parametrize("name", ["auth_error", "rate_limited", "quota_exceeded", "transcriber_error"])
async def test_an_stt_error_comes_by_name_and_closes(server: OfflineServer, name: str) -> None:
    server.services.faults.add(Fault.parse(f"stt:error:{name}:after=1"))
    async with stt(server) as socket:
        assert (await said(socket))["message_type"] == "session_started"
        await hear(socket, 1.0)
        assert (await error_and_close(socket))[::2] == (name, 1008)


async def test_a_throttled_commit_leaves_the_socket_open(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("stt:error:commit_throttled:after=1"))
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0)
        assert (await said(socket))["message_type"] == "commit_throttled"
        await hear(socket, 1.0, commit=True)
        assert (await said(socket))["message_type"] in ("partial_transcript", "committed_transcript")


async def test_a_tts_error_comes_by_name_and_closes(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts:error:quota_exceeded:after=1"))
    async with multi(server) as socket:
        await tell(socket, text="One two three. ", context_id="t")
        assert (await said(socket))["audio"]
        message = await said(socket)
        assert (message["error"], message["code"]) == ("quota_exceeded", 1008)
        assert await close_code(socket) == 1008


@pytest.mark.parametrize("code", [1000, 1006, 1011, 1012])
async def test_a_socket_closes_in_the_middle(server: OfflineServer, code: int) -> None:
    server.services.faults.add(Fault.parse(f"tts:close:{code}:after=2"))
    async with multi(server) as socket:
        await tell(socket, text="One two three four. ", context_id="t")
        assert [bool((await said(socket))["audio"]) for _ in range(2)] == [True, True]
        assert await close_code(socket) == code


async def test_a_stalled_socket_says_nothing_and_still_ends_when_the_client_goes(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("stt:stall:after=1"))
    before = asyncio.all_tasks()
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0, commit=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await socket.recv()
    async with asyncio.timeout(WAIT_S):
        while server.services.connections.counts()["stt"]:  # noqa: ASYNC110 - the server offers no event
            await asyncio.sleep(0.005)
    assert asyncio.all_tasks() <= before


async def test_a_stall_can_end(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts:stall:delay=0.1"))
    async with multi(server) as socket:
        await tell(socket, text="One. ", context_id="t")
        assert (await said(socket))["audio"]


async def test_dripping_messages_are_late_but_complete(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts:drip:delay=0.05"))
    loop = asyncio.get_running_loop()
    async with multi(server) as socket:
        began = loop.time()
        await tell(socket, text="One two three. ", context_id="t")
        await tell(socket, context_id="t", close_context=True)
        messages = await until_final(socket)
        assert loop.time() - began >= 0.05 * len(messages)
    assert sum(len(message["audio"]) for message in messages) > 0


@pytest.mark.parametrize(("name", "is_json"), [("", False), (":schema", True)])
async def test_a_malformed_message_replaces_one(server: OfflineServer, name: str, is_json: bool) -> None:
    server.services.faults.add(Fault.parse(f"stt:malformed{name}:after=1"))
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0)
        text = await next_text(socket)
        if is_json:
            assert "message_type" not in json.loads(text)
        else:
            with pytest.raises(ValueError, match="Expecting"):
                json.loads(text)
        await hear(socket, 1.0, commit=True)
        assert "word0" in (await said(socket))["text"]


async def next_text(socket: ClientConnection) -> str:
    async with asyncio.timeout(WAIT_S):
        return str(await socket.recv())


async def test_a_duplicated_final_comes_twice(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("stt:duplicate:committed_transcript"))
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0, commit=True)
        assert await said(socket) == await said(socket)


async def test_the_context_cap_can_strike_early(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts:context-cap:after=1"))
    async with multi(server) as socket:
        await tell(socket, text="One. ", context_id="a")
        await tell(socket, context_id="a", close_context=True)
        await until_final(socket)
        await tell(socket, text="Two. ", context_id="b")
        assert (await said(socket))["error"] == "max_active_conversations"


# over HTTP


async def post(server: OfflineServer) -> httpx.Response:
    async with httpx.AsyncClient(
        trust_env=False, base_url=server.url, headers={"xi-api-key": "any"}, timeout=WAIT_S
    ) as client:
        url = "/v1/text-to-speech/any/stream?output_format=pcm_24000"
        return await client.post(url, json={"text": "One two three."})


@pytest.mark.parametrize(
    ("fault", "status", "name"),
    [
        ("tts-http:refuse:429", 429, "too_many_concurrent_requests"),
        ("tts-http:refuse:401", 401, "invalid_api_key"),
        ("tts-http:error:quota_exceeded", 400, "quota_exceeded"),
    ],
)
async def test_an_http_request_is_refused(server: OfflineServer, fault: str, status: int, name: str) -> None:
    server.services.faults.add(Fault.parse(fault))
    response = await post(server)
    assert (response.status_code, response.json()["detail"]["status"]) == (status, name)
    assert (await post(server)).status_code == 200


async def test_an_http_body_is_cut_in_the_middle(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts-http:close:after=1"))
    with pytest.raises(httpx.RemoteProtocolError):
        await post(server)


async def test_a_stalled_http_body_ends_when_the_client_goes(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts-http:stall:after=1"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await post(server)
    async with asyncio.timeout(WAIT_S):
        while server.services.connections.counts()["tts-http"]:  # noqa: ASYNC110 - the server offers no event
            await asyncio.sleep(0.005)


async def test_a_malformed_piece_of_a_body(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("tts-http:malformed"))
    assert b"<html>" in (await post(server)).content


async def test_faults_are_steered_over_http(server: OfflineServer) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=server.url, timeout=WAIT_S) as client:

        async def faults(method: str, body: Any = None) -> Any:
            return (await client.request(method, "/faults", json=body, headers={"api-key": server.key})).json()

        assert await faults("GET") == []
        assert len(await faults("POST", ["stt:refuse:401", "tts:stall"])) == 2
        assert "error" in await faults("POST", ["stt:explode"])
        assert "error" in await faults("POST", 5)
        with pytest.raises(websockets.InvalidStatus):
            await stt(server)
        assert [text.split(":")[0] for text in await faults("GET")] == ["tts"]
        assert await faults("DELETE") == []


async def test_open_connections_are_counted_by_service(server: OfflineServer) -> None:
    async with (
        httpx.AsyncClient(trust_env=False, base_url=server.url, timeout=WAIT_S) as client,
        stt(server),
        multi(server) as socket,
    ):
        await tell(socket, text="Hi. ", context_id="t")
        await said(socket)
        counts = (await client.get("/connections", headers={"api-key": server.key})).json()
    assert (counts["stt"], counts["tts"], counts["chat"]) == (1, 1, 0)
