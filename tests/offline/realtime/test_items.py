"""Items of an offline Realtime conversation: created, retrieved, deleted, truncated; the model sees what is left."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.offline.conftest import WORD_S
from tests.offline.realtime.caller import Caller, HeldVoice, ScriptedBrain, calling, serving, sound
from voice_agents.audio import resample, to_bytes
from voice_agents.offline.server import OfflineServer

ANSWER = "It is ten past nine in the morning."
WORDS = ANSWER.split()
LENGTH_MS = round(len(WORDS) * WORD_S * 1000)


@pytest.fixture
def brain() -> ScriptedBrain:
    return ScriptedBrain(ANSWER)


@pytest.fixture
async def server(brain: ScriptedBrain) -> AsyncIterator[OfflineServer]:
    async with serving(brain) as running:
        yield running


async def seen(caller: Caller, brain: ScriptedBrain) -> list[tuple[str, str]]:
    """What the model sees of the conversation."""
    await caller.tell("response.create", response={"output_modalities": ["text"]})
    await caller.done()
    return brain.history


async def answered(caller: Caller) -> str:
    """A spoken answer's item."""
    await caller.ask("hello")
    item_id: str = (await caller.done())["output"][0]["id"]
    return item_id


def message(role: str, *content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(content)} | fields


def text(words: str, kind: str = "input_text") -> dict[str, Any]:
    return {"type": kind, "text": words}


# create


