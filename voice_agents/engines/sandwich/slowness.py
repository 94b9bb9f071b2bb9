"""When a turn that went well was so slow that its user deserves to know who kept them waiting."""

from __future__ import annotations

from voice_agents.turns.latency import TurnLatency

TRANSCRIPTION_S = 1.5
FIRST_TOKEN_S = 4.0
FIRST_AUDIO_S = 2.5
DRY_S = 1.0
"""Several times what a healthy provider takes, so that a busy moment is not made a matter of."""


def slowness(latency: TurnLatency, dry_s: float) -> str | None:
    """One plain sentence, or None. ``dry_s``: how long the speaker had nothing to play in the middle of the answer."""
    waits = (
        (latency.transcription, TRANSCRIPTION_S, "The speech-to-text is slow at the moment: your words took"),
        (latency.first_token, FIRST_TOKEN_S, "The chat model is slow at the moment: it began to answer after"),
        (latency.first_audio, FIRST_AUDIO_S, "The voice is slow at the moment: it began to speak after"),
        (dry_s, DRY_S, "The answer comes slowly at the moment: speaking it had to wait for"),
    )
    for seconds, limit, what in waits:
        if seconds is not None and seconds > limit:
            return f"{what} {seconds:.1f} s."
    return None
