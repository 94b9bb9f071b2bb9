"""What a Realtime server session makes of the user's sound: speech, turns, and their words."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from voice_agents.providers.heard_words import words_in
from voice_agents.providers.realtime.events import (
    RealtimeEvent,
    UserCommitted,
    UserFinal,
    UserFinalFailed,
    UserPartial,
    UserSpeechStarted,
    UserSpeechStopped,
)
from voice_agents.providers.realtime.ledger import Owed
from voice_agents.providers.realtime.microphone import UntoldTurn
from voice_agents.providers.realtime.settings import SessionSettings
from voice_agents.providers.realtime.wire import RATE


class Hearing:
    """Server events in, events out. Turns of an earlier session that this one heard again keep their first item id."""

    def __init__(self, ledger: Owed, settings: SessionSettings) -> None:
        self._microphone = ledger.microphone
        self._ledger = ledger
        self._settings = settings
        self._asked: deque[UntoldTurn] = deque()
        """Turns we told the server to take, in order."""
        self._first_ids: dict[str, str] = {}
        self._open: dict[str, UntoldTurn] = {}
        """Turns the server has begun to take: speech_stopped came, committed not yet."""
        self._partials: dict[str, str] = {}
        self._settled: set[str] = set()
        self._seen: set[tuple[str, str]] = set()

    def commit(self) -> None:
        """The turn the ledger has just taken is this session's to commit."""
        self._asked.append(self._microphone.utterances[-1])

    def replay(self, utterances: Sequence[UntoldTurn]) -> None:
        """Turns that this session is told to take again."""
        self._asked.extend(utterances)

    def speech_started(self, said: Mapping[str, Any]) -> list[RealtimeEvent]:
        """``input_audio_buffer.speech_started``."""
        if self._is_repeat("started", said):
            return []
        self._microphone.speaking = True
        return [UserSpeechStarted(self._item(said), self._at_ms(said, "audio_start_ms"))]

    def speech_stopped(self, said: Mapping[str, Any]) -> tuple[list[RealtimeEvent], bool]:
        """``input_audio_buffer.speech_stopped``; and whether the server will answer by itself."""
        if self._is_repeat("stopped", said):
            return [], False
        item_id = self._item(said)
        at_ms = self._at_ms(said, "audio_end_ms")
        since_s = self._microphone.position / RATE - at_ms / 1000 if said.get("audio_end_ms") else None
        if (utterance := self._microphone.take(item_id, at_ms * RATE // 1000)) is not None:
            self._open[item_id] = utterance
        return [UserSpeechStopped(item_id, at_ms, since_s)], not self._ledger.by_hand

    def committed(self, said: Mapping[str, Any]) -> tuple[list[RealtimeEvent], bool]:
        """``input_audio_buffer.committed``; and whether the server will answer by itself, which was not known yet."""
        if self._is_repeat("committed", said):
            return [], False
        item_id = str(said.get("item_id") or "")
        utterance, by_itself = self._open.pop(self._first_ids.get(item_id, item_id), None), False
        if utterance is None and self._asked:
            utterance = self._asked.popleft()
            if utterance.item_id:
                self._first_ids[item_id] = utterance.item_id
            utterance.item_id = utterance.item_id or item_id
        elif utterance is None:
            utterance = self._microphone.take(item_id)
            by_itself = not self._ledger.by_hand
        if utterance is None or utterance.committed:
            return [], by_itself
        utterance.committed = True
        events: list[RealtimeEvent] = [UserCommitted(utterance.item_id)]
        if not self._settings.transcribing:
            events.append(UserFinalFailed(utterance.item_id))
        return events, by_itself

    def partial(self, said: Mapping[str, Any]) -> list[RealtimeEvent]:
        """``...input_audio_transcription.delta``."""
        item_id, delta = self._item(said), said.get("delta")
        if not isinstance(delta, str) or not delta or item_id in self._settled:
            return []
        text = self._partials[item_id] = self._partials.get(item_id, "") + delta
        words = words_in(text, unfinished=True)
        return [UserPartial(item_id, words)] if words else []

    def final(self, said: Mapping[str, Any]) -> list[RealtimeEvent]:
        """``...input_audio_transcription.completed``."""
        item_id = self._item(said)
        if not self._settle(item_id):
            return []
        self._microphone.is_known(item_id)
        transcript = str(said.get("transcript") or "").strip()
        words = words_in(transcript)
        return [UserFinal(item_id, words, noise=bool(transcript) and not words)]

    def failed(self, said: Mapping[str, Any]) -> list[RealtimeEvent]:
        """``...input_audio_transcription.failed``."""
        item_id = self._item(said)
        return [UserFinalFailed(item_id)] if self._settle(item_id) else []

    def _is_repeat(self, what: str, said: Mapping[str, Any]) -> bool:
        key = (what, str(said.get("item_id") or ""))
        if not key[1]:
            return False
        repeated = key in self._seen
        self._seen.add(key)
        return repeated

    def _settle(self, item_id: str) -> bool:
        if item_id in self._settled:
            return False
        self._settled.add(item_id)
        self._partials.pop(item_id, None)
        return True

    def _item(self, said: Mapping[str, Any]) -> str:
        item_id = str(said.get("item_id") or "")
        return self._first_ids.get(item_id, item_id)

    def _at_ms(self, said: Mapping[str, Any], name: str) -> int:
        """The server's time, in all that was recorded; now, if the server does not say."""
        at_ms = said.get(name)
        position = self._microphone.position_of(int(at_ms)) if isinstance(at_ms, int | float) else None
        return (self._microphone.position if position is None else position) * 1000 // RATE
