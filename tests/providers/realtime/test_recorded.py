"""What real servers said is read without a misunderstanding: every recorded session, replayed through the client."""

from __future__ import annotations

import base64
import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.providers.realtime.caller import CONFIG, endpoint
from tests.recorded import EACH, Recorded, recording
from voice_agents.audio import to_bytes
from voice_agents.providers.realtime.codec import ServerSession
from voice_agents.providers.realtime.errors import Sentences
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
from voice_agents.providers.realtime.ledger import Ledger

TRANSCRIPTION = "conversation.item.input_audio_transcription"
MESSAGE_S = 0.05
OF_THE_USER: dict[str, type[UserSpeechStarted | UserSpeechStopped | UserCommitted | UserFinalFailed]] = {
    "input_audio_buffer.speech_started": UserSpeechStarted,
    "input_audio_buffer.speech_stopped": UserSpeechStopped,
    "input_audio_buffer.committed": UserCommitted,
    f"{TRANSCRIPTION}.failed": UserFinalFailed,
}
E = TypeVar("E")


class Replay:
    """A client session that is told what a real server said, and asks for answers when the recorded client did."""

    def __init__(self, messages: list[Recorded]) -> None:
        self.events: list[RealtimeEvent] = []
        self.said = [message.data for message in messages if message.by_server]
        ledger = Ledger(CONFIG, tuple, "ears")
        self.server = ServerSession(ledger, Sentences(endpoint("http://x")), lambda text: None)
        now = 100.0
        for message in messages:
            now += MESSAGE_S
            if message.by_server:
                self.events += self.server.take(json.dumps(message.data), now)
                self.server.told(now)
            elif message.data["type"] == "response.create":
                self.server.respond(now)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def recorded(self, *kinds: str) -> list[dict[str, Any]]:
        return [said for said in self.said if said["type"] in kinds]

    def answers(self) -> list[dict[str, Any]]:
        """The responses as the server sums them up at their end."""
        return [said["response"] for said in self.recorded("response.done")]


@pytest.fixture
def replay(path: Path, caplog: pytest.LogCaptureFixture) -> Replay:
    with caplog.at_level(logging.WARNING):
        replayed = Replay(recording(path))
    assert caplog.messages == []
    return replayed


@pytest.mark.parametrize("path", EACH)
def test_nothing_is_taken_for_trouble(replay: Replay) -> None:
    assert replay.server.ready is bool(replay.recorded("session.created"))  # who joins a call is not greeted
    assert replay.server.failure is None and not replay.server.expired
    assert replay.of(ServerError) == []


@pytest.mark.parametrize("path", EACH)
def test_every_answer_is_told_once_with_its_words_and_its_tools(replay: Replay) -> None:
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
def test_all_sound_is_heard(replay: Replay) -> None:
    sent, heard = defaultdict[str, bytes](bytes), defaultdict[str, bytes](bytes)
    for said in replay.recorded("response.audio.delta", "response.output_audio.delta"):
        sent[said["item_id"]] += base64.b64decode(said["delta"])
    for event in replay.of(AudioDelta):
        heard[event.item_id] += to_bytes(event.pcm)
    assert heard == {item: sound[: len(sound) // 2 * 2] for item, sound in sent.items()}


@pytest.mark.parametrize("path", EACH)
def test_the_users_turns_and_words_are_told(replay: Replay) -> None:
    told = [
        (type(event), event.item_id)
        for event in replay.events
        if isinstance(event, UserSpeechStarted | UserSpeechStopped | UserCommitted | UserFinalFailed)
    ]
    assert told == [(OF_THE_USER[said["type"]], said["item_id"]) for said in replay.recorded(*OF_THE_USER)]
    assert [(final.item_id, final.text) for final in replay.of(UserFinal)] == [
        (said["item_id"], said["transcript"]) for said in replay.recorded(f"{TRANSCRIPTION}.completed")
    ]
