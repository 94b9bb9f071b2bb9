"""Responses of the offline Realtime server: what comes in which order, cancelled, interrupted, beside each other."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from tests.offline.conftest import WORD_S, FakeVoice
from tests.offline.realtime.caller import Caller, Event, HeldVoice, ScriptedBrain, calling, pause, serving
from tests.voices import flite
from voice_agents.audio import from_bytes
from voice_agents.offline.brain import FunctionCall, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.tts import Synthesis

ANSWER = "It is ten past nine in the morning."
TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}
DICE = {"type": "function", "name": "roll_dice", "parameters": {"type": "object"}}
CALLS = Reply(
    tool_calls=(FunctionCall("call_1", "get_time", {"place": "Tokyo"}), FunctionCall("call_2", "roll_dice", {}))
)


@pytest.fixture
def brain() -> ScriptedBrain:
    return ScriptedBrain(ANSWER)


@pytest.fixture
def voice() -> FakeVoice:
    return FakeVoice()


@pytest.fixture
async def server(brain: ScriptedBrain, voice: FakeVoice) -> AsyncIterator[OfflineServer]:
    async with serving(brain, voice) as running:
        yield running


def since(caller: Caller, kind: str) -> list[str]:
    kinds = caller.kinds()
    return kinds[kinds.index(kind) :]


async def test_a_spoken_answer_comes_in_the_documented_order(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.ask("hello")
        response = await caller.done()
    kinds = since(caller, "response.created")
    deltas = {"response.output_audio_transcript.delta", "response.output_audio.delta"}
    assert [kind for kind in kinds if kind not in deltas] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
    ]
    assert set(kinds[4 : 4 + 2 * len(deltas)]) == deltas
    assert response["status"] == "completed" and response["status_details"] is None
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": ANSWER}]
    assert response["output"][0]["status"] == "completed"


async def test_words_come_with_their_sound(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.ask("hello")
        await caller.done()
    transcript, sound_s = "", 0.0
    for event in caller.heard:
        if event["type"] == "response.output_audio_transcript.delta":
            transcript += event["delta"]
            assert len(transcript.split()) * WORD_S <= sound_s + 3 * WORD_S
        elif event["type"] == "response.output_audio.delta":
            sound_s += len(base64.b64decode(event["delta"])) / 48_000
            assert sound_s <= len(transcript.split()) * WORD_S + 0.01
    assert transcript == ANSWER
    assert sound_s == pytest.approx(len(ANSWER.split()) * WORD_S)
    assert caller.of("response.output_audio_transcript.done")[0]["transcript"] == ANSWER


async def test_every_event_has_an_id_and_says_where_it_belongs(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.ask("hello")
        response = await caller.done()
    assert len({event["event_id"] for event in caller.heard}) == len(caller.heard)
    item_id = response["output"][0]["id"]
    for event in caller.heard:
        if event["type"].startswith(("response.output_audio", "response.content_part")):
            where = [event[name] for name in ("response_id", "item_id", "output_index", "content_index")]
            assert where == [response["id"], item_id, 0, 0]


async def test_an_answer_begins_before_it_is_finished() -> None:
    voice = HeldVoice(3)
    async with serving(ScriptedBrain(ANSWER), voice) as server, calling(server) as caller:
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        voice.go_on.set()
        assert (await caller.done())["status"] == "completed"


async def test_a_written_answer_has_no_sound(server: OfflineServer, voice: FakeVoice) -> None:
    async with calling(server) as caller:
        await caller.ask("hello", output_modalities=["text"])
        response = await caller.done()
    assert "".join(event["delta"] for event in caller.of("response.output_text.delta")) == ANSWER
    assert caller.of("response.output_text.done")[0]["text"] == ANSWER
    assert response["output"][0]["content"] == [{"type": "output_text", "text": ANSWER}]
    assert response["output_modalities"] == ["text"]
    assert not caller.sound() and voice.spoken == []


async def test_function_calls_come_without_arguments_first_and_may_be_several(server: OfflineServer) -> None:
    server.services.brain = ScriptedBrain(CALLS, ANSWER)  # pyrefly: ignore[bad-assignment]
    async with calling(server) as caller:
        await caller.configure(tools=[TIME, DICE])
        await caller.ask("what time is it and roll a die")
        response = await caller.done()
        added = [event["item"] for event in caller.of("response.output_item.added")]
        assert [(item["name"], item["arguments"], item["status"]) for item in added] == [
            ("get_time", "", "in_progress"),
            ("roll_dice", "", "in_progress"),
        ]
        done = caller.of("response.function_call_arguments.done")
        assert [(event["name"], event["call_id"], json.loads(event["arguments"])) for event in done] == [
            ("get_time", "call_1", {"place": "Tokyo"}),
            ("roll_dice", "call_2", {}),
        ]
        deltas = [e["delta"] for e in caller.of("response.function_call_arguments.delta") if e["call_id"] == "call_1"]
        assert "".join(deltas) == done[0]["arguments"]
        assert [item["arguments"] for item in response["output"]] == [event["arguments"] for event in done]
        for call_id in ("call_1", "call_2"):
            output = {"type": "function_call_output", "call_id": call_id, "output": f"result of {call_id}"}
            await caller.tell("conversation.item.create", item=output)
        await caller.tell("response.create")
        await caller.done()
        asked = server.services.brain.asked  # pyrefly: ignore[missing-attribute]
        assert asked[0][1] == {"get_time", "roll_dice"}
        assert [(message.role, message.text or message.tool_calls[0].name) for message in asked[1][0][1:]] == [
            ("user", "what time is it and roll a die"),
            ("assistant", "get_time"),
            ("assistant", "roll_dice"),
            ("tool", "result of call_1"),
            ("tool", "result of call_2"),
        ]


async def test_one_call_at_a_time_when_asked_so(server: OfflineServer) -> None:
    server.services.brain = ScriptedBrain(CALLS)  # pyrefly: ignore[bad-assignment]
    async with calling(server) as caller:
        await caller.configure(tools=[TIME, DICE], parallel_tool_calls=False)
        await caller.ask("both please")
        assert [item["name"] for item in (await caller.done())["output"]] == ["get_time"]


async def test_a_response_says_what_it_cost(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.ask("hello there")
        first = (await caller.done())["usage"]
        await caller.ask("hello again")
        second = (await caller.done())["usage"]
    assert first["total_tokens"] == first["input_tokens"] + first["output_tokens"]
    assert first["output_token_details"]["audio_tokens"] == round(len(ANSWER.split()) * WORD_S * 20)
    assert first["input_token_details"]["audio_tokens"] == 0
    assert second["input_tokens"] > first["total_tokens"] - 5
    limits = caller.of("rate_limits.updated")
    assert {limit["name"] for limit in limits[0]["rate_limits"]} == {"requests", "tokens"}


async def test_two_responses_at_once_are_one_too_many() -> None:
    voice = HeldVoice(3)
    async with serving(ScriptedBrain(ANSWER), voice) as server, calling(server) as caller:
        await caller.ask("hello")
        created = await caller.until("response.created")
        error = await caller.refused("response.create")
        assert error["code"] == "conversation_already_has_active_response"
        assert created["response"]["id"] in error["message"]
        voice.go_on.set()
        assert (await caller.done())["status"] == "completed"


@pytest.mark.parametrize(("spoken", "limit"), [(True, 12), (False, 3)])
async def test_an_answer_that_is_too_long_is_cut(server: OfflineServer, spoken: bool, limit: int) -> None:
    async with calling(server) as caller:
        modality = "audio" if spoken else "text"
        await caller.ask("hello", max_output_tokens=limit, output_modalities=[modality])
        response = await caller.done()
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    (item,) = response["output"]
    assert item["status"] == "incomplete"
    said = item["content"][0]["transcript" if spoken else "text"]
    assert ANSWER.startswith(said) and said != ANSWER


async def test_a_voice_that_fails_ends_its_response_and_nothing_else(
    server: OfflineServer, voice: FakeVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(text: str, voice: str = "", speed: float = 1.0) -> AsyncIterator[Synthesis]:
        yield FakeVoice()._synthesise(text)[0]
        raise OSError("the voice broke")

    async with calling(server) as caller:
        with monkeypatch.context() as broken:
            broken.setattr(voice, "speak", fail)
            await caller.ask("hello")
            response = await caller.done()
        assert response["status"] == "failed"
        assert "broke" in response["status_details"]["error"]["message"]
        assert response["output"][0]["status"] == "incomplete"
        await caller.ask("again")
        assert (await caller.done())["status"] == "completed"


# cancelled


async def test_a_cancelled_response_ends_at_once_and_says_all_it_has_to() -> None:
    voice = HeldVoice(8)
    async with serving(ScriptedBrain(ANSWER), voice) as server, calling(server) as caller:
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        await caller.tell("response.cancel")
        response = await caller.done()
        assert response["status"] == "cancelled"
        assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        (item,) = response["output"]
        assert item["status"] == "incomplete"
        sent = "".join(event["delta"] for event in caller.of("response.output_audio_transcript.delta"))
        assert item["content"][0]["transcript"] == sent
        assert since(caller, "response.output_audio.done")[-5:] == [
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
        assert voice.stopped == 1
        deltas = len(caller.of("response.output_audio.delta"))
        voice.go_on.set()
        await caller.ask("again", output_modalities=["text"])
        assert (await caller.done())["status"] == "completed"
        assert len(caller.of("response.output_audio.delta")) == deltas


async def test_what_was_said_before_it_was_cancelled_is_remembered() -> None:
    voice, brain = HeldVoice(8), ScriptedBrain(ANSWER)
    async with serving(brain, voice) as server, calling(server) as caller:
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        await caller.tell("response.cancel")
        said = (await caller.done())["output"][0]["content"][0]["transcript"]
        await caller.ask("and now", output_modalities=["text"])
        await caller.done()
        assert brain.history == [("user", "hello"), ("assistant", said), ("user", "and now")]


async def test_cancelling_nothing_is_an_error_that_harms_nobody(server: OfflineServer) -> None:
    async with calling(server) as caller:
        assert (await caller.refused("response.cancel"))["code"] == "response_cancel_not_active"
        await caller.ask("hello")
        response = await caller.done()
        error = await caller.refused("response.cancel", response_id=response["id"])
        assert error["code"] == "response_cancel_not_active"


async def test_a_response_is_cancelled_by_its_id() -> None:
    voice = HeldVoice(3)
    async with serving(ScriptedBrain(ANSWER), voice) as server, calling(server) as caller:
        await caller.tell("response.create")
        response_id = (await caller.until("response.created"))["response"]["id"]
        error = await caller.refused("response.cancel", response_id="another")
        assert error["code"] == "response_cancel_not_active"
        await caller.tell("response.cancel", response_id=response_id)
        assert (await caller.done())["status"] == "cancelled"


@pytest.mark.parametrize("response", [{"conversation": "none"}, {"input": []}])
async def test_answers_beside_the_conversation_are_not_offered(server: OfflineServer, response: Event) -> None:
    async with calling(server) as caller:
        error = await caller.refused("response.create", response=response)
        assert error["param"] == f"response.{next(iter(response))}"
        assert "is not offered offline" in error["message"]


async def test_a_call_that_was_cut_short_is_not_remembered(server: OfflineServer, brain: ScriptedBrain) -> None:
    server.services.brain = calls = ScriptedBrain(CALLS, ANSWER)  # pyrefly: ignore[bad-assignment]
    server.services.pace.realtime_first_audio_s = 30.0
    async with calling(server) as caller:
        await caller.ask("what time is it")
        await caller.until("response.output_item.added")
        await caller.tell("response.cancel")
        response = await caller.done()
        assert response["output"][0]["status"] == "incomplete"
        assert caller.of("response.function_call_arguments.done")[0]["arguments"] == ""
        server.services.pace.realtime_first_audio_s = 0.0
        await caller.ask("hello", output_modalities=["text"])
        await caller.done()
        assert calls.history == [("user", "what time is it"), ("user", "hello")]


@pytest.mark.parametrize("interrupts", [True, False])
async def test_speech_interrupts_an_answer_unless_it_may_not(interrupts: bool) -> None:
    voice = HeldVoice(8)
    async with serving(ScriptedBrain(ANSWER), voice) as server, calling(server) as caller:
        vad = {"type": "server_vad", "interrupt_response": interrupts, "create_response": False}
        await caller.configure(audio={"input": {"turn_detection": vad}})
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        await caller.speak(np.concatenate([pause(0.5), flite("stop"), pause(0.2)]))
        await caller.until("input_audio_buffer.speech_started")
        if interrupts:
            response = await caller.done()
            assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        voice.go_on.set()
        if not interrupts:
            assert (await caller.done())["status"] == "completed"


async def test_a_turn_taken_while_an_answer_may_not_be_interrupted_gets_none() -> None:
    voice = HeldVoice(8)
    async with serving(ScriptedBrain(ANSWER), voice) as server, calling(server) as caller:
        vad = {"type": "server_vad", "interrupt_response": False}
        await caller.configure(audio={"input": {"turn_detection": vad}})
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        await caller.speak(np.concatenate([pause(0.5), flite("stop"), pause(1.0)]))
        error = (await caller.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"


# how it sounds


async def test_names_of_voices_always_mean_the_same_voice(server: OfflineServer, voice: FakeVoice) -> None:
    names = ["marin", "cedar", "some_voice_1234", "offline-angus", "Clara"]
    async with calling(server) as caller:
        for name in names:
            await caller.ask("hello", audio={"output": {"voice": name}})
            await caller.done()
    spoken = [name for _, name, _ in voice.spoken]
    assert spoken == [*["offline-joe"] * 3, "offline-angus", "offline-clara"]


async def test_the_voice_stays_once_it_was_heard(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.configure(audio={"output": {"voice": "cedar"}})
        await caller.ask("hello")
        await caller.done()
        update = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
        assert (await caller.refused("session.update", session=update))["code"] == "cannot_update_voice"
        await caller.configure(audio={"output": {"voice": "cedar"}})


async def test_speed_reaches_the_voice(server: OfflineServer, voice: FakeVoice) -> None:
    async with calling(server) as caller:
        await caller.configure(audio={"output": {"speed": 1.3}})
        await caller.ask("hello")
        await caller.done()
    assert voice.spoken[0][2] == 1.3


async def test_pcm_out_is_what_the_voice_said(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.ask("hello")
        await caller.done()
    pcm = from_bytes(caller.sound())
    assert len(pcm) == round(len(ANSWER.split()) * WORD_S * 24_000) and set(pcm.tolist()) == {1000}


async def test_the_first_sound_waits_for_the_provider_time(server: OfflineServer) -> None:
    server.services.pace.realtime_first_audio_s = 30.0
    async with calling(server) as caller:
        await caller.ask("hello")
        await caller.until("response.content_part.added")
        await caller.tell("response.cancel")
        response: Any = await caller.done()
        assert response["output"][0]["content"][0]["transcript"] == ""
        assert not caller.of("response.output_audio.delta")
