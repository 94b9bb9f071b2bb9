"""A loopback provider with fixed delays and no engines, in a process of its own: ``python -m tests.bench.provider``.

Speaks the vendors' protocols through the offline server's own code; what it hears and says is scripted, so that a
benchmark measures the client side only. Prints its URL; ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import numpy as np

from voice_agents.audio import Pcm, rms_dbfs
from voice_agents.offline.brain import Brain, Message, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Pace, Services
from voice_agents.offline.tts import Synthesis, WordTiming

COMMIT_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S = 0.12, 0.3, 0.02, 0.15
ANSWER = "Sure, " + " ".join(["this answer goes on for a while so that it can be interrupted."] * 3)
FIRST_CLAUSE_TOKENS = 2
"""The server streams "Sure," as "S" and "ure,"."""
FIXED_S = COMMIT_S + FIRST_TOKEN_S + (FIRST_CLAUSE_TOKENS - 1) * TOKEN_S + FIRST_AUDIO_S
"""What this provider takes between the end of a turn and its first audible sample."""
WORD_S = 0.25
TTS_RATE = 24_000


class ScriptedUtterance:
    """Hears one word for every quarter of a second of sound."""

    def __init__(self, on_partial: Callable[[str], None] | None) -> None:
        self._on_partial = on_partial
        self._loud = 0
        self.partial = ""

    def feed(self, pcm: Pcm) -> None:
        if rms_dbfs(pcm) > -50:
            self._loud += len(pcm)
        words = " ".join(["please", "tell", "me", "more"][number % 4] for number in range(self._loud // 4000))
        if words != self.partial:
            self.partial = words
            if self._on_partial is not None:
                self._on_partial(words)

    async def finish(self) -> str:
        return self.partial

    def cancel(self) -> None:
        pass


class ScriptedRecogniser:
    def utterance(self, on_partial: Callable[[str], None] | None = None) -> ScriptedUtterance:
        return ScriptedUtterance(on_partial)


class ToneVoice:
    """Every word is a quarter of a second of a 220 Hz tone, audible from its first sample."""

    def __init__(self) -> None:
        time = np.arange(round(WORD_S * TTS_RATE)) / TTS_RATE
        self._word = (6000 * np.cos(2 * np.pi * 220 * time)).astype(np.int16)

    async def speak(self, text: str, voice: str = "", speed: float = 1.0) -> AsyncIterator[Synthesis]:
        at = 0
        for number, word in enumerate(text.split()):
            offset = text.index(word, at)
            at = offset + len(word)
            yield Synthesis(self._word, (WordTiming(offset, len(word), number * WORD_S * 1000),))


class ScriptedBrain:
    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        return Reply(ANSWER)


async def serve() -> None:
    services = Services(ScriptedRecogniser(), ToneVoice(), cast(Brain, ScriptedBrain()))
    services.pace = Pace(COMMIT_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S)
    async with OfflineServer(services=services) as server:
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def fixed_delays(module: str = "tests.bench.provider") -> Iterator[str]:
    """The URL of such a provider (``module`` prints it when run) for as long as the block runs."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve())
