"""Verbs and server events that cross on the wire, in every order chance brings: the right answers and no others."""

from __future__ import annotations

import json
import random
from collections import deque
from typing import Any

from hypothesis import given, settings

from tests.chance import SEEDS
from tests.providers.realtime.session import Wire
from voice_agents.providers.realtime.events import (
    RealtimeEvent,
    ResponseDone,
    ServerError,
    TextDelta,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.providers.realtime.wire import Json

MOMENT_S = 0.05


class StrictServer:
    """One response at a time, errors for everything that is out of turn; answers the text it was last told."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.says: deque[Json] = deque()
        self._heard = ""
        self._count = 0
        self._active: tuple[str, list[str]] | None = None

    def hears(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "conversation.item.create":
                self._heard = message["item"]["content"][0]["text"]
            case "response.create" if self._active is not None:
                self._error("conversation_already_has_active_response", message)
            case "response.create":
                self._begin()
            case "response.cancel" if self._active is None:
                self._error("response_cancel_not_active", message)
            case "response.cancel":
                self._cancel(message.get("response_id"))
            case _:
                pass

    def takes_a_turn(self, text: str) -> None:
        """By voice: what is being said is interrupted, and the answer begins by itself."""
        self._say("input_audio_buffer.speech_started", item_id=text, audio_start_ms=0)
        if self._active is not None:
            self._end("cancelled")
        self._say("input_audio_buffer.speech_stopped", item_id=text, audio_end_ms=0)
        self._say("input_audio_buffer.committed", item_id=text)
        self._heard = text
        self._begin()

    def goes_on(self) -> None:
        if self._active is None:
            return None
        response, words = self._active
        if not words:
            return self._end("completed")
        where = {"response_id": response, "item_id": f"item_of_{response}"}
        return self._say("response.output_text.delta", delta=words.pop(0), **where)

    @property
    def idle(self) -> bool:
        return self._active is None and not self.says

    def _begin(self) -> None:
        self._count += 1
        self._active = (f"r{self._count}", [self._heard, "."])
        self._say("response.created", response={"id": self._active[0]})

    def _cancel(self, response: str | None) -> None:
        if self._active is not None and response in (None, self._active[0]):
            self._end("cancelled")

    def _end(self, status: str) -> None:
        assert self._active is not None
        self._say("response.done", response={"id": self._active[0], "status": status, "output": []})
        self._active = None

    def _error(self, code: str, message: dict[str, Any]) -> None:
        echoed = message.get("event_id") if self._chance.random() < 0.7 else None
        error = {"type": "invalid_request_error", "code": code, "message": "no", "event_id": echoed}
        self._say("error", error=error)

    def _say(self, kind: str, **fields: Any) -> None:
        self.says.append({"type": kind, **fields})


class Talk:
    """A wire on which messages cross, and an engine that cancels when it hears of the user's turn, begun or taken."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.server = StrictServer(self.chance)
        self.wire = Wire()
        self.current = ""
        """The last turn, as the engine sees it; empty: cancelled."""
        self.heard: list[RealtimeEvent] = []
        self._carried = 0

    def act(self, number: int) -> None:
        """The user does something."""
        match self.chance.choice(["type", "type", "speak", "interrupt"]):
            case "type":
                self.cut(f"typed {number}")
                self.wire.asks(self.current)
            case "speak":
                while self.server.says or self._carried < len(self.wire.sent):
                    self.deliver()
                self.server.takes_a_turn(f"spoken {number}")
            case _:
                self.cut("")

    def cut(self, current: str) -> None:
        self.wire.cancel()
        self.heard.clear()
        self.current = current

    def deliver(self) -> None:
        """One message arrives, in one direction or the other."""
        if self.server.says and self.chance.random() < 0.6:
            self._hear()
        elif self._carried < len(self.wire.sent):
            self.server.hears(self.wire.sent[self._carried])
            self._carried += 1

    def _hear(self) -> str:
        """The next of what the server says; nobody acts between a sentence's beginning and that of its answer."""
        said = self.server.says.popleft()
        for event in self.wire.server.take(json.dumps(said), self.wire.now):
            if isinstance(event, UserSpeechStarted | UserSpeechStopped):
                self.cut(event.item_id)
            self.heard.append(event)
        self.wire.server.told(self.wire.now)
        if said["type"] == "input_audio_buffer.speech_started":
            while self._hear() != "response.created":
                pass
        return str(said["type"])

    def go_on(self) -> None:
        """The server says the next word; what was on its way to it has long arrived by then."""
        if self._carried == len(self.wire.sent):
            self.server.goes_on()

    def words(self) -> list[str]:
        return [event.text for event in self.heard if isinstance(event, TextDelta)]


@given(seed=SEEDS)
@settings(max_examples=100)
def test_the_last_turn_is_answered_and_nothing_that_was_cancelled_is_heard(seed: int) -> None:
    talk = Talk(seed)
    for number in range(12):
        talk.act(number)
        for _ in range(talk.chance.randrange(8)):
            talk.chance.choice([talk.deliver, talk.go_on])()
            talk.wire.passes(MOMENT_S / 10)
            assert set(talk.words()) <= {talk.current, "."}, "words of an answer that was cancelled"
    for _ in range(400):
        talk.deliver()
        talk.go_on()
        talk.wire.passes(MOMENT_S)
    assert talk.server.idle and not talk.wire.ledger.answer
    assert not [event for event in talk.heard if isinstance(event, ServerError)]
    assert talk.words() == ([talk.current, "."] if talk.current else [])
    statuses = [event.status for event in talk.heard if isinstance(event, ResponseDone)]
    assert statuses == (["completed"] if talk.current else [])
