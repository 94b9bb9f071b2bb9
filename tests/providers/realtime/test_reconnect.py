"""The Realtime client when connections are cut: nothing that was said may be lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.providers.realtime.caller import CONFIG, calling
from tests.providers.realtime.other_server import (
    PREVIEW_SESSION,
    RATE,
    RealtimeSocket,
    answers,
    items,
    texts,
    tone,
    waits,
)
from voice_agents.audio import from_bytes, silence, to_bytes
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.events import (
    AudioDelta,
    ResponseDone,
    ResponseStarted,
    UserCommitted,
    UserFinal,
    UserSpeechStarted,
)
from voice_agents.settings import TurnMode

PAST = (PastItem("user", text="My name is Ada."), PastItem("assistant", text="Hello Ada."))
BY_HAND = replace(CONFIG, mode=TurnMode.PUSH_TO_TALK)


async def test_cut_in_the_middle_of_the_users_sentence() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.hear(3 * RATE)
        await socket.send("input_audio_buffer.speech_started", item_id="item_1", audio_start_ms=2500)
        socket.cut()

    async def second(socket: RealtimeSocket) -> None:
        await socket.greet()
        heard = await socket.hear(round(2.2 * RATE))
        while heard[-1] != said[-1]:
            heard = await socket.hear(len(heard) + 1)
        assert len(heard) < 3 * RATE, "what was said long before the sentence is not sent again"
        assert np.array_equal(heard, said[-len(heard) :])
        await socket.speech("item_2", start_ms=500)
        await socket.words("item_2", "A long sentence.")
        await socket.answer("resp_2", "I see.")

    said = tone(4.0)
    async with calling(first, second, past=PAST) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        caller.speak(said[: 3 * RATE])
        await caller.until(UserSpeechStarted)
        await caller.connections.until(ConnectionState.RECONNECTING)
        caller.speak(said[3 * RATE :])
        await caller.until(ResponseDone)
        assert caller.of(UserFinal) == [UserFinal("item_2", "A long sentence.")]
        assert "connection" in str(caller.connections.errors[0])
        assert texts(caller.server.sockets[1]) == ["My name is Ada.", "Hello Ada."]


@pytest.mark.parametrize("dialect", ["ga", "preview"])
async def test_cut_in_the_middle_of_an_answer(dialect: str) -> None:
    greeting = PREVIEW_SESSION if dialect == "preview" else None

    async def first(socket: RealtimeSocket) -> None:
        await socket.greet(greeting)
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.say("resp_1", "Once upon a", tone(0.5))
        socket.cut()

    async def second(socket: RealtimeSocket) -> None:
        await socket.greet(greeting)
        request = await socket.until("response.create")
        assert "Be brief." in request["response"]["instructions"]
        await socket.answer("resp_2", " time.")

    async with calling(first, second, past=PAST) as caller:
        caller.past.append(PastItem("user", text="Tell me a story."))
        caller.client.send_text("Tell me a story.")
        await caller.until(AudioDelta)
        caller.past.append(PastItem("assistant", text="Once upon a"))
        assert (await caller.until(ResponseDone)).response_id == "resp_2"
        assert [event.response_id for event in caller.of(ResponseStarted)] == ["resp_1", "resp_2"]
        assert texts(caller.server.sockets[1]) == [item.text for item in caller.past]
        kinds = {item["content"][0]["type"] for item in items(caller.server.sockets[1]) if item["role"] == "assistant"}
        assert kinds == {"output_text" if dialect == "ga" else "text"}


async def test_cut_while_a_tool_runs() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.call("resp_1", ("call_1", "roll", "{}"), ("call_2", "flip", "{}"))
        socket.cut()

    async with calling(first, answers) as caller:
        caller.past.append(PastItem("user", text="Roll and flip."))
        caller.client.send_text("Roll and flip.")
        done = await caller.until(ResponseDone)
        assert [call.call_id for call in done.tool_calls] == ["call_1", "call_2"]
        caller.past += [
            PastItem("call", call_id="call_1", name="roll", arguments="{}"),
            PastItem("output", call_id="call_1", text="a four"),
            PastItem("call", call_id="call_2", name="flip", arguments="{}"),
        ]
        await caller.connections.until(ConnectionState.OPEN)
        caller.client.send_tool_output("call_1", "a four")
        caller.client.send_tool_output("call_2", "heads")
        caller.client.send_tool_output("call_of_old", "nothing")
        caller.client.respond()
        assert (await caller.until(ResponseDone, 2)).response_id == "again_0"
        second = caller.server.sockets[1]
        assert [item.get("call_id") for item in items(second)] == [None, "call_1", "call_1", "call_2", "call_2"]
        assert [item.get("output") for item in items(second)] == [None, None, "a four", None, "heads"]
        assert second.kinds.count("response.create") == 1


async def test_a_result_that_came_while_there_was_no_connection() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.call("resp_1", ("call_1", "roll", "{}"))
        socket.cut()

    async with calling(first, 503, answers) as caller:
        caller.past.append(PastItem("user", text="Roll."))
        caller.client.send_text("Roll.")
        await caller.until(ResponseDone)
        await caller.connections.until(ConnectionState.RECONNECTING)
        caller.past.append(PastItem("call", call_id="call_1", name="roll", arguments="{}"))
        caller.client.send_tool_output("call_1", "a four")
        caller.client.respond()
        await caller.until(ResponseDone, 2)
        assert [item.get("output") for item in items(caller.server.sockets[1])] == [None, None, "a four"]


async def test_cut_when_the_turn_was_taken_but_its_words_are_not_known() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.hear(RATE)
        await socket.speech("item_1", end_ms=900)
        await socket.begin("resp_1")
        socket.cut()

    async def second(socket: RealtimeSocket) -> None:
        update = await socket.greet()
        assert update["session"]["audio"]["input"]["turn_detection"] is None
        await socket.until("input_audio_buffer.commit")
        assert np.array_equal(from_bytes(socket.audio)[-RATE // 2 :], said[:RATE][: round(0.9 * RATE)][-RATE // 2 :])
        await socket.committed("item_2")
        detection = (await socket.until("session.update"))["session"]["audio"]["input"]["turn_detection"]
        assert detection["type"] == "server_vad"
        await socket.until("response.create")
        await socket.words("item_2", "What ", "time?")
        await socket.answer("resp_2", "Ten.")

    said = tone(1.0)
    async with calling(first, second) as caller:
        caller.speak(said)
        await caller.until(ResponseDone)
        assert caller.of(UserFinal) == [UserFinal("item_1", "What time?")]
        assert caller.of(UserCommitted) == [UserCommitted("item_1")]
        assert len(caller.of(UserSpeechStarted)) == 1


@pytest.mark.parametrize("remembered", [True, False])
async def test_a_typed_turn_that_was_not_answered_is_there_once(remembered: bool) -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        socket.cut()

    async with calling(first, answers, past=PAST) as caller:
        caller.client.send_text("What is my name?")
        if remembered:
            caller.past.append(PastItem("user", text="What is my name?"))
        await caller.until(ResponseDone)
        assert texts(caller.server.sockets[1]) == ["My name is Ada.", "Hello Ada.", "What is my name?"]
        request = caller.server.sockets[1].received[-1]
        assert request["type"] == "response.create" and "response" not in request


async def test_what_was_cancelled_is_not_asked_for_again() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.say("resp_1", "Once", tone(0.1))
        await socket.until("response.cancel")
        socket.cut()

    async with calling(first, answers) as caller:
        caller.client.send_text("Tell me a story.")
        await caller.until(AudioDelta)
        caller.client.cancel()
        await caller.server.connected(2)
        await caller.connections.until(ConnectionState.OPEN, 2)
        caller.client.truncate("item_a", 100)
        caller.client.send_text("Hello?")
        await caller.until(ResponseDone)
        assert caller.server.sockets[1].kinds == ["session.update", "conversation.item.create", "response.create"]


async def test_silence_before_a_cut_is_not_sent_again() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.hear(20 * RATE)
        socket.cut()

    async def second(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.hear(RATE // 2)
        await socket.speech("item_2")

    async with calling(first, second) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        caller.speak(silence(20.0, RATE))
        await caller.connections.until(ConnectionState.OPEN, 2)
        caller.speak(tone(0.5))
        started = await caller.until(UserSpeechStarted)
        assert started.at_ms > 18_000, "all but about a second was left out"


async def test_what_is_said_before_there_is_a_connection_is_heard() -> None:
    heard = []

    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        heard.append(await socket.hear(RATE))
        await socket.speech("item_1")

    async with calling(script) as caller:
        caller.speak(tone(1.0))
        await caller.until(UserCommitted)
        assert np.array_equal(heard[0], tone(1.0))


async def test_push_to_talk_with_the_button_released_before_there_is_a_connection() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("input_audio_buffer.commit")
        assert socket.audio == to_bytes(tone(0.5))
        await socket.committed("item_1")
        await socket.until("response.create")
        await socket.answer("resp_1", "Yes.")

    async with calling(503, script, config=BY_HAND) as caller:
        caller.speak(tone(0.5))
        caller.client.commit()
        await caller.until(ResponseDone)
        assert caller.of(UserCommitted) == [UserCommitted("item_1")]


async def test_a_server_that_has_fallen_deaf_is_replaced_and_the_next_one_hears_what_was_said() -> None:
    """Nothing is told of it: the call was never away."""

    async def deaf(socket: RealtimeSocket) -> None:
        await socket.greet()
        await waits(socket)

    async def second(socket: RealtimeSocket) -> None:
        await socket.greet()
        heard = await socket.hear(len(said) + 3 * RATE)
        assert np.array_equal(heard[np.flatnonzero(heard)[0] :][: len(said)], said)
        await socket.speech("item_1", start_ms=0, end_ms=2000)
        await socket.words("item_1", "Can you hear me?")
        await socket.answer("resp_1", "Now I do.")

    said = tone(2.0)
    async with calling(deaf, second) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        caller.speak(silence(20.0, RATE))
        caller.client.hold(True)
        caller.speak(np.concatenate([said, silence(3.0, RATE)]))
        caller.client.connect_anew()
        assert (await caller.until(ResponseDone)).response_id == "resp_1"
        assert caller.of(UserFinal) == [UserFinal("item_1", "Can you hear me?")]
        assert ConnectionState.RECONNECTING not in caller.connections.states


async def test_what_made_no_sound_is_taken_out_of_the_conversation() -> None:
    async def server(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.answer("resp_1", "Hello.")
        assert (await socket.until("conversation.item.delete"))["item_id"] == "item_a"
        await socket.until("response.create")
        await socket.answer("resp_2", "Hello.", item="item_b")

    async with calling(server) as caller:
        caller.client.send_text("hi")
        await caller.until(ResponseDone)
        caller.client.delete("item_a")
        caller.client.respond()
        assert (await caller.until(ResponseDone, 2)).response_id == "resp_2"
