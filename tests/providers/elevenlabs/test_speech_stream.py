"""How long a silent voice is waited for, on virtual time."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np

from tests.providers.elevenlabs.test_alignment import WORD, times
from tests.stories.clock import play
from voice_agents.audio import to_bytes
from voice_agents.errors import ProviderError
from voice_agents.providers.elevenlabs.speech_stream import ContextStream
from voice_agents.providers.elevenlabs.speech_timing import TtsTimeouts
from voice_agents.settings import Endpoint, Provider

STALL_S = 1.0
QUIET_S = 0.5


class Voice:
    """A turn over a socket whose server says only what the test lets it say."""

    def __init__(self) -> None:
        self.stalled_at: float | None = None
        self.words: list[str] = []
        timeouts = TtsTimeouts(stall_s=STALL_S, quiet_s=QUIET_S)
        endpoint = Endpoint(Provider.ELEVENLABS, "http://127.0.0.1:9", "model", "key")
        self.stream = ContextStream(endpoint, "voice", timeouts, self)
        self.stream.attach(lambda frame: None)

    def forget(self, stream_id: str) -> None:
        """Nobody else listens."""

    def stalled(self, error: ProviderError) -> None:
        self.stalled_at = asyncio.get_running_loop().time()
        self.stream.cancel()

    def sounds(self, text: str, **more: Any) -> None:
        """The server speaks a piece."""
        pcm = np.ones(WORD * len(text.split()), dtype=np.int16)
        self.stream.take({"audio": base64.b64encode(to_bytes(pcm)).decode(), "alignment": times(text), **more})

    async def listen(self) -> float:
        """To the end; when that was."""
        async for chunk in self.stream:
            self.words += [word.text for word in chunk.words]
        return asyncio.get_running_loop().time()


def test_a_voice_that_has_stopped_is_noticed_however_much_text_is_sent_after_it() -> None:
    async def story() -> None:
        voice = Voice()
        listening = asyncio.create_task(voice.listen())
        for number in range(5):
            voice.stream.send(f"Sentence {number}.")
            await asyncio.sleep(0.7 * STALL_S)
        voice.stream.finish()
        await listening
        assert voice.stalled_at == STALL_S

    play(story())


def test_the_end_of_the_text_is_no_sign_of_life() -> None:
    async def story() -> None:
        voice = Voice()
        listening = asyncio.create_task(voice.listen())
        voice.stream.send("Hello there.")
        await asyncio.sleep(0.7 * STALL_S)
        voice.stream.finish()
        await listening
        assert voice.stalled_at == STALL_S

    play(story())


def test_a_voice_that_is_behind_the_text_but_goes_on_is_waited_for() -> None:
    async def story() -> None:
        voice = Voice()
        listening = asyncio.create_task(voice.listen())
        texts = ["one two", "three four", "five six"]
        for text in texts:
            voice.stream.send(text)
        voice.stream.finish()
        for text in texts:
            await asyncio.sleep(0.9 * STALL_S)
            voice.sounds(text)
        await listening
        assert voice.stalled_at is None
        assert voice.words == " ".join(texts).split()

    play(story())


def test_text_after_a_long_thought_has_its_own_patience() -> None:
    async def story() -> None:
        voice = Voice()
        listening = asyncio.create_task(voice.listen())
        voice.stream.send("Let me see.")
        voice.sounds("Let me see.")
        await asyncio.sleep(5 * STALL_S)
        voice.stream.send("Here it is.")
        await listening
        assert voice.stalled_at == 6 * STALL_S
        assert voice.words == ["Let", "me", "see."]

    play(story())


def test_the_last_sound_is_waited_for_when_the_text_ends_long_after_its_words() -> None:
    async def story() -> None:
        voice = Voice()
        listening = asyncio.create_task(voice.listen())
        voice.stream.send("That is all.")
        voice.sounds("That is all.")
        await asyncio.sleep(5 * STALL_S)
        voice.stream.finish()
        assert await listening == 5 * STALL_S + QUIET_S

    play(story())
