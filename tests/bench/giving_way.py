"""How the agent gives way to sounds while it speaks: ``python -m tests.bench.giving_way``.

Both engines on virtual time, with the real voice detector and real sounds: voices that ask for a story and then say
"yeah" and the like, as loud as they asked and softer, coughs and noises, interruptions of a word and of a sentence,
which are soft now and then, too. What recognisers would write is known beforehand and comes as late as theirs. Times
count from the first sample of the sound within 30 dB of its loud parts to the moment the speaker is told; a transport
adds its own (:mod:`tests.bench.transports`). A *gap* is a silence of over 40 ms in the
answer; an answer is *lost* when it was cut for what was no interruption. An interruption silences the agent *in time*
after 0.35 s of voice, or 0.15 s after the end of its first word if that is later: a word takes its share of the sound.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.scenes import BACKCHANNELS, softer
from tests.bench.subject import Kind
from tests.bench.table import show
from tests.sounds import SOUNDS
from tests.stories.caller import FRAME_S, AnyCaller, StoryParts, call
from tests.stories.clock import play
from tests.stories.fakes import FakeStt
from tests.stories.realtime.caller import RealtimeStoryParts, ring
from tests.stories.realtime.items import RATE as SERVER_RATE
from tests.stories.realtime.server import FakeRealtime
from tests.voices import RATE, espeak, flite, onset, resampled, trimmed
from voice_agents.audio import Pcm, resample
from voice_agents.events import AgentAudio, AgentDucked, AgentPaused, AgentResumed, Event, Interrupted
from voice_agents.settings import Interruptions, TurnSettings
from voice_agents.turns.vad import VoiceActivity, load_speech_model

VOICES = ("slt", "rms", "awb", "kal16")
UNSEEN = ("kal", "rms higher", "slt lower", "awb quicker", "espeak en-us", "espeak en-gb-scotland", "espeak en-us+f3")
"""Nothing was chosen by listening to these."""
STRETCHED = {"higher": 0.85, "lower": 1.18, "quicker": 0.9}
"""Times as long, and as low."""
LEVELS_DB = (0.0, -4.0, -8.0, -12.0)
"""Against the voice's own question."""
WORDS = ("stop", "wait", "no", "hold on")
SENTENCES = (
    "what about tomorrow", "no that is not what i asked", "sorry can you say that again", "thank you that is enough",
)  # fmt: skip
NOISES = (
    "cough", "two coughs", "sneeze", "door slam", "knocks", "clicks", "clapping", "typing", "breath", "chime", "beep",
    "telephone",
)  # fmt: skip
QUESTION = "tell me a long story please"
STORY = " ".join(f"word{number}" for number in range(120)) + "."
PARTIALS_S, COMMIT_S = 0.25, 0.15
"""How late a recogniser's partial words are, and what it takes to write the final ones."""
AUDIBLE = 300
"""Louder samples are speech to the server."""
GAP_S = 0.04
VOICE_S, AFTER_WORD_S = 0.35, 0.15
"""Of voice, or after the first word that can be recognised: then the agent is to be silent."""
LISTENED_S = (0.8, 6.0)
SETTLES_S = 6.0


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound of the user and its words."""

    kind: str
    pcm: Pcm
    words: str = ""
    name: str = ""
    voice: str = VOICES[0]
    level_db: float = 0.0

    @property
    def coughs(self) -> bool:
        """A server takes it for speech now and then."""
        return self.name in ("cough", "two coughs", "sneeze")

    @property
    def interrupts(self) -> bool:
        return self.kind in ("word", "sentence")

    @property
    def silent_by_s(self) -> float:
        """When the agent is to be silent, since the sound can be heard."""
        words = self.words.split()
        share = len(words[0]) / sum(map(len, words)) if words else 1.0
        return max(VOICE_S, (len(self.pcm) * share - onset(self.pcm, 30.0)) / RATE + AFTER_WORD_S)

    def said(self, seconds: float) -> str:
        """The words that are over after so many seconds of it."""
        words = self.words.split()
        return " ".join(words[: int(len(words) * seconds / (len(self.pcm) / RATE) + 1e-6)])


def spoken(text: str, voice: str) -> Pcm:
    """By one of flite's voices, "espeak ..." or one of flite's made higher or lower."""
    name, _, how = voice.partition(" ")
    if name == "espeak":
        return trimmed(espeak(text, how), 300)
    pcm = flite(text, name)
    return trimmed(resample(pcm, RATE, round(RATE * STRETCHED[how])) if how else pcm, 300)


def sounds(voices: Sequence[str], levels_db: Sequence[float]) -> list[Sound]:
    """All of them, in all voices."""
    found = [Sound("noise", trimmed(SOUNDS[name], 300), name=name) for name in NOISES]
    for voice, level_db in product(voices, levels_db):
        for kind, texts in (("murmur", BACKCHANNELS), ("word", WORDS), ("sentence", SENTENCES)):
            for text in texts:
                pcm = softer(spoken(text, voice), level_db)
                found.append(Sound(kind, pcm, text.lower(), voice=voice, level_db=level_db))
    return found


@dataclass
class Mouth:
    """What the user is saying, for those who know the words beforehand."""

    sound: Sound | None = None
    since: float = 0.0

    def say(self, sound: Sound) -> None:
        """Begin with it now."""
        self.sound, self.since = sound, asyncio.get_running_loop().time()

    def words(self) -> str:
        """The words so far."""
        return self.sound.said(asyncio.get_running_loop().time() - self.since) if self.sound else ""

    @property
    def speaks(self) -> bool:
        """There are words in it, and it goes on."""
        now = asyncio.get_running_loop().time()
        return self.sound is not None and bool(self.sound.words) and now < self.since + len(self.sound.pcm) / RATE


class KnowingStt(FakeStt):
    """Writes what the mouth has said."""

    mouth: Mouth

    def send_audio(self, pcm: Pcm) -> None:
        words = self.mouth.words()
        if words and words != self._last_partial:
            self._last_partial = words
            asyncio.get_running_loop().call_later(self.partial_delay_s, self.on_partial, words)

    def _words(self) -> str:
        return self.mouth.words()


class KnowingServer(FakeRealtime):
    """Takes what the mouth says for speech, 0.15 s late, and coughs, too."""

    mouth: Mouth

    def _hear(self, pcm: Pcm) -> None:
        said, loudest = self.mouth.sound, int(np.abs(pcm.astype(np.int32)).max(initial=0))
        loud = said is not None and (bool(said.words) or said.coughs) and loudest > AUDIBLE
        self._follow(speech=loud, seconds=len(pcm) / SERVER_RATE)

    def _spoken_words(self) -> str:
        return self.mouth.words()


@asynccontextmanager
async def conversation(
    kind: Kind, folder: Path, mouth: Mouth, turns: TurnSettings
) -> AsyncIterator[AnyCaller[Any, Any]]:
    """A call with the real detector; the caller's own microphone is off."""

    def prepare(parts: Any) -> None:
        parts.voice_activity = VoiceActivity

    def knows(parts: StoryParts) -> None:
        prepare(parts)

        def speech_to_text(on_partial: Any, on_connection: Any, language: str) -> KnowingStt:
            stt = KnowingStt((), on_partial, on_connection, COMMIT_S, PARTIALS_S)
            stt.mouth = mouth
            parts.stt = stt
            return stt

        parts.speech_to_text = speech_to_text

    def knows_too(parts: RealtimeStoryParts) -> None:
        prepare(parts)

        def realtime(config: Any, past: Any, on_connection: Any) -> KnowingServer:
            server = KnowingServer(config, past, on_connection, (), lambda _: [STORY], parts.habits)
            server.mouth = mouth
            parts.server = server
            return server

        parts.realtime = realtime

    opened: Any = (
        call(folder, lambda _: [STORY], turns=turns, prepare=knows)
        if kind is Kind.SANDWICH
        else ring(folder, lambda _: [STORY], turns=turns, prepare=knows_too)
    )
    async with opened as caller:
        caller.muted = True
        yield caller


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the agent did; seconds since the sound could be heard, None: it did not."""

    sound: Sound
    quieter_s: float | None
    silent_s: float | None
    gap: bool
    cut: bool

    @property
    def in_time(self) -> bool:
        """It silenced the agent as soon as an interruption is to."""
        return self.silent_s is not None and self.silent_s <= self.sound.silent_by_s


async def listen_to(kind: Kind, sound: Sound, folder: Path, listened_s: float, turns: TurnSettings) -> Outcome:
    """One sound, after so many seconds of the agent's speech."""
    mouth = Mouth()
    async with conversation(kind, folder, mouth, turns) as caller:
        microphone = asyncio.create_task(talk(caller, mouth))
        mouth.say(Sound("question", spoken(QUESTION, sound.voice), QUESTION))
        await caller.until(AgentAudio)
        await asyncio.sleep(listened_s)
        mouth.say(sound)
        heard_at = mouth.since + onset(sound.pcm, 30.0) / RATE
        await asyncio.sleep(len(sound.pcm) / RATE + SETTLES_S)
        microphone.cancel()
        since = partial(_first, caller, at=mouth.since)
        paused = [event.at for event in caller.all(AgentPaused) if event.at > mouth.since]
        went_on = [event.at for event in caller.all(AgentResumed) if event.at > mouth.since]
        cut = since(Interrupted)
        silent = min((at for at in (*paused, cut) if at is not None), default=None)
        gap = any(min((again for again in went_on if again > at), default=np.inf) - at > GAP_S for at in paused)
        quieter = min((at for at in (since(AgentDucked), silent) if at is not None), default=None)
    return Outcome(
        sound,
        None if quieter is None else quieter - heard_at,
        None if silent is None else silent - heard_at,
        gap,
        cut is not None,
    )


