"""What outlives a Realtime server session: the configuration, the user's sound, and what the server still owes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
)
from voice_agents.providers.realtime.microphone import SentAudio
from voice_agents.providers.realtime.wire import Json
from voice_agents.settings import TurnMode

GO_ON = (
    "The connection was lost in the middle of your last answer. What the user got of it is above. "
    "Go on exactly where it ends, without a word about it."
)


@dataclass(slots=True)
class Owed:
    """Kept by the client, written by whichever server session there is."""

    config: RealtimeConfig
    past: Callable[[], Sequence[PastItem]]
    transcribe_model: str = ""
    """Empty: nobody writes down what the user says."""
    microphone: SentAudio = field(default_factory=SentAudio)
    answer: bool = False
    """An answer is owed: asked for, or begun and not done."""
    begun: bool = False
    """Some of it has been reported."""
    response_id: str = ""
    """The response that is it, once it has begun."""
    stalls: int = 0
    """How often it stopped coming."""
    typed: str = ""
    """A typed turn that is not answered."""
    outputs: dict[str, str] = field(default_factory=dict)
    """Results of tools, sent since the last answer that was no call of tools."""

    def owe(self, typed: str = "") -> None:
        """A turn of the user's is to be answered."""
        self.owe_next()
        self.typed = typed

    def owe_next(self) -> None:
        """The model is to go on with the results of its tools."""
        self.answer, self.begun, self.stalls, self.response_id = True, False, 0, ""

    def goes_on(self, response_id: str) -> None:
        """The rest of this response is owed, as it was before something that was no turn."""
        self.answer, self.begun, self.response_id = True, True, response_id

    def forgive(self) -> None:
        """Nothing is owed any more."""
        self.answer, self.begun, self.typed, self.response_id = False, False, "", ""

    def abandon(self) -> None:
        """The user was told that the turn under way is not answered."""
        self.forgive()
        self.microphone.utterances.clear()

    def note(self, event: RealtimeEvent) -> None:
        """What was reported changes what is owed."""
        match event:
            case ResponseStarted(response_id=response_id):
                self.answer, self.response_id = True, response_id
            case AudioDelta() | TextDelta():
                self.begun = True
                self.stalls = 0
            case ResponseDone(response_id=response_id) if response_id == self.response_id:
                self.forgive()
                if not event.tool_calls:
                    self.outputs.clear()
                    self.microphone.is_answered()
            case ServerError():
                self.forgive()

    @property
    def by_hand(self) -> bool:
        """Push-to-talk."""
        return self.config.mode is TurnMode.PUSH_TO_TALK

    def history(self) -> list[PastItem]:
        """The conversation for a fresh server session, with what ``past()`` cannot know."""
        past = list(self.past())
        answered = {item.call_id for item in past if item.kind == "output"}
        for item in [item for item in past if item.kind == "call" and item.call_id not in answered]:
            if item.call_id in self.outputs:
                text = self.outputs[item.call_id]
                past.append(PastItem("output", text=text, call_id=item.call_id, answering=item.answering))
        last = next((item.text for item in reversed(past) if item.kind == "user"), "")
        if self.typed and self.typed.strip() != last.strip():
            past.append(PastItem("user", text=self.typed))
        return [item for item in past if item.text.strip() or item.kind in ("call", "output")]

    def request(self) -> Json:
        """The response to ask for in a fresh server session."""
        return {"instructions": f"{self.config.instructions}\n\n{GO_ON}".strip()} if self.begun else {}
