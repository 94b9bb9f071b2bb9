"""An engine without providers: hears loud and quiet, answers everything with a rising tone and the same sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

import numpy as np

from voice_agents.audio import Pcm, rms_dbfs
from voice_agents.conversation.facts import TurnFacts
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.errors import InvalidInput
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentText,
    Event,
    Interrupted,
    Notice,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    ToolCalled,
    ToolReturned,
    TurnDone,
    UserTranscript,
)
from voice_agents.session.base import OUTPUT_RATE
from voice_agents.session.events_out import EventsOut
from voice_agents.settings import TurnMode, TurnSettings
from voice_agents.turns.latency import TurnLatency

HEARD = ["what", "time", "is", "it", "in", "tokyo"]
ANSWER = "It is ten past nine in the evening in Tokyo, <b>Japan</b>. Is there *anything* else you would like to know?"
CLOCK = "21:10, Sunday 22 November"
FRAME = OUTPUT_RATE // 50
LEAD_S = 0.12
ONSET_S = 0.3
"""Sound that counts as speech: more than the tail a push-to-talk button lets through."""


def sweep(seconds: float) -> Pcm:
    """A tone rising from 300 to 900 Hz at 24 kHz: every moment of it is audible and different."""
    t = np.arange(round(seconds * OUTPUT_RATE)) / OUTPUT_RATE
    phase = 2 * np.pi * (300 * t + 300 * t**2 / seconds)
    return (9000 * np.sin(phase)).astype(np.int16)


Keep = Callable[[Conversation, Sequence[HistoryEntry]], None]


class FakeSession:
    """Implements session.base.Session."""

    input_rate = 16_000
    output_rate = OUTPUT_RATE
    kind = "sandwich"
    pace = 1.0
    """Of its latencies."""

    def __init__(
        self,
        conversation: Conversation,
        turns: TurnSettings,
        answer_s: float = 4.0,
        keep: Keep | None = None,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        """``keep`` stores what was said; ``answers``: other ones than always the same."""
        self.conversation = conversation
        self.turns = turns
        self.voice = ""
        self.speaking = True
        self.reporting = False
        self.reports: list[tuple[int, int, int]] = []
        self.closed = False
        self.busy = False
        self.heard_samples = 0
        self._epoch = 0
        self.turn = 0
        self._out = EventsOut(asyncio.get_running_loop().time, lambda: self._epoch)
        self._answer_s = answer_s
        self._keep = keep
        self._answers = answers or {}
        self._said = ""
        self.heard_so_far = ""
        self._answering: asyncio.Task[None] | None = None
        self._loud_s = self._quiet_s = 0.0
        self._speaking = False

    @property
    def epoch(self) -> int:
        return self._epoch

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        self._status(Status.LISTENING)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait([self._answering])
        self._out.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._out.__aiter__()

    def push_audio(self, pcm: Pcm) -> None:
        self.heard_samples += len(pcm)
        seconds = len(pcm) / self.input_rate
        if rms_dbfs(pcm) > -45:
            self._loud_s, self._quiet_s = self._loud_s + seconds, 0.0
        else:
            self._quiet_s += seconds
            if not self._speaking:
                self._loud_s = 0.0
        if self._loud_s >= ONSET_S and not self._speaking:
            self._begin_speech()
        elif self._speaking:
            self._hear_more()

    def send_text(self, text: str) -> None:
        if not text.strip() or len(text) > 4000:
            raise InvalidInput("A message needs between 1 and 4000 characters.")
        self.interrupt()
        if not self._speaking:
            self.turn += 1
        self._take(text)

    def end_turn(self) -> None:
        if self._speaking:
            self._take(" ".join(HEARD))

    def interrupt(self) -> None:
        if self._answering is not None and not self._answering.done():
            self._answering.cancel()

    def set_turns(self, turns: TurnSettings) -> None:
        self.turns = turns
        self._put(Notice, level="info", text=f"Patience is {turns.silence_s:.1f} s now.")

    def set_voice(self, voice: str) -> None:
        self.voice = voice

    def set_speaking(self, speaking: bool) -> None:
        self.speaking = speaking

    def set_reporting(self, reporting: bool, late_s: float = 0.0) -> None:
        self.reporting = reporting

    def played(self, turn: int, epoch: int, position: int) -> None:
        self.reports.append((turn, epoch, position))

    def _put(self, kind: type[Event], **values: object) -> None:
        self._out.put(kind(turn=self.turn, at=self._loop.time(), **values))

    def _status(self, status: Status) -> None:
        self._put(StatusChanged, status=status)

    def _begin_speech(self) -> None:
        self.interrupt()
        self.turn += 1
        self._speaking = True
        self._put(SpeechStarted)
        self._status(Status.HEARING)

    def _hear_more(self) -> None:
        words = HEARD[: max(1, int(self._loud_s / 0.2))]
        self._put(UserTranscript, text=" ".join(words), final=False)
        if self._quiet_s >= self.turns.silence_s and self.turns.mode is TurnMode.AUTOMATIC:
            self._take(" ".join(HEARD))

    def _take(self, text: str) -> None:
        self._speaking, self._loud_s, self._said = False, 0.0, text
        self._put(SpeechEnded, silence_s=self.turns.silence_s)
        self._put(UserTranscript, text=text, final=True)
        self._status(Status.THINKING)
        self._answering = self._loop.create_task(self._answer(self.turn))

    @property
    def _looks_at_the_clock(self) -> bool:
        return not self._answers or "time" in self._said

    async def _answer(self, turn: int) -> None:
        answer = self._answers.get(self._said, ANSWER)
        words = answer.split(" ")
        played = 0.0
        try:
            if self._looks_at_the_clock:
                called = {"name": "current_time", "args": {"place": "Tokyo"}, "call_id": f"c{turn}"}
                self._out.put(ToolCalled(turn=turn, at=0, **called))
                await asyncio.sleep(0.3)
                self._out.put(ToolReturned(turn=turn, at=0, call_id=f"c{turn}", result=CLOCK))
            for word in words:
                self._out.put(AgentText(turn=turn, at=0, text=word + " "))
                await asyncio.sleep(0.02)
            self._status(Status.SPEAKING)
            pcm = sweep(self._answer_s)
            start = self._loop.time()
            for position in range(0, len(pcm), FRAME):
                played = position / len(pcm)
                self.heard_so_far = " ".join(words[: int(played * len(words))])
                await asyncio.sleep(max(0.0, start + position / OUTPUT_RATE - LEAD_S - self._loop.time()))
                chunk = pcm[position : position + FRAME]
                self._out.put(AgentAudio(turn=turn, at=0, pcm=chunk, position=position, epoch=self._epoch))
            self._out.put(AgentAudioDone(turn=turn, at=0))
            await asyncio.sleep(LEAD_S)
            self._done(turn, answer, "")
            self._status(Status.LISTENING)
        except asyncio.CancelledError:
            self._epoch += 1
            heard = " ".join(words[: int(played * len(words))])
            self._out.put(Interrupted(turn=turn, at=0, heard_text=heard))
            self._done(turn, heard, answer.removeprefix(heard))
            self._status(Status.HEARING if self._speaking else Status.LISTENING)
            raise

    def _done(self, turn: int, heard: str, unheard: str) -> None:
        self.heard_so_far = ""
        seconds = {
            "endpointing": 0.534, "silence": 0.5, "transcription": 0.121, "tools": 0.3, "first_token": 0.302,
            "text_wait": 0.11, "first_sentence": 0.114, "first_audio": 0.158, "playout": 0.006, "voice_to_voice": 1.55,
        }  # fmt: skip
        latency = TurnLatency(**{name: self.pace * value for name, value in seconds.items()})
        if self._keep is not None:
            facts = TurnFacts.of(self.kind, latency, unheard)
            said = [HistoryEntry(role=Speaker.USER, text=self._said, facts=facts)]
            if self._looks_at_the_clock:
                said.append(HistoryEntry(role=Speaker.TOOL, text=CLOCK, name="current_time", args={"place": "Tokyo"}))
            said += [HistoryEntry(role=Speaker.AGENT, text=heard, interrupted=bool(unheard))] if heard else []
            self._keep(self.conversation, said)
        self._out.put(TurnDone(turn=turn, at=0, heard_text=heard, latency=latency))
