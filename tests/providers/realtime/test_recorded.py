"""What real servers said is read without a misunderstanding: every recorded session, replayed through the client."""

from __future__ import annotations

import base64
import json
import logging
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.providers.realtime.caller import CONFIG, Caller, calling
from tests.providers.realtime.other_server import RealtimeSocket
from tests.recorded import EACH, Recorded, recording
from voice_agents.audio import from_bytes, to_bytes
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.config import PastItem
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserSpeechStarted,
    UserSpeechStopped,
)

TRANSCRIPTION = "conversation.item.input_audio_transcription"
THE_END = "the end of the recording"
OF_THE_USER: dict[str, type[UserSpeechStarted | UserSpeechStopped | UserCommitted | UserFinalFailed]] = {
    "input_audio_buffer.speech_started": UserSpeechStarted,
    "input_audio_buffer.speech_stopped": UserSpeechStopped,
    "input_audio_buffer.committed": UserCommitted,
    f"{TRANSCRIPTION}.failed": UserFinalFailed,
}
E = TypeVar("E")


class Replay:
    """What the client reports of a server that says what a real one said, when the recorded client had it say it."""

    def __init__(self, messages: list[Recorded]) -> None:
        self._messages = messages
        self.said = [message.data for message in messages if message.by_server]
        self._done = [message.data for message in messages if not message.by_server]
        self.events: list[RealtimeEvent] = []
        self.connections: list[ConnectionState] = []

    async def play(self) -> None:
        """One call: the client is given what the recorded one was given, and does with it what it does."""
        typed, past = self._typed()
        modalities = self._done[0]["session"]
        speaking = "audio" in (modalities.get("output_modalities") or modalities["modalities"])
        async with calling(self._serve, config=replace(CONFIG, speaking=speaking), past=past) as caller:
            caller.on_event = lambda event: self._answer(caller, event)
            if typed:
                caller.client.send_text(typed)
            caller.speak(from_bytes(b"".join(self._sounds())))
            await caller.until(UserSpeechStarted, len(self.recorded("input_audio_buffer.speech_started")) + 1)
            self.events = caller.events[:-1]
            self.connections = list(caller.connections.states)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def recorded(self, *kinds: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["type"] in kinds]

    def answers(self) -> list[dict[str, Any]]:
        """The responses as the server sums them up at their end."""
        return [said["response"] for said in self.recorded("response.done")]

    async def _serve(self, socket: RealtimeSocket) -> None:
        appended = 0
        for message in self._messages:
            kind = message.data["type"]
            if message.by_server:
                await socket.send_text(json.dumps(message.data))
            elif kind == "input_audio_buffer.append":
                appended += len(base64.b64decode(message.data["audio"]))
                await socket.hear(appended // 2)
            elif message.data not in self._outputs():  # a tool of ours may be done later, but before the next response
                await socket.until(kind)
        await socket.send("input_audio_buffer.speech_started", item_id=THE_END, audio_start_ms=0)
        await socket.until_gone()

    def _answer(self, caller: Caller, event: RealtimeEvent) -> None:
        if isinstance(event, ResponseDone) and event.tool_calls:
            results = {said["item"]["call_id"]: said["item"]["output"] for said in self._outputs()}
            for call in event.tool_calls:
                caller.client.send_tool_output(call.call_id, results[call.call_id])
            caller.client.respond()

    def _sounds(self) -> list[bytes]:
        return [base64.b64decode(did["audio"]) for did in self._done if did["type"] == "input_audio_buffer.append"]

    def _outputs(self) -> list[dict[str, Any]]:
        created = [did for did in self._done if did["type"] == "conversation.item.create"]
        return [did for did in created if did["item"]["type"] == "function_call_output"]

    def _typed(self) -> tuple[str, list[PastItem]]:
        """The typed turn, if there was one, and what the server was told to have been said before it."""
        created = [did["item"] for did in self._done if did["type"] == "conversation.item.create"]
        said = [(item["role"], item["content"][0]["text"]) for item in created if item["type"] == "message"]
        if not said:
            return "", []
        return said[-1][1], [PastItem(role, text) for role, text in said[:-1]]


@pytest.fixture
async def replay(path: Path, caplog: pytest.LogCaptureFixture) -> Replay:
    replayed = Replay(recording(path))
    with caplog.at_level(logging.WARNING):
        await replayed.play()
    assert caplog.messages == []
    return replayed


@pytest.mark.parametrize("path", EACH)
async def test_nothing_is_taken_for_trouble(replay: Replay) -> None:
    assert replay.connections == [ConnectionState.CONNECTING, ConnectionState.OPEN]
    assert replay.of(ServerError) == []


@pytest.mark.parametrize("path", EACH)
async def test_every_answer_is_told_once_with_its_words_and_its_tools(replay: Replay) -> None:
    asked = [answer["id"] for answer in replay.answers()]
    assert [event.response_id for event in replay.of(ResponseStarted)] == asked
    assert [(event.response_id, event.status) for event in replay.of(ResponseDone)] == [
        (answer["id"], answer["status"]) for answer in replay.answers()
    ]
    for answer, done in zip(replay.answers(), replay.of(ResponseDone), strict=True):
        calls = [(call.call_id, call.name, call.arguments) for call in done.tool_calls]
        assert calls == [
            (item["call_id"], item["name"], item["arguments"])
            for item in answer["output"]
            if item["type"] == "function_call"
        ]
        for item in answer["output"]:
            if item["type"] == "message":
                words = [event.text for event in replay.of(TextDelta) if event.item_id == item["id"]]
                assert "".join(words) == "".join(part.get("transcript") or part["text"] for part in item["content"])


@pytest.mark.parametrize("path", EACH)
async def test_all_sound_is_heard(replay: Replay) -> None:
    sent, heard = defaultdict[str, bytes](bytes), defaultdict[str, bytes](bytes)
    for said in replay.recorded("response.audio.delta", "response.output_audio.delta"):
        sent[said["item_id"]] += base64.b64decode(said["delta"])
    for event in replay.of(AudioDelta):
        heard[event.item_id] += to_bytes(event.pcm)
    assert heard == {item: sound[: len(sound) // 2 * 2] for item, sound in sent.items()}


@pytest.mark.parametrize("path", EACH)
async def test_the_users_turns_and_words_are_told(replay: Replay) -> None:
    told = [
        (type(event), event.item_id)
        for event in replay.events
        if isinstance(event, UserSpeechStarted | UserSpeechStopped | UserCommitted | UserFinalFailed)
    ]
    assert told == [(OF_THE_USER[said["type"]], said["item_id"]) for said in replay.recorded(*OF_THE_USER)]
    assert [(final.item_id, final.text) for final in replay.of(UserFinal)] == [
        (said["item_id"], said["transcript"]) for said in replay.recorded(f"{TRANSCRIPTION}.completed")
    ]
