"""A Realtime server and its client in one, for scripted conversations: GA behaviour on virtual time.

The user's audio carries its label (utterance + 1000); sound below 1000 is heard by our own detector, not by the server.
The agent's words sound as long as they are written; every word has its own sample value, so a test can read what was
played and what the server holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Self

import numpy as np

from tests.stories.fakes import FIRST_LABEL, WORD_S, Call
from tests.stories.realtime.items import RATE, Habits, Item, Script, word_samples
from voice_agents.audio import Pcm
from voice_agents.errors import ProviderError, ProviderUnavailable, Role
from voice_agents.providers.heard_words import words_in
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    ToolCall,
    UsageReported,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnMode

FIRST_WORD = 4000
"""Sample value of the first word of an answer; the next word's is one more."""
LONGEST_ANSWER = 64
PRE_ROLL = 20
"""Frames of sound before a sentence that are kept with it."""
USAGE = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}


class FakeRealtime:
    """Implements RealtimeConnection, and keeps what a GA server would hold (``items``) or complain of (``errors``)."""

    def __init__(
        self,
        config: RealtimeConfig,
        past: Callable[[], Sequence[PastItem]],
        on_connection: ConnectionListener,
        words: Sequence[str],
        script: Script,
        habits: Habits,
    ) -> None:
        self.config = config
        self.habits = habits
        self.items: list[Item] = []
        self.spoken: list[Item] = []
        """All messages it has ever spoken, also those it was told to delete."""
        self.errors: list[str] = []
        self.sent_outputs: list[tuple[str, str]] = []
        self.responses = 0
        self.connections = 0
        self.failing: list[str] = []
        """Reasons with which the next responses fail."""
        self.fail_as = "failed"
        self.passing = False
        """They are troubles of the server's own."""
        self.written_only = 0
        """So many responses to come are written where they should be spoken."""
        self._next_value = FIRST_WORD
        self._past = past
        self._on_connection = on_connection
        self._words = words
        self._script = script
        self._events: asyncio.Queue[RealtimeEvent] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._up = False
        self._reset_hearing()
        self._active = ""
        self._over: set[str] = set()
        self._answering: asyncio.Task[None] | None = None
        self._before: asyncio.Task[None] | None = None
        """The answer that was under way when the last turn was taken."""
        self._owed = False
        self._kept: list[Pcm] = []
        self._held = False
        self._unknown: dict[str, str] = {}

    # The client

    async def __aenter__(self) -> Self:
        self._start(self._connect(0.05))
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        while True:
            yield await self._events.get()

    def send_audio(self, pcm: Pcm) -> None:
        if not self._up:
            self._kept.append(pcm)
            return None
        if self.config.mode is TurnMode.AUTOMATIC:
            self._kept = [*self._kept[0 if self._speaking or self._held else -PRE_ROLL :], pcm]
        return self._hear(pcm)

    def commit(self) -> None:
        self._commit(self._new_id("item"))
        self._owe()

    def send_text(self, text: str) -> None:
        if self._up:
            self._add("user", text)
        self._owe()

    def send_tool_output(self, call_id: str, output: str) -> None:
        self.sent_outputs.append((call_id, output))
        if self._up:
            if not any(item.kind == "call" and item.call_id == call_id for item in self.items):
                self.errors.append(f"no call {call_id}")
            self._add("output", output, call_id)

    def respond(self) -> None:
        self._owe()

    def ensure_answer(self) -> None:
        if self._answering is None:
            self._owe()

    def ignore(self, item_id: str) -> None:
        goes_on = self._answering is not None and self._answering is self._before
        self._unknown.pop(item_id, None)
        if not goes_on:
            index = next(index for index, item in enumerate(self.items) if item.item_id == item_id)
            del self.items[index:]
            events = [self._events.get_nowait() for _ in range(self._events.qsize())]
            for event in events:
                if not isinstance(event, ResponseStarted | AudioDelta | TextDelta | ResponseDone):
                    self._say(event)
            self.cancel()
        self.delete(item_id)

    def cancel(self) -> None:
        self._owed = False
        self._cancel_response("client_cancelled")

    def truncate(self, item_id: str, played: int) -> None:
        item = next((item for item in self.items if item.item_id == item_id), None)
        if item is None or item.kind != "assistant":
            self.errors.append(f"no item {item_id} to truncate")
        elif played > len(item.sound):
            self.errors.append(f"{item_id} has {len(item.sound)} samples, not {played}")
        else:
            item.sound = item.sound[:played]

    def delete(self, item_id: str) -> None:
        self.items = [item for item in self.items if item.item_id != item_id]

    def hold(self, held: bool) -> None:
        self._held = held

    def replace(self, error: ProviderError) -> bool:
        """Nobody stands in for it."""
        return False

    def connect_anew(self) -> None:
        self._up = False
        self._reset_hearing()
        self._start(self._connect(self.habits.reconnect_after_s))

    def configure(self, config: RealtimeConfig) -> None:
        self.config = config

    # What a test does to it

    def drop(self, error: ProviderError | None = None, *, for_good: bool = False) -> None:
        """The connection is lost; the client asks a fresh server session for what was owed."""
        self._up = False
        self._owed = self._owed or self._answering is not None
        self._stop_answering()
        self._reset_hearing()
        self._active = ""
        error = error or ProviderUnavailable(Role.REALTIME, "fake", "The connection to the fake server was lost.")
        if for_good:
            self._owed = False
            self._on_connection(ConnectionState.FAILED, error)
        else:
            self._on_connection(ConnectionState.RECONNECTING, error)
            self._start(self._connect(self.habits.reconnect_after_s))

    def prompt(self) -> None:
        """The server says something nobody asked for."""
        self._owe()

    def report(self, error: ProviderError) -> None:
        """An error; the turn under way is not answered."""
        self._owed = False
        self._stop_answering()
        self._say(ServerError(error))

    async def _connect(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self.items = []
        for past in self._past():
            self._add(past.kind, past.text, past.call_id)
        self.connections += 1
        self._up = True
        self._on_connection(ConnectionState.OPEN, None)
        for item_id, text in self._unknown.items():
            self._start(self._transcribe(item_id, text))
        if self._owed:
            self._owe()
        kept, self._kept = self._kept, []
        for pcm in kept:
            self.send_audio(pcm)

    # The server hears

    def _reset_hearing(self) -> None:
        self._heard: dict[int, int] = {}
        self._sound_s = self._quiet_s = 0.0
        self._speaking = ""

    def _hear(self, pcm: Pcm) -> None:
        labels, counts = np.unique(pcm[pcm >= FIRST_LABEL], return_counts=True)
        for label, count in zip(labels.tolist(), counts.tolist(), strict=True):
            self._heard[label] = self._heard.get(label, 0) + count
        if self.config.mode is TurnMode.PUSH_TO_TALK or self.connections <= self.habits.deaf_connections:
            return
        self._follow(speech=len(labels) > 0, seconds=len(pcm) / RATE)

    def _follow(self, *, speech: bool, seconds: float) -> None:
        """The server's detector: where speech begins, and where it has been over for long enough."""
        if speech:
            self._sound_s += seconds
            self._quiet_s = 0.0
            if not self._speaking and self._sound_s >= self.habits.hears_after_s:
                self._speech_started()
        elif self._speaking:
            self._quiet_s += seconds
            if self._quiet_s >= self.config.silence_s - 1e-9:
                self._speech_stopped()
        else:
            self._sound_s = 0.0

    def _speech_started(self) -> None:
        self._speaking = self._new_id("item")
        if self.habits.names_speech:
            self._say(UserSpeechStarted(self._speaking, 0))
        if self.habits.interrupts:
            self._owed = False
            self._cancel_response("turn_detected")

    def _speech_stopped(self) -> None:
        if self.habits.names_speech:
            self._say(UserSpeechStopped(self._speaking, 0))
        self._commit(self._speaking)
        if self.habits.answers and self._answering is None:  # else it says that an answer is active
            self._owe()

    def _commit(self, item_id: str) -> None:
        text = self._spoken_words()
        self._before = self._answering
        self._reset_hearing()
        self._held, self._kept = False, self._kept[-PRE_ROLL:]
        self.items.append(Item(item_id, "user", text))
        asyncio.get_running_loop().call_later(self.habits.commits_after_s, self._say, UserCommitted(item_id))
        self._unknown[item_id] = text
        self._start(self._transcribe(item_id, text))

    def _spoken_words(self) -> str:
        said = []
        for label in sorted(self._heard):
            words = self._words[label - FIRST_LABEL].split()
            said += words[: max(1, round(self._heard[label] / RATE / WORD_S))] if words else []
        return " ".join(said)

    async def _transcribe(self, item_id: str, text: str) -> None:
        delay = self.habits.transcript_after_s
        if delay == float("inf"):
            return None
        await asyncio.sleep(0.3 if delay is None else delay)
        if not self._up or self._unknown.pop(item_id, None) is None:
            return None
        if delay is None:
            return self._say(UserFinalFailed(item_id))
        if words_in(text):
            self._say(UserPartial(item_id, text.split()[0]))
        words = words_in(text)
        return self._say(UserFinal(item_id, words, noise=bool(text) and not words))

    # The server answers

    def _owe(self) -> None:
        self._owed = True
        if self._up and self._answering is None:
            self._answering = self._start(self._answer())

    async def _answer(self) -> None:
        await asyncio.sleep(self.habits.first_audio_s)
        self._owed = False
        self.responses += 1
        response_id = self._active = self._new_id("resp")
        self._say(ResponseStarted(response_id))
        if self.failing:
            return self._done(response_id, self.fail_as, reason=self.failing.pop(0))
        written, self.written_only = self.written_only > 0, max(0, self.written_only - 1)
        calls: list[ToolCall] = []
        for number, step in enumerate(self._script(list(self.items))):
            if isinstance(step, Call):
                calls.append(ToolCall(f"call_{self.responses}_{number}", step.name, step.args))
                self._add("call", step.args, calls[-1].call_id)
            else:
                await self._speak(response_id, step, written=written or not self.config.speaking)
        return self._done(response_id, "completed", tuple(calls))

    async def _speak(self, response_id: str, text: str, *, written: bool) -> None:
        item = self._add("assistant")
        self.spoken.append(item)
        item.first_value = self._next_value
        self._next_value += LONGEST_ANSWER
        if self.habits.text_first:
            self._say(TextDelta(response_id, item.item_id, text))
        for index, word in enumerate(text.split()):
            if not self.habits.text_first:
                self._say(TextDelta(response_id, item.item_id, word if index == 0 else f" {word}"))
            item.words.append(word)
            if written:
                await asyncio.sleep(self.habits.word_gap_s)
                continue
            sound = np.full(word_samples(word), item.first_value + index, dtype=np.int16)
            item.sound = np.concatenate([item.sound, sound])
            self._say(AudioDelta(response_id, item.item_id, sound))
            await asyncio.sleep(self.habits.word_gap_s)

    def _done(self, response_id: str, status: Any, calls: tuple[ToolCall, ...] = (), reason: str = "") -> None:
        self._active, self._answering = "", None
        self._say(ResponseDone(response_id, status, calls, reason, self.passing and status == "failed"))
        self._say(UsageReported(USAGE))
        if self._owed:
            self._owe()

    def _cancel_response(self, reason: str) -> None:
        active, was = self._active, self._answering
        self._stop_answering()
        self._active = ""
        if was is None or not active:
            return
        if self.habits.late_audio:
            late = np.full(4800, FIRST_WORD - 1, dtype=np.int16)
            item = next(item for item in reversed(self.items) if item.kind in ("assistant", "call"))
            loop = asyncio.get_running_loop()
            loop.call_later(0.05, self._say, AudioDelta(active, item.item_id, late))
            loop.call_later(0.9, self._say, AudioDelta(active, item.item_id, late))
        self._say(ResponseDone(active, "cancelled", reason=reason))
        self._say(UsageReported(USAGE))

    def _stop_answering(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
            self._answering = None

    # Both

    def _add(self, kind: str, text: str = "", call_id: str = "") -> Item:
        self.items.append(Item(self._new_id("item"), kind, text, call_id))
        return self.items[-1]

    def _new_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def _say(self, event: RealtimeEvent) -> None:
        self._events.put_nowait(event)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
