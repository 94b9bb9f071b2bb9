"""The Realtime client when connections cannot be had, are cut, or end: nothing that was said may be lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from tests.providers.other_realtime import (
    CONFIG,
    PREVIEW_SESSION,
    QUICK,
    RATE,
    Message,
    RealtimeSocket,
    Script,
    calling,
    tone,
)
from tests.providers.other_server import KEY, WAIT_S
from voice_agents.audio import from_bytes, silence, to_bytes
from voice_agents.errors import (
    AuthenticationFailed,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
)
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime_config import PastItem
from voice_agents.providers.realtime_events import (
    AudioDelta,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    UserCommitted,
    UserFinal,
    UserSpeechStarted,
)
from voice_agents.settings import Provider, TurnMode

PAST = (PastItem("user", text="My name is Ada."), PastItem("assistant", text="Hello Ada."))
BY_HAND = replace(CONFIG, mode=TurnMode.PUSH_TO_TALK)


async def waits(socket: RealtimeSocket) -> None:
    """A session in which nothing happens."""
    await socket.greet()
    await socket.until_gone()


async def answers(socket: RealtimeSocket) -> None:
    """Answers every request for a response."""
    await socket.greet()
    for number in range(1000):
        await socket.until("response.create")
        await socket.answer(f"again_{number}", "Here I am.", item=f"item_{number}")


def items(socket: RealtimeSocket) -> list[Message]:
    return [message["item"] for message in socket.received if message["type"] == "conversation.item.create"]


def texts(socket: RealtimeSocket) -> list[str]:
    return [item["content"][0]["text"] for item in items(socket) if item["type"] == "message"]


# connections that are refused


@pytest.mark.parametrize(
    ("refusal", "provider", "kind", "says"),
    [
        (401, Provider.AZURE, AuthenticationFailed, "AZURE_OPENAI_API_KEY"),
        (403, Provider.OPENAI, AuthenticationFailed, "OPENAI_API_KEY"),
        (404, Provider.AZURE, RequestRejected, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
        (404, Provider.OPENAI, RequestRejected, "OPENAI_REALTIME_MODEL"),
        ((400, '{"error":{"code":"OpperationNotSupported"}}'), Provider.AZURE, RequestRejected, "not a realtime model"),
        ((429, '{"error":{"code":"insufficient_quota"}}'), Provider.AZURE, QuotaExceeded, "billing"),
    ],
)
async def test_a_refusal_for_good_is_told_once_and_not_tried_again(
    refusal: int | tuple[int, str], provider: Provider, kind: type, says: str
) -> None:
    async with calling(refusal, provider=provider) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        [error] = caller.connections.errors
        assert isinstance(error, kind) and says in str(error) and KEY not in f"{error!r}"
        for _ in range(50):
            caller.speak(silence(0.02, RATE))
            await asyncio.sleep(0.002)
        assert caller.server.refusals == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(500, ProviderUnavailable), (503, ProviderUnavailable), (429, RateLimited)]
)
async def test_a_refusal_for_now_is_tried_again(status: int, kind: type) -> None:
    async with calling(status, answers) as caller:
        caller.client.send_text("Hello?")
        await caller.until(ResponseDone)
        assert [type(error) for error in caller.connections.errors] == [kind]
        assert caller.connections.states == [
            ConnectionState.CONNECTING,
            ConnectionState.RECONNECTING,
            ConnectionState.OPEN,
        ]


async def test_an_error_right_after_the_handshake_is_a_refusal_too() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.error("model_not_found")
        await socket.close(4000)

    async with calling(script) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        assert "AZURE_OPENAI_REALTIME_DEPLOYMENT" in str(caller.connections.errors[0])


async def test_a_server_that_says_nothing() -> None:
    async with calling(RealtimeSocket.until_gone, answers, timeouts=replace(QUICK, connect_s=0.1)) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        assert isinstance(caller.connections.errors[0], ProviderTimeout)


async def test_nobody_there() -> None:
    async with calling(waits) as other:
        url = other.server.url
    async with calling(waits, url=url) as caller:
        await caller.connections.until(ConnectionState.RECONNECTING)
        assert "AZURE_OPENAI_ENDPOINT" in str(caller.connections.errors[0])


@pytest.mark.parametrize("by", ["typing", "speaking", "push to talk"])
async def test_after_a_refusal_the_user_may_try_again(by: str) -> None:
    config = BY_HAND if by == "push to talk" else CONFIG
    async with calling(401, answers, config=config) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        if by == "typing":
            caller.client.send_text("Again, please.")
        async with asyncio.timeout(WAIT_S):
            while by == "speaking" and caller.connections.states[-1] is ConnectionState.FAILED:
                caller.speak(tone(0.02))
                await asyncio.sleep(0.01)
        if by == "push to talk":
            caller.speak(tone(0.5))
            caller.client.commit()
        await caller.connections.until(ConnectionState.OPEN)
        if by != "speaking":
            await caller.until(ResponseDone)


async def test_a_turn_for_which_no_connection_can_be_had_is_given_up() -> None:
    async with calling(503, timeouts=replace(QUICK, answer_s=0.2)) as caller:
        caller.client.send_text("Hello?")
        assert isinstance((await caller.until(ServerError)).error, ProviderUnavailable)


# connections that are cut


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


# connections that end, or should


async def test_a_session_is_renewed_in_a_pause_without_anybody_noticing() -> None:
    said = tone(2.0)

    async def second(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.answer("resp_2", "Still here.")

    async with calling(waits, second, past=PAST, timeouts=replace(QUICK, renew_s=0.05)) as caller:
        caller.speak(said)
        await caller.server.connected(2)
        caller.client._line.timeouts = QUICK
        caller.client.send_text("Are you there?")
        await caller.until(ResponseDone)
        assert caller.connections.states == [ConnectionState.CONNECTING, ConnectionState.OPEN]
        assert texts(caller.server.sockets[1])[:2] == ["My name is Ada.", "Hello Ada."]


@pytest.mark.parametrize("how", ["expired", "closed"])
async def test_a_session_the_server_ends_in_a_pause(how: str) -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        if how == "expired":
            await socket.error("session_expired")
        await socket.close(1000)

    async with calling(first, answers) as caller:
        await caller.server.connected(2)
        caller.client.send_text("Are you there?")
        await caller.until(ResponseDone)
        assert caller.connections.states == [ConnectionState.CONNECTING, ConnectionState.OPEN]


async def test_a_session_the_server_ends_in_the_middle_of_an_answer_is_told() -> None:
    async def first(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.begin("resp_1")
        await socket.close(1001)

    async with calling(first, answers) as caller:
        caller.client.send_text("Hello?")
        assert (await caller.until(ResponseDone)).response_id == "again_0"
        assert ConnectionState.RECONNECTING in caller.connections.states


async def stalls(socket: RealtimeSocket) -> None:
    await socket.greet()
    await socket.until("response.create")
    await socket.begin("resp_1")
    await socket.until_gone()


async def test_an_answer_that_stops_coming_is_asked_for_again() -> None:
    async with calling(stalls, answers) as caller:
        caller.client.send_text("Hello?")
        assert (await caller.until(ResponseDone)).response_id == "again_0"
        assert isinstance(caller.connections.errors[0], ProviderTimeout)


async def test_an_answer_that_stops_coming_twice_is_given_up() -> None:
    async with calling(stalls, stalls, answers) as caller:
        caller.client.send_text("Hello?")
        assert isinstance((await caller.until(ServerError)).error, ProviderTimeout)
        await caller.server.connected(3)
        caller.client.send_text("Hello again?")
        await caller.until(ResponseDone)
        assert [event.text for event in caller.of(TextDelta)] == ["Here I am."]


async def test_a_frame_of_nonsense_does_not_end_the_talk() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.greet()
        await socket.until("response.create")
        await socket.send_text("{")
        await socket.answer("resp_1", "Yes.")

    async with calling(script) as caller:
        caller.client.send_text("Hello?")
        await caller.until(ResponseDone)
        assert ConnectionState.RECONNECTING not in caller.connections.states


# leaving


async def test_nothing_is_left_behind_whatever_the_server_does() -> None:
    async def refuses_to_close(socket: RealtimeSocket) -> None:
        await socket.greet()
        socket.stop_reading()
        await socket.until_gone()

    loop = asyncio.get_running_loop()
    scripts: list[Script | int] = [waits, refuses_to_close, RealtimeSocket.until_gone, 503, 401]
    for script in scripts * 4:
        before = asyncio.all_tasks()
        async with calling(script) as caller:
            caller.speak(tone(0.1))
            if script in (waits, refuses_to_close):
                await caller.connections.until(ConnectionState.OPEN)
            left_at = loop.time()
            await caller.client.__aexit__(None, None, None)
            assert loop.time() - left_at < WAIT_S
            for socket in caller.server.sockets:
                socket.cut()
        await asyncio.sleep(0)
        assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
