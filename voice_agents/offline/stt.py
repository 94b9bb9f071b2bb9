"""A streaming recogniser over pocketsphinx: the demo's own phrases by grammar, everything else by a general language model."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm

SAMPLE_RATE = 16_000
"""Hz. What the recogniser hears; resample before ``feed``."""


class Utterance:
    """Audio from one commit to the next, recognised while it comes in. Made by ``Recogniser.utterance``."""

    def feed(self, pcm: Pcm) -> None:
        """More audio: int16 mono at 16 kHz, shape (n,), any length. Never blocks."""
        raise NotImplementedError

    @property
    def partial(self) -> str:
        """The words heard so far; they may still change. "" while nothing was heard."""
        raise NotImplementedError

    async def finish(self) -> str:
        """No more audio: the final words, lower case without punctuation; "" for silence, a cough or noise."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Forget this utterance; its decoder is free at once. A pending ``finish`` returns ""."""
        raise NotImplementedError


class Recogniser:
    """Owns decoders and the threads they run in; one per process.

    ``grammar`` is JSGF with at least one public rule, lower-case words. Entering loads the models off the event
    loop (about a second); leaving ends every thread. Raises ``ConfigurationError`` on entering when the grammar
    cannot be parsed or uses a word without a pronunciation.
    """

    def __init__(self, grammar: str, *, workers: int = 2) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def utterance(self, on_partial: Callable[[str], None] | None = None) -> Utterance:
        """A new utterance. ``on_partial`` is called in the event loop whenever the words so far have changed."""
        raise NotImplementedError
