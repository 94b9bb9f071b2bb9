"""What a client is told: a session's events in the words of the plan's two sockets, and of binary audio clients."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from voice_agents.audio import EMPTY, Pcm, Resampler, Volume, to_bytes
from voice_agents.errors import NOTHING_HEARD
from voice_agents.events import (
    AgentAudio,
    AgentAudioDone,
    AgentDucked,
    AgentPaused,
    AgentResumed,
    AgentText,
    Event,
    Failed,
    Interrupted,
    Notice,
    ProviderReplaced,
    SpeechEnded,
    SpeechStarted,
    Status,
    StatusChanged,
    ToolCalled,
    TurnDone,
    UserTranscript,
)
from voice_agents.session.base import OUTPUT_RATE

Outgoing = dict[str, Any] | bytes
"""A JSON message, or a binary frame."""

_BEGINNINGS = (SpeechStarted, SpeechEnded, UserTranscript, AgentText, AgentAudio, ToolCalled)


class TurnEnds:
    """Which turns are over for a client: each exactly once, and one for an ``end`` after which nobody was heard."""

    def __init__(self) -> None:
        self._open: int | None = None
        self._last = 0
        self._asked = 0
        """Ends of turns that the client told, and that were not answered yet."""
        self._answered = False
        """Something of an answer to the open turn came."""
        self._played = False
        """It was played to its end."""

    @property
    def open(self) -> bool:
        """The client waits for the end of a turn."""
        return self._asked > 0 or self._open is not None

    def asked(self) -> None:
        """The client has ended its turn and waits for the answer."""
        self._asked += 1

    def over(self, event: Event) -> bool:
        """Whether this event ends a turn that the client was not told the end of.

        Cutting ends it at once. An answer that was played to its end ends it when it is stored: a client that was told
        so finds it again, whatever happens to this server.
        """
        match event:
            case Interrupted(turn=turn) | TurnDone(turn=turn):
                return turn > self._last and self._close(turn)
            case StatusChanged(status=Status.LISTENING):
                self._played = self._answered
                return not self._played and self._open is not None and self._close(self._open)
            case Notice(text=text):
                return text == NOTHING_HEARD and self._nothing_heard()
            case SpeechEnded() | UserTranscript(final=True) | AgentText() | AgentAudio() | ToolCalled():
                if event.turn > self._last:
                    before = self._answered and self._open == event.turn
                    self._answered = before or isinstance(event, AgentText | AgentAudio | ToolCalled)
                    self._open, self._asked = event.turn, 0
        return False

    def overtaken(self, event: Event) -> bool:
        """Whether the next turn begins with this event before the last one, played to its end, is stored."""
        if self._open is None or not self._played or event.turn <= self._open:
            return False
        return isinstance(event, _BEGINNINGS) and self._close(self._open)

    def _nothing_heard(self) -> bool:
        """Of the turn that was begun, or else after one of the ends that the client told."""
        if self._open is not None:
            return self._close(self._open)
        self._asked -= (waited := self._asked > 0)
        return waited

    def _close(self, turn: int) -> bool:
        self._last, self._asked = max(turn, self._last), 0
        if self._open is not None and self._open <= turn:
            self._open = None
            self._answered = self._played = False
        return True


class AnswerSound:
    """An answer's samples at the client's rate."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._turn = 0
        self._volume = Volume(OUTPUT_RATE)
        self.reset()

    def reset(self) -> None:
        """What comes next does not go on with what came before."""
        self._resampler = Resampler(OUTPUT_RATE, self._rate)
        self._volume.reset()

    def play(self, audio: AgentAudio) -> Pcm:
        """The next samples of a turn's answer."""
        if audio.turn != self._turn:
            self._turn = audio.turn
            self.reset()
        return self._resampler.feed(self._volume.apply(audio.pcm))

    def finish(self, turn: int) -> Pcm:
        """The samples still held back, at the end of an answer."""
        if turn != self._turn:
            return EMPTY
        rest = self._resampler.flush()
        self._resampler = Resampler(OUTPUT_RATE, self._rate)
        return rest

    def set_volume(self, volume: float) -> None:
        """Of what comes next. What a client has already it plays as it is: a client told to drop that would take a
        dip for an interruption, and hear a gap where it fills its buffer anew.
        """
        self._volume.set(volume)


