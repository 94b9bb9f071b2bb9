"""Everything a provider can do wrong, as one plain sentence: who it is, what happened, what to do about it.

The vendor's own wording is never quoted: some vendors repeat (part of) the key in it.
"""

from __future__ import annotations

import re

from voice_agents.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Role,
)
from voice_agents.settings import Endpoint, Provider

_NAMES = {
    Provider.ELEVENLABS: "ElevenLabs",
    Provider.AZURE: "Azure OpenAI",
    Provider.OPENAI: "The OpenAI-compatible server",
    Provider.OFFLINE: "The offline server",
}
_KEYS = {
    Provider.ELEVENLABS: "ELEVENLABS_API_KEY",
    Provider.AZURE: "AZURE_OPENAI_API_KEY",
    Provider.OPENAI: "OPENAI_API_KEY",
}
_MODELS = {
    (Provider.ELEVENLABS, Role.STT): "ELEVENLABS_STT_MODEL",
    (Provider.ELEVENLABS, Role.TTS): "ELEVENLABS_VOICE_ID and ELEVENLABS_TTS_MODEL",
    (Provider.AZURE, Role.CHAT): "AZURE_OPENAI_DEPLOYMENT and AZURE_OPENAI_ENDPOINT",
    (Provider.AZURE, Role.REALTIME): "AZURE_OPENAI_REALTIME_DEPLOYMENT and AZURE_OPENAI_ENDPOINT",
    (Provider.OPENAI, Role.CHAT): "OPENAI_MODEL and OPENAI_BASE_URL",
    (Provider.OPENAI, Role.REALTIME): "OPENAI_REALTIME_MODEL and OPENAI_BASE_URL",
}
_SENTENCES: dict[type[ProviderError], str] = {
    AuthenticationFailed: "{who} does not accept the API key: {mend_key}.",
    QuotaExceeded: "{who} refuses because the quota is used up or terms are not accepted: look at the account.",
    RequestRejected: "{who} does not accept the {role} request{detail}: {mend_model}.",
    RateLimited: "{who} has too many {role} requests at once: wait a moment and try again.",
    ProviderUnavailable: "{who} is not available for {role}: check the network, or try again in a moment.",
    ProviderTimeout: "{who} did not answer the {role} request in time: try again in a moment.",
    ProtocolViolation: "{who} sent {role} data that cannot be understood: try again in a moment.",
}
_RESTART = "restart the app"
_CODE = re.compile(r"[a-z][a-z0-9_.-]{2,39}")


def provider_name(endpoint: Endpoint) -> str:
    """The provider as it begins a sentence."""
    return _NAMES[endpoint.provider]


def failure(kind: type[ProviderError], endpoint: Endpoint, role: Role, code: str = "") -> ProviderError:
    """An error of this kind, in plain words. ``code`` is the vendor's name of it, shown where it helps."""
    detail = f" ({code})" if _CODE.fullmatch(code) and code != endpoint.api_key else ""
    key, model = _KEYS.get(endpoint.provider), _MODELS.get((endpoint.provider, role))
    sentence = _SENTENCES[kind].format(
        who=provider_name(endpoint),
        role=role.value,
        detail=detail,
        mend_key=f"check {key}" if key else _RESTART,
        mend_model=f"check {model}" if model else _RESTART,
    )
    return kind(role, provider_name(endpoint), sentence)


def kind_of_status(status: int) -> type[ProviderError]:
    """What an HTTP status other than success means."""
    if status in (401, 403):
        return AuthenticationFailed
    if status == 402:
        return QuotaExceeded
    if status == 408:
        return ProviderTimeout
    if status == 429:
        return RateLimited
    return RequestRejected if 400 <= status < 500 else ProviderUnavailable
