"""One utterance on its way from samples to words: the grammar first, the general model where the grammar is in doubt.

Plain synchronous code without a thread or a clock of its own; ``stt`` runs it off the event loop.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pocketsphinx

from voice_agents.audio import Pcm, from_bytes, rms_dbfs
from voice_agents.errors import ConfigurationError
from voice_agents.offline.stt.gate import FRAME_MS, SAMPLE_RATE, Gate, VoiceCheck
from voice_agents.offline.stt.grammar import BACKCHANNELS, HUMS, Grammar
from voice_agents.offline.stt.noise import noise_of
from voice_agents.offline.stt.passes import Evidence, GeneralPass, GrammarPass, Microphone, Verdict, amplified

_MODEL = Path(pocketsphinx.get_model_path()) / "en-us"
_DICTIONARY = _MODEL / "cmudict-en-us.dict"

_GRAMMAR_DECODERS = 4
"""Made at the start; one more takes 10 MB, and 0.1 s in which nothing else runs."""
_TARGET_DBFS = -22.0
_LEVEL_AFTER = 840 // FRAME_MS
"""Frames (300 ms of them from before the voice began) that decide the level of an utterance."""
_GAIN_WRONG = 2.0
"""How far the gain may be from the one that all frames together ask for; beyond it the grammar tries again."""
_LOOK_EVERY = 120 // FRAME_MS
_VOICE_WITHIN = 990 // FRAME_MS
_GENERAL_AFTER = 1200 // FRAME_MS
_LONGEST = 60_000 // FRAME_MS
"""Frames of speech kept in an utterance; what is said after a minute without a commit is not heard."""
_AS_GOOD = 1.6
"""How much worse than the general model's words a doubtful phrase may fit the sound. What was said fitted up to
1.55 worse, as the general model has more to choose from; what was not said from 1.65 on. Few fell elsewhere."""
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
        self.voice_check = VoiceCheck()
        self._pronunciations = grammar.pronunciations(_DICTIONARY)
        self._lock = threading.Lock()
        self._free_grammar = [self._make_grammar() for _ in range(_GRAMMAR_DECODERS)]
        self._free_general = [_make(lm=str(_MODEL / "en-us.lm.bin"), dict=str(_DICTIONARY)) for _ in range(general)]
        self._general = threading.Semaphore(general)
        self._live = threading.Semaphore(general - 1)

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

    def _make_grammar(self) -> pocketsphinx.Decoder:
        # Scores against the best of all sounds (compallsen), not of those the grammar allows: else they prove nothing.
        # Beams wider than the default: it loses phrases that begin softly. No lattice (bestpath): it takes 100 ms.
        decoder = _make(lm=None, dict=os.devnull, compallsen=True, beam=1e-60, pbeam=1e-60, bestpath=False)
        for entry, phones in self._entries():
            decoder.add_word(entry, phones, False)
        try:
            decoder.add_jsgf_string("phrases", self.grammar.jsgf)
        except ValueError as error:
            raise ConfigurationError("The recogniser's grammar cannot be parsed; check its JSGF.") from error
        decoder.activate_search("phrases")
        return decoder

    def _entries(self) -> Iterator[tuple[str, str]]:
        """The grammar's words as a CMU dictionary has them: "read", then "read(2)" for another pronunciation."""
        for word, variants in self._pronunciations.items():
            for number, phones in enumerate(variants, start=1):
                yield (word if number == 1 else f"{word}({number})"), phones


class Listening:
    """The recognition of one utterance. Feed, look at ``partial``, finish; ``close`` gives the decoders back."""

    def __init__(self, decoders: Decoders) -> None:
        self.partial = ""
        self._cancelled = False
        self._voice_heard = False
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
        if not self._hears_voice(self._speech):
            return ""
        if self._live is not None:
            return self._decide(evidence, self._live)
        with self._decoders.general_decoder() as decoder:
            return self._decide(evidence, GeneralPass(decoder, self._microphone(), self._heard()))

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
        if self._grammar is not None and len(self._speech) % _LOOK_EVERY == 0:
            self._look()

    def _start_grammar(self) -> GrammarPass:
        """A grammar pass that has heard everything so far, at the level and with the noise it seems to have."""
        decoder = self._borrowed.enter_context(self._decoders.grammar_decoder())
        started = GrammarPass(decoder, self._microphone(), self._heard(), self._decoders.grammar)
        self._borrowed.callback(started.finish)
        return started

    def _grammar_evidence(self) -> Evidence:
        """The grammar's final evidence, from a second try when the beginning misled about the microphone."""
        first = self._grammar or self._start_grammar()
        evidence = first.finish()
        if evidence.verdict is Verdict.SURE:
            return evidence
        then, now = first.microphone, self._microphone()
        unheard = then.noise is None and now.noise is not None
        if unheard or not 1 / _GAIN_WRONG < now.gain / then.gain < _GAIN_WRONG:
            return self._start_grammar().finish()
        return evidence

    def _microphone(self) -> Microphone:
        """What all that was heard so far tells about the microphone."""
        return Microphone(_gain_for(self._speech), noise_of(self._gate.recent))

    def _hears_voice(self, speech: Sequence[bytes | None]) -> bool:
        """Whether a voice is in these frames or was in earlier ones."""
        if not self._voice_heard:
            gain = _gain_for(self._speech)
            frames = (amplified(frame, gain) for frame in speech if frame)
            self._voice_heard = self._decoders.voice_check.hears_voice(frames)
        return self._voice_heard

    def _look(self) -> None:
        """Update the partial text; let the general model follow when this does not sound like the grammar.

        Nothing is shown, and no general decoder taken, for a cough.
        """
        if not self._hears_voice(self._speech[-_VOICE_WITHIN:]):
            return
        if self._live is not None:
            self.partial = self._live.text or self.partial
            return
        evidence = self._grammar.evidence() if self._grammar else None
        if evidence is not None and evidence.plausible:
            self.partial = evidence.text
        elif len(self._speech) >= _GENERAL_AFTER:
            decoder = self._borrowed.enter_context(self._decoders.live_decoder())
            if decoder is not None:
                self._live = GeneralPass(decoder, self._microphone(), self._heard())
                self._borrowed.callback(self._live.finish)

    def _decide(self, evidence: Evidence, second: GeneralPass) -> str:
        """The grammar's phrase or the general model's words, where the grammar alone does not prove it."""
        general = second.finish()
        if evidence.verdict is Verdict.NO or self._decoders.grammar.accepts(general):
            return general
        backchannel = evidence.text in BACKCHANNELS and len(general.split()) <= _BACKCHANNEL_WORDS
        if backchannel and evidence.fit > (_HUM_FIT if evidence.text in HUMS else _BACKCHANNEL_FIT):
            return evidence.text
        return evidence.text if evidence.fit > second.fit - _AS_GOOD else general


def _gain_for(speech: Sequence[bytes | None]) -> float:
    """What brings speech to the level the models know; a quiet microphone is the commonest reason for nonsense."""
    levels = sorted(rms_dbfs(from_bytes(frame)) for frame in speech if frame)
    loud = levels[-max(1, len(levels) // 4) :]
    return float(10 ** (np.clip(_TARGET_DBFS - np.mean(loud), -12, 30) / 20))


def _make(**options: object) -> pocketsphinx.Decoder:
    return pocketsphinx.Decoder(hmm=str(_MODEL / "en-us"), samprate=SAMPLE_RATE, loglevel="FATAL", **options)
