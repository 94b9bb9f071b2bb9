"""How sentences end in other languages than English, one table for each; and what judges by them."""

from __future__ import annotations

from collections.abc import Mapping

from voice_agents.turns.endings.dutch import DUTCH
from voice_agents.turns.endings.french import FRENCH
from voice_agents.turns.endings.german import GERMAN
from voice_agents.turns.endings.italian import ITALIAN
from voice_agents.turns.endings.judging import Completeness, Endings
from voice_agents.turns.endings.portuguese import PORTUGUESE
from voice_agents.turns.endings.spanish import SPANISH

__all__ = ["TABLES", "Completeness", "Endings"]

TABLES: Mapping[str, Endings] = {
    "de": GERMAN,
    "es": SPANISH,
    "fr": FRENCH,
    "it": ITALIAN,
    "nl": DUTCH,
    "pt": PORTUGUESE,
}
"""By ISO 639-1."""
