"""A session that tells what a test wants, and what the figures of a server say then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.model import Conversation
from voice_agents.errors import ProviderTimeout, Role
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentPaused,
    AgentResumed,
    AgentText,
    Event,
    Failed,
    Interrupted,
    Notice,
    ProviderUsed,
    SpeechEnded,
    SpeechStarted,
    Status,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.session.base import OUTPUT_RATE, Session
from voice_agents.settings import Settings
from voice_agents.transports.live import LiveSession, SessionRequest, Watcher
from voice_agents.transports.registry import SessionRegistry
from voice_agents.turns.latency import TurnLatency

SETTINGS = Settings().with_offline("http://127.0.0.1:1")
LATENCY = TurnLatency(endpointing=0.55, silence=0.5, first_token=0.2, first_audio=0.12, voice_to_voice=0.9)
SECRET = "my cat is called Mephistopheles"
ANSWER = "What a name for a cat."


class ScriptedSession(FakeSession):
    """Tells events as they are given, and nothing else."""

    def _status(self, status: Status) -> None:
        pass

    def tell(self, *events: Event) -> None:
        for event in events:
            self._out.put(event)


@dataclass
class Heard:
    """Hears everything, in order; :meth:`all_of` waits for so many."""

    events: list[Event]
    news: asyncio.Event

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self.news.set()

    def ended(self, why: object) -> None: ...

    async def until(self, last: Event) -> None:
        async with asyncio.timeout(10):
            while last not in self.events:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def registry(watchers: Sequence[Watcher]) -> AsyncIterator[SessionRegistry]:
    """One whose sessions follow a script."""

    def make(request: SessionRequest) -> Session:
        return ScriptedSession(request.conversation, request.turns)

    async with SessionRegistry(make, 9, watchers=watchers) as found:
        yield found


async def play(live: LiveSession, *events: Event) -> None:
    """The session tells these, and everybody has heard them."""
    heard = Heard([], asyncio.Event())
    live.listen(heard)
    assert isinstance(live.session, ScriptedSession)
    live.session.tell(*events)
    await heard.until(events[-1])


def request(kind: str = "sandwich") -> SessionRequest:
    return SessionRequest(kind, Conversation())


def sound(turn: int, at: float, seconds: float, position: int = 0) -> AgentAudio:
    pcm = np.zeros(round(seconds * OUTPUT_RATE), np.int16)
    return AgentAudio(turn=turn, at=at, pcm=pcm, position=position, epoch=0)


def spoken_turn(turn: int, at: float) -> list[Event]:
    """A question by voice that a tool answers."""
    return [
        SpeechStarted(turn=turn, at=at + 0.1, began=at),
        SpeechEnded(turn=turn, at=at + 1.5, silence_s=0.5),
        UserTranscript(turn=turn, at=at + 1.6, text=SECRET, final=True),
        ToolCalled(turn=turn, at=at + 1.7, name="save_note", args={"text": SECRET}, call_id=f"c{turn}"),
        ToolReturned(turn=turn, at=at + 1.8, call_id=f"c{turn}", result=f"noted: {SECRET}"),
        ProviderUsed(turn=turn, at=at + 1.8, role=Role.CHAT, input_tokens=100, output_tokens=7),
        AgentText(turn=turn, at=at + 2.0, text=ANSWER),
        ProviderUsed(turn=turn, at=at + 2.1, role=Role.CHAT, input_tokens=120, output_tokens=9),
        sound(turn, at + 2.2, 0.5),
        sound(turn, at + 2.7, 0.25, 12_000),
        AgentAudioDone(turn=turn, at=at + 2.8),
        ProviderUsed(turn=turn, at=at + 2.9, role=Role.TTS, characters=len(ANSWER)),
        TurnDone(turn=turn, at=at + 3.0, heard_text=ANSWER, latency=LATENCY),
    ]


def cut_turn(turn: int, at: float) -> list[Event]:
    """A typed question whose answer is coughed at, goes on, and is cut."""
    return [
        UserTranscript(turn=turn, at=at, text=SECRET, final=True),
        AgentText(turn=turn, at=at + 0.2, text=ANSWER),
        sound(turn, at + 0.4, 0.5),
        AgentPaused(turn=turn, at=at + 0.9, position=5000),
        AgentResumed(turn=turn, at=at + 1.4, position=5000),
        sound(turn, at + 1.4, 0.5, 5000),
        AgentPaused(turn=turn, at=at + 2.0, position=9000),
        SpeechStarted(turn=turn + 1, at=at + 2.1, began=at + 1.9),
        Interrupted(turn=turn, at=at + 2.4, heard_text="What"),
        TurnDone(turn=turn, at=at + 2.5, heard_text="What", latency=TurnLatency(first_token=0.2, voice_to_voice=0.4)),
    ]


def failed_turn(turn: int, at: float) -> list[Event]:
    """One that the chat model leaves without an answer, after a connection was lost and mended."""
    lost = ProviderTimeout(Role.STT, "ElevenLabs", "The connection was lost.")
    late = ProviderTimeout(Role.CHAT, "Azure OpenAI", "It took too long to answer.")
    return [
        UserTranscript(turn=turn, at=at, text=SECRET, final=True),
        Notice(turn=turn, at=at + 0.1, level="warning", text=str(lost), error=lost),
        Failed(turn=turn, at=at + 5, error=late),
        TurnDone(turn=turn, at=at + 5.1, heard_text="", latency=TurnLatency()),
    ]


def figures_of(page: str) -> Mapping[str, float]:
    """Every sample of a page of figures by name and labels, as ``name{label=value,...}``; of histograms the counts."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    wanted = {name: value for name, value in found.items() if name.startswith("voice_agents_")}
    return {
        name: value for name, value in wanted.items() if not name.partition("{")[0].endswith(("_created", "_bucket"))
    }
