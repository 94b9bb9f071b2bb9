"""Who keeps the user waiting: told while it lasts, and of a turn that went well when it was slow all the same."""

from __future__ import annotations

from voice_agents.errors import Role
from voice_agents.turns.latency import TurnLatency, TurnMarks

TRANSCRIPTION_S = 0.8
FIRST_TOKEN_S = 2.5
FIRST_AUDIO_S = 0.8
"""About four times what each provider usually takes, so that a busy moment is not made a matter of."""
FIRST_WORDS_S = 3.0
"""Until the model has written what can be spoken first."""
DRY_S = 0.6
"""Silence in the middle of an answer."""
NOT_AGAIN_TURNS = 5
"""Who knows that it is slow need not be told at every turn."""

_STILL = {
    Role.STT: "{} is slow at the moment: it has not said yet what your words were ({}). Still waiting for it.",
    Role.CHAT: "{} is slow at the moment: it has not answered yet ({}). Still waiting for it.",
    Role.TTS: "{} is slow at the moment: it has not begun to speak yet ({}). Still waiting for it.",
}

TOOL_WAIT = "A tool takes long: the answer comes when it is done."


def awaited_role(marks: TurnMarks, *, read: bool) -> Role | None:
    """Whose work is missing for the first sound of an answer, or for its first words if it is only to be read."""
    if marks.transcript_final is None:
        return Role.STT
    if marks.first_token is None or (marks.first_text_sent is None and not read):
        return Role.CHAT
    return Role.TTS if marks.first_audio is None and not read else None


def still_waiting(role: Role, provider: str) -> str:
    """One plain sentence about the provider that has not done its part yet."""
    return _STILL[role].format(provider, role.value)


class Slowness:
    """One per session; see :meth:`sentence`."""

    def __init__(self) -> None:
        self._silent_turns = 0

    def sentence(self, latency: TurnLatency, dry_s: float) -> str | None:
        """Ask once per turn: one plain sentence, or None.

        ``dry_s``: how long the speaker had nothing to play in the middle of the answer.
        """
        self._silent_turns = max(0, self._silent_turns - 1)
        found = None if self._silent_turns else _slowest(latency, dry_s)
        if found is not None:
            self._silent_turns = NOT_AGAIN_TURNS
        return found


def _slowest(latency: TurnLatency, dry_s: float) -> str | None:
    waits = (
        (latency.transcription, TRANSCRIPTION_S, "The speech-to-text is slow at the moment: your words took"),
        (latency.first_token, FIRST_TOKEN_S, "The chat model is slow at the moment: it began to answer after"),
        (latency.first_audio, FIRST_AUDIO_S, "The voice is slow at the moment: it began to speak after"),
        (dry_s, DRY_S, "The answer comes slowly at the moment: speaking it had to wait for"),
        (_model_s(latency), FIRST_WORDS_S, "The chat model is slow at the moment: the words to begin with took"),
    )
    for seconds, limit, what in waits:
        if seconds is not None and seconds > limit:
            return f"{what} {seconds:.1f} s."
    return None


def _model_s(latency: TurnLatency) -> float:
    return (latency.first_token or 0.0) + (latency.text_wait or 0.0)
