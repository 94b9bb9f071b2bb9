"""The text-to-speech sockets and HTTP endpoints, as a client meets them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import websockets
from elevenlabs import AsyncElevenLabs, ElevenLabs, VoiceSettings
from elevenlabs.core.api_error import ApiError
from websockets.asyncio.client import ClientConnection

from tests.offline.conftest import WAIT_S, WORD_S, FakeVoice, close_code, connect, said, tell, until
from voice_agents.audio import from_bytes
from voice_agents.offline.elevenlabs.tts import TextBuffer
from voice_agents.offline.server import OfflineServer

SETTINGS = {"stability": 0.5, "similarity_boost": 0.75, "speed": 1.1}


def single(server: OfflineServer, key: str | None = "any", voice: str = "rachel", **query: Any) -> websockets.connect:
    return connect(server, f"/v1/text-to-speech/{voice}/stream-input", key, **({"output_format": "pcm_24000"} | query))


def multi(server: OfflineServer, key: str | None = "any", **query: Any) -> websockets.connect:
    defaults = {"output_format": "pcm_24000", "auto_mode": "true", "sync_alignment": "true"}
    return connect(server, "/v1/text-to-speech/rachel/multi-stream-input", key, **(defaults | query))


async def until_final(socket: ClientConnection) -> list[Any]:
    """The messages up to the one that says it is final, which is left out."""
    messages = [await said(socket)]
    while not messages[-1].get("isFinal"):
        messages.append(await said(socket))
    return messages[:-1]


def audio_of(messages: list[Any]) -> bytes:
    return b"".join(base64.b64decode(message["audio"]) for message in messages)


def text_of(messages: list[Any]) -> str:
    return "".join(char for message in messages for char in (message["alignment"] or {"chars": []})["chars"])


async def error_and_close(socket: ClientConnection) -> str:
    """The error's name; its message, code and close code are checked."""
    message = await said(socket)
    assert message["message"]
    assert message["code"] == await close_code(socket) == 1008
    return str(message["error"])


# one generation per socket


async def test_text_is_spoken_and_the_socket_closed_when_the_text_ends(server: OfflineServer) -> None:
    async with single(server) as socket:
        await tell(socket, text=" ", voice_settings=SETTINGS)
        await tell(socket, text="One two three. ")
        await tell(socket, text="")
        messages = await until_final(socket)
        assert await close_code(socket) == 1000
    assert len(audio_of(messages)) == 2 * round(3 * WORD_S * 24_000)
    assert text_of(messages) == " One two three. "
    assert all("contextId" not in message for message in messages)


async def test_without_a_flush_short_text_waits_for_more(server: OfflineServer, voice: FakeVoice) -> None:
    async with single(server) as socket:
        await tell(socket, text=" ", generation_config={"chunk_length_schedule": [50]})
        await tell(socket, text="Too short. ")
        await tell(socket, text="But now there is more than enough text for the first piece. ")
        await said(socket)
        assert [text for text, *_ in voice.spoken] == [
            " Too short. But now there is more than enough text for the first piece. "
        ]


async def test_flush_speaks_but_does_not_end(server: OfflineServer) -> None:
    async with single(server) as socket:
        await tell(socket, text="Hello there. ", flush=True)
        heard = [await said(socket) for _ in range(3)]
        assert text_of(heard) == "Hello there. "
        await tell(socket, text="More. ", flush=True)
        assert (await said(socket))["isFinal"] is None


async def test_the_speed_and_the_voice_are_passed_on(server: OfflineServer, voice: FakeVoice) -> None:
    async with single(server, voice="offline-en-gb") as socket:
        await tell(socket, text="Hello. ", voice_settings=SETTINGS, flush=True)
        await said(socket)
    assert voice.spoken == [("Hello. ", "offline-en-gb", 1.1)]


# many contexts


async def test_each_context_is_spoken_under_its_own_id(server: OfflineServer) -> None:
    async with multi(server) as socket:
        for name in ("a", "b"):
            await tell(socket, text=f"This is {name}. ", context_id=name)
        for name in ("a", "b"):
            await tell(socket, context_id=name, close_context=True)
        messages = await until_final(socket) + await until_final(socket)
    for name in ("a", "b"):
        assert text_of([message for message in messages if message["contextId"] == name]) == f"This is {name}. "


