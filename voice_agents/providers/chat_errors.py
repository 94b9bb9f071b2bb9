"""What went wrong at a chat server, as one plain sentence."""

from __future__ import annotations

import json
import logging

import httpx2
import openai

from voice_agents.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    ProxyUnusable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Role,
)
from voice_agents.providers.names import KEY_VARIABLES, agent_name, inside, why_gone
from voice_agents.settings import Endpoint, Provider

logger = logging.getLogger(__name__)

_MODELS = {
    Provider.AZURE: "AZURE_OPENAI_DEPLOYMENT and AZURE_OPENAI_ENDPOINT",
    Provider.OPENAI: "OPENAI_MODEL and OPENAI_BASE_URL",
}


def provider_error(error: BaseException, endpoint: Endpoint, role: Role) -> ProviderError:
    """What went wrong in the SDK, LangChain or HTTP, as one plain sentence."""
    name = agent_name(endpoint)
    if isinstance(error.__cause__, ProxyUnusable):
        return error.__cause__
    match error:
        case ProviderError():
            return error
        case openai.APITimeoutError() | TimeoutError() | httpx2.TimeoutException():
            return ProviderTimeout(role, name, f"{name} took too long to answer. Please try again.")
        case openai.APIStatusError():
            return _refused(error, endpoint, role)
        case openai.APIConnectionError() | httpx2.HTTPError() | OSError():
            failed = f"The connection to {inside(name)} failed. Please try again in a moment."
            return ProviderUnavailable(role, name, why_gone(endpoint, failed))
        case openai.APIError():
            return _broken_off(error, endpoint, role)
        case json.JSONDecodeError() | ValueError() | TypeError() | KeyError() | AttributeError():
            logger.warning("What %s sent could not be handled", name, exc_info=error)
            return ProtocolViolation(
                role, name, f"{name} sent something that could not be understood. Please try again."
            )
        case _:
            logger.error("The client of %s failed", name, exc_info=error)
            return ProviderUnavailable(role, name, f"{name} failed unexpectedly ({type(error).__name__}).")


def _broken_off(error: openai.APIError, endpoint: Endpoint, role: Role) -> ProviderError:
    """An error inside a stream that began well."""
    name = agent_name(endpoint)
    match error.code:
        case "insufficient_quota":
            return _used_up(name, role)
        case "content_filter":
            return content_filtered(name, role)
        case "rate_limit_exceeded":
            return _too_many(name, role)
    return ProviderUnavailable(role, name, f"{name} broke off the answer. Please try again.")


def _refused(error: openai.APIStatusError, endpoint: Endpoint, role: Role) -> ProviderError:
    name, status = agent_name(endpoint), error.status_code
    if status in (401, 403) and endpoint.name:
        return AuthenticationFailed(role, name, f"{name} asks for a key: set OPENAI_BASE_URL and OPENAI_API_KEY.")
    if status in (401, 403):
        key = KEY_VARIABLES.get(endpoint.provider, "the key")
        return AuthenticationFailed(role, name, f"{name} does not accept the API key: check {key}.")
    if status == 402 or error.code == "insufficient_quota":
        return _used_up(name, role)
    if status == 429:
        return _too_many(name, role)
    if status == 404 and endpoint.name:
        return RequestRejected(role, name, f"{name} does not have {endpoint.model!r} any more: choose it again.")
    if status == 404:
        where = _MODELS.get(endpoint.provider, "the model")
        return RequestRejected(role, name, f"{name} does not know {endpoint.model!r}: check {where}.")
    if status < 500:
        return _not_accepted(error, name, role)
    return ProviderUnavailable(role, name, f"{name} has a problem of its own (status {status}). Please try again.")


def _not_accepted(error: openai.APIStatusError, name: str, role: Role) -> ProviderError:
    if error.code == "content_filter":
        return content_filtered(name, role)
    if error.code == "context_length_exceeded":
        sentence = f"This conversation has become too long for {inside(name)}. Please begin a new one."
    else:
        sentence = f"{name} did not accept the request (status {error.status_code}). Try it in other words."
    return RequestRejected(role, name, sentence)


def content_filtered(name: str, role: Role) -> ProviderError:
    """The provider refused to answer this, or to go on with it."""
    sentence = f"The content filter of {inside(name)} stopped the answer. Try it in other words."
    return RequestRejected(role, name, sentence)


def _used_up(name: str, role: Role) -> ProviderError:
    sentence = f"The quota of {inside(name)} is used up: check the plan and billing of the account."
    return QuotaExceeded(role, name, sentence)


def _too_many(name: str, role: Role) -> ProviderError:
    return RateLimited(role, name, f"{name} gets too many requests at the moment. Please try again in a minute.")
