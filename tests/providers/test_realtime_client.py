"""The Realtime client in conversations with servers that are not ours."""

from __future__ import annotations

import numpy as np

from tests.providers.other_realtime import CONFIG, KEY, PREVIEW_SESSION, RealtimeSocket, calling, tone
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime_events import (
    AudioDelta,
    ResponseDone,
    ResponseStarted,
    TextDelta,
    ToolCall,
    UserCommitted,
    UserFinal,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)


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
        ]
        assert [event.text for event in caller.of(UserPartial)] == ["What time", "What time is it?"]
        assert caller.of(UserFinal) == [UserFinal("item_u", "What time is it?")]
        assert "".join(event.text for event in caller.of(TextDelta)) == "It is ten."
        heard = np.concatenate([event.pcm for event in caller.of(AudioDelta)])
        assert np.array_equal(heard, np.concatenate([tone(0.2), tone(0.2)]))
        assert done.status == "completed" and done.usage == {"total_tokens": 12, "input_tokens": 8}


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
