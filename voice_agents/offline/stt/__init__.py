"""The local speech-to-text."""

from voice_agents.offline.stt.recogniser import SAMPLE_RATE, OnPartial, Recogniser, Utterance

__all__ = ["SAMPLE_RATE", "OnPartial", "Recogniser", "Utterance"]
