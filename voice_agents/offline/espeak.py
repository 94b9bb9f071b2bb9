"""The few functions of libespeak-ng that are needed, through ctypes: text in, samples and word positions out.

The facts (signatures, event layout, constants) are those of espeak-ng's public interface, speak_lib.h, version 1.52.
The library works for one caller at a time; a lock in here sees to that.
"""

from __future__ import annotations

import ctypes
import re
import threading
import unicodedata
from functools import cache

import espeakng_loader
import numpy as np

from voice_agents.audio import EMPTY, Pcm

_SYNCHRONOUS = 2
_BUFFER_MS = 60
_CHARACTERS = 1
_UTF8 = 1
_END_PAUSE = 0x1000
_IPA = 2
_RATE, _VOLUME = 1, 2
_LIST_END, _WORD = 0, 1
_GO_ON = 0


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


Said = tuple[Pcm, list[tuple[int, float]]]
"""Samples, and the words that are announced with them: where each begins in the text, and at which millisecond."""


class Library:
    """The loaded library. ``synthesize`` blocks (about a hundredth of the speech's length)."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lock = threading.Lock()
        data = espeakng_loader.get_data_path().encode()
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data, 0)
        """Hz of the samples."""
        if self.rate <= 0:
            raise RuntimeError("espeak-ng could not be started: its voice data cannot be read")
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._said: list[Said] = []
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def synthesize(self, text: str, voice: str, words_per_minute: int, volume: int) -> list[Said]:
        """Speak ``text``; ``volume`` 100 is espeak-ng's normal level. Raises ValueError for an unknown voice."""
        with self._lock:
            if self._library.espeak_SetVoiceByName(voice.encode()):
                raise ValueError(f"espeak-ng has no voice {voice!r}")
            self._library.espeak_SetParameter(_RATE, words_per_minute, 0)
            self._library.espeak_SetParameter(_VOLUME, volume, 0)
            data = text.encode() + b"\0"
            said: list[Said] = []
            self._said = said
            length = ctypes.c_size_t(len(data))
            self._library.espeak_Synth(data, length, 0, _CHARACTERS, 0, _UTF8 | _END_PAUSE, None, None)
            self._library.espeak_Synchronize()
        return said

    def phonemes(self, text: str, voice: str = "en-us") -> str:
        """IPA of a text without punctuation inside, accents apart; words have spaces between them."""
        parts: list[str] = []
        with self._lock:
            self._library.espeak_SetVoiceByName(voice.encode())
            rest = ctypes.c_char_p(text.encode())
            while rest.value:
                part = self._library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA)
                parts.append((part or b"").decode())
        return unicodedata.normalize("NFD", re.sub(r"\([^)]+\)", "", " ".join(parts))).strip()

    def _receive(self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        words = []
        index = 0
        while events[index].type != _LIST_END:
            event = events[index]
            if event.type == _WORD:
                words.append((event.text_position - 1, float(event.audio_position)))
            index += 1
        pcm = np.ctypeslib.as_array(samples, (count,)).copy() if count and samples else EMPTY
        self._said.append((pcm, words))
        return _GO_ON


@cache
def library() -> Library:
    """The library, loaded on first use (some 10 ms) and kept for the life of the process."""
    return Library()
