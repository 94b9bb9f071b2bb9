"""Speech as MP3, what the vendor's SDK gets when it asks for no format."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator
from typing import cast

import httpx
import numpy as np
import pytest
from elevenlabs import AsyncElevenLabs, ElevenLabs
from elevenlabs.core.api_error import ApiError

from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeVoice, connect, said, tell
from tests.offline.test_mp3 import decoded
from voice_agents.audio import Pcm, from_bytes, resample, rms_dbfs
from voice_agents.offline.brain import Brain
from voice_agents.offline.elevenlabs.speech import Encoder
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.offline.tts import Synthesis, Voice

TEXT = "It is ten past nine in Tokyo, on Tuesday."
RATE = 24_000


class HaltingVoice(FakeVoice):
    """Speaks on after its first second only when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = asyncio.Event()

    async def speak(self, text: str, voice: str = "default", speed: float = 1.0) -> AsyncIterator[Synthesis]:
        said_s = 0.0
        async for synthesis in super().speak(text, voice, speed):
            if said_s >= 1.0:
                await self.may_go_on.wait()
            said_s += len(synthesis.pcm) / RATE
            yield synthesis


def offline(voice: Voice | FakeVoice) -> OfflineServer:
    return OfflineServer(services=Services(FakeRecogniser(), voice, cast(Brain, None)))


def http_client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=WAIT_S)


def pitch_hz(pcm: Pcm) -> float:
    """The median pitch of the voiced stretches (40 ms each), by autocorrelation between 70 and 400 Hz."""
    size, found = RATE // 25, []
    for start in range(0, len(pcm) - size, size):
        part = pcm[start : start + size].astype(np.float64)
        same = np.correlate(part, part, "full")[size - 1 :]
        lags = same[RATE // 400 : RATE // 70]
        if rms_dbfs(pcm[start : start + size]) > -30 and lags.max() > 0.5 * same[0]:
            found.append(RATE / (RATE // 400 + int(np.argmax(lags))))
    return float(np.median(found))


async def test_the_sdks_default_is_audible_speech_of_the_right_length_and_pitch() -> None:
    async with Voice() as voice, asyncio.timeout(WAIT_S), offline(voice) as server, http_client() as client:
        speech = AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client).text_to_speech
        mp3 = b"".join([piece async for piece in speech.convert("clara", text=TEXT)])
        raw = b"".join([piece async for piece in speech.convert("clara", text=TEXT, output_format="pcm_24000")])

    heard, rate = decoded(mp3)
    assert rate == 44_100
    heard, plain = resample(heard, rate, RATE), from_bytes(raw)
    assert 0 <= len(heard) / RATE - len(plain) / RATE < 0.15
    assert rms_dbfs(heard) == pytest.approx(rms_dbfs(plain), abs=1)
    assert 120 < pitch_hz(plain) < 300
    assert pitch_hz(heard) == pytest.approx(pitch_hz(plain), rel=0.03)


async def test_the_blocking_sdk_needs_no_format_either(server: OfflineServer) -> None:
    def run() -> bytes:
        with httpx.Client(trust_env=False, timeout=WAIT_S) as client:
            speech = ElevenLabs(base_url=server.url, api_key="any", httpx_client=client).text_to_speech
            return b"".join(speech.convert("rachel", text="One two."))

    heard, rate = decoded(await asyncio.to_thread(run))
    assert len(heard) / rate == pytest.approx(0.6, abs=0.1)


async def test_speech_arrives_while_the_rest_is_still_being_made() -> None:
    voice = HaltingVoice()
    async with asyncio.timeout(WAIT_S), offline(voice) as server, http_client() as client:
        speech = AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client).text_to_speech
        pieces = aiter(speech.stream("rachel", text="one two three four five six seven eight"))
        early = [await anext(pieces) for _ in range(4)]
        voice.may_go_on.set()
        late = [piece async for piece in pieces]
    heard, rate = decoded(b"".join(early + late))
    assert len(late) > 4
    assert len(heard) / rate == pytest.approx(8 * 0.3, abs=0.1)


@pytest.mark.parametrize("name", ["mp3_22050_32", "mp3_24000_48", "mp3_44100_64"])
async def test_the_other_rates_are_served_with_their_content_type(server: OfflineServer, name: str) -> None:
    url = f"{server.url}/v1/text-to-speech/rachel?output_format={name}"
    async with http_client() as client:
        response = await client.post(url, json={"text": "One two."}, headers={"xi-api-key": "any"})
    assert response.headers["content-type"] == "audio/mpeg"
    heard, rate = decoded(response.content)
    assert rate == int(name.split("_")[1])
    assert len(heard) / rate == pytest.approx(0.6, abs=0.15)


async def test_the_sockets_speak_mp3_when_nothing_else_is_asked_for(server: OfflineServer) -> None:
    messages = []
    async with connect(server, "/v1/text-to-speech/rachel/stream-input") as socket:
        await tell(socket, text="One two. ")
        await tell(socket, text="")
        while not (message := await said(socket))["isFinal"]:
            messages.append(message)
    audio = [base64.b64decode(message["audio"]) for message in messages]
    assert len(audio) > 1
    assert all(audio)
    heard, rate = decoded(b"".join(audio))
    assert rate == 44_100
    assert len(heard) / rate == pytest.approx(0.6, abs=0.1)


async def test_the_event_loop_does_not_encode(server: OfflineServer, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, feed = set(), Encoder.feed

    def watched(encoder: Encoder, pcm: Pcm, *, last: bool = False) -> bytes:
        threads.add(threading.get_ident())
        return feed(encoder, pcm, last=last)

    monkeypatch.setattr(Encoder, "feed", watched)
    async with http_client() as client:
        speech = AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client).text_to_speech
        assert [piece async for piece in speech.stream("rachel", text="One two.")]
    assert threads
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("name", ["opus_48000_32", "wav_16000", "ulaw_8000", "mp3_44100_320"])
async def test_what_is_not_served_is_still_said_as_the_vendor_does(server: OfflineServer, name: str) -> None:
    async with http_client() as client:
        speech = AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client).text_to_speech
        with pytest.raises(ApiError) as refused:
            _ = [piece async for piece in speech.convert("rachel", text="Hi.", output_format=name)]
    assert refused.value.status_code == 403
    assert refused.value.body["detail"]["status"] == "output_format_not_allowed"
