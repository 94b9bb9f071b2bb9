"""ElevenLabs' errors, wherever they come from (socket message, close reason, HTTP body), sorted into our tree.

Names: wire-protocols A.3 and B.4; HTTP bodies are ``{"detail": {"status": name, ...}}``, and a used-up quota there
has the status 401.
"""

from __future__ import annotations

import json
from typing import Any

from voice_agents.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
    Role,
)
from voice_agents.providers.failures import failure, kind_of_status
from voice_agents.settings import Endpoint

_KINDS: dict[type[ProviderError], frozenset[str]] = {
    AuthenticationFailed: frozenset(
        {"auth_error", "invalid_api_key", "missing_api_key", "missing_permissions", "needs_authorization"}
        | {"authentication_error", "unauthorized", "detected_unusual_activity"}
    ),
    QuotaExceeded: frozenset({"quota_exceeded", "unaccepted_terms", "payment_required", "insufficient_credits"}),
    RequestRejected: frozenset(
        {"invalid_request", "input_error", "chunk_size_exceeded", "invalid_input_message", "voice_not_found"}
        | {"model_not_found", "invalid_voice_id", "unsupported_model", "unsupported_output_format", "output_format"}
        | {"model_can_not_do_text_to_speech", "voice_not_fine_tuned", "invalid_output_format"}
    ),
    RateLimited: frozenset(
        {"rate_limited", "queue_overflow", "resource_exhausted", "max_active_conversations", "system_busy"}
        | {"too_many_concurrent_requests", "rate_limit_exceeded"}
    ),
}
_BY_NAME = {name: kind for kind, names in _KINDS.items() for name in names}

NORMAL_END = frozenset({"session_time_limit_exceeded", "insufficient_audio_activity", "input_timeout_exceeded"})
"""Errors that only say that a session is over: connect again."""


def error_by_name(name: str, endpoint: Endpoint, role: Role) -> ProviderError | None:
    """The error a socket message names; None for the normal end of a session."""
    if name in NORMAL_END:
        return None
    return failure(_BY_NAME.get(name, ProviderUnavailable), endpoint, role, name)


def refusal(status: int, body: bytes | Any, endpoint: Endpoint, role: Role) -> ProviderError:
    """The error of an HTTP answer, also of a refused handshake; ``body`` as bytes or parsed."""
    name = _name_in(body)
    return failure(_BY_NAME.get(name, kind_of_status(status)), endpoint, role, name)


def closed(reason: str, endpoint: Endpoint, role: Role) -> ProviderError:
    """The error of a socket that was closed with an error code; some closes carry the name as their reason."""
    return error_by_name(reason, endpoint, role) or failure(ProviderUnavailable, endpoint, role)


def _name_in(body: Any) -> str:
    if isinstance(body, bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return ""
    detail = body.get("detail", body) if isinstance(body, dict) else None
    if not isinstance(detail, dict):
        return ""
    names = (detail.get(key) for key in ("status", "code", "error", "type"))
    return next((name for name in names if isinstance(name, str) and name), "")
