"""What a client of the API is told, and what it may do wrong; over the fake engine."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import secrets
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.transports.api.client import Client, client, errors, kinds, sound
from tests.transports.api.server import OFFLINE, serve_api
from voice_agents.events import AgentText
from voice_agents.settings import TurnMode
from voice_agents.transports.api.limits import SocketLimits
from voice_agents.transports.door import REFUSED_AFTER
from voice_agents.transports.line import Line

SECOND = (8000 * np.sin(np.arange(16_000) / 10)).astype("<i2").tobytes()
SILENCE = bytes(len(SECOND))


async def answered(caller: Client) -> list[dict[str, Any]]:
    await caller.audio(SECOND)
    await caller.say(type="end")
    return await caller.until("complete")


async def test_three_turns_on_one_socket_in_the_plans_words() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/sandwich") as caller:
        session = await caller.next()
        assert session["type"] == "session"
        for _ in range(3):
            told = await answered(caller)
            assert kinds(told) == ["stt_partial", "stt_final", "agent_tool", "agent_chunk", "tts_audio", "complete"]
            tools = [message["tool"] for message in told if message["type"] == "agent_tool"]
            assert tools == [{"name": "current_time", "args": {"place": "Tokyo"}}]
            assert len(sound(told)) / 2 == pytest.approx(0.2 * 16_000, abs=2)
        assert len(api.sessions) == 1


async def test_realtime_takes_turns_by_itself() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/realtime") as caller:
        for _ in range(3):
            await caller.audio(SECOND + SILENCE)
            told = await caller.until("done")
            assert [kind for kind in kinds(told) if kind != "session"] == [
                "speech_started", "speech_ended", "transcript", "agent_tool", "transcript", "audio", "done",
            ]  # fmt: skip
            roles = {message["role"] for message in told if message["type"] == "transcript"}
            assert roles == {"user", "agent"}


async def test_sandwich_hands_free_and_realtime_by_hand() -> None:
    async with serve_api() as api:
        async with client(f"{api.ws}/ws/sandwich?turns=automatic") as caller:
            await caller.audio(SECOND + SILENCE)
            told = kinds(await caller.until("complete"))
            assert told[1] == "speech_started"
            assert "speech_ended" in told
        async with client(f"{api.ws}/ws/realtime?turns=manual") as caller:
            await caller.audio(SECOND + SILENCE)
            await caller.say(type="end")
            assert "audio" in kinds(await caller.until("done"))
            assert api.sessions[-1].turns.mode is TurnMode.PUSH_TO_TALK


async def test_typed_turns_interruptions_and_a_voice() -> None:
    async with serve_api(answer_s=30) as api, client(f"{api.ws}/ws/sandwich?voice=Adam") as caller:
        await caller.say(type="text", text="Good morning")
        assert {"type": "stt_final", "text": "Good morning"} in await caller.until("tts_audio")
        assert api.sessions[0].voice == "Adam"
        await caller.say(type="interrupt")
        assert kinds(await caller.until("complete"))[-2:] == ["interrupted", "complete"]
        await caller.say(type="text", text="one more")
        await caller.until("tts_audio")
        await caller.say(type="text", text="the last one")
        assert "interrupted" in kinds(await caller.until("complete"))


async def test_every_rate_gets_its_audio_at_its_own_rate() -> None:
    async with serve_api() as api:
        for rate in (8_000, 11_025, 24_000, 48_000):
            async with client(f"{api.ws}/ws/sandwich?sample_rate={rate}") as caller:
                await caller.audio(SECOND * (rate // 16_000 + 1), rate)
                await caller.say(type="end")
                told = await caller.until("complete")
                assert told[0]["sample_rate"] == rate
                assert len(sound(told)) / 2 == pytest.approx(0.2 * rate, abs=4)


async def test_a_conversation_is_gone_on_with_by_its_id() -> None:
    async with serve_api() as api:
        async with client(f"{api.ws}/ws/sandwich") as caller:
            told = await caller.until("session")
            await answered(caller)
        await api.until_places(0)
        conversation = told[0]["conversation"]
        async with client(f"{api.ws}/ws/realtime?conversation={conversation}") as caller:
            await caller.say(type="text", text="and again")
            assert (await caller.until("done"))[0]["conversation"] == conversation
    first, second = api.sessions
    assert first.conversation == second.conversation


async def test_a_second_socket_on_a_conversation_takes_it_over() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/sandwich") as first:
        session = await first.next()
        await answered(first)
        async with client(f"{api.ws}/ws/sandwich?conversation={session['conversation']}") as second:
            await answered(second)
            code, told = await first.closed()
            assert (code, errors(told)) == (1000, ["This conversation goes on elsewhere, so this socket is closed."])


async def test_binary_audio_both_ways() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/sandwich?audio=binary") as caller:
        await caller.socket.send(json.dumps({"sample_rate": 24_000}))
        await caller.socket.send(SECOND * 2)
        await caller.socket.send(SILENCE)
        told = await caller.until("transcript", role="agent", final=True)
        assert set(kinds(told)) == {"session", "status", "transcript", "binary"}
        assert {"type": "transcript", "role": "user", "text": "what time is it in tokyo", "final": True} in told
        assert len(sound(told)) / 2 == pytest.approx(0.2 * 24_000, abs=4)
        await caller.socket.send(json.dumps({"type": "text", "text": "again"}))
        await caller.until("binary")
        await caller.socket.send(json.dumps({"type": "interrupt"}))
        assert "clear" in kinds(await caller.until("clear"))


ODD = "Audio must be PCM16, two bytes for every sample; this has an odd number of bytes."
MISTAKES: list[tuple[str | bytes, str]] = [
    ("{", "This message is not JSON."),
    ("[" * 100_000, "This message is not JSON."),
    ("[1]", 'A message must be a JSON object such as {"type": "end"}.'),
    ('{"type": 3}', "The type of a message must be one of audio, end, text, interrupt, stop, start."),
    ('{"type": ["end"]}', "The type of a message must be one of audio, end, text, interrupt, stop, start."),
    ('{"type": "audio", "data": 7}', "The data of an audio message must be a text: PCM16 in base64."),
    ('{"type": "audio", "data": "a!=="}', "The data of this audio message is not base64."),
    ('{"type": "audio", "data": "AAA"}', "The data of this audio message is not base64."),
    ('{"type": "audio", "data": "\u00e9"}', "The data of this audio message is not base64."),
    ('{"type": "audio", "data": "AAAA"}', ODD),
    ('{"type": "text", "text": null}', "The text of a text message must be a text."),
    ('{"type": "text", "text": " "}', "There is nothing to send: type something first."),
    ('{"type": "text", "text": "\\ud800"}', "The text of this message holds half a character (a lone surrogate)."),
    ('{"type": "start", "sample_rate": 1e400}', "sample_rate must be a whole number from 8000 to 48000."),
    (b"\0\0", 'This socket takes JSON text, not binary frames: send {"type": "audio", "data": "<base64>"}, or open it '
     "with ?audio=binary."),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
@pytest.mark.parametrize("query", ["", "?audio=binary"])
async def test_text_that_is_none_closes_the_socket_and_nobody_else_notices(
    kind: str, query: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serve_api(answer_s=1) as api, client(f"{api.ws}/ws/sandwich") as other:
        async with client(f"{api.ws}/ws/{kind}{query}") as caller:
            await caller.socket.send(json.dumps({"type": "text", "text": "Good morning"}))
            await caller.until("binary" if query else "tts_audio" if kind == "sandwich" else "audio")
            await caller.socket.send(b'{"type": "text", "text": "caf\xe9"}', text=True)
            code, _ = await caller.closed()
            assert code == 1007
            await api.until_places(0)
        await answered(other)
    assert capsys.readouterr().err == ""


async def test_mistakes_are_explained_and_the_socket_goes_on() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/sandwich") as caller:
        await caller.next()
        for frame, sentence in MISTAKES:
            await caller.socket.send(frame)
            assert await caller.next() == {"type": "error", "message": sentence}
        assert len(api.registry) == 0
        assert "tts_audio" in kinds(await answered(caller))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("sample_rate=7999", "sample_rate must be a whole number from 8000 to 48000."),
        ("sample_rate=fast", "sample_rate must be a whole number from 8000 to 48000."),
        ("turns=often", "turns must be automatic or manual."),
        ("audio=mp3", "audio must be json or binary."),
        ("conversation=mine", "conversation must be an id that a session message told: 32 digits from 0 to f."),
        ("voice=%00", "voice must be the name or id of a voice, 100 characters at most."),
    ],
)
async def test_wrong_options_are_named(query: str, sentence: str) -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/realtime?{query}") as caller:
        assert await caller.closed() == (1008, [{"type": "error", "message": sentence}])


async def test_fifty_megabytes_are_refused() -> None:
    async with serve_api() as api:
        async with client(f"{api.ws}/ws/sandwich") as caller:
            await caller.next()
            with pytest.raises(ConnectionClosed) as closed:
                await caller.socket.send("x" * 50_000_000)
                await caller.socket.recv()
            assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
        async with client(f"{api.ws}/ws/sandwich") as caller:
            assert "tts_audio" in kinds(await answered(caller))


async def test_audio_much_faster_than_speech_is_refused_but_a_recording_is_not() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/realtime") as caller:
        data = base64.b64encode(SILENCE * 20).decode()
        for _ in range(3):
            await caller.say(type="audio", data=data)
        await caller.say(type="text", text="still here")
        await caller.until("done")
        for _ in range(20):
            await caller.say(type="audio", data=data)
        code, told = await caller.closed()
        assert code == 1008
        assert errors(told)[-1].startswith("Audio came more than 10 times as fast as it is spoken")
        await api.until_places(0)


async def test_who_says_nothing_takes_no_place_and_is_closed() -> None:
    async with serve_api(SocketLimits(first_message_s=0.2)) as api:
        callers = [client(f"{api.ws}/ws/{('sandwich', 'realtime')[number % 2]}") for number in range(200)]
        silent = await asyncio.gather(*(caller.__aenter__() for caller in callers))
        assert len(api.registry) == 0
        async with client(f"{api.ws}/ws/sandwich") as caller:
            assert "tts_audio" in kinds(await answered(caller))
        endings = await asyncio.gather(*(caller.closed() for caller in silent))
        assert {code for code, _ in endings} == {1008}
        assert {tuple(errors(told)) for _, told in endings} == {
            ("Nothing was sent for 0.2 seconds, so this socket is closed.",)
        }
        await asyncio.gather(*(caller.__aexit__(None, None, None) for caller in callers))


async def test_who_falls_silent_is_closed_after_the_answer() -> None:
    async with serve_api(SocketLimits(quiet_s=0.3), answer_s=1.5) as api, client(f"{api.ws}/ws/sandwich") as caller:
        assert len(sound(await answered(caller))) / 2 == pytest.approx(1.5 * 16_000, abs=4)
        assert (await caller.closed())[0] == 1008
        await api.until_places(0)


@pytest.mark.parametrize("kind", ["sandwich", "realtime", "sandwich?audio=binary"])
async def test_without_a_place_it_waits_in_line_with_what_was_said(kind: str) -> None:
    async with serve_api(max_sessions=1) as api, client(f"{api.ws}/ws/sandwich") as first:
        await answered(first)
        async with client(f"{api.ws}/ws/{kind}") as second, client(f"{api.ws}/ws/{kind}") as third:
            for caller, position in ((second, 1), (third, 2)):
                await caller.say(type="text", text="me too")
                [*_, told] = await caller.until("status")
                assert (told["status"], told["position"], told["about_s"]) == ("Waiting", position, 180 * position)
                assert told["message"].startswith("All places of this server are taken. You are ")
            await second.say(type="nonsense")
            assert "The type of a message" in errors(await second.until("error"))[0]
            first.socket.transport.abort()
            await second.until("transcript" if "sandwich" not in kind or "binary" in kind else "agent_chunk")
            assert (await third.until("status", position=1))[-1]["status"] == "Waiting"
            await second.say(type="stop")
            await third.until("transcript" if "sandwich" not in kind or "binary" in kind else "agent_chunk")


async def test_what_is_said_while_waiting_is_answered_in_order() -> None:
    patient = SocketLimits(sound_burst_s=1e6)
    async with serve_api(patient, max_sessions=1) as api, client(f"{api.ws}/ws/sandwich") as first:
        await answered(first)
        async with client(f"{api.ws}/ws/sandwich") as caller:
            await caller.audio(bytes(2 * 16_000))
            await caller.until("status")
            await caller.audio(bytes(2 * 80 * 16_000))
            await caller.say(type="text", text="the last of it")
            await caller.say(type="nonsense")
            await caller.until("error")  # so all of it has been read
            first.socket.transport.abort()
            assert (await caller.until("stt_final"))[-1]["text"] == "the last of it"
            heard_s = api.sessions[-1].heard_samples / 16_000
            assert heard_s == pytest.approx(60, abs=1.2)


@pytest.mark.parametrize("kind", ["sandwich", "realtime", "sandwich?audio=binary"])
async def test_what_was_sent_while_this_computer_was_asleep_is_taken(kind: str) -> None:
    """A minute of a microphone, in pieces of 20 ms, at once."""
    async with serve_api() as api, client(f"{api.ws}/ws/{kind}") as caller:
        for _ in range(50 * 60):
            await caller.audio(bytes(2 * 320))
        await caller.say(type="text", text="awake again")
        await caller.until("transcript" if "sandwich" not in kind or "binary" in kind else "agent_chunk")


@pytest.mark.parametrize("leaving", ["stop", "abort"])
async def test_who_leaves_the_line_waits_no_more(leaving: str) -> None:
    async with serve_api(max_sessions=1) as api, client(f"{api.ws}/ws/sandwich") as first:
        await answered(first)
        async with client(f"{api.ws}/ws/sandwich") as gone, client(f"{api.ws}/ws/sandwich") as patient:
            for caller in (gone, patient):
                await caller.say(type="text", text="me too")
                await caller.until("status")
            if leaving == "stop":
                await gone.say(type="stop")
            else:
                gone.socket.transport.abort()
            await patient.until("status", position=1)
            first.socket.transport.abort()
            await patient.until("complete")
            assert len(api.sessions) == 2


async def test_a_line_that_is_too_long_is_refused() -> None:
    async with serve_api(max_sessions=1) as api, client(f"{api.ws}/ws/sandwich") as first:
        api.registry.line = Line(places=1, longest=3)
        await answered(first)
        async with AsyncExitStack() as opened:
            callers = [await opened.enter_async_context(client(f"{api.ws}/ws/sandwich")) for _ in range(4)]
            for caller in callers[:3]:
                await caller.say(type="text", text="me too")
                await caller.until("status")
            await callers[-1].say(type="text", text="me too")
            code, told = await callers[-1].closed()
            assert code == 1013
            assert errors(told) == [
                "All 1 places of this server are taken, and 3 are waiting for one. Please come back later."
            ]


async def test_stop_ends_the_conversation_and_frees_its_place() -> None:
    async with serve_api() as api, client(f"{api.ws}/ws/realtime") as caller:
        await caller.say(type="text", text="hello")
        await caller.until("audio")
        await caller.say(type="stop")
        code, told = await caller.closed()
        assert (code, errors(told)) == (1000, [])
        await api.until_places(0)
        assert api.sessions[0].closed


async def test_a_client_that_does_not_read_is_given_up_and_harms_nobody() -> None:
    async with serve_api(answer_s=60) as api, client(f"{api.ws}/ws/sandwich", max_queue=1) as deaf:
        await deaf.say(type="text", text="tell me everything")
        await deaf.until("tts_audio")
        (session,) = api.sessions
        live = api.registry.get(session.conversation)
        assert live is not None
        much = secrets.token_hex(10_000)  # which cannot be made smaller on its way
        async with asyncio.timeout(20):
            while live.ending is None:
                for _ in range(500):
                    session._put(AgentText, text=much)
                await asyncio.sleep(0.01)
        await api.until_places(0)
        deaf.socket.transport.abort()


def random_frame(chance: random.Random) -> str | bytes:
    """What a broken client might send: bytes, text, JSON of any shape, and messages that are nearly right."""
    value: Any = chance.choice(
        [None, True, -1, 1e308, "", "x" * 5000, [], {}, "AAAA", "AAAB" * 50, "\ud83d\ude00", "hallo"]
    )
    kind: Any = chance.choice(["audio", "end", "text", "interrupt", "start", "AUDIO", "", None, 7, {}])
    message = {"type": kind, chance.choice(["data", "text", "sample_rate", "tool"]): value}
    if chance.random() < 0.2:
        return chance.randbytes(chance.randrange(200))
    return json.dumps(message if chance.random() < 0.8 else value)


@pytest.mark.parametrize("path", ["sandwich", "realtime", "sandwich?audio=binary", "realtime?turns=manual"])
async def test_five_hundred_random_messages_harm_nobody(path: str) -> None:
    chance = random.Random(path)
    async with serve_api() as api, client(f"{api.ws}/ws/sandwich") as other:
        async with client(f"{api.ws}/ws/{path}") as caller:
            for _ in range(500):
                await caller.socket.send(random_frame(chance))
            await caller.say(type="text", text="are you there")
            assert errors(await caller.until("error"))
            assert "tts_audio" in kinds(await answered(other))
            await caller.say(type="stop")
            code, told = await caller.closed()
            assert code == 1000
            assert all(sentence.endswith(".") and len(sentence) < 200 for sentence in errors(told))
        await api.until_places(1)


async def test_a_password_is_asked_for() -> None:
    locked = replace(OFFLINE, app_password="open: sésame")
    basic = base64.b64encode("user:open: sésame".encode()).decode()
    url_safe = base64.urlsafe_b64encode("open: sésame".encode()).decode().rstrip("=")
    async with serve_api(settings=locked) as api:
        url = f"{api.ws}/ws/sandwich"
        wrong = base64.b64encode(b"user:else").decode()
        for headers in ({}, {"Authorization": f"Basic {wrong}"}, {"Authorization": "Bearer x"}, {"Authorization": "?"}):
            with pytest.raises(InvalidStatus) as refused:
                async with client(url, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 401
        for right in (f"Basic {basic}", "Bearer open: sésame"):  # of which the client makes UTF-8, as curl does
            async with client(url, additional_headers={"Authorization": right}) as caller:
                assert "tts_audio" in kinds(await answered(caller))
        async with client(url, subprotocols=["voice-agents", f"bearer.{url_safe}"]) as caller:
            assert caller.socket.subprotocol == "voice-agents"
            assert "tts_audio" in kinds(await answered(caller))
    bearer = {"Authorization": "Bearer word"}
    async with (
        serve_api(settings=replace(OFFLINE, app_password="word")) as api,
        client(f"{api.ws}/ws/realtime", additional_headers=bearer) as caller,
    ):
        assert (await caller.next())["type"] == "session"


async def test_passwords_are_not_guessed_for_long() -> None:
    async with serve_api(settings=replace(OFFLINE, app_password="word")) as api, httpx.AsyncClient() as http:

        async def known(password: str) -> bool:
            answer = await http.get(f"{api.http}/health", auth=("user", password), timeout=30)
            return "providers" in answer.json()

        for _ in range(50):
            assert await known("word")
        assert not any([await known(f"guess {number}") for number in range(REFUSED_AFTER)])
        assert not await known("word")