def _first(caller: AnyCaller[Any, Any], kind: type[Event], *, at: float) -> float | None:
    return min((event.at for event in caller.all(kind) if event.at > at), default=None)


async def talk(caller: AnyCaller[Any, Any], mouth: Mouth) -> None:
    """A microphone in a quiet room: a frame every 20 ms."""
    loop, noise, rate = asyncio.get_running_loop(), np.random.default_rng(1), caller.session.input_rate
    size, due, clip, of = round(FRAME_S * rate), loop.time(), np.zeros(0, np.int16), None
    while True:
        if mouth.sound is not of:
            of = mouth.sound
            clip = resampled(of.pcm, rate) if of is not None else clip
        frame = noise.normal(scale=8, size=size).astype(np.int16)
        piece, clip = clip[:size], clip[size:]
        frame[: len(piece)] += piece
        caller.session.push_audio(frame)
        due += FRAME_S
        await asyncio.sleep(max(0.0, due - loop.time()))


def measure(kind: Kind, found: Sequence[Sound], turns: TurnSettings) -> list[Outcome]:
    """Every sound in a conversation of its own."""
    dice, outcomes = random.Random(4), []
    for sound in found:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(play(listen_to(kind, sound, Path(folder), dice.uniform(*LISTENED_S), turns)))
    return outcomes


