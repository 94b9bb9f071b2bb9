"""A model server on this machine answers on the Realtime sockets: what it says is spoken as it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx
import pytest

from tests.offline.conftest import FakeRecogniser, FakeVoice
from tests.offline.realtime.caller import ScriptedBrain, calling, serving
from voice_agents.offline.brain import Brain, FunctionCall, Reply
from voice_agents.offline.model_server import ModelServer
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services

ANSWER = "Well, it depends. In winter once a month is enough. In summer more."
TOOL = {
    "type": "function",
    "name": "get_time",
    "description": "The time in a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
}


@pytest.fixture
def model() -> ScriptedBrain:
    """What the model says."""
    return ScriptedBrain(ANSWER)


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


@asynccontextmanager
async def thinking(model: ScriptedBrain) -> AsyncIterator[ModelServer]:
    """A server of OpenAI's chat protocol."""
    services = Services(FakeRecogniser(), FakeVoice(), cast(Brain, model))
    async with OfflineServer(services=services) as running:
        yield ModelServer(f"{running.url}/v1", "llama")


@pytest.fixture
async def server(model: ScriptedBrain, voice: FakeVoice) -> AsyncIterator[OfflineServer]:
    async with thinking(model) as found, serving(ScriptedBrain("These are the rules."), voice) as running:
        running.services.model_server = found
        yield running


async def test_its_answer_is_spoken_piece_by_piece_in_one_message(
    server: OfflineServer, voice: FakeVoice, model: ScriptedBrain
) -> None:
    async with calling(server) as caller:
        await caller.ask("how often should i water a cactus")
        response = await caller.done()
    assert response["status"] == "completed"
    (item,) = response["output"]
    assert item["content"][0]["transcript"] == ANSWER
    assert "".join(event["delta"] for event in caller.of("response.output_audio_transcript.delta")) == ANSWER
    assert [text.strip() for text, *_ in voice.spoken] == [
        "Well,",
        "it depends.",
        "In winter once a month is enough.",
        "In summer more.",
    ]
    assert model.history == [("user", "how often should i water a cactus")]


async def test_who_answers_is_chosen_while_a_session_goes_on(model: ScriptedBrain, voice: FakeVoice) -> None:
    rules = ScriptedBrain("These are the rules.")
    async with thinking(model) as found, serving(rules, voice) as server, httpx.AsyncClient() as http:
        body = {"base_url": found.base_url, "model": found.model}
        refused = await http.put(f"{server.url}/model-server", json=body, headers={"api-key": "guessed"})
        assert refused.status_code == 401
        async with calling(server) as caller:
            for method, answer in (
                ("GET", "These are the rules."),
                ("PUT", ANSWER),
                ("DELETE", "These are the rules."),
            ):
                await http.request(method, f"{server.url}/model-server", json=body, headers={"api-key": server.key})
                await caller.ask("hello")
                [item] = (await caller.done())["output"]
                assert item["content"][0]["transcript"] == answer


@pytest.mark.parametrize("body", ["", "7", "{}", '{"base_url": "http://127.0.0.1:1/v1"}'])
async def test_half_a_choice_is_refused(server: OfflineServer, body: str) -> None:
    before = server.services.model_server
    async with httpx.AsyncClient() as http:
        answer = await http.put(f"{server.url}/model-server", content=body, headers={"api-key": server.key})
    assert answer.status_code == 400
    assert server.services.model_server is before


async def test_it_is_cut_to_what_was_heard_across_its_pieces(server: OfflineServer, model: ScriptedBrain) -> None:
    async with calling(server) as caller:
        await caller.ask("how often should i water a cactus")
        item_id = (await caller.done())["output"][0]["id"]
        played_ms = round(5.5 * 300)
        await caller.tell("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=played_ms)
        await caller.until("conversation.item.truncated")
        await caller.ask("and then", output_modalities=["text"])
        await caller.done()
    assert model.history[1] == ("assistant", "Well, it depends. In winter once")


async def test_it_calls_the_functions_of_the_session_and_hears_what_they_answered(
    server: OfflineServer, model: ScriptedBrain
) -> None:
    calls = (
        FunctionCall("call_1", "get_time", {"place": "Tokyo"}),
        FunctionCall("call_2", "get_time", {"place": "Rome"}),
    )
    model._replies = [Reply(tool_calls=calls), Reply("It is late in Tokyo.")]
    async with calling(server) as caller:
        await caller.configure(tools=[TOOL])
        await caller.ask("what time is it in tokyo and in rome")
        made = [item for item in (await caller.done())["output"] if item["type"] == "function_call"]
        assert [json.loads(item["arguments"]) for item in made] == [{"place": "Tokyo"}, {"place": "Rome"}]
        for item, time in zip(made, ("nine", "one"), strict=True):
            output = {"type": "function_call_output", "call_id": item["call_id"], "output": time}
            await caller.tell("conversation.item.create", item=output)
        await caller.tell("response.create", response={"output_modalities": ["text"]})
        assert (await caller.done())["output"][0]["content"][0]["text"] == "It is late in Tokyo."
    assert [tool for _, tools in model.asked for tool in tools] == ["get_time", "get_time"]
    assert [role for role, _ in model.history] == ["user", "assistant", "tool", "tool"]


async def test_a_server_that_is_gone_fails_the_answer_in_a_sentence_and_not_the_session(voice: FakeVoice) -> None:
    async with thinking(ScriptedBrain()) as gone:
        pass
    async with serving(ScriptedBrain("These are the rules."), voice) as server, calling(server) as caller:
        server.services.model_server = gone
        await caller.ask("hello")
        response = await caller.done()
        assert response["status"] == "failed"
        assert gone.base_url in response["status_details"]["error"]["message"]
        server.services.model_server = None
        await caller.ask("hello")
        assert (await caller.done())["status"] == "completed"
