"""Who keeps the user waiting or does not answer: told while it lasts, and said aloud."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from voice_agents.alarm import Alarm, Guard
from voice_agents.errors import ProviderError, Role
from voice_agents.events import Notice
from voice_agents.providers.interfaces import TextToSpeech
from voice_agents.providers.standby import reason
from voice_agents.session.events_out import EventsOut
from voice_agents.session.speaker import PacedSpeaker
from voice_agents.session.turn import Turn
from voice_agents.turns.floor import FloorState
from voice_agents.turns.latency import TurnMarks

if TYPE_CHECKING:
    from voice_agents.session.voice_session import VoiceSession

TOLD_AFTER_S = 7.0
"""After the user's last word. Models that think take longer, so it is no reason to give up."""
AGAIN_AFTER_S = 20.0
"""Who goes on waiting is told again after so long each time."""

OVERSLEPT_S = 2.0
"""An alarm that rings so late has slept with its computer: the provider had no time, whatever the clock says."""

Awaited = Callable[[], str | None]
"""One plain sentence about who is waited for; None when nobody is, or when it was told."""

_STILL = {
    Role.REALTIME: "{} is slow at the moment: it has not answered yet. Still waiting for it.",
    Role.STT: "{} is slow at the moment: it has not said yet what your words were ({}). Still waiting for it.",
    Role.CHAT: "{} is still thinking, or slow at the moment: it has not answered yet ({}). Still waiting for it.",
    Role.TTS: "{} is slow at the moment: it has not begun to speak yet ({}). Still waiting for it.",
}

FILLED_AFTER_S = 1.0
"""A tool that takes longer is announced."""
_DOING = {
    "One moment, I am looking that up.": "look lookup search find get fetch read list query check browse retrieve show",
    "One moment, I am working that out.": "calculate compute convert count solve plan estimate translate summarize",
    "One moment, I am doing that.": (
        "set make create add save send book order pay buy write update delete remove cancel start stop turn call post"
    ),
}
"""English fillers by a word in the tool's name."""
_MOMENT = {
    "en": "One moment, please.",
    "de": "Einen Moment, bitte.",
    "fr": "Un instant, s'il vous plaît.",
    "es": "Un momento, por favor.",
    "it": "Un momento, per favore.",
    "pt": "Um momento, por favor.",
    "nl": "Een ogenblik, alstublieft.",
    "pl": "Chwileczkę, proszę.",
}

ALOUD_AFTER_S = 3.5
"""A model that has been silent for so long, and of whose answer nothing is left to hear, is spoken of."""
AGAIN_ALOUD_S = 9.0
"""... and again after so long each time, until its answer comes or is given up."""
_THINKING = {
    "en": ("One moment, please. I am still thinking.", "I am still waiting for the answer."),
    "de": ("Einen Moment, bitte. Ich denke noch nach.", "Ich warte noch auf die Antwort."),
    "fr": ("Un instant, s'il vous plaît. Je réfléchis encore.", "J'attends encore la réponse."),
    "es": ("Un momento, por favor. Todavía estoy pensando.", "Todavía espero la respuesta."),
    "it": ("Un momento, per favore. Sto ancora pensando.", "Aspetto ancora la risposta."),
    "pt": ("Um momento, por favor. Ainda estou pensando.", "Ainda espero a resposta."),
    "nl": ("Een ogenblik, alstublieft. Ik denk nog na.", "Ik wacht nog op het antwoord."),
    "pl": ("Chwileczkę, proszę. Jeszcze się zastanawiam.", "Nadal czekam na odpowiedź."),
}
"""Who is waited for stands in the page."""

NO_ANSWER = "Sorry, I have no answer."
BROKEN_OFF = "Sorry, I can not go on."
TOOL_WAIT = "A tool takes long: the answer comes when it is done."


def awaited_role(marks: TurnMarks, *, read: bool) -> Role | None:
    """Whose work is missing for the first sound of an answer, or for its first words if it is only to be read."""
    if marks.transcript_final is None:
        return Role.STT
    if marks.first_token is None or (marks.first_text_sent is None and not read):
        return Role.CHAT
    return Role.TTS if marks.first_audio is None and not read else None


def still_waiting(role: Role, provider: str) -> str:
    """One plain sentence about the provider that has not done its part yet."""
    return _STILL[role].format(provider, role.value)


def filler(tool: str, language: str) -> str:
    """What is said while a tool of this name is at work; "" in a language (ISO 639-1) that is not known here."""
    if language == "en":
        words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tool).lower())
        for said, verbs in _DOING.items():
            if set(words) & set(verbs.split()):
                return said
    return _MOMENT.get(language, "")


def waiting_aloud(language: str, times: int, *, begun: bool) -> str:
    """What is said while the model is silent, which was done so many ``times`` before; "" in a language not known here.

    ``begun``: it has said something of its answer.
    """
    if begun and not times:
        return _MOMENT.get(language, "")
    first, later = _THINKING.get(language, ("", ""))
    return later if times else first


def delay(provider: str) -> str:
    """What is said where an answer may still come."""
    return f"One moment, please. {provider} is slow at the moment."


def apology(error: ProviderError, *, begun: bool) -> str:
    """As it is spoken, without the names of variables. ``begun``: something of the answer has sounded."""
    why = reason(error).partition(":")[0].rstrip(".")
    return f"{BROKEN_OFF if begun else NO_ANSWER} {why}."


class Waiting:
    """One per session; the latest wait is the one that counts."""

    def __init__(self, tell: EventsOut, guard: Guard) -> None:
        self._tell = tell
        self._alarm = Alarm(guard)

    def begin(self, since: float, awaited: Awaited) -> None:
        """The user has finished at ``since`` (the session's clock); ``awaited`` is asked when that is long ago."""
        self._alarm.set(since + TOLD_AFTER_S, lambda: self._ring(since, None, awaited, since + TOLD_AFTER_S))

    def end(self) -> None:
        """Nothing is waited for."""
        self._alarm.cancel()

    def _ring(self, since: float, told: float | None, awaited: Awaited, due: float) -> None:
        """Who was told of some trouble meanwhile, and not from here (at ``told``), knows enough."""
        now = asyncio.get_running_loop().time()
        if now - due > OVERSLEPT_S:
            return self.begin(now, awaited)
        knows = self._tell.complained_at >= since and self._tell.complained_at != told
        if knows or (sentence := awaited()) is None:
            return None
        again = "" if told is None else f" It has been {round(now - since)} s."
        self._tell.emit(Notice, level="warning", text=sentence + again)
        ours, next_due = self._tell.complained_at, now + AGAIN_AFTER_S
        return self._alarm.set(next_due, lambda: self._ring(since, ours, awaited, next_due))


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

    def __init__(self, host: VoiceSession, voice: Callable[[], TextToSpeech | None], provider: str) -> None:
        """``voice``: None where there is none, and then nothing is said. ``provider``: what users call the server."""
        self.provider = provider
        self._host = host
        self._voice = voice
        self._speaking: asyncio.Task[None] | None = None
        self._aside = ""
        """What the turn that is beginning is for."""
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

    def say_aside(self, text: str) -> None:
        """In a turn of its own, if nobody speaks just now."""
        host = self._host
        if self.possible and not host.answering and host.floor.state is FloorState.LISTENING:
            self._aside = text
            host.speak_up()

    def has_turn(self) -> bool:
        """The turn that has begun is for something to be said aside: that is all that is said in it."""
        text, self._aside = self._aside, ""
        return bool(text) and self.say(text, ends=True)

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
