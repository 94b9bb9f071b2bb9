"""The offline server as a whole: it starts, stops, runs as a child process, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import base64
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.forked import offline_program, start_python
from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeVoice, close_code, connect, said, tell
from tests.voices import flite, padded
from tests.warm import OFFLINE
from voice_agents.audio import first_audible, from_bytes, to_bytes
from voice_agents.errors import ConfigurationError, VoiceAgentError
from voice_agents.offline.__main__ import main
from voice_agents.offline.brain import Brain
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.offline.faults import Fault
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services

ROOT = Path(__file__).resolve().parents[2]
ENDS_S = 10.0
"""A child process that has not ended after this hangs."""

_PARENT = """
import sys, time
from voice_agents.offline.embedded import EmbeddedServer
server = EmbeddedServer()
server.__enter__()
print(server.url, server.key, server.pid, flush=True)
time.sleep(600)
"""


def fake_services() -> Services:
    return Services(FakeRecogniser(), FakeVoice(), cast(Brain, None))


def has_ended(pid_fd: int) -> bool:
    return bool(select.select([pid_fd], [], [], ENDS_S)[0])


async def test_leaving_ends_open_sockets_and_stalled_requests_within_a_second() -> None:
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    async with OfflineServer(services=fake_services()) as server:
        for fault in ("stt:stall", "tts-http:stall"):
            server.services.faults.add(Fault.parse(fault))
        http = httpx.AsyncClient(trust_env=False, headers={"xi-api-key": "any"}, timeout=WAIT_S)
        url = f"{server.url}/v1/text-to-speech/any/stream?output_format=pcm_24000"
        request = asyncio.create_task(http.post(url, json={"text": "Hello."}))
        stalled = await connect(server, "/v1/speech-to-text/realtime", model_id="scribe_v2_realtime")
        talking = await connect(
            server, "/v1/text-to-speech/any/multi-stream-input", output_format="pcm_24000", auto_mode="true"
        )
        await tell(talking, text="Hello. ", context_id="t")
        assert [bool((await said(talking))["audio"]) for _ in range(2)] == [True, True]
        while not server.services.connections.counts()["tts-http"]:  # noqa: ASYNC110 - the server offers no event
            await asyncio.sleep(0.005)
        left = loop.time()
    assert loop.time() - left < 1.0
    for client in (stalled, talking):
        assert await close_code(client) in (1006, 1012)
    with pytest.raises(httpx.RemoteProtocolError):
        await request
    await http.aclose()
    assert server.services.connections.counts() == dict.fromkeys(server.services.connections.counts(), 0)
    assert asyncio.all_tasks() <= before


async def test_signal_handlers_stay_as_they_were() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with OfflineServer(services=fake_services()):
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_taken_port_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"{port}.*another port"):
            async with OfflineServer(port, services=fake_services()):
                pass


async def test_a_binary_message_is_not_understood(server: OfflineServer) -> None:
    async with connect(server, "/v1/text-to-speech/any/multi-stream-input", output_format="pcm_24000") as client:
        await client.send(b"\x00\x01")
        assert await close_code(client) == 1003


async def test_a_refused_handshake_is_no_failure_of_the_server(
    server: OfflineServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.services.faults.add(Fault.parse("stt:refuse:401"))
    with pytest.raises(websockets.InvalidStatus, match="401"):
        await connect(server, "/v1/speech-to-text/realtime", model_id="scribe_v2_realtime")
    assert [record.getMessage() for record in caplog.records] == []


def test_a_wrong_fault_on_the_command_line_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--fault", "stt:explode"])
    assert "explode" in capsys.readouterr().err


def test_the_embedded_server_answers_and_ends_with_its_block() -> None:
    server = EmbeddedServer(["--fault", "stt:refuse:401"], program=offline_program())
    with server:
        pid_fd = os.pidfd_open(cast(int, server.pid))
        faults = httpx.get(f"{server.url}/faults", timeout=WAIT_S, trust_env=False, headers={"api-key": server.key})
        assert faults.json()[0].startswith("stt:refuse:401")
    assert has_ended(pid_fd)
    os.close(pid_fd)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/faults", timeout=WAIT_S, trust_env=False)


def test_a_child_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(VoiceAgentError, match="explode"),
        EmbeddedServer(["--fault", "stt:explode"], program=offline_program()),
    ):
        pass


def test_the_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        url, key, pid = parent.stdout.readline().decode().split()
        pid_fd = os.pidfd_open(int(pid))
        assert (
            httpx.get(f"{url}/connections", timeout=WAIT_S, trust_env=False, headers={"api-key": key}).status_code
            == 200
        )
        parent.kill()
    assert has_ended(pid_fd)
    os.close(pid_fd)


async def test_the_server_alone_ends_politely_when_asked_to() -> None:
    alone = await start_python([*OFFLINE, "--port", "0"], os.environ, piped=True)
    assert alone.stdout is not None
    url = (await alone.stdout.readline()).strip()
    hints = [await alone.stdout.readline() for _ in range(4)]
    assert any(b"ELEVENLABS_BASE_URL=" + url in hint for hint in hints)
    alone.terminate()
    async with asyncio.timeout(ENDS_S):
        _, complained = await alone.communicate()
    assert (alone.returncode, complained) == (0, b"")


# with the real engines


async def test_a_spoken_phrase_is_transcribed(offline_server: EmbeddedServer) -> None:
    speech = to_bytes(padded(flite("what time is it"), before_s=0.3, after_s=0.5))
    query = {"model_id": "scribe_v2_realtime", "audio_format": "pcm_16000"}
    async with connect(offline_server.url, "/v1/speech-to-text/realtime", offline_server.key, **query) as client:
        for begin in range(0, len(speech), 3200):
            await send_audio(client, speech[begin : begin + 3200], commit=False)
        await send_audio(client, b"", commit=True)
        heard = await said(client)
        while heard["message_type"] != "committed_transcript":
            heard = await said(client)
    assert heard["text"] == "What time is it?"


async def test_a_sentence_is_spoken_with_its_words_in_time(offline_server: EmbeddedServer) -> None:
    query = {"output_format": "pcm_24000", "auto_mode": "true", "sync_alignment": "true"}
    text = "Hello there, how are you today? "
    spoken, starts_ms, audio = "", [], b""
    path = "/v1/text-to-speech/offline-en-us/multi-stream-input"
    async with connect(offline_server.url, path, offline_server.key, **query) as client:
        await tell(client, text=text, context_id="t")
        await tell(client, context_id="t", close_context=True)
        while not (message := await said(client))["isFinal"]:
            alignment = message["alignment"] or {"chars": [], "charStartTimesMs": []}
            spoken += "".join(alignment["chars"])
            starts_ms += [len(audio) / 48 + start for start in alignment["charStartTimesMs"]]
            audio += base64.b64decode(message["audio"])
    assert spoken == text
    assert starts_ms == sorted(starts_ms)
    assert first_audible(from_bytes(audio)) is not None
    assert 1000 < starts_ms[text.index("today")] < len(audio) / 48


async def send_audio(client: ClientConnection, audio: bytes, *, commit: bool) -> None:
    await tell(
        client,
        message_type="input_audio_chunk",
        audio_base_64=base64.b64encode(audio).decode(),
        commit=commit,
        sample_rate=16_000,
    )
