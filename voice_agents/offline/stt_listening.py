"""One utterance on its way from samples to words: the grammar first, the general model where the grammar is in doubt.

Plain synchronous code without a thread or a clock of its own; ``stt`` runs it off the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import SequenceMatcher
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pocketsphinx

from voice_agents.audio import Pcm, from_bytes, rms_dbfs
from voice_agents.errors import ConfigurationError
from voice_agents.offline.stt_gate import FRAME_MS, SAMPLE_RATE, Gate, VoiceCheck
from voice_agents.offline.stt_grammar import BACKCHANNELS, HUMS, Grammar
from voice_agents.offline.stt_passes import Evidence, GeneralPass, GrammarPass, Verdict, amplified

_MODEL = Path(pocketsphinx.get_model_path()) / "en-us"
_DICTIONARY = _MODEL / "cmudict-en-us.dict"

_TARGET_DBFS = -22.0
_LEVEL_AFTER = 840 // FRAME_MS
"""Frames (300 ms of them from before the voice began) that decide the level of an utterance."""
_GAIN_WRONG = 2.0
"""How far the gain may be from the one that all frames together ask for; beyond it the grammar tries again."""
_LOOK_EVERY = 240 // FRAME_MS
_GENERAL_AFTER = 1200 // FRAME_MS
_LONGEST = 60_000 // FRAME_MS
"""Frames of speech kept in an utterance; what is said after a minute without a commit is not heard."""
_SAME_SOUND = 0.62
_BACKCHANNEL_FIT = -7.0
_HUM_FIT = -8.0
_BACKCHANNEL_WORDS = 2
"""The general model hardly knows the sounds people make while they listen, and takes them for words as short."""


class Decoders:
    """All decoders of the process: grammar decoders are small and made on demand, general ones (96 MB) are counted.

    Raises ``ConfigurationError`` for a grammar that pocketsphinx cannot load.
    """

    def __init__(self, grammar: Grammar, general: int) -> None:
        self.grammar = grammar
        self._folder = TemporaryDirectory(prefix="voice-agents-")
        self._dictionary = Path(self._folder.name) / "grammar.dict"
        self.voice_check = VoiceCheck()
        self._pronunciations = grammar.pronunciations(_DICTIONARY)
        self._dictionary.write_text("".join(_entries(self._pronunciations)), encoding="utf-8")
        self._lock = threading.Lock()
        self._free_grammar = [self._make_grammar()]
        self._free_general = [_make(lm=str(_MODEL / "en-us.lm.bin"), dict=str(_DICTIONARY)) for _ in range(general)]
        self._words = self._free_general[0]
        self._general = threading.Semaphore(general)
        self._live = threading.Semaphore(general - 1)

    def close(self) -> None:
        """Remove the temporary dictionary."""
        self._folder.cleanup()

    @contextmanager
    def grammar_decoder(self) -> Iterator[pocketsphinx.Decoder]:
        """A grammar decoder for one utterance; there are always enough."""
        with self._lock:
            decoder = self._free_grammar.pop() if self._free_grammar else None
        decoder = decoder or self._make_grammar()
        try:
            yield decoder
        finally:
            with self._lock:
                self._free_grammar.append(decoder)

    @contextmanager
    def general_decoder(self) -> Iterator[pocketsphinx.Decoder]:
        """A general decoder; waits until one is free."""
        with self._general:
            with self._lock:
                decoder = self._free_general.pop()
            try:
                yield decoder
            finally:
                with self._lock:
                    self._free_general.append(decoder)

    @contextmanager
    def live_decoder(self) -> Iterator[pocketsphinx.Decoder | None]:
        """A general decoder to follow an utterance with, or None: the last one is kept for final results."""
        if not self._live.acquire(blocking=False):
            yield None
            return
        try:
            with self.general_decoder() as decoder:
                yield decoder
        finally:
            self._live.release()

    def likeness(self, phrase: str, text: str) -> float:
        """How alike a phrase of the grammar and any text sound, 0 - 1, by their phones."""
        mine = [phone for word in phrase.split() for phone in self._pronunciations[word][0].split()]
        theirs = [phone for word in text.split() for phone in (self._words.lookup_word(word) or "").split()]
        return SequenceMatcher(None, mine, theirs, autojunk=False).ratio()

    def _make_grammar(self) -> pocketsphinx.Decoder:
        # Scores against the best of all sounds (compallsen), not of those the grammar allows: else they prove nothing.
        # Beams wider than the default: it loses phrases that begin softly.
        decoder = _make(lm=None, dict=str(self._dictionary), compallsen=True, beam=1e-60, pbeam=1e-60)
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
        self._cancelled = False
        self._decoders = decoders
        self._gate = Gate()
        self._speech: list[bytes | None] = []
        """Frames of speech so far; None between stretches."""
        self._borrowed = ExitStack()
        self._grammar: GrammarPass | None = None
        self._live: GeneralPass | None = None

    def feed(self, pcm: Pcm) -> None:
        """More audio, int16 at 16 kHz, shape (n,). Short pieces let other threads run in between."""
        for frame in self._gate.feed(pcm):
            if len(self._speech) < _LONGEST:
                self._speech.append(frame)
                self._hear(frame)

    def finish(self) -> str:
        """The final words, "" when there were none."""
        if not self._speech:
            return ""
        evidence = self._grammar_evidence()
        if evidence.verdict is Verdict.SURE:
            return evidence.text
        gain = _gain_for(self._speech)
        if not self._decoders.voice_check.hears_voice(amplified(frame, gain) for frame in self._speech if frame):
            return ""
        if self._live is not None:
            return self._decide(evidence, self._live)
        with self._decoders.general_decoder() as decoder:
            return self._decide(evidence, GeneralPass(decoder, gain, self._heard()))

    def cancel(self) -> None:
        """The result is not wanted any more: a ``finish`` under way in another thread comes to its end."""
        self._cancelled = True

    def close(self) -> None:
        """Give the decoders back, in whatever state the utterance is."""
        self._borrowed.close()

    def _heard(self) -> Iterator[bytes | None]:
        """All speech so far, for a pass that starts late."""
        for frame in self._speech:
            if self._cancelled:
                return
            yield frame

    def _hear(self, frame: bytes | None) -> None:
        if self._live is not None:
            self._live.feed(frame)
        if self._grammar is not None:
            self._grammar.feed(frame)
        elif frame is None or len(self._speech) >= _LEVEL_AFTER:
            self._grammar = self._start_grammar()
        if len(self._speech) % _LOOK_EVERY == 0:
            self._look()

    def _start_grammar(self) -> GrammarPass:
        """A grammar pass that has heard everything so far, at the level it seems to have."""
        decoder = self._borrowed.enter_context(self._decoders.grammar_decoder())
        started = GrammarPass(decoder, _gain_for(self._speech), self._heard(), self._decoders.grammar)
        self._borrowed.callback(started.finish)
        return started

    def _grammar_evidence(self) -> Evidence:
        """The grammar's final evidence, from a second try when the beginning misled about the level."""
        first = self._grammar or self._start_grammar()
        evidence = first.finish()
        change = _gain_for(self._speech) / first.gain
        if evidence.verdict is Verdict.SURE or 1 / _GAIN_WRONG < change < _GAIN_WRONG:
            return evidence
        return self._start_grammar().finish()

    def _look(self) -> None:
        """Update the partial text; let the general model follow when this does not sound like the grammar."""
        if self._live is not None:
            self.partial = self._live.text or self.partial
            return
        evidence = self._grammar.evidence() if self._grammar else None
        if evidence is not None and evidence.plausible:
            self.partial = evidence.text
        elif len(self._speech) >= _GENERAL_AFTER:
            decoder = self._borrowed.enter_context(self._decoders.live_decoder())
            if decoder is not None:
                self._live = GeneralPass(decoder, _gain_for(self._speech), self._heard())
                self._borrowed.callback(self._live.finish)

    def _decide(self, evidence: Evidence, second: GeneralPass) -> str:
        """The grammar's phrase or the general model's words, where the grammar alone does not prove it."""
        general = second.finish()
        if evidence.verdict is Verdict.NO or self._decoders.grammar.accepts(general):
            return general
        if evidence.text in BACKCHANNELS and evidence.fit > (_HUM_FIT if evidence.text in HUMS else _BACKCHANNEL_FIT):
            alike = len(general.split()) <= _BACKCHANNEL_WORDS
        else:
            alike = self._decoders.likeness(evidence.text, general) >= _SAME_SOUND
        return evidence.text if alike else general


def _gain_for(speech: Sequence[bytes | None]) -> float:
    """What brings speech to the level the models know; a quiet microphone is the commonest reason for nonsense."""
    levels = sorted(rms_dbfs(from_bytes(frame)) for frame in speech if frame)
    loud = levels[-max(1, len(levels) // 4) :]
    return float(10 ** (np.clip(_TARGET_DBFS - np.mean(loud), -12, 30) / 20))


def _make(**options: object) -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(hmm=str(_MODEL / "en-us"), samprate=SAMPLE_RATE, loglevel="FATAL", **options)


def _entries(pronunciations: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The lines of a CMU dictionary file."""
    for word, variants in pronunciations.items():
        for number, phones in enumerate(variants, start=1):
            yield f"{word if number == 1 else f'{word}({number})'} {phones}\n"
