"""ElevenLabs over plain HTTP, through the vendor's SDK: the list of voices, and speech when the socket fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from elevenlabs import AsyncElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.core.request_options import RequestOptions

from voice_agents.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    ProxyUnusable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Role,
)
from voice_agents.providers.names import inside, speech_name, why_gone
from voice_agents.providers.sockets import SentElsewhere, proxy_to, staying_at, tls
from voice_agents.settings import Endpoint

TIMEOUT_S = 10.0
"""The longest silence inside an answer."""
_ONCE: RequestOptions = {"max_retries": 0}
"""The SDK would repeat a request three times, with waits of up to a minute that nobody is told of."""


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice the account can speak with."""

    voice_id: str
    name: str
    description: str


async def list_voices(endpoint: Endpoint) -> list[VoiceChoice]:
    """All voices of the account. Raises ProviderError."""
    async with _client(endpoint) as client:
        try:
            found = await client.voices.get_all(request_options=_ONCE)
        except (ApiError, httpx.HTTPError, SentElsewhere) as error:
            raise http_error(error, endpoint) from error
    return [VoiceChoice(v.voice_id, v.name or v.voice_id, v.description or "") for v in found.voices]


async def stream_speech(
    endpoint: Endpoint, voice: str, text: str, *, timeout_s: float = TIMEOUT_S
) -> AsyncIterator[bytes]:
    """The text as PCM16 at 24 kHz, in pieces of any length. Raises ProviderError."""
    async with _client(endpoint, timeout_s) as client:
        try:
            async for data in client.text_to_speech.stream(
                voice, text=text, model_id=endpoint.model, output_format="pcm_24000", request_options=_ONCE
            ):
                yield data
        except (ApiError, httpx.HTTPError, SentElsewhere) as error:
            raise http_error(error, endpoint) from error


@asynccontextmanager
async def _client(endpoint: Endpoint, timeout_s: float = TIMEOUT_S) -> AsyncIterator[AsyncElevenLabs]:
    async with await _pool(endpoint, timeout_s) as http:
        yield AsyncElevenLabs(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key,
            httpx_client=http,
            timeout=timeout_s,  # or it would be four minutes, whatever the client says
        )


async def _pool(endpoint: Endpoint, timeout_s: float) -> httpx.AsyncClient:
    context = await asyncio.to_thread(tls)
    proxy = proxy_to(endpoint, Role.TTS, speech_name(endpoint), sockets=False)
    try:
        http = httpx.AsyncClient(verify=context, timeout=timeout_s, proxy=proxy, trust_env=False, follow_redirects=True)
    except (ValueError, httpx.InvalidURL):  # of a proxy's address
        raise proxy_error(endpoint, Role.TTS) from None  # which may hold a password
    http.event_hooks = {"request": [staying_at(endpoint.base_url)]}
    return http


def http_error(error: ApiError | httpx.HTTPError | SentElsewhere, endpoint: Endpoint) -> ProviderError:
    """What the SDK or httpx raised, as one plain sentence."""
    name = speech_name(endpoint)
    if isinstance(error, httpx.TimeoutException):
        return ProviderTimeout(Role.TTS, name, f"{name} took too long to answer. Please try again.")
    if isinstance(error, httpx.HTTPError | SentElsewhere):
        sentence = why_gone(endpoint, f"{name} cannot be reached. Please try again in a moment.")
        return ProviderUnavailable(Role.TTS, name, sentence)
    return status_error(error.status_code or 500, error.body, endpoint, Role.TTS)


def proxy_error(endpoint: Endpoint, role: Role) -> ProxyUnusable:
    """The environment names a proxy no connection can be made through."""
    name = speech_name(endpoint)
    sentence = (
        f"The proxy on the way to {inside(name)} for {role.value} cannot be used: set HTTPS_PROXY and ALL_PROXY to"
    )
    return ProxyUnusable(role, name, f"{sentence} an http:// or socks5:// address, or to nothing.")


def status_error(status: int, body: object, endpoint: Endpoint, role: Role) -> ProviderError:
    """What an HTTP status of ElevenLabs means, at a request or a socket's handshake; ``body``: its JSON, read or not.

    An account without credits is told with 401 and a code; what the message says in words is no evidence.
    """
    name = speech_name(endpoint)
    kind, sentence = _meaning(402 if _code(body) == "quota_exceeded" else status, role)
    return kind(role, name, sentence.format(name, inside(name)), explained=True)


def _meaning(status: int, role: Role) -> tuple[type[ProviderError], str]:
    """In the sentence, ``{0}`` is the provider's name and ``{1}`` the name inside a sentence."""
    if status == 402:
        return QuotaExceeded, "The account at {1} has no credits left: check its plan."
    if status in (401, 403):
        return AuthenticationFailed, "{0} does not accept the API key: check ELEVENLABS_API_KEY."
    if status == 429:
        return RateLimited, "{0} gets too many requests at the moment. Please wait a little."
    if status < 500:
        return RequestRejected, f"{{0}} does not accept the request for {role.value}: check the voice and model names."
    return ProviderUnavailable, f"{{0}} has a problem of its own (status {status}). Please try again."


def _code(body: object) -> str:
    """The reason in ``{"detail": {"status": ...}}``; newer answers call it ``code``."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return ""
    detail = body.get("detail") if isinstance(body, dict) else None
    return str(detail.get("code") or detail.get("status") or "") if isinstance(detail, dict) else ""