async def test_alignment_on_every_chunk_counts_from_the_chunk(server: OfflineServer) -> None:
    async with multi(server) as socket:
        await tell(socket, text="alpha beta gamma delta ", context_id="t")
        await tell(socket, context_id="t", close_context=True)
        messages = await until_final(socket)
    assert len(messages) > 3
    begins_ms, starts = 0.0, {}
    text = ""
    for message in messages:
        alignment = message["alignment"]
        if alignment is not None:
            assert message["normalizedAlignment"] == alignment
            assert min(alignment["charStartTimesMs"]) >= 0
            assert max(alignment["charStartTimesMs"]) < len(audio_of([message])) / 48 + 1
            for char, start in zip(alignment["chars"], alignment["charStartTimesMs"], strict=True):
                starts[len(text)] = begins_ms + start
                text += char
        begins_ms += len(audio_of([message])) / 48
    assert text == "alpha beta gamma delta "
    for index, word in enumerate(text.split()):
        assert starts[text.index(word)] == pytest.approx(index * WORD_S * 1000, abs=2)


async def test_without_sync_alignment_the_first_message_of_a_segment_has_it_all(server: OfflineServer) -> None:
    async with multi(server, sync_alignment="false") as socket:
        await tell(socket, text="alpha beta gamma ", context_id="t")
        await tell(socket, context_id="t", close_context=True)
        messages = await until_final(socket)
    assert "".join(messages[0]["alignment"]["chars"]) == "alpha beta gamma "
    assert [message["alignment"] for message in messages[1:]] == [None] * (len(messages) - 1)


async def test_flush_alone_brings_no_final(server: OfflineServer) -> None:
    async with multi(server, inactivity_timeout=1) as socket:
        await tell(socket, text="Hello. ", context_id="t", flush=True)
        messages = [await said(socket) for _ in range(3)]
    assert [message.get("isFinal") for message in messages[:2]] == [None, None]
    assert messages[2]["error"] == "input_timeout_exceeded"


async def test_audio_still_comes_after_the_context_is_closed(server: OfflineServer) -> None:
    async with multi(server) as socket:
        await tell(socket, text="A long answer that nobody wants to hear any more. ", context_id="old")
        await tell(socket, context_id="old", close_context=True)
        await tell(socket, text="New. ", context_id="new")
        contexts = [(await said(socket))["contextId"] for _ in range(10)]
    assert "old" in contexts


async def test_text_that_was_not_set_to_be_spoken_is_dropped_on_close(server: OfflineServer, voice: FakeVoice) -> None:
    async with multi(server, auto_mode="false") as socket:
        await tell(socket, text="Not yet. ", context_id="t")
        await tell(socket, context_id="t", close_context=True)
        assert await said(socket) == {"audio": None, "isFinal": True, "contextId": "t"}
    assert voice.spoken == []


async def test_a_closed_id_can_be_used_again(server: OfflineServer) -> None:
    async with multi(server) as socket:
        for settings in (SETTINGS, {"speed": 0.9}):
            await tell(socket, text="Again. ", context_id="t", voice_settings=settings)
            await tell(socket, context_id="t", close_context=True)
            assert text_of(await until_final(socket)) == "Again. "


async def test_the_sixth_open_context_is_refused(server: OfflineServer) -> None:
    async with multi(server) as socket:
        for number in range(6):
            await tell(socket, text="", context_id=f"t{number}")
        assert await error_and_close(socket) == "max_active_conversations"


async def test_closed_contexts_make_room(server: OfflineServer) -> None:
    async with multi(server) as socket:
        for number in range(8):
            await tell(socket, text="Hi. ", context_id=f"t{number}")
            await tell(socket, context_id=f"t{number}", close_context=True)
        assert len([await until_final(socket) for _ in range(8)]) == 8


async def test_settings_belong_to_the_first_message_even_if_that_was_a_keep_alive(server: OfflineServer) -> None:
    async with multi(server) as socket:
        await tell(socket, text="", context_id="t")
        await tell(socket, text=" ", context_id="t", voice_settings=SETTINGS)
        assert await error_and_close(socket) == "invalid_input_message"


async def test_the_same_settings_may_be_repeated(server: OfflineServer) -> None:
    async with multi(server) as socket:
        for _ in range(2):
            await tell(socket, text="Fine. ", context_id="t", voice_settings=SETTINGS)
        await tell(socket, context_id="t", close_context=True)
        assert text_of(await until_final(socket)) == "Fine. Fine. "


async def test_a_keep_alive_holds_the_socket_open(server: OfflineServer) -> None:
    loop = asyncio.get_running_loop()
    async with multi(server, inactivity_timeout=0.3) as socket:
        began = loop.time()
        while loop.time() - began < 0.6:
            await tell(socket, text="", context_id="t")
            await asyncio.sleep(0.05)
        assert await error_and_close(socket) == "input_timeout_exceeded"
        assert loop.time() - began >= 0.6


