"""Which part of a turn took longer than it usually does, in one plain sentence."""

from __future__ import annotations

from voice_agents.turns.latency import TurnLatency

TRANSCRIPTION_S = 0.8
FIRST_TOKEN_S = 2.5
FIRST_AUDIO_S = 0.8
"""About four times what each provider usually takes, so that a busy moment is not made a matter of."""
SERVER_S = 3.3
"""Until a server that hears, thinks and speaks by itself has begun to speak."""
FIRST_WORDS_S = 3.0
"""Until the model has written what can be spoken first."""
DRY_S = 0.6
"""Silence in the middle of an answer."""
NOT_AGAIN_TURNS = 5
"""Who knows that it is slow need not be told at every turn."""


class Slowness:
    """One per session: which part of a turn was slow, told again after a while only."""

    def __init__(self) -> None:
        self._silent_turns = 0

    def sentence(self, latency: TurnLatency, dry_s: float, *, served: bool = False) -> str | None:
        """One plain sentence about this turn, or None; to be asked once in each.

        ``dry_s``: how long the speaker had nothing to play in the middle of the answer. ``served``: one server has
        heard, thought and spoken.
        """
        self._silent_turns = max(0, self._silent_turns - 1)
        found = None if self._silent_turns else _slowest(_served(latency) if served else _stages(latency), dry_s)
        if found is not None:
            self._silent_turns = NOT_AGAIN_TURNS
        return found


_Waits = tuple[tuple[float | None, float, str], ...]
"""Seconds, those that are usual enough, and what took them."""


def _served(latency: TurnLatency) -> _Waits:
    return ((latency.first_audio, SERVER_S, "The realtime server is slow at the moment: it began to speak after"),)


def _stages(latency: TurnLatency) -> _Waits:
    words_s = (latency.first_token or 0.0) + (latency.text_wait or 0.0)
    return (
        (latency.transcription, TRANSCRIPTION_S, "The speech-to-text is slow at the moment: your words took"),
        (latency.first_token, FIRST_TOKEN_S, "The chat model is slow at the moment: it began to answer after"),
        (latency.first_audio, FIRST_AUDIO_S, "The voice is slow at the moment: it began to speak after"),
        (words_s, FIRST_WORDS_S, "The chat model is slow at the moment: the words to begin with took"),
    )


def _slowest(waits: _Waits, dry_s: float) -> str | None:
    dry = (dry_s, DRY_S, "The answer comes slowly at the moment: speaking it had to wait for")
    for seconds, limit, what in (*waits, dry):
        if seconds is not None and seconds > limit:
            return f"{what} {seconds:.1f} s."
    return None
