"""A Realtime server session without a socket, for tests: what it is told, what it sends, and a clock."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.providers.realtime.caller import CONFIG, endpoint
from tests.providers.realtime.other_server import GA_SESSION
from voice_agents.audio import Pcm, to_bytes
from voice_agents.errors import ProviderError
from voice_agents.providers.realtime.codec import ServerSession
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.events import RealtimeEvent
from voice_agents.providers.realtime.ledger import Owed


class Wire:
    """A session, what it sends, and a server's voice; verbs go the way the client takes."""

    def __init__(
        self,
        config: RealtimeConfig = CONFIG,
        session: dict[str, Any] | None = None,
        past: tuple[PastItem, ...] = (),
        transcribe: str = "ears",
        ledger: Owed | None = None,
    ) -> None:
        self.ledger = ledger or Owed(config, lambda: past, transcribe)
        self.sent: list[dict[str, Any]] = []
        self.now = 100.0
        self.server = ServerSession(
            self.ledger, Sentences(endpoint("http://x")), lambda text: self.sent.append(json.loads(text))
        )
        self.said = 0
        self.hears("session.created", session=GA_SESSION if session is None else session)
        self.ledger.microphone.keep_all = self.ledger.by_hand
        self.opening = list(self.sent)
        self.sent.clear()

    def hears(self, kind: str, **fields: Any) -> list[RealtimeEvent]:
        events = self.is_told(kind, **fields)
        self.server.told(self.now)
        return events

    def is_told(self, kind: str, **fields: Any) -> list[RealtimeEvent]:
        """What comes of a message; the caller has not dealt with it yet."""
        self.said += 1
        text = json.dumps({"event_id": f"event_{self.said}", "type": kind, **fields})
        return self.server.take(text.encode(), self.now)

    def kinds(self) -> list[str]:
        return [message["type"] for message in self.sent]

    def last(self, kind: str) -> dict[str, Any]:
        return [message for message in self.sent if message["type"] == kind][-1]

    def created(self, response: str) -> list[RealtimeEvent]:
        return self.hears("response.created", response={"id": response, "status": "in_progress"})

    def done(self, response: str, status: str = "completed", **fields: Any) -> list[RealtimeEvent]:
        return self.hears("response.done", response={"id": response, "status": status, **fields})

    def sound(self, response: str, pcm: Pcm, item: str = "item_a", **fields: Any) -> list[RealtimeEvent]:
        delta = base64.b64encode(to_bytes(pcm)).decode()
        return self.hears("response.output_audio.delta", response_id=response, item_id=item, delta=delta, **fields)

    def text(self, response: str, delta: str, item: str = "item_a", **fields: Any) -> list[RealtimeEvent]:
        kind = "response.output_audio_transcript.delta"
        return self.hears(kind, response_id=response, item_id=item, delta=delta, **fields)

    def error(self, code: str | None = None, **fields: Any) -> list[RealtimeEvent]:
        return self.hears("error", error={"type": "invalid_request_error", "code": code, "message": "no", **fields})

    def takes_turn(self, item: str = "u") -> None:
        """The server takes what it heard for a turn of the user's."""
        self.hears("input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=900)
        self.hears("input_audio_buffer.committed", item_id=item)

    def asks(self, text: str = "hello") -> None:
        self.ledger.owe(typed=text)
        self.server.send_text(text, self.now)

    def cancel(self) -> None:
        self.ledger.forgive()
        self.server.cancel(self.now)

    def respond(self) -> None:
        self.ledger.owe_next()
        self.server.respond(self.now)

    def speak(self, pcm: Pcm) -> None:
        self.ledger.microphone.add(to_bytes(pcm))
        self.server.send_audio(to_bytes(pcm))

    def configure(self, config: RealtimeConfig) -> None:
        self.ledger.config = config
        self.server.configure()

    def passes(self, seconds: float) -> ProviderError | None:
        self.now += seconds
        return self.server.watch(self.now, stall_s=10.0)
