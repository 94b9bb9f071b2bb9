"""Which language a text is written in, as far as its rules of reading depend on it."""

from __future__ import annotations

import re

ENGLISH = "en"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_FEW = {
    "en": "the and is are was of to in it you that this for with your have will be not can at on as i what they he she",
    "de": "der die das und ist sind nicht ein eine einen sie ich wir es mit auf für von zu den dem im bei auch wird",
    "fr": "le la les des est sont et un une vous je nous il elle pour dans avec sur pas du au que qui ce votre plus",
    "es": "el la los las es son y un una usted yo para con por en del que no su está muy más como pero hay tiene",
    "it": "il lo la gli le è sono e un una che per con di del della non in mi ti si ha come più questo questa",
    "pt": "o a os as é são e um uma você para com por em do da que não seu sua está muito mais como mas há tem",
    "nl": "de het een en is zijn niet ik je we van op te met voor dat die er maar ook heeft wordt naar bij",
    "pl": "i w na z się nie jest to że do jak ale są dla od po tak",
}
"""Words every longer text of a language holds."""
_WORDS = {language: frozenset(words.split()) for language, words in _FEW.items()}
NOT_LATIN = "\u0250"
"""Letters from here on are of other alphabets."""


def language_of(text: str, usually: str = ENGLISH) -> str:
    """A language code, "" for one that is none of those known here; ``usually`` where nothing speaks against it."""
    letters = [letter for letter in text if letter.isalpha()]
    if sum(letter >= NOT_LATIN for letter in letters) * 2 > len(letters):
        return ""
    words = [word.lower() for word in _WORD.findall(text)]
    counts = {language: sum(word in known for word in words) for language, known in _WORDS.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > counts.get(usually, 0) else usually