async def test_history_is_put_in_and_seen_in_its_order(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        await caller.write("My name is Ada.")
        await caller.write("Hello Ada.", role="assistant")
        await caller.write("The user is tired.", role="system")
        await caller.write("What is my name?")
        assert await seen(caller, brain) == [
            ("user", "My name is Ada."),
            ("assistant", "Hello Ada."),
            ("user", "What is my name?"),
        ]
        assert [m.text for m in brain.asked[0][0] if m.role == "system"][1:] == ["The user is tired."]


async def test_an_item_comes_with_its_place(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        second = await caller.write("second")
        first = await caller.write("first", previous_item_id="root")
        await caller.write("third")
        await caller.write("between", previous_item_id=first)
        added = [event["previous_item_id"] for event in caller.of("conversation.item.added")]
        assert added == [None, None, second, first]
        assert [words for _, words in await seen(caller, brain)] == ["first", "between", "second", "third"]


async def test_a_client_may_name_its_items(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.tell("conversation.item.create", item=message("user", text("hello"), id="mine_1"))
        item = (await caller.until("conversation.item.done"))["item"]
        assert (item["id"], item["status"], item["object"]) == ("mine_1", "completed", "realtime.item")
        error = await caller.refused("conversation.item.create", item=message("user", text("again"), id="mine_1"))
        assert error["param"] == "item.id"
        error = await caller.refused("conversation.item.create", item=message("user", text("again"), id="x" * 33))
        assert error["code"] == "string_above_max_length"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ("hello", "item"),
        ({}, "item.type"),
        ({"type": "song"}, "item.type"),
        ({"type": "message", "content": []}, "item.role"),
        (message("robot"), "item.role"),
        (message("user", text("hi", "output_text")), "item.content[0].type"),
        (message("assistant", text("hi", "input_text")), "item.content[0].type"),
        (message("assistant", {"type": "output_audio", "audio": ""}), "item.content[0].type"),
        (message("user", {"type": "input_text"}), "item.content[0].text"),
        (message("user", text("hi"), {"type": "input_audio", "audio": "?"}), "item.content[1].audio"),
        ({"type": "function_call", "name": "get_time"}, "item.arguments"),
        ({"type": "function_call_output", "call_id": "call_9", "output": "5"}, "item.call_id"),
    ],
)
async def test_an_item_that_cannot_be_is_refused(server: OfflineServer, item: Any, param: str) -> None:
    async with calling(server) as caller:
        assert (await caller.refused("conversation.item.create", item=item))["param"] == param
        assert not caller.of("conversation.item.added")


async def test_no_item_goes_behind_one_that_is_not_there(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        item = message("user", text("hello"))
        error = await caller.refused("conversation.item.create", item=item, previous_item_id="nowhere")
        assert error["param"] == "previous_item_id"
        assert await seen(caller, brain) == []


async def test_sound_put_in_is_understood(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        audio = base64.b64encode(to_bytes(resample(sound(2.0), 16_000, 24_000))).decode()
        await caller.tell(
            "conversation.item.create", item=message("user", text("Listen:"), {"type": "input_audio", "audio": audio})
        )
        await caller.until("conversation.item.done")
        assert await seen(caller, brain) == [("user", "Listen: word0 word1")]


async def test_an_earlier_call_and_its_output_are_put_in(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        call = {"type": "function_call", "call_id": "call_1", "name": "get_time", "arguments": '{"place": "Tokyo"}'}
        await caller.tell("conversation.item.create", item=call)
        output = {"type": "function_call_output", "call_id": "call_1", "output": "ten past nine"}
        await caller.tell("conversation.item.create", item=output)
        assert await seen(caller, brain) == [("assistant", ""), ("tool", "ten past nine")]
        (called, _) = brain.asked[0][0][1:]
        assert called.tool_calls[0].arguments == {"place": "Tokyo"}


# retrieve, delete


async def test_an_item_is_retrieved_without_its_sound(server: OfflineServer) -> None:
    async with calling(server) as caller:
        item_id = await answered(caller)
        await caller.tell("conversation.item.retrieve", item_id=item_id)
        (part,) = (await caller.until("conversation.item.retrieved"))["item"]["content"]
        assert part["transcript"] == ANSWER


async def test_what_is_deleted_is_forgotten(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        first = await caller.write("first")
        await caller.write("second")
        await caller.tell("conversation.item.delete", item_id=first)
        assert (await caller.until("conversation.item.deleted"))["item_id"] == first
        assert await seen(caller, brain) == [("user", "second")]
        error = await caller.refused("conversation.item.retrieve", item_id=first)
        assert error["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize("verb", ["retrieve", "delete", "truncate"])
async def test_what_is_not_there_cannot_be_touched(server: OfflineServer, verb: str) -> None:
    more = {"content_index": 0, "audio_end_ms": 0} if verb == "truncate" else {}
    async with calling(server) as caller:
        error = await caller.refused(f"conversation.item.{verb}", item_id="nowhere", **more)
        assert (error["code"], error["param"]) == (f"item_{verb}_invalid_item_id", "item_id")
        assert "nowhere" in error["message"]


# truncate


@pytest.mark.parametrize("played_ms", [0, 1, 299, 301, 1000, LENGTH_MS])
async def test_the_model_sees_the_words_that_were_played(
    server: OfflineServer, brain: ScriptedBrain, played_ms: int
) -> None:
    async with calling(server) as caller:
        item_id = await answered(caller)
        await caller.tell("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=played_ms)
        truncated = await caller.until("conversation.item.truncated")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (item_id, played_ms)
        await caller.tell("conversation.item.retrieve", item_id=item_id)
        (part,) = (await caller.until("conversation.item.retrieved"))["item"]["content"]
        assert part["transcript"] is None
        begun = -(-played_ms // 300)
        heard = [("assistant", " ".join(WORDS[:begun]))] if begun else []
        assert await seen(caller, brain) == [("user", "hello"), *heard]


async def test_an_answer_cannot_be_truncated_to_more_than_there_is(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        item_id = await answered(caller)
        where = {"item_id": item_id, "content_index": 0}
        error = await caller.refused("conversation.item.truncate", **where, audio_end_ms=LENGTH_MS + 1)
        assert error["message"] == f"Audio content of {LENGTH_MS}ms is already shorter than {LENGTH_MS + 1}ms"
        assert await seen(caller, brain) == [("user", "hello"), ("assistant", ANSWER)]
        await caller.tell("conversation.item.truncate", **where, audio_end_ms=500)
        await caller.until("conversation.item.truncated")
        error = await caller.refused("conversation.item.truncate", **where, audio_end_ms=501)
        assert "500ms is already shorter than 501ms" in error["message"]


async def test_only_the_sound_of_answers_can_be_truncated(server: OfflineServer) -> None:
    async with calling(server) as caller:
        user = await caller.write("hello")
        written = await caller.write("hello", role="assistant")
        for item_id in (user, written):
            error = await caller.refused("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
            assert error["message"] == "Only model output audio messages can be truncated"
        item_id = await answered(caller)
        error = await caller.refused("conversation.item.truncate", item_id=item_id, content_index=1, audio_end_ms=0)
        assert error["param"] == "content_index"
        error = await caller.refused("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=-1)
        assert (error["code"], error["param"]) == ("integer_below_min_value", "audio_end_ms")


async def test_an_answer_that_was_cancelled_is_truncated_to_what_was_played() -> None:
    voice, brain = HeldVoice(9), ScriptedBrain(ANSWER)
    async with serving(brain, voice) as server, calling(server) as caller:
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        await caller.tell("response.cancel")
        item_id = (await caller.done())["output"][0]["id"]
        received_ms = len(caller.sound()) // 48
        where = {"item_id": item_id, "content_index": 0}
        error = await caller.refused("conversation.item.truncate", **where, audio_end_ms=received_ms + 1)
        assert "already shorter" in error["message"]
        await caller.tell("conversation.item.truncate", **where, audio_end_ms=received_ms)
        await caller.until("conversation.item.truncated")
        voice.go_on.set()
        begun = -(-received_ms // 300)
        assert await seen(caller, brain) == [("user", "hello"), ("assistant", " ".join(WORDS[:begun]))]


async def test_an_answer_truncated_while_it_is_made_does_not_grow_again() -> None:
    voice, brain = HeldVoice(9), ScriptedBrain(ANSWER)
    async with serving(brain, voice) as server, calling(server) as caller:
        await caller.ask("hello")
        await caller.until("response.output_audio.delta")
        item_id = caller.of("response.output_item.added")[0]["item"]["id"]
        await caller.tell("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=50)
        await caller.until("conversation.item.truncated")
        voice.go_on.set()
        await caller.done()
        assert await seen(caller, brain) == [("user", "hello"), ("assistant", WORDS[0])]
