"""The realtime speech-to-text socket, as a client meets it."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest
import websockets
from elevenlabs import AsyncElevenLabs
from elevenlabs.realtime import AudioFormat, CommitStrategy, RealtimeEvents
from websockets.asyncio.client import ClientConnection

from tests.offline.conftest import WAIT_S, FakeRecogniser, close_code, connect, said, tell, until
from tests.voices import flite
from voice_agents.audio import silence, to_bytes
from voice_agents.offline.elevenlabs import stt as stt_endpoint
from voice_agents.offline.faults import Fault
from voice_agents.offline.server import OfflineServer

PATH = "/v1/speech-to-text/realtime"


def stt(server: OfflineServer, key: str | None = "any", **query: Any) -> websockets.connect:
    return connect(server, PATH, key, **({"model_id": "scribe_v2_realtime"} | query))


def encoded(seconds: float, rate: int = 16_000) -> str:
    return base64.b64encode(to_bytes(silence(seconds, rate))).decode()


async def hear(socket: ClientConnection, seconds: float = 0.0, *, commit: bool = False, **more: Any) -> None:
    message = {"message_type": "input_audio_chunk", "audio_base_64": encoded(seconds), "commit": commit}
    await tell(socket, **(message | {"sample_rate": 16_000} | more))


async def error_and_close(socket: ClientConnection) -> tuple[str, str, int]:
    """The error's name and text, and the code the socket is closed with."""
    message = await said(socket)
    return message["message_type"], message["error"], await close_code(socket)


async def test_a_session_starts_with_what_was_asked_for(server: OfflineServer) -> None:
    async with stt(server, audio_format="pcm_8000", language_code="en") as socket:
        started = await said(socket)
    assert started["message_type"] == "session_started"
    assert started["session_id"]
    config = started["config"]
    assert (config["sample_rate"], config["audio_format"], config["language_code"]) == (8000, "pcm_8000", "en")
    assert config["commit_strategy"] == "manual"


async def test_partials_come_while_audio_flows_and_the_words_after_the_commit(server: OfflineServer) -> None:
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0)
        assert await said(socket) == {"message_type": "partial_transcript", "text": "word0"}
        await hear(socket, 1.0)
        assert await said(socket) == {"message_type": "partial_transcript", "text": "word0 word1"}
        await hear(socket, commit=True)
        assert await said(socket) == {"message_type": "committed_transcript", "text": "word0 word1"}


async def test_unchanged_partials_are_not_repeated(server: OfflineServer) -> None:
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0)
        assert (await said(socket))["text"] == "word0"
        for _ in range(5):
            await hear(socket, 0.1)
        await hear(socket, 0.1, commit=True)
        assert (await said(socket))["message_type"] == "committed_transcript"


async def test_each_segment_starts_afresh_and_commits_are_answered_in_order(server: OfflineServer) -> None:
    async with stt(server) as socket:
        await said(socket)
        for seconds in (3.0, 1.0, 2.0):
            await hear(socket, seconds, commit=True)
        finals = [message["text"] for message in [await said(socket) for _ in range(3)]]
    assert finals == ["word0 word1 word2", "word0", "word0 word1"]


async def test_a_commit_of_almost_nothing_is_throttled_and_the_audio_kept(server: OfflineServer) -> None:
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 0.2, commit=True)
        assert (await said(socket))["message_type"] == "commit_throttled"
        await hear(socket, 0.8, commit=True)
        assert await said(socket) == {"message_type": "committed_transcript", "text": "word0"}


async def test_timestamps_come_in_addition(server: OfflineServer) -> None:
    async with stt(server, include_timestamps="true") as socket:
        await said(socket)
        await hear(socket, 2.0, commit=True)
        assert (await said(socket))["message_type"] == "committed_transcript"
        timed = await said(socket)
    assert timed["message_type"] == "committed_transcript_with_timestamps"
    assert [word["type"] for word in timed["words"]] == ["word", "spacing", "word"]
    assert (timed["words"][0]["start"], timed["words"][-1]["end"]) == (0.0, pytest.approx(2.0))


@pytest.mark.parametrize("name", ["pcm_8000", "pcm_22050", "pcm_24000", "pcm_44100", "pcm_48000"])
async def test_every_pcm_rate_is_heard_as_the_same_length(server: OfflineServer, name: str) -> None:
    rate = int(name.removeprefix("pcm_"))
    async with stt(server, audio_format=name) as socket:
        await said(socket)
        await hear(socket, audio_base_64=encoded(2.5, rate), sample_rate=rate, commit=True)
        assert (await said(socket))["text"] == "word0 word1"


async def test_vad_commits_after_speech_and_silence(server: OfflineServer) -> None:
    async with stt(server, commit_strategy="vad", vad_silence_threshold_secs=0.5) as socket:
        await said(socket)
        await hear(socket, 0.9)
        await hear(socket, audio_base_64=base64.b64encode(to_bytes(flite("what time is it"))).decode())
        assert (await said(socket))["message_type"] == "partial_transcript"
        await hear(socket, 0.8)
        assert (await said(socket))["message_type"] == "committed_transcript"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"model_id": "whisper"}, "model_id"),
        ({"audio_format": "mp3"}, "audio_format"),
        ({"audio_format": "ulaw_8000"}, "audio_format"),
        ({"commit_strategy": "turn_prediction"}, "commit_strategy"),
        ({"vad_silence_threshold_secs": "9"}, "vad_silence_threshold_secs"),
        ({"vad_threshold": "high"}, "vad_threshold"),
        ({"include_timestamps": "maybe"}, "include_timestamps"),
        ({"keyterms": ["x" * 21]}, "keyterms"),
    ],
)
async def test_a_bad_query_parameter_is_named(server: OfflineServer, query: dict[str, Any], names: str) -> None:
    async with stt(server, **query) as socket:
        kind, text, code = await error_and_close(socket)
    assert (kind, code) == ("invalid_request", 1008)
    assert names in text


