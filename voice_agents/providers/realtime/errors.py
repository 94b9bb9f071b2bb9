"""What a Realtime server's refusals and ``error`` events mean, as plain sentences without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidProxy, InvalidStatus, InvalidURI

from voice_agents.errors import (
    NOTHING_HEARD,
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    ProxyUnusable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Retry,
    Role,
)
from voice_agents.providers.names import KEY_VARIABLES, agent_name, inside, why_gone
from voice_agents.settings import Endpoint, Provider

_MODELS = {Provider.AZURE: "AZURE_OPENAI_REALTIME_DEPLOYMENT", Provider.OPENAI: "OPENAI_REALTIME_MODEL"}
_URLS = {Provider.AZURE: "AZURE_OPENAI_ENDPOINT", Provider.OPENAI: "OPENAI_BASE_URL"}

SHORTEST_SECRET = 8

ALREADY_ACTIVE = "conversation_already_has_active_response"
SESSION_EXPIRED = "session_expired"
_BENIGN_CODES = {
    ALREADY_ACTIVE,
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_audio_end_ms",
    "item_truncate_invalid_item_id",
    "item_delete_invalid_item_id",
    "item_not_found",
}
_BENIGN_WORDS = (
    "already shorter than",
    "no active response",
    "already has an active response",
    "buffer too small",
    "buffer is empty",
    "cancellation failed",
    "truncat",
)
"""Some servers send no code, or one of their own."""
_QUOTA_WORDS = ("insufficient_quota", "quota_exceeded", "billing")
_AUTH_WORDS = ("invalid_api_key", "authentication", "unauthorized", "permission_denied", "access_denied")
_MODEL_WORDS = ("model_not_found", "invalid_model", "deploymentnotfound")
_NOT_REALTIME_WORDS = ("opperationnotsupported", "operationnotsupported", "unsupported_model")
"""The first is Azure's own spelling."""
_RATE_WORDS = ("rate_limit", "too_many_requests")
_SERVER_WORDS = ("server_error", "internal_error", "service_unavailable", "overloaded")


