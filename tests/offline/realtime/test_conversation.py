"""The offline Realtime socket: who is let in, what is heard, how turns become items and responses."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import websockets

from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeUtterance, until
from tests.offline.realtime.caller import Caller, ScriptedBrain, calling, knock, pause, serving, sound
from tests.voices import flite
from voice_agents.audio import Pcm, resample, to_bytes
from voice_agents.offline.__main__ import welcome
from voice_agents.offline.brain import Reply
from voice_agents.offline.server import OfflineServer

TRANSCRIPTION = "conversation.item.input_audio_transcription"


@pytest.fixture
def brain() -> ScriptedBrain:
    return ScriptedBrain()


@pytest.fixture
async def server(brain: ScriptedBrain) -> AsyncIterator[OfflineServer]:
    async with serving(brain) as running:
        yield running


def spoken() -> Pcm:
    return np.concatenate([pause(0.6), flite("what time is it in tokyo"), pause(0.8)])


# the handshake


@pytest.mark.parametrize(
    ("path", "headers", "query"),
    [
        ("/openai/v1/realtime", {"api-key": "k"}, {"model": "offline"}),
        ("/openai/v1/realtime", {"Authorization": "Bearer k"}, {"model": "offline"}),
        ("/openai/v1/realtime", {}, {"model": "offline", "api-key": "k"}),
        ("/v1/realtime", {"Authorization": "Bearer k"}, {"model": "gpt-realtime"}),
    ],
)
async def test_any_key_opens_every_path(
    server: OfflineServer, path: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    async with knock(server, path, headers, **query) as socket:
        created = await Caller(socket).next()
    assert created["type"] == "session.created"
    assert created["session"]["model"] == query["model"]


@pytest.mark.parametrize(
    ("path", "headers", "query", "status"),
    [
        ("/openai/v1/realtime", {"api-key": "k"}, {"model": "offline", "api-version": "2025-04-01-preview"}, 401),
        ("/openai/v1/realtime", {"api-key": "k"}, {"model": "missing"}, 404),
        ("/v1/realtime", {"Authorization": "Bearer k"}, {"intent": "talk"}, 400),
        ("/v1/realtime", {"Authorization": "Bearer k", "OpenAI-Beta": "realtime=v1"}, {"model": "offline"}, 400),
        ("/openai/realtime", {"api-key": "k"}, {"api-version": "2025-04-01-preview", "deployment": "offline"}, 404),
    ],
)
async def test_a_handshake_that_is_not_right_is_refused_with_a_reason(
    server: OfflineServer, path: str, headers: dict[str, str], query: dict[str, str], status: int
) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await knock(server, path, headers, **query)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["error"]["message"]


async def test_a_browser_brings_its_key_as_a_subprotocol(server: OfflineServer) -> None:
    url = server.url.replace("http", "ws", 1) + "/v1/realtime?model=offline"
    offered = [websockets.Subprotocol(name) for name in ("realtime", "openai-insecure-api-key.k")]
    async with websockets.connect(url, subprotocols=offered, proxy=None) as socket:
        assert socket.subprotocol == "realtime"
        assert (await Caller(socket).next())["type"] == "session.created"


async def test_every_address_of_the_welcome_text_answers(server: OfflineServer) -> None:
    addresses = re.findall(r"ws://\S+", welcome(server.url, "k"))
    assert len(addresses) == 2
    for address in addresses:
        async with websockets.connect(address, additional_headers={"api-key": "k"}, proxy=None) as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"


# the session


async def test_the_session_is_told_whole_at_first_and_after_every_update(server: OfflineServer) -> None:
    async with calling(server) as caller:
        session = caller.heard[0]["session"]
        assert (session["type"], session["object"]) == ("realtime", "realtime.session")
        assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
        updated = await caller.configure(instructions="Be brief.", audio={"output": {"voice": "cedar"}})
        assert updated["id"] == session["id"]
        assert (updated["instructions"], updated["audio"]["output"]["voice"]) == ("Be brief.", "cedar")
        assert updated["audio"]["input"] == session["audio"]["input"]


async def test_an_error_leaves_the_session_as_it_was_and_open(server: OfflineServer) -> None:
    async with calling(server) as caller:
        error = await caller.refused("session.update", session={"instructions": "Be brief."})
        assert (error["type"], error["code"]) == ("invalid_request_error", "missing_required_parameter")
        assert error["param"] == "session.type"
        assert (await caller.configure())["instructions"] != "Be brief."


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[]", "invalid_type", None),
        ("{}", "missing_required_parameter", "type"),
        ('{"type": "session.explode"}', "invalid_value", "type"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value", "audio"),
        ('{"type": "input_audio_buffer.append", "audio": "QQ=="}', "invalid_value", "audio"),
        ('{"type": "conversation.item.delete", "item_id": 5}', "invalid_type", "item_id"),
        ('{"type": "response.cancel", "reason": "bored"}', "unknown_parameter", "reason"),
    ],
)
async def test_what_makes_no_sense_is_answered_by_an_error(
    server: OfflineServer, text: str, code: str, param: str | None
) -> None:
    async with calling(server) as caller:
        await caller.socket.send(text)
        error = (await caller.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == (code, param, None)
        await caller.configure()


# turns the client takes


async def test_without_detection_a_commit_makes_an_item_and_no_answer(
    server: OfflineServer, brain: ScriptedBrain
) -> None:
    async with calling(server) as caller:
        await caller.without_detection()
        await caller.speak(sound(2.5))
        await caller.tell("input_audio_buffer.commit")
        committed = await caller.until("input_audio_buffer.committed")
        item = (await caller.until("conversation.item.done"))["item"]
        assert (committed["item_id"], committed["previous_item_id"]) == (item["id"], None)
        assert (item["role"], item["status"]) == ("user", "completed")
        assert item["content"] == [{"type": "input_audio", "transcript": None}]
        await caller.configure()
        assert brain.asked == []
        await caller.tell("response.create")
        await caller.done()
        assert brain.history == [("user", "word0 word1")]


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_too_little_audio_is_not_committed(server: OfflineServer, seconds: float) -> None:
    async with calling(server) as caller:
        await caller.without_detection()
        await caller.speak(sound(seconds))
        error = await caller.refused("input_audio_buffer.commit")
        assert error["code"] == "input_audio_buffer_commit_empty"


async def test_a_cleared_buffer_is_empty(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        await caller.without_detection()
        await caller.speak(sound(3.0))
        await caller.tell("input_audio_buffer.clear")
        await caller.until("input_audio_buffer.cleared")
        assert (await caller.refused("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"
        await caller.speak(sound(1.2))
        await caller.tell("input_audio_buffer.commit")
        await caller.tell("response.create")
        await caller.done()
        assert brain.history == [("user", "word0")]


async def test_commits_follow_each_other(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.without_detection()
        ids: list[str] = []
        for _ in range(2):
            await caller.speak(sound(0.5))
            await caller.tell("input_audio_buffer.commit")
            committed = await caller.until("input_audio_buffer.committed")
            assert committed["previous_item_id"] == (ids[-1] if ids else None)
            ids.append(committed["item_id"])


async def test_sound_reaches_the_recogniser_at_16_khz(server: OfflineServer) -> None:
    recogniser = server.services.recogniser
    assert isinstance(recogniser, FakeRecogniser)
    async with calling(server) as caller:
        await caller.without_detection(format={"type": "audio/pcm"})
        await caller.append(to_bytes(resample(sound(2.0), 16_000, 24_000)))
        await caller.tell("input_audio_buffer.commit")
        await caller.until("conversation.item.done")
    assert recogniser.utterances[-1]._samples == pytest.approx(32_000, abs=32)


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"input": {"format": {"type": "audio/pcmu"}}}, "session.audio.input.format.type"),
        ({"output": {"format": {"type": "audio/pcma"}}}, "session.audio.output.format.type"),
        (
            {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}},
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
    ],
)
async def test_what_is_not_offered_here_is_refused_in_a_sentence_and_nothing_changes(
    server: OfflineServer, session: dict[str, Any], param: str
) -> None:
    async with calling(server) as caller:
        before = caller.heard[0]["session"]
        error = await caller.refused("session.update", session={"type": "realtime", "audio": session})
        assert (error["code"], error["param"]) == ("invalid_value", param)
        assert "is not offered offline" in error["message"]
        assert (await caller.configure(instructions="Hi."))["audio"] == before["audio"]


# turns the server takes


async def test_a_spoken_turn_is_told_committed_and_answered(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        await caller.speak(spoken())
        response = await caller.done()
    assert response["status"] == "completed"
    assert caller.kinds()[1:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    (started,), (stopped,), (committed,) = (
        caller.of(f"input_audio_buffer.{kind}") for kind in ("speech_started", "speech_stopped", "committed")
    )
    assert started["item_id"] == stopped["item_id"] == committed["item_id"]
    length_ms = len(flite("what time is it in tokyo")) / 16
    assert started["audio_start_ms"] == pytest.approx(300, abs=200)
    assert stopped["audio_end_ms"] == pytest.approx(600 + length_ms + 500, abs=150)
    assert len(brain.asked) == 1


async def test_the_words_before_a_turn_are_not_part_of_it(server: OfflineServer) -> None:
    recogniser = server.services.recogniser
    assert isinstance(recogniser, FakeRecogniser)
    async with calling(server) as caller:
        await caller.speak(np.concatenate([pause(5.0), spoken()]))
        started = await caller.until("input_audio_buffer.speech_started")
        stopped = await caller.until("input_audio_buffer.speech_stopped")
        await caller.done()
    turn_ms = stopped["audio_end_ms"] - started["audio_start_ms"]
    assert recogniser.utterances[-1]._samples / 16 == pytest.approx(turn_ms, abs=40)


async def test_no_response_of_its_own_when_the_client_wants_none(server: OfflineServer, brain: ScriptedBrain) -> None:
    async with calling(server) as caller:
        vad = {"type": "server_vad", "create_response": False, "silence_duration_ms": 300}
        await caller.configure(audio={"input": {"turn_detection": vad}})
        await caller.speak(spoken())
        await caller.until("conversation.item.done")
        await caller.configure()
        assert brain.asked == [] and not caller.of("response.created")


async def test_semantic_detection_takes_turns_too(server: OfflineServer) -> None:
    async with calling(server) as caller:
        vad = {"type": "semantic_vad", "eagerness": "high"}
        await caller.configure(audio={"input": {"turn_detection": vad}})
        await caller.speak(spoken())
        await caller.until("input_audio_buffer.speech_stopped")
        assert (await caller.done())["status"] == "completed"


async def test_a_client_may_commit_before_the_server_does(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.speak(spoken()[: round(1.5 * 16_000)])
        started = await caller.until("input_audio_buffer.speech_started")
        await caller.tell("input_audio_buffer.commit")
        committed = await caller.until("input_audio_buffer.committed")
        assert committed["item_id"] == started["item_id"]
        await caller.speak(pause(1.5))
        await caller.configure()
        stopped = caller.of("input_audio_buffer.speech_stopped")
        assert started["item_id"] not in [event["item_id"] for event in stopped]


async def test_settings_changed_in_the_middle_of_a_turn_hold_for_it(server: OfflineServer) -> None:
    speech = spoken()
    async with calling(server) as caller:
        await caller.speak(speech[: round(1.2 * 16_000)])
        await caller.until("input_audio_buffer.speech_started")
        vad = {"type": "server_vad", "silence_duration_ms": 1500}
        await caller.configure(audio={"input": {"turn_detection": vad}})
        await caller.speak(np.concatenate([speech[round(1.2 * 16_000) :], pause(1.2)]))
        stopped = await caller.until("input_audio_buffer.speech_stopped")
        length_ms = len(flite("what time is it in tokyo")) / 16
        assert stopped["audio_end_ms"] == pytest.approx(600 + length_ms + 1500, abs=150)
        assert len(caller.of("input_audio_buffer.speech_started")) == 1


async def test_a_turn_begun_by_the_server_may_be_ended_by_the_client(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.speak(spoken()[: round(1.5 * 16_000)])
        started = await caller.until("input_audio_buffer.speech_started")
        await caller.without_detection()
        await caller.speak(pause(2.0))
        await caller.tell("input_audio_buffer.commit")
        assert (await caller.until("input_audio_buffer.committed"))["item_id"] == started["item_id"]
        assert not caller.of("input_audio_buffer.speech_stopped")


# the user's words


async def transcribing(caller: Caller) -> None:
    await caller.without_detection(transcription={"model": "whisper-1"})


async def test_words_are_told_only_to_a_client_that_asked(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await caller.without_detection()
        await caller.speak(sound(2.0))
        await caller.tell("input_audio_buffer.commit")
        await caller.tell("response.create")
        await caller.done()
        assert not caller.of(f"{TRANSCRIPTION}.completed")
        await transcribing(caller)
        await caller.speak(sound(2.5))
        await caller.tell("input_audio_buffer.commit")
        completed = await caller.until(f"{TRANSCRIPTION}.completed")
        assert completed["transcript"] == "word0 word1"
        assert completed["item_id"] == caller.of("input_audio_buffer.committed")[-1]["item_id"]
        assert completed["usage"]["seconds"] == pytest.approx(2.5, abs=0.05)
        assert "".join(event["delta"] for event in caller.of(f"{TRANSCRIPTION}.delta")) == "word0 word1"


async def test_the_words_then_stand_in_the_item(server: OfflineServer) -> None:
    async with calling(server) as caller:
        await transcribing(caller)
        await caller.speak(sound(1.5))
        await caller.tell("input_audio_buffer.commit")
        item_id = (await caller.until(f"{TRANSCRIPTION}.completed"))["item_id"]
        await caller.tell("conversation.item.retrieve", item_id=item_id)
        item = (await caller.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == "word0"


async def test_a_recogniser_that_fails_is_told_and_the_session_goes_on(
    server: OfflineServer, monkeypatch: pytest.MonkeyPatch, brain: ScriptedBrain
) -> None:
    async def fail(_: FakeUtterance) -> str:
        raise OSError("the recogniser broke")

    async with calling(server) as caller:
        await transcribing(caller)
        with monkeypatch.context() as broken:
            broken.setattr(FakeUtterance, "finish", fail)
            await caller.speak(sound(1.5))
            await caller.tell("input_audio_buffer.commit")
            failed = await caller.until(f"{TRANSCRIPTION}.failed")
        assert "broke" in failed["error"]["message"]
        await caller.tell("response.create")
        response = await caller.done()
        assert (response["status"], response["status_details"]["type"]) == ("failed", "failed")
        assert response["status_details"]["error"]["message"]
        await caller.ask("hello")
        assert (await caller.done())["status"] == "completed"
        assert brain.history[-1] == ("user", "hello")


# the end


@pytest.mark.parametrize("doing", ["nothing", "speaking", "answering"])
async def test_nothing_is_left_when_the_client_is_gone(server: OfflineServer, brain: ScriptedBrain, doing: str) -> None:
    server.services.pace.realtime_first_audio_s = 60.0
    tasks = asyncio.all_tasks()
    async with calling(server) as caller:
        if doing == "speaking":
            await caller.speak(spoken()[:20_000])
            await caller.until("input_audio_buffer.speech_started")
        elif doing == "answering":
            await caller.ask("hello")
            await caller.until("response.created")
        await caller.socket.close()
    await until(lambda: not any(server.services.connections.counts().values()))
    await until(lambda: asyncio.all_tasks() <= tasks | {asyncio.current_task()})
    recogniser: Any = server.services.recogniser
    assert all(utterance.cancelled for utterance in recogniser.utterances)


async def test_two_clients_hear_only_their_own_answers(server: OfflineServer, brain: ScriptedBrain) -> None:
    brain._replies = [Reply("One."), Reply("Two.")]
    async with calling(server) as first, calling(server) as second:
        await first.ask("first")
        one = await first.done()
        await second.ask("second")
        two = await second.done()
        assert [response["output"][0]["content"][0]["transcript"] for response in (one, two)] == ["One.", "Two."]
        assert brain.history == [("user", "second")]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(WAIT_S / 50):
                while (await first.next())["type"] == "rate_limits.updated":
                    pass