async def test_the_model_must_be_named(server: OfflineServer) -> None:
    async with connect(server, PATH) as socket:
        assert (await error_and_close(socket))[0] == "invalid_request"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("{", "invalid_request"),
        ('{"message_type": "commit"}', "invalid_request"),
        ('{"type": "input_audio_chunk"}', "invalid_request"),
        ('{"message_type": "input_audio_chunk", "audio_base_64": "", "commit": true}', "invalid_request"),
        (
            '{"message_type": "input_audio_chunk", "audio_base_64": "?", "commit": false, "sample_rate": 16000}',
            "input_error",
        ),
        (
            '{"message_type": "input_audio_chunk", "audio_base_64": "AAAA", "commit": false, "sample_rate": 16000}',
            "input_error",
        ),
        (
            '{"message_type": "input_audio_chunk", "audio_base_64": "AAA=", "commit": false, "sample_rate": 8000}',
            "input_error",
        ),
    ],
)
async def test_an_unusable_message_ends_the_session(server: OfflineServer, message: str, kind: str) -> None:
    async with stt(server) as socket:
        await said(socket)
        await socket.send(message)
        assert (await error_and_close(socket))[::2] == (kind, 1008)


async def test_previous_text_belongs_to_the_first_chunk(server: OfflineServer) -> None:
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 0.1, previous_text="what is")
        await hear(socket, 0.1, previous_text="the time")
        assert (await error_and_close(socket))[0] == "invalid_request"


async def test_a_socket_without_audio_is_closed_normally(
    server: OfflineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stt_endpoint, "IDLE_S", 0.05)
    async with stt(server) as socket:
        await said(socket)
        assert await close_code(socket) == 1000


async def test_too_much_uncommitted_audio_is_committed(server: OfflineServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stt_endpoint, "MAX_UNCOMMITTED_S", 3.0)
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 3.0)
        assert await said(socket) == {"message_type": "committed_transcript", "text": "word0 word1 word2"}


async def test_nothing_is_left_when_the_client_goes(server: OfflineServer, recogniser: FakeRecogniser) -> None:
    before = asyncio.all_tasks()
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 1.0)
        assert server.services.connections.counts()["stt"] == 1
        await said(socket)
    await until(lambda: not server.services.connections.counts()["stt"] and asyncio.all_tasks() <= before)
    assert recogniser.utterances[-1].cancelled


async def test_the_final_comes_no_sooner_than_the_declared_delay(server: OfflineServer) -> None:
    server.services.pace.stt_commit_s = 0.2
    loop = asyncio.get_running_loop()
    async with stt(server) as socket:
        await said(socket)
        sent = loop.time()
        await hear(socket, 1.0, commit=True)
        await said(socket)
        assert loop.time() - sent >= 0.19


async def test_the_vendors_sdk_hears_itself_transcribed(server: OfflineServer) -> None:
    events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    async with httpx.AsyncClient(trust_env=False) as client:
        sdk = AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client)
        connection = await sdk.speech_to_text.realtime.connect(
            {
                "model_id": "scribe_v2_realtime",
                "audio_format": AudioFormat.PCM_16000,
                "sample_rate": 16_000,
                "commit_strategy": CommitStrategy.MANUAL,
            }
        )
    for kind in (RealtimeEvents.PARTIAL_TRANSCRIPT, RealtimeEvents.COMMITTED_TRANSCRIPT, RealtimeEvents.ERROR):
        connection.on(kind, lambda data, kind=kind: events.put_nowait((kind.value, data)))
    await connection.send({"audio_base_64": encoded(1.5), "previous_text": "hello"})
    async with asyncio.timeout(WAIT_S):
        assert (await events.get())[1]["text"] == "word0"
        await connection.send({"audio_base_64": encoded(0.5)})
        await connection.commit()
        heard = [await events.get()]
        while heard[-1][0] == "partial_transcript":
            heard.append(await events.get())
    assert heard[-1] == ("committed_transcript", {"message_type": "committed_transcript", "text": "word0 word1"})
    await connection.close()


async def test_a_late_final_does_not_change_the_order(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("stt:late-commit:delay=0.1"))
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 2.0, commit=True)
        await hear(socket, 1.0, commit=True)
        assert [(await said(socket))["text"] for _ in range(2)] == ["word0 word1", "word0"]


async def test_a_missing_final_is_missing_once(server: OfflineServer) -> None:
    server.services.faults.add(Fault.parse("stt:missing-commit"))
    async with stt(server) as socket:
        await said(socket)
        await hear(socket, 2.0, commit=True)
        await hear(socket, 1.0, commit=True)
        assert (await said(socket))["text"] == "word0"
