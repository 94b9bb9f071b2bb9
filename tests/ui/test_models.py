"""A model server on this machine answers in the offline agent's place after one press, of the machine's owner only."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import urlsplit

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect

from tests.offline.conftest import FakeRecogniser, FakeVoice
from tests.offline.realtime.caller import ScriptedBrain
from voice_agents.errors import Role, VoiceAgentError
from voice_agents.local_models import FoundModelServer, ModelChoice
from voice_agents.offline.brain import Brain
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.settings import Endpoint, Provider, Settings
from voice_agents.ui import status
from voice_agents.ui.app import App
from voice_agents.ui.models import NOBODY, NOT_YOURS, Models
from voice_agents.ui.realtime_tab import realtime_tab
from voice_agents.ui.sandwich_tab import sandwich_tab

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6

WAIT_S = 20.0
RULES, LLAMA = "These are the rules.", "I am a llama."


@asynccontextmanager
async def model_server(words: str = LLAMA) -> AsyncIterator[int]:
    """The port of a server of OpenAI's chat protocol that asks for no key and always says this."""

    async def models(_: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [{"id": "llama3.2:3b", "object": "model"}]})

    async def complete(_: Request) -> Response:
        chunk = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": words}, "finish_reason": "stop"}]}
        return Response(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", media_type="text/event-stream")

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", complete, methods=["POST"])]
    async with listening(Starlette(routes=routes)) as port:
        yield port


@asynccontextmanager
async def listening(house: ASGIApp) -> AsyncIterator[int]:
    """The port of 127.0.0.1 an app is served on."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(house, log_level="error"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


@asynccontextmanager
async def served(settings: Settings, choice: ModelChoice) -> AsyncIterator[str]:
    """The address of the whole app's page."""
    app = App(settings, ("hello",), choice)
    parts = app.page()
    house = gr.mount_gradio_app(FastAPI(routes=parts.routes), parts.blocks, path="/")
    async with app.lifespan(house), listening(house) as port:
        yield f"ws://127.0.0.1:{port}/page/window"


class Opened:
    """A window of the page, on its wire."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Self]:
        """``headers``: more of them; ``host``: the name it is asked under."""
        more = dict(headers or {})
        here = urlsplit(url)
        named = here._replace(netloc=more.pop("host", here.netloc)).geturl()
        reached: dict[str, Any] = {"host": here.hostname, "port": here.port}
        async with connect(named, additional_headers=more, proxy=None, **reached) as opened:
            window = cls(opened)
            ids = {"owner": secrets.token_hex(16), "conversation": secrets.token_hex(16)}
            await window.tell("open", kind="sandwich", **ids)
            yield window

    async def tell(self, do: str, **more: Any) -> None:
        await self._socket.send(json.dumps({"do": do, **more}))

    async def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_S):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.recv())
                if true(message):
                    return message

    async def answered(self, kind: str, words: str) -> None:
        """Ask something; wait for the whole of this answer."""
        await self.tell("say", kind=kind, text="Who are you?")
        await self.until(lambda message: any(line["text"] == words for line in message.get("lines", ())))

    async def models(self, do: str = "models", **more: Any) -> dict[str, Any]:
        await self.tell(do, **more)
        return await self.until(lambda message: message["type"] == "models")


@pytest.fixture
async def settings(tmp_path: Path) -> AsyncIterator[Settings]:
    services = Services(FakeRecogniser(), FakeVoice(), cast(Brain, ScriptedBrain(RULES)))
    async with OfflineServer(services=services) as rules:
        yield Settings(database=tmp_path / "x.sqlite3").with_offline(rules.url)


async def test_one_press_lets_it_answer_and_one_lets_the_built_in_agent_answer_again(settings: Settings) -> None:
    async with model_server() as llama:
        choice = ModelChoice([("Ollama", llama)], timeout_s=WAIT_S)
        async with served(settings.with_model_choice(choice), choice) as url, Opened.at(url) as window:
            found = await window.models()
            assert found["offered"] and not found["chosen"] and "from its next answer" in found["text"]
            assert [server["name"] for server in found["servers"]] == ["Ollama"]
            await window.answered("sandwich", RULES)

            pressed = await window.models("use_model", name="Ollama")
            assert (pressed["chosen"], pressed["problem"], pressed["servers"]) == ("Ollama", "", [])
            assert "answers now, in the tab Sandwich" in pressed["text"]
            assert "Ollama" in pressed["who"]["sandwich"] and "Ollama" not in pressed["who"]["realtime"]
            await window.answered("sandwich", LLAMA)  # in the conversation that was going on
            async with Opened.at(url) as other:
                await other.answered("sandwich", LLAMA)

            back = await window.models("use_model", name="")
            assert not back["chosen"] and [server["name"] for server in back["servers"]] == ["Ollama"]
            await window.answered("sandwich", RULES)


async def test_one_that_is_gone_is_told_in_a_sentence_and_the_agent_stays(settings: Settings) -> None:
    async with model_server() as gone:
        pass
    choice = ModelChoice([("Ollama", gone)])
    async with served(settings.with_model_choice(choice), choice) as url, Opened.at(url) as window:
        assert (await window.models())["text"] == NOBODY
        for name in ("Ollama", "http://127.0.0.1:1/v1"):
            told = await window.models("use_model", name=name)
            assert told["problem"] == f"{name} does not answer on this machine: start it, and look again."
        await window.answered("sandwich", RULES)


async def test_one_that_stops_while_it_is_chosen_is_named(settings: Settings) -> None:
    async with model_server() as llama:
        choice = ModelChoice([("LM Studio", llama)], timeout_s=WAIT_S)
        await asyncio.to_thread(choice.choose, "LM Studio")
    async with served(settings.with_model_choice(choice), choice) as url, Opened.at(url) as window:
        await window.tell("say", kind="sandwich", text="Who are you?")
        told = await window.until(lambda message: (message.get("banner") or {}).get("level") == "error")
        assert told["banner"]["text"].startswith("The connection to LM Studio on this machine failed.")


PROXIED = ({"x-forwarded-for": "203.0.113.5"}, {"forwarded": "for=203.0.113.5"}, {"via": "1.1 proxy"})


@pytest.mark.parametrize("headers", [*PROXIED, {"host": "x.gradio.live"}], ids=str)
async def test_a_stranger_is_offered_nothing_and_refused(settings: Settings, headers: dict[str, str]) -> None:
    await refused(settings, headers)


@pytest.mark.parametrize("known_as", [{"space_host": "me-voice.hf.space"}, {"allowed_hosts": ("voice.example",)}])
async def test_where_the_server_has_a_public_name_nobody_may_choose(
    settings: Settings, known_as: dict[str, Any]
) -> None:
    await refused(replace(settings, **known_as), {})


async def refused(settings: Settings, headers: Mapping[str, str]) -> None:
    async with model_server() as llama:
        choice = ModelChoice([("Ollama", llama)], timeout_s=WAIT_S)
        async with served(settings.with_model_choice(choice), choice) as url, Opened.at(url, headers) as stranger:
            found = await stranger.models()
            assert (found["offered"], found["servers"], found["chosen"]) == (False, [], "")
            told = await stranger.models("use_model", name="Ollama")
            assert (told["offered"], told["problem"]) == (False, NOT_YOURS)
            assert choice.chosen is None


async def test_where_a_chat_provider_is_configured_nothing_is_offered(settings: Settings) -> None:
    azure = replace(settings, chat=Endpoint(Provider.AZURE, "http://127.0.0.1:1/openai/v1", "gpt", "key"))
    async with model_server() as llama:
        choice = ModelChoice([("Ollama", llama)], timeout_s=WAIT_S)
        configured = azure.with_model_choice(choice)
        assert configured == azure
        assert Models(configured, [sandwich_tab()], choice).choice is None


OFFLINE = Settings().with_offline("http://127.0.0.1:1")


def test_the_page_says_which_tabs_it_answers_in() -> None:
    told: list[FoundModelServer | None] = []
    choice = ModelChoice([], told.append)
    models = Models(OFFLINE.with_model_choice(choice), [sandwich_tab(), realtime_tab()], choice)
    assert models.answered == ""
    choice._chosen = FoundModelServer("Ollama", "http://127.0.0.1:1/v1", "<b>llama</b>")
    assert "in the tabs Sandwich and Realtime" in models.answered
    for html in models.who.values():
        assert "&lt;b&gt;llama" in html and "<b>llama" not in html
    choice.choose("")
    assert told == [None]
    assert models.who == {
        "sandwich": status.who(OFFLINE, (Role.STT, Role.CHAT, Role.TTS)),
        "realtime": status.who(OFFLINE, (Role.REALTIME,)),
    }


def test_when_the_offline_server_cannot_be_told_all_stays_as_it_was() -> None:
    def fail(_: FoundModelServer | None) -> None:
        raise VoiceAgentError("The offline server does not answer.")

    choice = ModelChoice([], fail)
    with pytest.raises(VoiceAgentError, match="does not answer"):
        choice.choose("")
    assert choice.chosen is None
