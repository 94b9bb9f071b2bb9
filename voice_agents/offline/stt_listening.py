"""One utterance on its way from samples to words: the grammar first, the general model where the grammar is in doubt.

Plain synchronous code without a thread or a clock of its own; ``stt`` runs it off the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pocketsphinx

from voice_agents.audio import Pcm, from_bytes, rms_dbfs, to_bytes
from voice_agents.errors import ConfigurationError
from voice_agents.offline.stt_gate import FRAME_MS, SAMPLE_RATE, Gate
from voice_agents.offline.stt_grammar import BACKCHANNELS, Grammar
from voice_agents.offline.stt_passes import Evidence, GeneralPass, GrammarPass, Verdict

_MODEL = Path(pocketsphinx.get_model_path()) / "en-us"
_DICTIONARY = _MODEL / "cmudict-en-us.dict"

_TARGET_DBFS = -18.0
_GAIN_AFTER = 660 // FRAME_MS
"""Frames (half of them from before the voice began) that decide the gain of an utterance."""
_LOOK_EVERY = 240 // FRAME_MS
_GENERAL_AFTER = 1200 // FRAME_MS
_LONGEST = 60_000 // FRAME_MS
"""Frames of speech kept in an utterance; what is said after a minute without a commit is not heard."""
_SAME_SOUND = 0.7


class Decoders:
    """All decoders of the process: grammar decoders are small and made on demand, general ones (96 MB) are counted.

    Raises ``ConfigurationError`` for a grammar that pocketsphinx cannot load.
    """

    def __init__(self, grammar: Grammar, general: int) -> None:
        self.grammar = grammar
        self._folder = TemporaryDirectory(prefix="voice-agents-")
        self._dictionary = Path(self._folder.name) / "grammar.dict"
        self._pronunciations = grammar.pronunciations(_DICTIONARY)
        self._dictionary.write_text("".join(_entries(self._pronunciations)), encoding="utf-8")
        self._lock = threading.Lock()
        self._free_grammar = [self._make_grammar()]
        self._free_general = [_make(lm=str(_MODEL / "en-us.lm.bin"), dict=str(_DICTIONARY)) for _ in range(general)]
        self._general = threading.Semaphore(general)
        self._live = threading.Semaphore(general - 1)

    def close(self) -> None:
        """Remove the temporary dictionary."""
        self._folder.cleanup()

    def take_grammar(self) -> pocketsphinx.Decoder:
        """A grammar decoder; give it back with ``return_grammar``."""
        with self._lock:
            if self._free_grammar:
                return self._free_grammar.pop()
        return self._make_grammar()

    def return_grammar(self, decoder: pocketsphinx.Decoder) -> None:
        """It can serve another utterance."""
        with self._lock:
            self._free_grammar.append(decoder)

    def take_live(self) -> pocketsphinx.Decoder | None:
        """A general decoder to follow an utterance with, or None: one is always kept for final results."""
        return self._take_general() if self._live.acquire(blocking=False) else None

    def return_live(self, decoder: pocketsphinx.Decoder) -> None:
        """The utterance is over."""
        self._return_general(decoder)
        self._live.release()

    @contextmanager
    def general(self) -> Iterator[pocketsphinx.Decoder]:
        """A general decoder for a final result; waits until one is free."""
        decoder = self._take_general()
        try:
            yield decoder
        finally:
            self._return_general(decoder)

    def sounds_like(self, text: str, other: str, general: pocketsphinx.Decoder) -> float:
        """How alike two texts sound, 0 - 1, by their phones; ``general`` knows the words of ``other``."""
        mine = [phone for word in text.split() for phone in self._pronunciations[word][0].split()]
        theirs = [phone for word in other.split() for phone in (general.lookup_word(word) or "").split()]
        return SequenceMatcher(None, mine, theirs, autojunk=False).ratio()

    def _take_general(self) -> pocketsphinx.Decoder:
        self._general.acquire()
        with self._lock:
            return self._free_general.pop()

    def _return_general(self, decoder: pocketsphinx.Decoder) -> None:
        with self._lock:
            self._free_general.append(decoder)
        self._general.release()

    def _make_grammar(self) -> pocketsphinx.Decoder:
        # Scores against the best of all sounds (compallsen), not of those the grammar allows: else they prove nothing.
        decoder = _make(lm=None, dict=str(self._dictionary), compallsen=True)
        try:
            decoder.add_jsgf_string("phrases", self.grammar.jsgf)
        except ValueError as error:
            raise ConfigurationError("The recogniser's grammar cannot be parsed; check its JSGF.") from error
        decoder.activate_search("phrases")
        return decoder


class Listening:
    """The recognition of one utterance. Feed, look at ``partial``, finish; ``close`` gives the decoders back."""

    def __init__(self, decoders: Decoders) -> None:
        self.partial = ""
        self._decoders = decoders
        self._gate = Gate()
        self._speech: list[bytes | None] = []
        """Frames of speech so far, already at a good level; None between stretches."""
        self._waiting: list[bytes | None] = []
        self._gain: float | None = None
        self._decoder: pocketsphinx.Decoder | None = None
        self._pass: GrammarPass | None = None
        self._live_decoder: pocketsphinx.Decoder | None = None
        self._live: GeneralPass | None = None

    def feed(self, pcm: Pcm) -> None:
        """More audio, int16 at 16 kHz; at most some 30 ms at a time keep other threads running."""
        for frame in self._gate.feed(pcm):
            if len(self._speech) < _LONGEST:
                self._hear(frame)

    def finish(self) -> str:
        """The final words."""
        self._settle_gain()
        if self._pass is None:
            return ""
        evidence = self._pass.finish()
        self._pass = None
        if evidence.verdict is Verdict.SURE:
            return evidence.text
        if self._live is not None and self._live_decoder is not None:
            return self._decide(evidence, self._live.finish(), self._live_decoder)
        with self._decoders.general() as decoder:
            second = GeneralPass(decoder)
            for frame in self._speech:
                second.feed(frame)
            return self._decide(evidence, second.finish(), decoder)

    def close(self) -> None:
        """Give the decoders back, in whatever state the utterance is."""
        if self._pass is not None:
            self._pass.finish()
            self._pass = None
        if self._decoder is not None:
            self._decoders.return_grammar(self._decoder)
            self._decoder = None
        if self._live is not None and self._live_decoder is not None:
            self._live.finish()
            self._decoders.return_live(self._live_decoder)
            self._live = self._live_decoder = None

    def _hear(self, frame: bytes | None) -> None:
        if self._gain is None:
            self._waiting.append(frame)
            if frame is None or len(self._waiting) >= _GAIN_AFTER:
                self._settle_gain()
            return
        self._decode(frame)

    def _settle_gain(self) -> None:
        """Bring the utterance to the level the models know: a quiet microphone is the commonest reason for nonsense."""
        if not self._waiting:
            return
        levels = sorted(rms_dbfs(from_bytes(frame)) for frame in self._waiting if frame)
        loud = levels[-max(1, len(levels) // 4) :]
        self._gain = 10 ** (float(np.clip(_TARGET_DBFS - np.mean(loud), -12, 30)) / 20)
        waiting, self._waiting = self._waiting, []
        for frame in waiting:
            self._decode(frame)

    def _decode(self, frame: bytes | None) -> None:
        if frame is not None:
            frame = _amplified(frame, self._gain or 1.0)
        self._speech.append(frame)
        if self._pass is None:
            self._decoder = self._decoders.take_grammar()
            self._pass = GrammarPass(self._decoder, self._decoders.grammar)
        if frame is not None:
            self._pass.feed(frame)
        if self._live is not None:
            self._live.feed(frame)
        if len(self._speech) % _LOOK_EVERY == 0:
            self._look()

    def _look(self) -> None:
        """Update the partial text; let the general model follow when this does not sound like the grammar."""
        if self._live is not None:
            self.partial = self._live.text or self.partial
            return
        evidence = self._pass.evidence() if self._pass else None
        if evidence is not None and evidence.plausible:
            self.partial = evidence.text
        elif len(self._speech) >= _GENERAL_AFTER:
            self._live_decoder = self._decoders.take_live()
            if self._live_decoder is not None:
                self._live = GeneralPass(self._live_decoder)
                for frame in self._speech:
                    self._live.feed(frame)

    def _decide(self, evidence: Evidence, general: str, decoder: pocketsphinx.Decoder) -> str:
        if evidence.verdict is Verdict.NO or self._decoders.grammar.accepts(general):
            return general
        if evidence.text in BACKCHANNELS or self._decoders.sounds_like(evidence.text, general, decoder) >= _SAME_SOUND:
            return evidence.text
        return general


def _make(**options: object) -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(hmm=str(_MODEL / "en-us"), samprate=SAMPLE_RATE, loglevel="FATAL", **options)


def _entries(pronunciations: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The lines of a CMU dictionary file."""
    for word, variants in pronunciations.items():
        for number, phones in enumerate(variants, start=1):
            yield f"{word if number == 1 else f'{word}({number})'} {phones}\n"


def _amplified(frame: bytes, gain: float) -> bytes:
    return to_bytes(np.clip(from_bytes(frame) * gain, -32768, 32767).astype(np.int16))