def tell(title: str, outcomes: Sequence[Outcome]) -> None:
    """A table of the interruptions, by how loud they were; then what became of the others."""
    rows: dict[str, list[float]] = {}
    for level_db in sorted({each.sound.level_db for each in outcomes}, reverse=True):
        real = [each for each in outcomes if each.sound.interrupts and each.sound.level_db == level_db]
        name = f"{level_db:.0f} dB" if level_db else "as loud as the question"
        rows[f"{name}: quieter by 15 dB"] = [each.quieter_s for each in real if each.quieter_s is not None]
        silent = [(each.sound.kind, each.silent_s) for each in real if each.silent_s is not None]
        rows[f"{name}: silent"] = [at for _, at in silent]
        rows[f"{name}: silent for a word"] = [at for kind, at in silent if kind == "word"]
    show(title, rows)
    real = [each for each in outcomes if each.sound.interrupts]
    print(f"{'interruptions that cut the answer':40}{sum(each.cut for each in real)} of {len(real)}")
    for kind, level_db in product(("word", "sentence"), sorted({each.sound.level_db for each in real}, reverse=True)):
        those = [each for each in real if (each.sound.kind, each.sound.level_db) == (kind, level_db)]
        late = [f"{e.sound.voice} {e.sound.words.split()[0]} {e.silent_s or 0:.2f}" for e in those if not e.in_time]
        in_time = len(those) - len(late)
        print(
            f"{f'{kind}s of {level_db:.0f} dB silent in time':40}{in_time} of {len(those)} ({in_time / len(those):.0%})"
        )
        if late and level_db == 0:
            print(f"  late: {', '.join(late)}")
    groups = {(each.sound.kind, each.sound.level_db) for each in outcomes if not each.sound.interrupts}
    for kind, level_db in sorted(groups, key=lambda group: (group[0], -group[1])):
        those = [each for each in outcomes if (each.sound.kind, each.sound.level_db) == (kind, level_db)]
        whole, cut = sum(not each.gap and not each.cut for each in those), sum(each.cut for each in those)
        name = f"{kind}s{f' of {level_db:.0f} dB' if kind == 'murmur' else ''} without a gap"
        print(f"{name:40}{whole} of {len(those)} ({whole / len(those):.0%}), {cut} cost the answer")
    those = [each for each in outcomes if not each.sound.interrupts and each.sound.level_db == 0.0]
    whole = sum(not each.gap and not each.cut for each in those)
    print(f"{'noises and murmurs of 0 dB without a gap':40}{whole} of {len(those)} ({whole / max(1, len(those)):.0%})")


def main(options: argparse.Namespace) -> None:
    """One table each."""
    logging.disable(logging.WARNING)
    load_speech_model()
    turns = TurnSettings(adaptive=False, interruptions=options.interruptions)
    found = sounds(UNSEEN if options.unseen else VOICES, options.levels)
    for kind in options.engine:
        outcomes = measure(kind, found, turns)
        tell(f"{kind.value}, {turns.interruptions.value}: first sample of an interruption ->", outcomes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=Kind, choices=tuple(Kind), nargs="*", default=list(Kind))
    parser.add_argument(
        "--interruptions", type=Interruptions, choices=tuple(Interruptions), default=Interruptions.NORMAL
    )
    parser.add_argument("--levels", type=float, nargs="*", default=LEVELS_DB, help="in dB, against the question")
    parser.add_argument("--unseen", action="store_true", help="voices by which nothing was chosen")
    main(parser.parse_args())