class Dialect(ABC):
    """One client's view of a session; :meth:`tell` is given every event, in order."""

    def __init__(self, rate: int) -> None:
        """``rate``: of the audio the client gets, in Hz."""
        self.ends = TurnEnds()
        self._sound = AnswerSound(rate)

    def set_rate(self, rate: int) -> None:
        """Another rate, from the next answer on."""
        self._sound = AnswerSound(rate)

    def tell(self, event: Event) -> list[Outgoing]:
        """What the client is sent for an event. Stale audio must not come here."""
        told = self._over() if self.ends.overtaken(event) else []
        told += self._told(event)
        if self.ends.over(event):
            told += self._over()
        return told

    def _told(self, event: Event) -> Iterator[Outgoing]:
        match event:
            case AgentAudio():
                yield from self._audible(self._sound.play(event))
            case AgentAudioDone(turn=turn):
                yield from self._audible(self._sound.finish(turn))
            case AgentDucked(volume=volume):
                self._sound.set_volume(volume)
            case AgentResumed():
                self._sound.set_volume(1.0)
            case AgentPaused():
                self._sound.reset()
                yield {"type": "clear"}
            case Interrupted():
                self._sound.reset()
                yield self._interrupted()
            case Failed(error=error):
                yield {"type": "error", "message": str(error)}
            case Notice(level=level, text=text):
                yield {"type": "notice", "level": level, "message": text}
            case ProviderReplaced(role=role, offline=offline):
                yield {"type": "provider", "role": role.value, "offline": offline}
            case _:
                yield from self._words(event)

    def _audible(self, pcm: Pcm) -> Iterator[Outgoing]:
        if len(pcm):
            yield self._audio(pcm)

    @abstractmethod
    def _audio(self, pcm: Pcm) -> Outgoing: ...

    @abstractmethod
    def _words(self, event: Event) -> Iterator[Outgoing]: ...

    def _interrupted(self) -> Outgoing:
        return {"type": "interrupted"}

    @abstractmethod
    def _over(self) -> list[Outgoing]: ...


class SandwichDialect(Dialect):
    """The plan's ``/ws/sandwich``; a hands-free client is also told when its user begins and stops to speak."""

    def __init__(self, rate: int, hands_free: bool) -> None:
        super().__init__(rate)
        self._hands_free = hands_free

    def _audio(self, pcm: Pcm) -> Outgoing:
        return {"type": "tts_audio", "data": encoded(pcm)}

    def _words(self, event: Event) -> Iterator[Outgoing]:
        match event:
            case UserTranscript(text=text, final=final) if text:
                yield {"type": "stt_final" if final else "stt_partial", "text": text}
            case AgentText(text=text):
                yield {"type": "agent_chunk", "text": text}
            case ToolCalled(name=name, args=args):
                yield {"type": "agent_tool", "tool": {"name": name, "args": dict(args)}}
            case SpeechStarted() if self._hands_free:
                yield {"type": "speech_started"}
            case SpeechEnded() if self._hands_free:
                yield {"type": "speech_ended"}

    def _over(self) -> list[Outgoing]:
        return [{"type": "complete"}]


class RealtimeDialect(Dialect):
    """The plan's ``/ws/realtime``."""

    def _audio(self, pcm: Pcm) -> Outgoing:
        return {"type": "audio", "data": encoded(pcm)}

    def _words(self, event: Event) -> Iterator[Outgoing]:
        match event:
            case SpeechStarted():
                yield {"type": "speech_started"}
            case SpeechEnded():
                yield {"type": "speech_ended"}
            case UserTranscript(text=text, final=True) if text:
                yield {"type": "transcript", "role": "user", "text": text}
            case AgentText(text=text):
                yield {"type": "transcript", "role": "agent", "text": text}
            case ToolCalled(name=name, args=args):
                yield {"type": "agent_tool", "tool": {"name": name, "args": dict(args)}}

    def _over(self) -> list[Outgoing]:
        return [{"type": "done"}]


class BinaryDialect(Dialect):
    """PCM16 frames beside ``clear``, ``transcript`` and ``status``: what the package voicebench speaks."""

    def __init__(self, rate: int) -> None:
        super().__init__(rate)
        self._written = ""
        self._writing = 0

    def _audio(self, pcm: Pcm) -> Outgoing:
        return to_bytes(pcm)

    def _words(self, event: Event) -> Iterator[Outgoing]:
        match event:
            case UserTranscript(text=text, final=final) if text:
                yield _transcript("user", text, final)
            case AgentText(text=text, turn=turn):
                self._written = self._written + text if turn == self._writing else text
                self._writing = turn
                yield _transcript("agent", self._written, False)
            case TurnDone(heard_text=text) if text:
                yield _transcript("agent", text, True)
            case StatusChanged(status=status):
                yield {"type": "status", "status": status.value}

    def _interrupted(self) -> Outgoing:
        return {"type": "clear"}

    def _over(self) -> list[Outgoing]:
        return []


def encoded(pcm: Pcm) -> str:
    """Samples as base64 of little-endian PCM16."""
    return base64.b64encode(to_bytes(pcm)).decode("ascii")


def _transcript(role: str, text: str, final: bool) -> Outgoing:
    return {"type": "transcript", "role": role, "text": text, "final": final}
