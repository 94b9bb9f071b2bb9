"""The chat model: Azure OpenAI (v1 endpoint), OpenAI or any server that speaks its chat completions."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
import openai
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, StreamChunkTimeoutError
from pydantic import SecretStr

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

TIMEOUT = httpx2.Timeout(15.0, connect=5.0)
CHUNK_TIMEOUT_S = 8.0
"""The longest silence inside an answer; LangChain's default is two minutes."""
LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=40, keepalive_expiry=120.0)
"""Idle connections outlive the pauses of a conversation; the SDK's default of 5 s would reconnect every turn."""
WARM_TIMEOUT_S = 5.0
_KEYS = {Provider.AZURE: "AZURE_OPENAI_API_KEY", Provider.OPENAI: "OPENAI_API_KEY"}
_MODELS = {Provider.AZURE: "AZURE_OPENAI_DEPLOYMENT", Provider.OPENAI: "OPENAI_MODEL"}


class ChatModel:
    """``async with ChatModel(endpoint) as chat: chat.model``: the model and its connection pool."""

    model: BaseChatModel

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __aenter__(self) -> Self:
        loopback = urlsplit(self._endpoint.base_url).hostname in ("127.0.0.1", "localhost", "::1")
        self._http = await asyncio.to_thread(
            httpx2.AsyncClient, timeout=TIMEOUT, limits=LIMITS, trust_env=not loopback, follow_redirects=True
        )
        self.model = _PlainPayload(
            model=self._endpoint.model,
            base_url=self._endpoint.base_url,
            api_key=SecretStr(self._endpoint.api_key),
            default_headers={"api-key": self._endpoint.api_key} if self._endpoint.provider is Provider.AZURE else None,
            http_async_client=self._http,
            timeout=TIMEOUT,
            max_retries=1,
            stream_chunk_timeout=CHUNK_TIMEOUT_S,
            stream_usage=True,
            use_responses_api=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def warm(self) -> None:
        """Open a connection ahead of the first turn. Errors are ignored: the first turn will tell."""
        headers = {"Authorization": f"Bearer {self._endpoint.api_key}"}
        try:
            await self._http.get(f"{self._endpoint.base_url}/models", headers=headers, timeout=WARM_TIMEOUT_S)
        except httpx2.HTTPError:
            return


class _PlainPayload(ChatOpenAI):
    """A ChatOpenAI whose tools and messages reach the wire as they are.

    The SDK walks through every request parameter to rename fields, of which chat completions have none: with a dozen
    tools that held up each turn by 5 ms (measured). What is in ``extra_body`` it merges into the body without a look.
    """

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        body = {name: payload.pop(name) for name in ("tools",) if name in payload}
        body["messages"], payload["messages"] = payload["messages"], []
        return {**payload, "extra_body": {**(payload.get("extra_body") or {}), **body}}


def provider_error(error: BaseException, endpoint: Endpoint, role: Role) -> ProviderError:
    """What went wrong in the SDK, LangChain or HTTP, as one plain sentence."""
    name = _name(endpoint)
    match error:
        case ProviderError():
            return error
        case openai.APITimeoutError() | StreamChunkTimeoutError() | TimeoutError() | httpx2.TimeoutException():
            return ProviderTimeout(role, name, f"{name} took too long to answer. Please try again.")
        case openai.APIStatusError():
            return _refused(error, endpoint, role)
        case openai.APIConnectionError() | httpx2.HTTPError() | OSError():
            return ProviderUnavailable(role, name, f"The connection to {name} failed. Please try again in a moment.")
        case openai.APIError():
            return ProviderUnavailable(role, name, f"{name} broke off the answer. Please try again.")
        case json.JSONDecodeError() | ValueError() | TypeError() | KeyError():
            return ProtocolViolation(
                role, name, f"{name} sent something that could not be understood. Please try again."
            )
        case _:
            return ProviderUnavailable(role, name, f"{name} failed unexpectedly ({type(error).__name__}).")


def _refused(error: openai.APIStatusError, endpoint: Endpoint, role: Role) -> ProviderError:
    name, status = _name(endpoint), error.status_code
    if status in (401, 403):
        key = _KEYS.get(endpoint.provider, "the key")
        return AuthenticationFailed(role, name, f"{name} does not accept the API key: check {key}.")
    if status == 402 or error.code == "insufficient_quota":
        return QuotaExceeded(role, name, f"The quota of {name} is used up: check the plan and billing of the account.")
    if status == 429:
        return RateLimited(role, name, f"{name} gets too many requests at the moment. Please try again in a minute.")
    if status == 404:
        variable = _MODELS.get(endpoint.provider, "the model")
        return RequestRejected(role, name, f"{name} does not know {endpoint.model!r}: check {variable}.")
    if status < 500:
        return RequestRejected(
            role, name, f"{name} did not accept the request (status {status}). Try it in other words."
        )
    return ProviderUnavailable(role, name, f"{name} has a problem of its own (status {status}). Please try again.")


def _name(endpoint: Endpoint) -> str:
    return "The offline agent" if endpoint.provider is Provider.OFFLINE else str(endpoint.provider.value)