class Sentences:
    """Errors of one endpoint in the realtime role."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = agent_name(endpoint)
        self._inside = inside(self.name)
        self._endpoint = endpoint
        self._secrets: set[str] = set()
        self.keep_secret(endpoint.api_key)

    def key(self) -> ProviderError:
        """The key is not accepted."""
        variable = KEY_VARIABLES.get(self._endpoint.provider, "the key")
        return self._error(AuthenticationFailed, f"{self.name} does not accept the API key: check {variable}.")

    def token(self) -> ProviderError:
        """The token provider failed."""
        return self._error(AuthenticationFailed, f"No access token for {self._inside} could be had: sign in again.")

    def quota(self) -> ProviderError:
        """The account is used up."""
        return self._error(
            QuotaExceeded, f"The quota of {self._inside} is used up: check the plan and billing of the account."
        )

    def model(self) -> ProviderError:
        """The model or deployment is not there."""
        return self._error(RequestRejected, f"{self.name} does not know {self._model}: check {self._model_variable}.")

    def not_realtime(self) -> ProviderError:
        """The model or deployment is there, but it cannot do this."""
        sentence = f"{self._model} of {self._inside} is not a realtime model: check {self._model_variable}."
        return self._error(RequestRejected, sentence[:1].upper() + sentence[1:])

    def turned_away(self, status: int) -> ProviderError:
        """A status that says little."""
        where = _URLS.get(self._endpoint.provider, "its address")
        return self._error(
            RequestRejected,
            f"{self.name} did not accept the connection (status {status}): check {where} and {self._model_variable}.",
        )

    def closed(self, reason: str) -> ProviderError | None:
        """Some servers say why only as they close, like "invalid_request_error.invalid_api_key"."""
        trouble = self.reported({"code": reason.split(" ")[0]})
        return trouble if trouble is not None and trouble.retry is Retry.NEVER else None

    def busy(self) -> ProviderError:
        """Too many requests."""
        return self._error(
            RateLimited, f"{self.name} gets too many requests at the moment. Please try again in a minute."
        )

    def troubled(self) -> ProviderError:
        """The server reports a fault of its own."""
        return self._error(ProviderUnavailable, f"{self.name} has a problem of its own. Please try again.")

    def passing(self) -> ProviderError:
        """It reports one for a single answer: the next may be well."""
        sentence = str(self.troubled())
        return ProviderUnavailable(Role.REALTIME, self.name, sentence, explained=True)

    def rejected(self) -> ProviderError:
        """A request for an answer was refused."""
        return self._error(RequestRejected, f"{self.name} did not accept the request. Please try it in other words.")

    def settings(self) -> ProviderError:
        """The session's configuration was refused."""
        return self._error(RequestRejected, f"{self.name} does not accept the settings of the conversation.")

    def voice(self, voice: str) -> ProviderError:
        """The voice was refused; the server's own speaks."""
        return self._error(
            RequestRejected,
            f"{self.name} does not know the voice {voice!r}: choose another, or check AZURE_REALTIME_VOICE.",
        )

    def language(self, language: str) -> ProviderError:
        """The language was refused; the server finds it out."""
        sentence = f"{self.name} does not know the language {language!r}: check STT_LANGUAGE."
        return self._error(RequestRejected, sentence)

    def nothing_said(self) -> ProviderError:
        """Push-to-talk was released without any sound."""
        return self._error(RequestRejected, NOTHING_HEARD)

    def lost(self, how: str = "was lost") -> ProviderError:
        """The connection ended."""
        sentence = f"The connection to {self._inside} {how}."
        return self._error(ProviderUnavailable, why_gone(self._endpoint, sentence))

    def unreachable(self) -> ProviderError:
        """No connection could be made."""
        where = _URLS.get(self._endpoint.provider)
        hint = f"Trying again; if it lasts, check {where}." if where else "Trying again."
        sentence = f"{self.name} cannot be reached. {hint}"
        return self._error(ProviderUnavailable, why_gone(self._endpoint, sentence))

    def late(self) -> ProviderError:
        """Something did not come in time."""
        return self._error(ProviderTimeout, f"{self.name} did not answer in time. Trying again.")

    def not_understood(self) -> ProviderError:
        """Nothing that comes makes sense."""
        return self._error(ProtocolViolation, f"{self.name} sent something that could not be understood.")

    def unanswered(self) -> ProviderError:
        """An answer did not come, and is no longer waited for."""
        return self._error(ProviderTimeout, f"{self.name} took too long to answer. Please try again.")

    @property
    def _model(self) -> str:
        kind = "the deployment" if self._endpoint.provider is Provider.AZURE else "the model"
        return f"{kind} {self._endpoint.model!r}"

    @property
    def _model_variable(self) -> str:
        return _MODELS.get(self._endpoint.provider, "the model")

    def _error(self, kind: type[ProviderError], sentence: str) -> ProviderError:
        return kind(Role.REALTIME, self.name, sentence)

    def keep_secret(self, secret: str) -> None:
        """Never to be quoted. What is shorter than any real key may be a common word."""
        if len(secret) >= SHORTEST_SECRET:
            self._secrets.add(secret)

    def scrubbed(self, text: str, limit: int = 200) -> str:
        """A server's own words, short and without keys and tokens."""
        for secret in self._secrets:
            text = text.replace(secret, "...")
        return text if len(text) <= limit else text[: limit - 3] + "..."

    # What happened

    def refused(self, error: BaseException) -> ProviderError:
        """Why no connection came to be."""
        match error:
            case ProviderError():
                return error
            case InvalidStatus():
                return self.status(error.response.status_code, (error.response.body or b"").decode(errors="replace"))
            case TimeoutError():
                return self.late()
            case InvalidProxy():
                return self._error(
                    ProxyUnusable,
                    f"The proxy on the way to {self._inside} for {Role.REALTIME.value} cannot be used: set HTTPS_PROXY "
                    "and ALL_PROXY to an http:// or socks5:// address, or to nothing.",
                )
            case OSError() | InvalidHandshake() | InvalidMessage() | InvalidURI() | EOFError():
                return self.unreachable()
            case _:
                return self._error(
                    ProviderUnavailable,
                    f"The connection to {self._inside} failed ({type(error).__name__}). Trying again.",
                )

    def status(self, status: int, body: str) -> ProviderError:
        """An HTTP status at the handshake."""
        words = _codes(body)
        if status == 402 or _named(words, _QUOTA_WORDS):
            return self.quota()
        if status == 429:
            return self.busy()
        if status in (401, 403):
            return self.key()
        if status == 404 or _named(words, _MODEL_WORDS):
            return self.model()
        if status in (408, 504):
            return self.late()
        if 400 <= status < 500:
            return self.not_realtime() if _named(words, _NOT_REALTIME_WORDS) else self.turned_away(status)
        return self.troubled()

    def reported(self, error: Mapping[str, Any]) -> ProviderError | None:
        """An ``error`` object that says what kind of trouble it is; None when it does not."""
        words = f"{error.get('code') or ''} {error.get('type') or ''}".lower().replace(" ", "_")
        for known, sentence in (
            (_QUOTA_WORDS, self.quota),
            (_RATE_WORDS, self.busy),
            (_MODEL_WORDS, self.model),
            (_NOT_REALTIME_WORDS, self.not_realtime),
            (_AUTH_WORDS, self.key),
            (_SERVER_WORDS, self.passing),
        ):
            if _named(words, known):
                return sentence()
        return None


def is_benign(error: Mapping[str, Any]) -> bool:
    """A race between client and server that harms nobody."""
    if error.get("code") in _BENIGN_CODES:
        return True
    words = str(error.get("message") or "").lower()
    return _named(words, _BENIGN_WORDS)


def _codes(body: str) -> str:
    """What the JSON of a refusal calls its reason; its message is for people, and may speak of anything."""
    try:
        error = json.loads(body)["error"]
        return f"{error.get('code') or ''} {error.get('type') or ''}".lower()
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""


def _named(words: str, known: Iterable[str]) -> bool:
    return any(word in words for word in known)


def described(error: Mapping[str, Any]) -> str:
    """For the log: everything but the wording, which may quote what was sent."""
    return json.dumps({name: error.get(name) for name in ("type", "code", "param", "event_id")})
