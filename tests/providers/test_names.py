"""A provider's name reads right in the middle of a sentence, whoever it is; sentences the user sees, word for word."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import openai
import pytest

from voice_agents.errors import ProviderError, Role
from voice_agents.providers.chat_errors import provider_error
from voice_agents.providers.elevenlabs import scribe, speech_frames
from voice_agents.providers.elevenlabs.http import status_error
from voice_agents.providers.names import agent_name, inside, speech_name
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.settings import Endpoint, Provider

REQUEST = httpx2.Request("POST", "https://example.com/v1/chat/completions")


def endpoint(provider: Provider) -> Endpoint:
    return Endpoint(provider, "https://example.com/v1", "model-1", "key-1")


def refused(code: str, status: int = 400) -> openai.APIStatusError:
    return openai.APIStatusError("no", response=httpx2.Response(status, request=REQUEST), body={"code": code})


def of_speech(provider: Provider) -> Iterator[ProviderError]:
    """Errors of speech-to-text and text-to-speech."""
    name = speech_name(endpoint(provider))
    yield status_error(402, "", endpoint(provider), Role.TTS)
    yield scribe.plain_error({"message_type": "quota_exceeded"}, name)
    yield speech_frames.plain_error({"error": "quota_exceeded"}, name)
    yield speech_frames.plain_error({"error": "input_timeout"}, name)


def of_language_models(provider: Provider) -> Iterator[ProviderError]:
    """Errors of chat and realtime whose sentences do not begin with the name, and some that do."""
    there = endpoint(provider)
    yield provider_error(openai.APIConnectionError(request=REQUEST), there, Role.CHAT)
    for code in ("insufficient_quota", "content_filter", "context_length_exceeded", "other"):
        yield provider_error(refused(code), there, Role.CHAT)
    sentences = Sentences(there)
    yield from (sentences.token(), sentences.quota(), sentences.not_realtime(), sentences.lost(), sentences.busy())
    yield sentences.refused(ValueError())


@pytest.mark.parametrize("provider", [Provider.ELEVENLABS, Provider.OFFLINE])
def test_an_account_without_credits_is_told_alike_by_all_speech(provider: Provider) -> None:
    whose = inside(speech_name(endpoint(provider)))
    http, stt, tts, _ = of_speech(provider)
    assert {str(http), str(stt), str(tts)} == {f"The account at {whose} has no credits left: check its plan."}


def test_the_offline_names_are_small_inside_a_sentence_only() -> None:
    there = endpoint(Provider.OFFLINE)
    assert inside(speech_name(there)) == "the offline speech server"
    assert str(Sentences(there).lost()) == "The connection to the offline agent was lost."
    assert str(Sentences(there).busy()).startswith("The offline agent gets too many requests")
    assert inside(agent_name(endpoint(Provider.AZURE))) == "Azure OpenAI"


@pytest.mark.parametrize("provider", Provider)
def test_no_sentence_has_a_capital_article_inside(provider: Provider) -> None:
    for error in (*of_speech(provider), *of_language_models(provider)):
        assert not re.search(r"[^.] The ", str(error)), str(error)
        assert str(error)[0].isupper()
