"""What is heard in a recording: Moonshine first, then the expected phrases, then Whisper where it is in doubt."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from voice_agents.offline.stt.alone import Guesses, guesses, likeliest, said, sure
from voice_agents.offline.stt.expected import Expectation, Expected, plain
from voice_agents.offline.stt.hum import is_dark_word, is_hum
from voice_agents.offline.stt.moonshine import RATE, Branch, Heard, Moonshine, Samples, Sound
from voice_agents.offline.stt.spelling import MURMUR, spelled
from voice_agents.offline.stt.whisper import Whisper
from voice_agents.offline.weights import MOONSHINE, WHISPER, WeightsError

logger = logging.getLogger(__name__)

_UNSURE = -0.1
"""Words with a lower score may be an expected phrase."""
_LESS_LIKELY, _HARDLY_LESS_LIKELY = 3.2, 1.5
"""By so much, as a log probability, a request may be less likely than words that are none, and words in which
something is understood."""
_RESEMBLES = 0.45
"""... if what was heard has that many letters in common with an expected phrase."""
_DOUBT = -0.17
"""Words with a lower score are worth a second opinion."""
_DOUBT_WITH_MEANING = -0.4
_GUESS = -1.2
"""Words with a lower score were not heard but made up."""
_NOBODY, _LONG_S = -1.5, 1.0
"""With a lower score of Whisper's, in a sound that long, nobody spoke: people in a noisy room are above -1.2."""
_FITS = -1.6
"""An expected phrase with a lower score was not said."""
_FEW_WORDS, _SURE_ENOUGH = 2, -0.6
"""So short a phrase fits many sounds: with a lower score it is only taken if Whisper hears it too."""
_NEARLY, _ALMOST, _SAME = 0.9, 0.4, 0.15
"""How much worse an expected phrase may fit than the words heard: unsure ones, sure ones without a meaning, and ones
that mean something but are spelled like no phrase ("take a note by milk")."""
_ALIKE = 0.7
"""Sure words are only compared with the expected phrases if their letters are that much like one of them."""
_SHORT_S, _SHORTEST_S = 0.55, 0.45
_AGREED = -2.0
"""Words of which the first model's half and the second one's whole log probability are more have been said."""
_INVENTED = frozenset({"you", "thank you"})
"""... but for these, which both models hear in a door that slams."""
_MURMUR_SCORE, _MURMURED = -0.5, -3.4
"""What is so short and so doubtful was no word: by one model's mean, and by both models' sum."""
_HUM_S, _SURE_OF_HUM, _SURELY_WORDS = 1.1, -0.2, -0.45
"""What sounds like a hum, and is no longer, is one unless the first or the second model is so sure of its words."""
_ALONE_S = 0.95
"""Who speaks no longer says a word or two, or a short phrase that is known."""
_WORDS_A_S = 7
"""Nobody says more words in a second."""


