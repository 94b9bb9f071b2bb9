"""One Realtime conversation: speech to speech with a server that takes the turns."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from voice_agents.audio import Pcm
from voice_agents.conversation.history import History
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import OUTPUT_RATE, checked_text
from voice_agents.engines.realtime.dialogue import RealtimeDialogue
from voice_agents.engines.realtime.link import RealtimeLink
from voice_agents.engines.realtime.memory import RealtimeMemory
from voice_agents.engines.realtime.parts import RealtimeParts
from voice_agents.engines.realtime.tools import ToolRunner
from voice_agents.engines.realtime.turn import RealtimeTurn
from voice_agents.engines.realtime.user import INPUT_RATE
from voice_agents.engines.reporter import Reporter
from voice_agents.engines.tasks import Tasks, end_all
from voice_agents.errors import Role
from voice_agents.events import Event, ProviderUsed, TurnDone
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.events import (
    AudioDelta,
    RealtimeEvent,
    ResponseDone,
    ResponseStarted,
    ServerError,
    TextDelta,
    UsageReported,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.settings import TurnSettings
from voice_agents.tools import Timers

LAST_WORDS = (UserCommitted, UserPartial, UserFinal, UserFinalFailed)
"""All that is listened to when the session is being left."""
LAST_WORDS_S = 0.75
"""How long the words said last are waited for when the session is left."""
STORE_TIMEOUT_S = 0.1
"""What takes longer to be stored is waited for when the store is left."""
CLOSE_TIMEOUT_S = 0.2
"""Together with the last words: a session is gone within one second, whatever its server does."""
ANNOUNCE = "[This is not the user: a timer has fired. Say to the user: {}]"


class RealtimeSession:
    """One conversation over a Realtime server; see :class:`voice_agents.engines.base.Session`.

    The turns are :class:`~voice_agents.engines.realtime.dialogue.RealtimeDialogue`'s; this is what lasts longer than a
    turn: the connection and its configuration, timers, the way out for events.
    """

    input_rate = INPUT_RATE
    output_rate = OUTPUT_RATE

    def __init__(self, parts: RealtimeParts, conversation: Conversation, turns: TurnSettings) -> None:
        self.conversation = conversation
        self._clock = asyncio.get_running_loop().time
        self._tell = Reporter(self._clock, lambda: self.epoch)
        self._tasks = Tasks(self._tell.break_off)
        self._timers = Timers(self._tasks.guard(self._on_timer), parts.store.timers(conversation))
        toolbox = parts.toolbox(self._timers, parts.store.notes(conversation.owner))
        self._config = RealtimeConfig(
            instructions=parts.instructions,
            tools=tuple(toolbox.as_realtime()),
            voice=parts.voice,
            detection=turns.detection,
            mode=turns.mode,
            silence_s=turns.silence_s,
            language=turns.language,
        )
        self._link = RealtimeLink(self, self._tell)
        self._client = parts.realtime(self._config, self._past, self._tasks.guard(self._link.on_connection))
        self._memory = RealtimeMemory(History(parts.store), conversation, self._tasks, self._on_settled)
        tools = ToolRunner(toolbox, self._tasks, self._tell, self._client.send_tool_output)
        voice = parts.voice_activity()
        self._dialogue = RealtimeDialogue(
            self._client,
            parts.provider,
            voice,
            turns,
            tools,
            self._memory,
            self._tell,
            self._on_change,
            self._on_unheard,
            self._clock,
            self._tasks.guard,
        )
        self._store = parts.store
        self._leaving = False
        self._announcements: list[str] = []
        self._usage: Counter[str] = Counter()

    # The session's life

    async def __aenter__(self) -> Self:
        await self._memory.load()
        await self._timers.open()
        await self._client.__aenter__()
        self._tasks.start_core(self._dialogue.user.run(lambda: self._dialogue.undecided))
        self._tasks.start_core(self._dialogue.mouth.run())
        self._tasks.start_core(self._follow())
        self._tell_status()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving = True
        self._timers.close()
        self._dialogue.close()
        try:
            if self._memory.unfinished:
                await asyncio.wait(self._memory.unfinished, timeout=LAST_WORDS_S)
            self._memory.give_up_words()
            storing = self._tasks.close(tuple(self._memory.unfinished), STORE_TIMEOUT_S, self._store.owe)
            await end_all(CLOSE_TIMEOUT_S, self._client.__aexit__(None, None, None), storing)
        finally:
            self._tell.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._tell.__aiter__()

    @property
    def epoch(self) -> int:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._dialogue.mouth.epoch

    @property
    def busy(self) -> bool:
        """See :class:`~voice_agents.engines.base.Session`."""
        return self._timers.running or bool(self._announcements)

    @property
    def heard_so_far(self) -> str:
        """See :class:`~voice_agents.engines.base.Session`."""
        answer, mouth = self._dialogue.answer, self._dialogue.mouth
        return answer.turn.heard(mouth.position) if answer.open and mouth.audible else ""

    @property
    def usage(self) -> Mapping[str, int]:
        """Tokens this session has used so far, by the names the server gives them ("total_tokens", ...)."""
        return dict(self._usage)

    # What a caller may do

    def push_audio(self, pcm: Pcm) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.user.push(pcm)

    def send_text(self, text: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.type(checked_text(text))

    def end_turn(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.user.release()

    def interrupt(self) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.interrupt()

    def set_turns(self, turns: TurnSettings) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.configure(turns)
        self._configure(detection=turns.detection, mode=turns.mode, silence_s=turns.silence_s, language=turns.language)

    def set_voice(self, voice: str) -> None:
        """See :class:`~voice_agents.engines.base.Session`; a server keeps the voice it has spoken with."""
        self._configure(voice=voice)

    def set_speaking(self, speaking: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.read = not speaking
        self._configure(speaking=speaking)

    def set_reporting(self, reporting: bool) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        self._dialogue.mouth.set_reporting(reporting)

    def played(self, turn: int, epoch: int, position: int) -> None:
        """See :class:`~voice_agents.engines.base.Session`."""
        if turn == self._tell.turn:
            self._dialogue.mouth.played(epoch, position)

    def _configure(self, **changes: Any) -> None:
        config = replace(self._config, **changes)
        if config != self._config:
            self._config = config
            self._client.configure(config)

    # What the server says

    async def _follow(self) -> None:
        async for event in self._client:
            if not self._leaving or isinstance(event, LAST_WORDS):
                self._on_server(event)

    def _on_server(self, event: RealtimeEvent) -> None:
        dialogue = self._dialogue
        match event:
            case UserSpeechStarted(item_id=item_id):
                dialogue.on_server_heard(item_id)
            case UserSpeechStopped(item_id=item_id, since_s=since_s):
                dialogue.on_server_took(item_id, since_s)
            case UserCommitted(item_id=item_id):
                dialogue.on_server_took(item_id)
            case UserPartial(item_id=item_id, text=text) | UserFinal(item_id=item_id, text=text):
                dialogue.on_user_words(item_id, text, final=isinstance(event, UserFinal))
            case UserFinalFailed(item_id=item_id):
                dialogue.on_user_words(item_id, "", final=True)
            case ServerError(error=error):
                dialogue.answer.failed(error)
            case ResponseStarted(response_id=response_id):
                dialogue.on_response_started(response_id)
            case AudioDelta() | TextDelta() | ResponseDone():
                dialogue.answer.response_event(event)
            case UsageReported(tokens=tokens):
                self._usage.update(tokens)
                used = {"input_tokens": tokens.get("input_tokens", 0), "output_tokens": tokens.get("output_tokens", 0)}
                self._tell.emit(ProviderUsed, role=Role.REALTIME, **used)

    # What the dialogue, memory, timers and the connection report

    def _on_change(self) -> None:
        self._tell_status()
        self._announce()

    def _on_settled(self, turn: RealtimeTurn, heard: str, failure: Exception | None) -> None:
        if turn.announces and heard:
            self._timers.said(turn.announces)
        if failure is not None:
            self._tell.fail(failure, turn=turn.number)
        self._tell.emit(TurnDone, turn=turn.number, heard_text=heard, latency=turn.marks.result())

    def _past(self) -> list[PastItem]:
        return self._dialogue.past()

    def _on_timer(self, text: str) -> None:
        self._announcements.append(text)
        self._announce()

    def _announce(self) -> None:
        """In a pause of the conversation the model is told of what happened, and says so in its own voice."""
        if self._announcements and self._dialogue.pausing and self._link.up:
            text = self._announcements.pop(0)
            self._dialogue.speak_up(text, ANNOUNCE.format(text))

    def _on_unheard(self, text: str) -> None:
        self._announcements.insert(0, text)

    def on_lost(self) -> None:
        """See :class:`~voice_agents.engines.realtime.link.LinkListener`."""
        self._dialogue.on_lost()

    def on_given_up(self) -> None:
        """See :class:`~voice_agents.engines.realtime.link.LinkListener`."""
        self._dialogue.on_given_up()

    def on_standing(self) -> None:
        """See :class:`~voice_agents.engines.realtime.link.LinkListener`."""
        self._on_change()

    def _tell_status(self) -> None:
        self._tell.status(self._link.status(self._dialogue.state))
