"""What is said aloud where an answer should have been: that there is none, and why."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from voice_agents.alarm import Alarm
from voice_agents.engines.speaker import PacedSpeaker
from voice_agents.engines.turn import Turn
from voice_agents.errors import ProviderError
from voice_agents.providers.interfaces import TextToSpeech
from voice_agents.providers.standby import reason

if TYPE_CHECKING:
    import asyncio

    from voice_agents.engines.session import VoiceSession

LATE_S = 1.8
"""A server that has not begun with an answer by then, if only by saying so, is spoken of."""
SILENT_S = 3.3
"""... and one that has begun, and of whose answer nothing has come."""
LOST_S = 1.3
"""A connection that is not back by then is spoken of."""
NO_ANSWER = "Sorry, I have no answer."
BROKEN_OFF = "Sorry, I can not go on."


def delay(provider: str) -> str:
    """What is said where an answer may still come."""
    return f"One moment, please. {provider} is slow at the moment."


def apology(error: ProviderError, *, begun: bool) -> str:
    """As it is spoken, without the names of variables. ``begun``: something of the answer has sounded."""
    why = reason(error).partition(":")[0].rstrip(".")
    return f"{BROKEN_OFF if begun else NO_ANSWER} {why}."


async def apologise(voice: TextToSpeech, turn: Turn, speaker: PacedSpeaker, text: str) -> None:
    """Speak it after what has sounded of the answer; it is no part of that. Raises ProviderError of the voice.

    The speaker is to be told by the caller that it has everything.
    """
    speaker.expect_more()
    speech = voice.open()
    speech.send(text)
    speech.finish()
    try:
        async for chunk in speech:
            turn.samples += len(chunk.pcm)
            speaker.add(chunk.pcm)
    finally:
        speech.cancel()


class Excuses:
    """What a voice of our own says where a server that speaks for itself does not: one sentence at a time."""

    def __init__(self, host: VoiceSession, voice: Callable[[], TextToSpeech | None]) -> None:
        """``voice``: None where there is none, and then nothing is said."""
        self._host = host
        self._voice = voice
        self._speaking: asyncio.Task[None] | None = None
        self._ends = False
        self._late = Alarm(host.tasks.guard)

    @property
    def possible(self) -> bool:
        """Something can be said now."""
        return not self._host.read and self._voice() is not None

    def say(self, text: str, *, ends: bool) -> bool:
        """In the present turn, which is over afterwards if it ``ends`` with it. False: the caller has to end it."""
        if not self.possible:
            return False
        self._late.cancel()
        self._ends = self._ends or ends
        if self._speaking is None:
            self._speaking = self._host.tasks.start_core(self._say(self._host.turn, text))
        return True

    def end(self) -> bool:
        """The turn is over after what is being said; False: nothing is."""
        self._late.cancel()
        self._ends = self._speaking is not None
        return self._ends

    def stop(self) -> None:
        """Say no more of it."""
        self._late.cancel()
        if self._speaking is not None:
            self._speaking.cancel()
        self._speaking, self._ends = None, False

    def expect(self, within_s: float, call: Callable[[], None]) -> None:
        """``call`` unless :meth:`met` comes in time."""
        if self.possible:
            self._late.set(self._host.clock() + within_s, call)

    def met(self) -> None:
        """Something of the answer has come."""
        self._late.cancel()

    async def _say(self, turn: Turn, text: str) -> None:
        host, voice = self._host, self._voice()
        if voice is not None:
            with suppress(ProviderError):  # who has no voice, either, is read
                async with voice:
                    await apologise(voice, turn, host.speaker, text)
        ends, self._ends, self._speaking = self._ends, False, None
        if ends and host.answering and host.turn is turn:
            host.speaker.finish()
