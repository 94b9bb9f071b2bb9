"""The local speech-to-text."""

from voice_agents.offline.stt.recogniser import SAMPLE_RATE, Expectation, OnPartial, Recogniser, Utterance

__all__ = ["SAMPLE_RATE", "Expectation", "OnPartial", "Recogniser", "Utterance"]
