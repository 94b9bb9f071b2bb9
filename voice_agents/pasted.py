"""Values as people paste them, reduced to what is meant: quotes of ``docker --env-file``, addresses of requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult

from voice_agents.errors import ConfigurationError

_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
_INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"
_OWN_SUFFIXES = (
    *(".local", ".internal", ".lan", ".home", ".home.arpa", ".localdomain", ".intranet", ".corp", ".private"),
    *(".svc", ".svc.cluster.local", ".localhost", ".test", ".ts.net"),
)
ANY_HOST = "0.0.0.0"
_SHARED = ip_network("100.64.0.0/10")
"""Addresses of overlay networks, which Python does not call private."""
_PORTALS = ("portal.azure.com", "oai.azure.com", "ai.azure.com", "portal.azure.us", "portal.azure.cn")
_AZURE = re.compile(r"\.(?:azure\.(?:com|us|cn)|microsoft\.(?:com|us)|azure-api\.(?:net|us|cn))")
_AZURE_END = re.compile(r"/(?:openai|models|deployments|api/projects|v1|chat|realtime|responses)(?:/|$)")
_REQUEST = re.compile(
    r"/(?:chat/completions|completions?|generate|responses|realtime(?:/.*)?|embeddings|models|audio/.*|audio|chat)/*$"
)
_WITHOUT_VERSION = ("", "/api", "/api/v0", "/api/v1")
"""Paths under which servers of local models are known that answer OpenAI's protocol under ``/v1``."""

Reduce = Callable[[SplitResult], SplitResult]
"""Takes an address apart that holds more than the server; raises ConfigurationError without the variable's name."""


def unwrapped(value: str) -> str:
    """A value without the white space, byte order marks and one pair of quotes around it."""
    value = value.strip().strip(_INVISIBLE).strip()
    if len(value) >= 2 and value[-1] == _QUOTES.get(value[0]) and value[0] not in value[1:-1]:
        return value[1:-1].strip().strip(_INVISIBLE).strip()
    return value


def pasted(name: str, value: str) -> str:
    """A variable's value without its own name before it, and without what marks an address in a text around it."""
    value = unwrapped(re.sub(rf"^(?:export\s+)?{re.escape(name)}\s*[=:]\s*", "", unwrapped(value)))
    link = re.fullmatch(r"\[[^\]]*\]\((https?://[^)\s]+)\)|<((?:https?|wss?)://[^>\s]+)>", value)
    return (link[1] or link[2]) if link is not None else value


def with_scheme(value: str) -> str:
    """An address of a known vendor, or of this machine, may lack its scheme."""
    value = re.sub(r"^(?:endpoint|base_?url|url)\s*[:=]\s*(?=\S)", "", value, flags=re.IGNORECASE)
    host = f"{value.partition(']')[0]}]" if value.startswith("[") else re.split(r"[/:?#]", value, maxsplit=1)[0].lower()
    if "://" in value or "@" in value:
        return value
    if _AZURE.search(host) or host.endswith((".openai.com", ".elevenlabs.io")):
        return f"https://{value}"
    return f"http://{value}" if host in ("localhost", "127.0.0.1", ANY_HOST, "[::1]") else value


def is_own_network(host: str) -> bool:
    """Whether a name or IP address can only be of one's own network: private, or without a public domain."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith(_OWN_SUFFIXES)
    return address.is_private or address.is_link_local or (address.version == 4 and address in _SHARED)


def azure_resource(parts: SplitResult) -> SplitResult:
    """Any address of the portal's, the documentation's and the SDKs' -> the resource they are of.

    A gateway's own path before ``/openai`` stays; ``https://NAME.openai.azure.com`` has none.
    """
    host = (parts.hostname or "").lower()
    if host in _PORTALS:
        raise ConfigurationError(
            "is a page of the portal: copy the endpoint that the resource's page shows under Keys and Endpoint, "
            "such as https://NAME.openai.azure.com."
        )
    end = _AZURE_END.search(parts.path)
    path = parts.path[: end.start()] if end else parts.path
    of_azure = _AZURE.search(host) and ".azure-api." not in host
    return _server(parts, "" if of_azure else path)


def openai_base(parts: SplitResult) -> SplitResult:
    """The address of a request -> what stands before it, with ``/v1`` where only the machine's name is given."""
    path = _REQUEST.sub("", parts.path.rstrip("/")).rstrip("/")
    host = parts.hostname or ""
    if host == ANY_HOST:  # what servers print that listen everywhere
        parts = parts._replace(netloc=parts.netloc.replace(ANY_HOST, "127.0.0.1"))
        host = "127.0.0.1"
    known = host == "api.openai.com" or host == "localhost" or is_own_network(host)
    return _server(parts, "/v1" if known and path in _WITHOUT_VERSION else path)


def elevenlabs_base(parts: SplitResult) -> SplitResult:
    """Up to ``/v1``, before which the vendor's clients expect it to end."""
    return _server(parts, re.split(r"/v[12](?:/|$)", parts.path)[0])


def _server(parts: SplitResult, path: str) -> SplitResult:
    scheme = {"wss": "https", "ws": "http"}.get(parts.scheme, parts.scheme)
    return parts._replace(scheme=scheme, path=path.rstrip("/"), query="", fragment="")
