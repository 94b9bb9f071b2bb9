"""Whole recordings are transcribed, whatever they are packed in, by the vendor's own SDK."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from typing import cast

import httpx
import numpy as np
import pytest
from elevenlabs import AsyncElevenLabs, SpeechToTextChunkResponseModel
from elevenlabs.core.api_error import ApiError

from tests.offline.conftest import WAIT_S
from voice_agents.audio import Pcm, to_bytes
from voice_agents.offline.elevenlabs.speech import Encoder
from voice_agents.offline.server import OfflineServer


def recording(seconds: float, rate: int, channels: int = 1) -> bytes:
    """A WAV file with a tone."""
    time = np.arange(round(seconds * rate)) / rate
    tone: Pcm = (3000 * np.sin(2 * np.pi * 300 * time)).astype(np.int16)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(to_bytes(np.repeat(tone, channels)))
    return out.getvalue()


@pytest.fixture
async def sdk(server: OfflineServer) -> AsyncIterator[AsyncElevenLabs]:
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
        yield AsyncElevenLabs(base_url=server.url, api_key="any", httpx_client=client)


async def convert(sdk: AsyncElevenLabs, data: bytes) -> SpeechToTextChunkResponseModel:
    async with asyncio.timeout(WAIT_S):
        answer = await sdk.speech_to_text.convert(model_id="scribe_v1", file=("speech", data))
    return cast(SpeechToTextChunkResponseModel, answer)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 1), (22_050, 1), (44_100, 2), (48_000, 1)])
async def test_any_rate_and_any_number_of_channels(sdk: AsyncElevenLabs, rate: int, channels: int) -> None:
    answer = await convert(sdk, recording(3.2, rate, channels))

    assert answer.text == "word0 word1 word2"
    assert answer.audio_duration_secs == pytest.approx(3.2, abs=0.01)
    words = [word for word in answer.words if word.type == "word"]
    assert [word.text for word in words] == ["word0", "word1", "word2"]
    assert words[0].start == 0 and cast(float, words[2].end) == pytest.approx(3.2, abs=0.01)


async def test_mp3(sdk: AsyncElevenLabs) -> None:
    encoder = Encoder("mp3_44100_64")
    data = encoder.feed(np.zeros(round(2.5 * 24_000), np.int16), last=True)

    assert (await convert(sdk, data)).text == "word0 word1"


async def test_a_long_recording_is_heard_to_its_end(sdk: AsyncElevenLabs) -> None:
    answer = await convert(sdk, recording(130, 8000))

    assert 129 <= len(answer.text.split()) <= 130


@pytest.mark.parametrize("data", [b"", b"no recording", recording(0.1, 8000)[:30]])
async def test_what_is_no_recording_is_refused_plainly(sdk: AsyncElevenLabs, data: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        await convert(sdk, data)
    assert refused.value.status_code == 400
    assert refused.value.body["detail"]["message"] == "file is no recording that can be read."


async def test_without_a_file(server: OfflineServer) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S, base_url=server.url) as client:
        no_file = await client.post("/v1/speech-to-text", data={"model_id": "scribe_v1"}, headers={"xi-api-key": "any"})

    assert no_file.status_code == 400
    assert no_file.json()["detail"]["message"].startswith("file is required")
