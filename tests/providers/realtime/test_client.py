"""The Realtime client in conversations with servers that are not ours."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import numpy as np
import pytest

from tests.providers.other_server import KEY, WAIT_S
from tests.providers.realtime.caller import CONFIG, QUICK, Caller, calling
from tests.providers.realtime.other_server import PREVIEW_SESSION, OtherRealtime, RealtimeSocket, tone
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    ToolCall,
    UsageReported,
    UserCommitted,
    UserFinal,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnMode


async def spoken_turn(socket: RealtimeSocket) -> None:
    await socket.greet()
    await socket.hear(24_000)
    await socket.speech("item_u")
    await socket.begin("resp_1")
    await socket.words("item_u", "What time", " is it?")
    await socket.say("resp_1", "It is ", tone(0.2))
    await socket.say("resp_1", "ten.", tone(0.2))
    await socket.done("resp_1", usage={"total_tokens": 12, "input_tokens": 8, "input_token_details": {}})


async def test_a_spoken_turn_from_the_first_word_to_the_last() -> None:
    async with calling(spoken_turn) as caller:
        caller.speak(tone(1.0))
        done = await caller.until(ResponseDone)
        await caller.until(UsageReported)
        kinds = [type(event) for event in caller.events]
        assert kinds == [
            UserSpeechStarted,
            UserSpeechStopped,
            UserCommitted,
            ResponseStarted,
            UserPartial,
            UserPartial,
            UserFinal,
            TextDelta,
            AudioDelta,
            TextDelta,
            AudioDelta,
            ResponseDone,
            UsageReported,
        ]
        assert [event.text for event in caller.of(UserPartial)] == ["What time", "What time is it?"]
        assert caller.of(UserFinal) == [UserFinal("item_u", "What time is it?")]
        assert "".join(event.text for event in caller.of(TextDelta)) == "It is ten."
        heard = np.concatenate([event.pcm for event in caller.of(AudioDelta)])
        assert np.array_equal(heard, np.concatenate([tone(0.2), tone(0.2)]))
        assert done.status == "completed"
        assert caller.of(UsageReported) == [UsageReported({"total_tokens": 12, "input_tokens": 8})]


async def test_it_introduces_itself_as_documented() -> None:
    async with calling(spoken_turn) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        socket = await caller.server.connected()
        assert socket.path == "/openai/v1/realtime?model=model-1"
        assert socket.headers["api-key"] == KEY and socket.headers["Authorization"] == f"Bearer {KEY}"
        assert "OpenAI-Beta" not in socket.headers


async def test_a_server_that_still_speaks_the_preview_dialect() -> None:
    async def script(socket: RealtimeSocket) -> None:
        update = await socket.greet(PREVIEW_SESSION)
        assert update["session"]["input_audio_format"] == "pcm16"
        assert update["session"]["modalities"] == ["audio", "text"]
        assert update["session"]["instructions"] == CONFIG.instructions
        assert "audio" not in update["session"] and "type" not in update["session"]
        await socket.hear(24_000)
        await socket.speech("item_u")
        await socket.answer("resp_1", "Hello.")
        await socket.until_gone()

    async with calling(script) as caller:
        caller.speak(tone(1.0))
        await caller.until(ResponseDone)
        assert [event.text for event in caller.of(TextDelta)] == ["Hello."]
        assert len(caller.of(AudioDelta)) == 1


async def test_a_tool_is_called_and_its_result_sent_back() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.call("resp_1", ("call_1", "roll", '{"sides":6}'), ("call_2", "flip", "{}"))
        await socket.until("response.create")
        await socket.answer("resp_2", "A four, and heads.")

    async with calling(script) as caller:
        caller.client.send_text("Roll a die and flip a coin.")
        done = await caller.until(ResponseDone)
        assert done.tool_calls == (ToolCall("call_1", "roll", '{"sides":6}'), ToolCall("call_2", "flip", "{}"))
        for call in done.tool_calls:
            caller.client.send_tool_output(call.call_id, f"{call.name} done")
        caller.client.respond()
        assert (await caller.until(ResponseDone, 2)).response_id == "resp_2"
        [socket] = caller.server.sockets
        created = [m["item"] for m in socket.received if m["type"] == "conversation.item.create"]
        assert created == [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "Roll a die and flip a coin."}],
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "roll done"},
            {"type": "function_call_output", "call_id": "call_2", "output": "flip done"},
        ]


async def test_late_sound_of_an_interrupted_answer_is_not_heard() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.say("resp_1", "Once upon", tone(0.5))
        cut = await socket.until("conversation.item.truncate")
        assert (cut["item_id"], cut["audio_end_ms"]) == ("item_a", 100)
        await socket.error("invalid_value", message="Audio content of 90ms is already shorter than 100ms")
        await socket.say("resp_1", " a time", tone(0.5))
        await socket.say("resp_x", " there was", tone(0.5))
        await socket.error("response_cancel_not_active")
        await socket.done("resp_1", "cancelled")
        await socket.say("resp_1", " a king", tone(0.5))
        await socket.until("response.create")
        await socket.answer("resp_2", "Sure.", item="item_b")

    async with calling(script) as caller:
        caller.client.send_text("Tell me a story.")
        await caller.until(AudioDelta)
        caller.client.cancel()
        caller.client.truncate("item_a", 2_400)
        caller.client.send_text("Stop.")
        await caller.until(ResponseDone)
        assert [event.text for event in caller.of(TextDelta)] == ["Once upon", "Sure."]
        assert [event.response_id for event in caller.of(ResponseDone)] == ["resp_2"]
        assert caller.connections.states == [ConnectionState.CONNECTING, ConnectionState.OPEN]
        assert caller.of(ServerError) == []


async def test_what_was_not_taken_yet_of_a_cancelled_answer_is_not_reported() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.answer("resp_1", "Hello.")

    async with calling(script) as caller:
        caller.client.send_text("Hello?")
        await caller.until(ResponseStarted)
        caller.client._inbox.put([TextDelta("resp_1", "item_a", "late")])
        caller.client.cancel()
        await asyncio.sleep(0)
        assert "late" not in [event.text for event in caller.of(TextDelta)]


async def interrupted(socket: RealtimeSocket) -> None:
    """The user cuts in; what the server makes of it comes all at once, as after a stall of the network."""
    await socket.greet()
    await socket.until("response.create")
    await socket.begin("resp_1")
    await socket.say("resp_1", "Once upon", tone(0.5))
    await socket.hear(24_000)
    await socket.send("input_audio_buffer.speech_started", item_id="item_u", audio_start_ms=0)
    await socket.done("resp_1", "cancelled")
    await socket.send("input_audio_buffer.speech_stopped", item_id="item_u", audio_end_ms=900)
    await socket.committed("item_u")
    await socket.answer("resp_2", "Sure.", item="item_b")


@pytest.mark.parametrize("told_by", [UserSpeechStarted, UserSpeechStopped])
async def test_a_cancel_is_about_the_answer_the_caller_knows_not_about_the_next_one(told_by: type) -> None:
    async with calling(interrupted) as caller:

        def cancel(event: RealtimeEvent) -> None:
            if isinstance(event, told_by):
                caller.client.cancel()

        caller.on_event = cancel
        caller.client.send_text("Tell me a story.")
        await caller.until(AudioDelta)
        caller.speak(tone(1.0))
        done = await caller.until(ResponseDone, 1 if told_by is UserSpeechStarted else 2)
        assert (done.response_id, done.status) == ("resp_2", "completed")
        assert [event.text for event in caller.of(TextDelta)] == ["Once upon", "Sure."]


async def test_leaving_ends_the_iteration_of_a_caller_who_is_busy() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.until_gone()

    busy, left = asyncio.Event(), asyncio.Event()

    async def follow(caller: Caller) -> None:
        async for _ in caller.client:
            busy.set()
            await left.wait()

    async with OtherRealtime(script) as server:
        caller = Caller(server, CONFIG, QUICK)
        async with caller.client, asyncio.timeout(WAIT_S):
            following = asyncio.create_task(follow(caller))
            caller.client.send_text("Hello?")
            await busy.wait()
        left.set()
        async with asyncio.timeout(WAIT_S):
            await following


async def test_push_to_talk() -> None:
    async def script(socket: RealtimeSocket) -> None:
        update = await socket.greet()
        assert update["session"]["audio"]["input"]["turn_detection"] is None
        for number in range(2):
            await socket.until("input_audio_buffer.commit")
            assert len(socket.audio) == 24_000
            await socket.committed(f"item_{number}")
            await socket.until("response.create")
            await socket.answer(f"resp_{number}", "Yes.", item=f"answer_{number}")

    async with calling(script, config=replace(CONFIG, mode=TurnMode.PUSH_TO_TALK)) as caller:
        caller.client.commit()
        assert "hold the button" in str((await caller.until(ServerError)).error)
        await caller.connections.until(ConnectionState.OPEN)
        for count in (1, 2):
            caller.speak(tone(0.5))
            caller.client.commit()
            await caller.until(ResponseDone, count)
        assert [event.item_id for event in caller.of(UserCommitted)] == ["item_0", "item_1"]
        [socket] = caller.server.sockets
        assert socket.kinds == ["session.update"] + 2 * ["input_audio_buffer.commit", "response.create"]


async def test_each_slice_of_the_microphone_is_a_message_of_its_own() -> None:
    arrived: list[int] = []

    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        while True:
            await socket.receive()
            arrived.append(len(socket.audio))

    async with calling(script) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        for count in range(1, 4):
            caller.client.send_audio(tone(0.02))
            async with asyncio.timeout(WAIT_S):
                while len(arrived) < count:  # noqa: ASYNC110 - the next slice comes only when this one has arrived
                    await asyncio.sleep(0.001)
        assert arrived == [960, 1920, 2880]


# keys and tokens


async def test_an_entra_token_is_asked_for_at_every_connect() -> None:
    tokens = iter(["token-1", "token-2"])

    async def token() -> str:
        return next(tokens)

    async def dies(socket: RealtimeSocket) -> None:
        await socket.greet()
        socket.cut()

    async with calling(dies, spoken_turn, token=token) as caller:
        await caller.connections.until(ConnectionState.OPEN, 2)
        sent = [socket.headers["Authorization"] for socket in caller.server.sockets]
        assert sent == ["Bearer token-1", "Bearer token-2"]
        assert all("api-key" not in socket.headers for socket in caller.server.sockets)


@pytest.mark.parametrize(
    ("error", "state"), [(OSError, ConnectionState.RECONNECTING), (KeyError, ConnectionState.FAILED)]
)
async def test_a_token_that_cannot_be_had(error: type[Exception], state: ConnectionState) -> None:
    async def token() -> str:
        raise error("no network")

    async with calling(spoken_turn, token=token) as caller:
        await caller.connections.until(state)
        assert caller.server.sockets == []


async def test_no_key_in_what_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.error("odd_code", event_id=KEY, param=KEY)
        await socket.send_text(f"{{{KEY}")
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.done("resp_1", "failed", status_details={"error": {"message": f"bad key {KEY}"}})
        await socket.error("server_error", "server_error")
        await socket.error("invalid_api_key")

    caplog.set_level(logging.DEBUG)
    async with calling(script, (401, f"bad key {KEY}")) as caller:
        caller.client.send_text("Hello?")
        await caller.connections.until(ConnectionState.FAILED)
        told = [*caller.events, *caller.connections.errors, caller.client, caller.client.__dict__]
        assert caller.of(ResponseDone)
        assert caller.of(ServerError)
        said = "".join(f"{thing!r} {thing}" for thing in told) + "".join(str(e) for e in caller.connections.errors)
        assert KEY not in said
    assert caplog.records
    ours = [record for record in caplog.records if not record.name.startswith("websockets.server")]
    assert KEY not in "".join(f"{record.getMessage()} {record.exc_text}" for record in ours)
