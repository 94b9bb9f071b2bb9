"""What is said aloud where an answer should have been: that there is none, and why."""

from __future__ import annotations

from voice_agents.engines.speaker import PacedSpeaker
from voice_agents.errors import ProviderError
from voice_agents.providers.interfaces import TextToSpeech
from voice_agents.providers.standby import reason

NO_ANSWER = "Sorry, I have no answer."
BROKEN_OFF = "Sorry, I can not go on."


def apology(error: ProviderError, *, begun: bool) -> str:
    """As it is spoken, without the names of variables. ``begun``: something of the answer has sounded."""
    why = reason(error).partition(":")[0].rstrip(".")
    return f"{BROKEN_OFF if begun else NO_ANSWER} {why}."


async def apologise(voice: TextToSpeech, speaker: PacedSpeaker, text: str) -> None:
    """Speak it after what has sounded of the answer; it is no part of that. Raises ProviderError of the voice.

    The speaker is to be told by the caller that it has everything.
    """
    speaker.expect_more()
    speech = voice.open()
    speech.send(text)
    speech.finish()
    try:
        async for chunk in speech:
            speaker.add(chunk.pcm)
    finally:
        speech.cancel()
