"""The list of models: ``/v1/models`` is a path of two vendors, and each vendor's SDK gets its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import httpx
import httpx2
import openai
import pytest
from elevenlabs import AsyncElevenLabs
from openai import AsyncOpenAI

from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeVoice
from voice_agents.offline.brain import Brain
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
        yield client


def openai_sdk(server: OfflineServer, base: str) -> AsyncOpenAI:
    client = httpx2.AsyncClient(trust_env=False)
    return AsyncOpenAI(base_url=server.url + base, api_key="x", max_retries=0, timeout=WAIT_S, http_client=client)


@pytest.mark.parametrize("base", ["/v1", "/openai/v1"])
async def test_the_openai_sdk_gets_openais_list(server: OfflineServer, base: str) -> None:
    async with openai_sdk(server, base) as client:
        models = [model async for model in client.models.list()]
    assert [(model.id, model.object, model.owned_by) for model in models] == [("offline-agent", "model", "offline")]


@pytest.mark.parametrize("base", ["/v1", "/openai/v1", "/openai"])
@pytest.mark.parametrize("name", ["offline-agent", "gpt-x", "some/model"])
async def test_every_model_the_chat_takes_is_there(server: OfflineServer, base: str, name: str) -> None:
    async with openai_sdk(server, base) as client:
        model = await client.models.retrieve(name)
    assert (model.id, model.object, model.owned_by) == (name, "model", "offline")


async def test_the_one_unknown_model_is_not_there(server: OfflineServer) -> None:
    async with openai_sdk(server, "/v1") as client:
        with pytest.raises(openai.NotFoundError, match="`missing` does not exist") as refused:
            await client.models.retrieve("missing")
    assert refused.value.code == "model_not_found"


async def test_the_elevenlabs_sdk_gets_elevenlabs_list(server: OfflineServer, http: httpx.AsyncClient) -> None:
    models = await AsyncElevenLabs(base_url=server.url, api_key="x", httpx_client=http).models.list()
    assert "eleven_flash_v2_5" in [model.model_id for model in models]


@pytest.mark.parametrize(
    ("headers", "is_openais"),
    [
        ({"authorization": "Bearer x"}, True),
        ({"api-key": "x"}, True),
        ({"xi-api-key": "x"}, False),
        ({"xi-api-key": "x", "authorization": "Bearer of something else"}, False),
    ],
)
async def test_the_key_says_whose_list_is_meant(
    server: OfflineServer, http: httpx.AsyncClient, headers: dict[str, str], is_openais: bool
) -> None:
    response = await http.get(f"{server.url}/v1/models", headers=headers)
    assert response.status_code == 200
    assert isinstance(response.json(), dict) == is_openais


async def test_an_empty_key_is_refused_in_its_vendors_words(http: httpx.AsyncClient) -> None:
    services = Services(FakeRecogniser(), FakeVoice(), cast(Brain, None))
    async with OfflineServer(services=services, key="k") as server:
        empty = await http.get(f"{server.url}/v1/models", headers={"authorization": "Bearer"})
        keyless = await http.get(f"{server.url}/v1/models")
    assert (empty.status_code, empty.json()["error"]["code"]) == (401, "invalid_api_key")
    assert (keyless.status_code, keyless.json()["detail"]["status"]) == (401, "invalid_api_key")
