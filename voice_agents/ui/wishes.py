"""What a page asks of a session: its conversation and how to take turns, checked, since anybody may send anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from voice_agents.settings import Interruptions, TurnDetection, TurnMode, TurnSettings
from voice_agents.transports.live import SessionRequest
from voice_agents.transports.visitors import visitor_address
from voice_agents.ui.identity import conversation_of

PATIENCE_S = (0.2, 2.0)
LONGEST_NAME = 200
_TURNS = ("patience", "mode", "detection", "language", "interruptions")
LANGUAGES = {
    "en": "English", "ar": "Arabic", "zh": "Chinese", "cs": "Czech", "nl": "Dutch", "fi": "Finnish", "fr": "French",
    "de": "German", "el": "Greek", "hi": "Hindi", "it": "Italian", "ja": "Japanese", "ko": "Korean", "fa": "Persian",
    "pl": "Polish", "pt": "Portuguese", "es": "Spanish", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
}  # fmt: skip
"""Those a user can choose from, by ISO 639-1."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Reads them; values no page of ours sends are replaced by the defaults."""

    defaults: TurnSettings

    def request(self, kind: str, sent: Any) -> SessionRequest:
        """``sent``: ``owner``, ``conversation``, ``voice`` and what :meth:`turns` takes."""
        found = sent if isinstance(sent, Mapping) else {}
        return SessionRequest(
            kind, conversation_of(found), self.turns(found), voice_of(found), address=visitor_address()
        )

    def turns(self, sent: Mapping[str, Any]) -> TurnSettings:
        """``patience`` in seconds, ``language`` by its code, the others by their names."""
        patience, mode, detection, language, interruptions = (sent.get(name) for name in _TURNS)
        number = isinstance(patience, int | float) and not isinstance(patience, bool) and patience == patience
        least, most = PATIENCE_S
        return replace(
            self.defaults,
            silence_s=float(min(most, max(least, patience))) if number else self.defaults.silence_s,
            mode=TurnMode(mode) if mode in tuple(TurnMode) else self.defaults.mode,
            language=language if isinstance(language, str) and language in LANGUAGES else self.defaults.language,
            interruptions=(
                Interruptions(interruptions) if interruptions in tuple(Interruptions) else self.defaults.interruptions
            ),
            detection=TurnDetection(detection) if detection in tuple(TurnDetection) else self.defaults.detection,
        )


def voice_of(sent: Mapping[str, Any]) -> str:
    """The voice's id; empty for the configured one."""
    voice = sent.get("voice")
    return voice if isinstance(voice, str) and len(voice) <= LONGEST_NAME else ""
