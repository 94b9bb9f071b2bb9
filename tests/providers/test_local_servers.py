"""Ollama, LM Studio, llama.cpp and vLLM, as their sources answer, under every address people paste for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from tests.providers.other_server import OtherServer
from tests.providers.test_chat_on_another_server import DONE, PATIENT, Asked, delta, no_choices, sse
from voice_agents.errors import RequestRejected, Role
from voice_agents.providers.chat import ChatModel
from voice_agents.settings import Settings

CHAT = "/v1/chat/completions"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
HELLO = [delta(role="assistant", content="Hello "), delta(content="there."), delta("stop", content="")]


async def ollama(request: Request) -> Response:
    if request.url.path == "/":
        return PlainTextResponse("Ollama is running")
    model = json.loads(await request.body()).get("model") if request.method == "POST" else "llama3.2"
    if model != "llama3.2":
        message = f'model "{model}" not found, try pulling it first'
        error = {"message": message, "type": "not_found_error", "param": None, "code": None}
        return JSONResponse({"error": error}, 404)
    if request.url.path != CHAT:
        return PlainTextResponse("404 page not found", 404)
    return sse([*({**chunk, "system_fingerprint": "fp_ollama"} for chunk in HELLO), no_choices(usage=USAGE), DONE])


async def lm_studio(request: Request) -> Response:
    if request.url.path != CHAT:
        what = f"Unexpected endpoint or method. ({request.method} {request.url.path}). Returning 200 anyway"
        return JSONResponse({"error": what})
    return sse([*({**chunk, "stats": {}} for chunk in HELLO), DONE])


async def llama_cpp(request: Request) -> Response:
    if request.url.path not in (CHAT, "/chat/completions"):
        return JSONResponse({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}, 404)
    first = delta(role="assistant", content=None)
    return sse([first, *HELLO[:2], {**delta("stop"), "timings": {"prompt_n": 5}}, no_choices(usage=USAGE), DONE])


async def vllm(request: Request) -> Response:
    if request.url.path != CHAT or request.method != "POST":
        return JSONResponse({"detail": "Not Found"}, 404)
    model = json.loads(await request.body())["model"]
    if model != "Qwen/Qwen3-4B":
        error = {"message": f"The model `{model}` does not exist.", "type": "NotFoundError", "param": None, "code": 404}
        return JSONResponse({"error": error}, 404)
    return sse([delta(role="assistant", content=""), *HELLO, no_choices(usage=USAGE), DONE])


SERVERS: Mapping[str, tuple[Any, str]] = {
    "Ollama": (ollama, "llama3.2"),
    "LM Studio": (lm_studio, "qwen2.5-7b-instruct"),
    "llama.cpp": (llama_cpp, "any"),
    "vLLM": (vllm, "Qwen/Qwen3-4B"),
}
PASTED = ["{url}/v1", "{url}", "{url}/", "{url}/v1/", "{url}/v1/chat/completions", "'{url}/v1'", "{url}/v1/models"]


def pointed_at(url: str, model: str) -> Settings:
    return Settings.from_env({"OPENAI_BASE_URL": url, "OPENAI_API_KEY": '"none"', "OPENAI_MODEL": model}, None)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("pasted", PASTED)
async def test_a_local_server_answers_whatever_address_was_pasted(name: str, pasted: str) -> None:
    answer, model = SERVERS[name]
    async with OtherServer(404, answer=answer) as server:
        settings = pointed_at(pasted.format(url=server.url), model)
        async with ChatModel(settings.endpoint(Role.CHAT), PATIENT) as chat:
            assert (await Asked(chat, server).ask()).text == "Hello there."
        assert {request.url.path for request, _ in server.requests if request.method == "POST"} == {CHAT}


@pytest.mark.parametrize("name", ["Ollama", "vLLM"])
async def test_a_model_the_server_has_not_is_one_sentence(name: str) -> None:
    async with (
        OtherServer(404, answer=SERVERS[name][0]) as server,
        ChatModel(pointed_at(server.url, "no-such").endpoint(Role.CHAT), PATIENT) as chat,
    ):
        with pytest.raises(RequestRejected, match="OPENAI_MODEL"):
            await Asked(chat, server).ask()