async def test_close_socket_lets_flushed_contexts_finish(server: OfflineServer) -> None:
    async with multi(server) as socket:
        await tell(socket, text="One. ", context_id="a")
        await tell(socket, text="Two. ", context_id="b")
        await tell(socket, close_socket=True)
        messages = await until_final(socket) + await until_final(socket)
        assert await close_code(socket) == 1000
    for name, text in (("a", "One. "), ("b", "Two. ")):
        assert text_of([message for message in messages if message["contextId"] == name]) == text


async def test_close_socket_with_nothing_to_say_closes(server: OfflineServer) -> None:
    async with multi(server) as socket:
        await tell(socket, close_socket=True)
        assert await close_code(socket) == 1000


async def test_closing_what_is_not_open_is_harmless(server: OfflineServer) -> None:
    async with multi(server) as socket:
        await tell(socket, context_id="gone", close_context=True)
        await tell(socket, context_id="gone", flush=True)
        await tell(socket, text="Fine. ", context_id="t")
        assert (await said(socket))["contextId"] == "t"


# formats, rights, mistakes


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
async def test_audio_comes_at_the_rate_asked_for(server: OfflineServer, rate: int) -> None:
    async with multi(server, output_format=f"pcm_{rate}") as socket:
        await tell(socket, text="Hello there. ", context_id="t")
        await tell(socket, context_id="t", close_context=True)
        pcm = from_bytes(audio_of(await until_final(socket)))
    assert len(pcm) == pytest.approx(2 * WORD_S * rate, abs=8)
    assert np.median(pcm) == pytest.approx(1000, abs=20)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"output_format": "opus_48000_32"}, "output_format_not_allowed"),
        ({"output_format": "ulaw_8000"}, "output_format_not_allowed"),
        ({"model_id": "eleven_v3"}, "model_not_found"),
        ({"inactivity_timeout": "900"}, "invalid_input_message"),
        ({"model_id": "eleven_flash_v2_5", "apply_text_normalization": "on"}, "invalid_input_message"),
        ({"voice": "unknown-voice"}, "voice_not_found"),
    ],
)
async def test_what_cannot_be_served_is_said(server: OfflineServer, query: dict[str, Any], error: str) -> None:
    async with single(server, **query) as socket:
        assert await error_and_close(socket) == error


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[1]",
        '{"text": 5}',
        '{"text": "a", "voice_settings": {"speed": 3}}',
        '{"text": "a", "generation_config": {"chunk_length_schedule": [10]}}',
    ],
)
async def test_an_unusable_message_ends_the_socket(server: OfflineServer, message: str) -> None:
    async with multi(server) as socket:
        await socket.send(message)
        assert await error_and_close(socket) == "invalid_input_message"


async def test_nothing_is_left_when_the_client_goes(server: OfflineServer, voice: FakeVoice) -> None:
    before = asyncio.all_tasks()
    async with multi(server) as socket:
        await tell(socket, text="word " * 2000, context_id="t")
        await said(socket)
    await until(lambda: not server.services.connections.counts()["tts"] and asyncio.all_tasks() <= before)
    assert voice.stopped == 1


async def test_the_first_audio_comes_no_sooner_than_the_declared_delay(server: OfflineServer) -> None:
    server.services.pace.tts_first_audio_s = 0.2
    loop = asyncio.get_running_loop()
    async with multi(server) as socket:
        sent = loop.time()
        await tell(socket, text="Hello. ", context_id="t")
        await said(socket)
        assert loop.time() - sent >= 0.19


def test_text_is_gathered_by_the_schedule() -> None:
    buffer = TextBuffer(auto_mode=False, schedule=(10, 20))
    assert buffer.add("one two ") == []
    assert buffer.add("three fo") == ["one two three "]
    assert buffer.add("ur five six se") == []
    assert buffer.add("ven ei") == ["four five six seven "]
    assert buffer.add("", flush=True) == ["ei"]
    assert buffer.add(" ", flush=True) == []


def test_a_trigger_speaks_from_fifty_characters_on() -> None:
    buffer = TextBuffer(auto_mode=False, schedule=(500,))
    assert buffer.add("x" * 40 + " ", trigger=True) == []
    assert buffer.add("y" * 10 + " z", trigger=True) == ["x" * 40 + " " + "y" * 10 + " "]


# HTTP and the vendor's SDK


@pytest.fixture
async def sdk(server: OfflineServer) -> AsyncIterator[AsyncElevenLabs]:
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
        yield AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client)


async def test_the_sdk_streams_speech(sdk: AsyncElevenLabs) -> None:
    async with asyncio.timeout(WAIT_S):
        chunks = [
            chunk
            async for chunk in sdk.text_to_speech.stream(
                "offline-en-us",
                text="One two.",
                model_id="eleven_flash_v2_5",
                output_format="pcm_16000",
                voice_settings=VoiceSettings(speed=1.0),
            )
        ]
    assert len(b"".join(chunks)) == pytest.approx(2 * 2 * WORD_S * 16_000, abs=16)


