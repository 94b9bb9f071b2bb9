"""A path nobody serves: each vendor's client raises its own error, which says what is served."""

from __future__ import annotations

import json

import httpx
import httpx2
import openai
import pytest
import websockets
from elevenlabs import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError
from openai import AsyncAzureOpenAI, AsyncOpenAI

from tests.offline.conftest import WAIT_S, connect
from voice_agents.offline.server import OfflineServer


async def test_the_openai_sdk_says_what_is_served(server: OfflineServer) -> None:
    http = httpx2.AsyncClient(trust_env=False)
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0, http_client=http) as client:
        with pytest.raises(openai.NotFoundError) as refused:
            await client.embeddings.create(model="any", input="hello")
    assert "POST /v1/embeddings is not served offline" in refused.value.message
    assert "POST /v1/chat/completions" in refused.value.message
    assert "GET /v1/models/{model}" in refused.value.message
    assert "websocket /v1/realtime" in refused.value.message
    assert "text-to-speech" not in refused.value.message
    assert refused.value.type == "invalid_request_error"


async def test_the_azure_client_says_it_too(server: OfflineServer) -> None:
    azure = AsyncAzureOpenAI(
        azure_endpoint=server.url,
        api_key="x",
        api_version="2024-10-21",
        max_retries=0,
        http_client=httpx2.AsyncClient(trust_env=False),
    )
    async with azure:
        with pytest.raises(openai.NotFoundError) as refused:
            await azure.responses.create(model="any", input="hello")
    assert "POST /openai/deployments/{deployment}/chat/completions" in refused.value.message


async def test_the_elevenlabs_sdk_says_what_is_served(server: OfflineServer) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as http:
        sdk = AsyncElevenLabs(base_url=server.url, api_key="x", httpx_client=http)
        with pytest.raises(ApiError) as refused:
            await sdk.user.get()
        with pytest.raises(ApiError) as not_deleted:
            await sdk.voices.delete("offline-clara")
    assert refused.value.status_code == not_deleted.value.status_code == 404
    detail = refused.value.body["detail"]
    assert detail["status"] == "not_found"
    assert detail["message"].startswith("GET /v1/user is not served offline")
    assert "POST /v1/text-to-speech/{voice_id}" in detail["message"]
    assert "websocket /v1/speech-to-text/realtime" in detail["message"]
    assert "chat" not in detail["message"]
    assert not_deleted.value.body["detail"]["message"].startswith("DELETE /v1/voices/offline-clara is not served")


@pytest.mark.parametrize(("path", "shape"), [("/openai/v1/elsewhere", "error"), ("/v1/elsewhere", "detail")])
async def test_without_a_key_the_path_says_whose_client_it_is(server: OfflineServer, path: str, shape: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as http:
        answer = await http.get(server.url + path)
    assert (answer.status_code, list(answer.json())) == (404, [shape])


async def test_a_socket_nobody_serves_is_not_found_either(server: OfflineServer) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(server, "/v1/speech-to-text/elsewhere")
    assert refused.value.response.status_code == 404
    message = json.loads(refused.value.response.body or b"")["detail"]["message"]
    assert message.startswith("websocket /v1/speech-to-text/elsewhere is not served offline")
