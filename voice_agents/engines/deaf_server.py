"""A server that takes no notice of what the user said: told, aloud as well, called anew, and in the end given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from voice_agents.alarm import Alarm
from voice_agents.engines.apology import Excuses, delay
from voice_agents.engines.server_answer import RealtimeConnection
from voice_agents.turns.floor import FloorState

if TYPE_CHECKING:
    from voice_agents.engines.session import VoiceSession

UNNOTICED_S = 12.0
"""A server that took no notice is connected anew after so long. ``semantic_vad`` itself waits for 8 s at most."""


class DeafServer:
    """One per session. What only we take for a voice is told in the page as well, and aloud once at most."""

    def __init__(
        self,
        host: VoiceSession,
        client: RealtimeConnection,
        excuses: Excuses,
        provider: str,
        up: Callable[[], bool],
    ) -> None:
        """``provider``: what users call the server; ``up``: it is connected."""
        self._host = host
        self._client = client
        self._excuses = excuses
        self._provider = provider
        self._up = up
        self._patience = Alarm(host.tasks.guard)
        self._ignored = False
        """It has taken no notice of the last words yet."""
        self._complaints = 0
        self._anew = False
        """It was connected anew for words it took no notice of, and has taken no turn since."""
        self._aloud = False
        """That was said aloud."""
        self._aside = ""

    def said(self) -> None:
        """The user has said something that is no mere noise, and fell silent: the server is to take it."""
        host = self._host
        self._complaints, self._ignored = 0, True
        host.waiting.begin(host.clock(), self._no_notice)
        self._patience.set(host.clock() + UNNOTICED_S, self._connect_anew)

    def noise(self) -> None:
        """Something was heard that may be none of the server's business."""
        if not self._patience.is_set:
            self._client.hold(False)

    def took(self, *, typed: bool) -> None:
        """It has a turn of the user's; one that was ``typed`` does not show that it hears."""
        self._patience.cancel()
        self._anew = self._anew and typed
        self._ignored = False

    def close(self) -> None:
        """The session is left."""
        self._patience.cancel()

    def aside(self) -> str:
        """What our own voice is to say of it now, once; "": nothing."""
        text, self._aside = self._aside, ""
        return text

    def _no_notice(self) -> str | None:
        """Said twice, in the page and aloud. Then the words are given up, and the next ones have another connection."""
        self._complaints += 1
        if not self._ignored or self._complaints > 2:
            return None
        unheard = "has taken no notice of your last words"
        if self._complaints == 1:
            self._aloud = not self._anew
            self._speak(delay(self._provider))
            return f"{self._provider} is slow at the moment: it {unheard}. Still waiting."
        self._ignored = False
        if self._aloud:
            self._client.connect_anew()
        self._speak(f"Sorry, {self._provider} {unheard}. Please say them again.")
        return f"{self._provider} {unheard}, though it was called anew: please say them again."

    def _speak(self, text: str) -> None:
        """Nobody answers, and who only listens does not know."""
        host, free = self._host, self._host.floor.state is FloorState.LISTENING
        if self._aloud and free and not host.answering and self._excuses.possible:
            self._aside = text
            host.speak_up()

    def _connect_anew(self) -> None:
        """Once: it may have been a noise that only we take for a voice."""
        host = self._host
        busy = host.microphone.voice.speaking or (host.answering and host.turn.of_user)
        if self._ignored and not busy and self._up() and not self._anew:
            self._anew = True
            self._client.connect_anew()
            self._patience.set(host.clock() + UNNOTICED_S, lambda: self._client.hold(False))
        elif not host.microphone.voice.speaking:
            self._client.hold(False)