async def test_the_sdk_streams_timestamps(sdk: AsyncElevenLabs) -> None:
    async with asyncio.timeout(WAIT_S):
        items = [
            item
            async for item in sdk.text_to_speech.stream_with_timestamps(
                "offline-en-us", text="One two.", output_format="pcm_24000"
            )
        ]
    aligned = [item.alignment for item in items if item.alignment is not None]
    assert "".join(char for times in aligned for char in times.characters) == "One two."
    starts = [start for times in aligned for start in times.character_start_times_seconds]
    assert starts == sorted(starts)
    assert starts[4] == pytest.approx(WORD_S, abs=0.01)


async def test_the_sdk_gets_speech_and_timestamps_whole(sdk: AsyncElevenLabs) -> None:
    async with asyncio.timeout(WAIT_S):
        spoken = await sdk.text_to_speech.convert_with_timestamps(
            "offline-clara", text="One two three.", output_format="pcm_24000"
        )
    assert len(base64.b64decode(spoken.audio_base_64)) == 2 * round(3 * WORD_S * 24_000)
    assert spoken.alignment == spoken.normalized_alignment
    assert spoken.alignment is not None
    assert "".join(spoken.alignment.characters) == "One two three."
    starts = spoken.alignment.character_start_times_seconds
    assert starts == sorted(starts)
    assert starts[8] == pytest.approx(2 * WORD_S, abs=0.01)
    assert spoken.alignment.character_end_times_seconds[-1] == pytest.approx(3 * WORD_S, abs=0.01)


async def test_a_voice_is_the_one_that_will_speak(sdk: AsyncElevenLabs) -> None:
    async with asyncio.timeout(WAIT_S):
        listed = (await sdk.voices.get_all()).voices
        assert [await sdk.voices.get(voice.voice_id) for voice in listed] == listed
        from_elsewhere = await sdk.voices.get("21m00Tcm4TlvDq8ikWAM")
        settings = await sdk.voices.settings.get("21m00Tcm4TlvDq8ikWAM")
    assert (from_elsewhere.voice_id, from_elsewhere.name) == ("21m00Tcm4TlvDq8ikWAM", listed[0].name)
    assert (settings.speed, settings.stability) == (1.0, None)


async def test_an_unknown_voice_is_not_found(sdk: AsyncElevenLabs) -> None:
    for ask in (sdk.voices.get, sdk.voices.settings.get):
        with pytest.raises(ApiError) as refused:
            await ask("unknown")
        assert (refused.value.status_code, refused.value.body["detail"]["status"]) == (404, "voice_not_found")


async def test_the_sdk_lists_voices_that_say_they_are_offline(sdk: AsyncElevenLabs) -> None:
    async with asyncio.timeout(WAIT_S):
        first, second = await sdk.voices.get_all(), await sdk.voices.search()
        models = await sdk.models.list()
    assert first.voices == second.voices
    assert not second.has_more
    assert all("offline" in (found.name or "") for found in first.voices)
    assert any(model.model_id == "eleven_flash_v2_5" for model in models)


@pytest.mark.filterwarnings("ignore:ConnectionClosed.code is deprecated")  # the SDK reads it
async def test_the_sdks_realtime_speech_works_unchanged(server: OfflineServer) -> None:
    def words() -> Iterator[str]:
        yield from ("Hello ", "there, ", "how ", "are ", "you?")

    def run() -> bytes:
        with httpx.Client(trust_env=False) as client:
            speech: Any = ElevenLabs(base_url=server.url, api_key="any", httpx_client=client).text_to_speech
            speech._ws_base_url = server.url.replace("http", "ws")
            model, output = "eleven_flash_v2_5", "pcm_24000"
            return b"".join(speech.convert_realtime("robin", text=words(), model_id=model, output_format=output))

    async with asyncio.timeout(WAIT_S):
        audio = await asyncio.to_thread(run)
    assert len(audio) == 2 * round(5 * WORD_S * 24_000)


@pytest.mark.parametrize(
    ("voice_id", "body", "status", "name"),
    [
        ("unknown", {"text": "Hi."}, 404, "voice_not_found"),
        ("any", {"text": ""}, 422, "invalid_input_message"),
        ("any", {"text": "Hi.", "model_id": "gpt"}, 400, "model_not_found"),
    ],
)
async def test_http_refuses_in_the_vendors_shape(
    server: OfflineServer, voice_id: str, body: dict[str, str], status: int, name: str
) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=server.url, headers={"xi-api-key": "any"}) as client:
        response = await client.post(f"/v1/text-to-speech/{voice_id}/stream?output_format=pcm_24000", json=body)
    assert (response.status_code, response.json()["detail"]["status"]) == (status, name)