class Ears:
    """The loaded models, one set for the whole process; every method blocks, for any thread.

    Raises WeightsError when neither model can be used.
    """

    def __init__(self, expectation: Expectation | None = None) -> None:
        expectation = expectation or Expectation()
        self._means_something, self._is_request = expectation.means_something, expectation.is_request
        self._expected = Expected(expectation.phrases)
        self._moonshine = _moonshine()
        self._tree = self._moonshine.expect(self._expected.phrases) if self._moonshine is not None else Branch()
        short = (text for text in (*expectation.alone, *expectation.phrases) if len(text.split()) <= _FEW_WORDS)
        self._names = {said(text): text for text in short}
        self._alone = frozenset(self._names)
        alone = [spelled(text) for text in self._names.values()]
        self._alone_tree = self._moonshine.expect(alone) if self._moonshine is not None else Branch()
        self._whisper = _whisper(needed=self._moonshine is None)
        self._warm_up()

    def partial(self, samples: Samples, unwanted: Callable[[], bool]) -> str:
        """The likely words so far, "" if they were ``unwanted`` before they were found."""
        if self._moonshine is None:
            return ""
        if is_hum(samples):
            return ""
        heard = self._moonshine.words(self._moonshine.listen(samples), unwanted)
        return spelled(heard.text) if heard is not None and heard.score > _GUESS else ""

    def final(self, samples: Samples, voiced_s: float, *, doubtful: bool = False) -> str:
        """The words; ``voiced_s``: for how many seconds somebody speaks in it, ``doubtful``: if anybody does."""
        if self._moonshine is None:
            return self._settled(self._second_opinion(samples, Heard("", _GUESS), voiced_s), voiced_s, samples)
        sound = self._moonshine.listen(samples)
        if doubtful and not is_dark_word(samples):
            return self._agreed(samples, sound)
        heard = self._moonshine.words(sound) or Heard("", _GUESS)
        if voiced_s < _HUM_S and heard.score < _SURE_OF_HUM and is_hum(samples):
            return self._hummed(samples, heard)
        same = self._expected.same(heard.text)
        if voiced_s < _ALONE_S and (not same or len(same.split()) <= _FEW_WORDS):
            same = self._said_alone(samples, sound, heard, voiced_s) or same
        return same or self._sentence(samples, sound, heard, voiced_s)

    def _sentence(self, samples: Samples, sound: Sound, heard: Heard, voiced_s: float) -> str:
        """More words: as they were heard, as a phrase that is expected, or as the second model hears them."""
        assert self._moonshine is not None
        means_something = self._means_something(heard.text)
        phrase = self._phrase(self._moonshine, sound, heard, means_something)
        if phrase is not None and len(phrase.text.split()) > _WORDS_A_S * voiced_s:
            phrase = None
        if phrase is not None and (len(phrase.text.split()) > _FEW_WORDS or phrase.score > _SURE_ENOUGH):
            return phrase.text
        if meant := self._meant(self._moonshine, sound, heard):
            return meant
        is_request = self._is_request(heard.text)
        doubt = _DOUBT_WITH_MEANING if is_request else _UNSURE if means_something else _DOUBT
        if phrase is not None or heard.score < doubt:
            other = self._second_opinion(samples, heard, voiced_s)
            if phrase is not None and plain(other.text) == plain(phrase.text):
                return phrase.text
            better = other.score > heard.score or self._is_request(other.text)
            if not means_something or better or not other.text:
                heard = Heard(other.text, max(other.score, heard.score))  # one that is sure of words is enough
        return self._settled(heard, voiced_s, samples)

    def _meant(self, moonshine: Moonshine, sound: Sound, heard: Heard) -> str:
        """Instead of unsure words that are no request: the likeliest that are one, if they are hardly less likely."""
        sure = heard.score > _UNSURE or self._is_request(heard.text)
        if sure or self._expected.likeness(heard.text) < _RESEMBLES:
            return ""
        found = moonshine.guesses(sound, sentence=True)
        kinds = [(self._is_request, _LESS_LIKELY), (self._means_something, _HARDLY_LESS_LIKELY)]
        for wanted, less in kinds[: 1 if self._means_something(heard.text) else 2]:
            likely = (guess.text for guess in found if guess.score > found[0].score - less)
            if meant := next(filter(wanted, likely), ""):
                return self._expected.same(meant) or spelled(meant)
        return ""

    def _said_alone(self, samples: Samples, sound: Sound, heard: Heard, voiced_s: float) -> str:
        """What was said if it was a word or two, a murmur if it hardly was; "" if it was more, or that is plain."""
        if self._moonshine is None or heard.score > _UNSURE:
            return ""
        first = guesses(self._moonshine.guesses(sound))
        if all(len(words.split()) > _FEW_WORDS for words in first.words):
            return ""
        alone, murmured = sure(first, self._alone), False
        if alone is None:
            usual = self._moonshine.likeliest(sound, self._alone_tree)
            second = self._second_guesses(samples)
            alone = likeliest(first.and_also(guesses([self._moonshine.whole(usual)])), second, self._alone)
            known = alone.text in self._alone and (alone.text in second.words or self._whisper is None)
            murmured = alone.score < _MURMURED and not known and not is_dark_word(samples)
        if len(alone.text.split()) > _FEW_WORDS:
            return ""
        return MURMUR if murmured and voiced_s < _SHORT_S else self._written(alone.text)

    def _agreed(self, samples: Samples, sound: Sound) -> str:
        """Words that both models think of by themselves; else it was a machine that sounds like a voice."""
        assert self._moonshine is not None
        first, second = guesses(self._moonshine.guesses(sound)), self._second_guesses(samples)
        best = likeliest(first, second, self._alone)
        agreed = (
            best.text not in _INVENTED
            and best.text in first.words
            and (best.text in second.words or self._whisper is None)
        )
        return self._written(best.text) if agreed and best.score > _AGREED else ""

    def _second_guesses(self, samples: Samples) -> Guesses:
        return guesses(self._whisper.guesses(samples) if self._whisper is not None else ())

    def _written(self, words: str) -> str:
        return self._expected.same(words) or spelled(self._names.get(words, words))

    def _phrase(self, moonshine: Moonshine, sound: Sound, heard: Heard, means_something: bool) -> Heard | None:
        """The expected phrase that fits the sound about as well as the words heard, if one does."""
        unsure = heard.score < _UNSURE and not means_something
        if not unsure and self._expected.likeness(heard.text) < _ALIKE:
            return None
        worse = _NEARLY if unsure else _SAME if means_something else _ALMOST
        found = moonshine.likeliest(sound, self._tree)
        return found if found.score > max(_FITS, heard.score - worse) else None

    def _second_opinion(self, samples: Samples, first: Heard, voiced_s: float) -> Heard:
        if self._whisper is None:
            return first
        second = self._whisper.words(samples)
        if second.score < _NOBODY and voiced_s > _LONG_S:
            return Heard("", second.score)
        return first if second.score < _GUESS and first.text else second

    def _hummed(self, samples: Samples, first: Heard) -> str:
        """A murmur, unless Whisper is sure of words, or hears the same."""
        if self._whisper is None:
            return MURMUR
        second = self._whisper.words(samples)
        agreed = plain(second.text) == plain(first.text)
        return ((agreed or second.score > _SURELY_WORDS) and spelled(second.text)) or MURMUR

    def _settled(self, heard: Heard, voiced_s: float, samples: Samples) -> str:
        """What remains of doubtful words: a short one that nobody is sure of was rather a murmur, unless it is dark."""
        if same := self._expected.same(heard.text):
            return same
        text = spelled(heard.text)
        shortest_s = _SHORTEST_S if self._means_something(heard.text) else _SHORT_S
        murmured = voiced_s < shortest_s and heard.score < _MURMUR_SCORE
        return MURMUR if text and murmured and not is_dark_word(samples) else text

    def _warm_up(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.01, RATE).astype(np.float32)
        if self._moonshine is not None:
            sound = self._moonshine.listen(noise)
            self._moonshine.words(sound)
            self._moonshine.likeliest(sound, self._tree)
        if self._whisper is not None:
            self._whisper.warm_up()


def _moonshine() -> Moonshine | None:
    try:
        return Moonshine(MOONSHINE.locate())
    except WeightsError as error:
        logger.warning("%s. Whisper alone listens, without words while you speak.", error)
        return None


def _whisper(needed: bool) -> Whisper | None:
    try:
        return Whisper(WHISPER.locate())
    except (WeightsError, ImportError) as error:
        reason = str(error) if isinstance(error, WeightsError) else "CTranslate2 is not installed"
        if needed:
            raise WeightsError(f"{reason}. Moonshine can not be used either: {MOONSHINE.requirement}") from error
        logger.warning("%s. Moonshine alone listens, which is worse in noise.", reason)
        return None
