"""How browser and server find each other: directly, or through a TURN relay with credentials made for the call."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from voice_agents.relay import Relay, RelayKind

log = logging.getLogger(__name__)

CREDENTIALS_TIMEOUT_S = 4.0
"""Who starts a call waits for them; after that the call is tried without a relay."""
SHORTEST_LIFE_S, LONGEST_LIFE_S = 2 * 3600, 24 * 3600
"""Credentials must outlive the call; Twilio's live a day at most."""
BLOCKED_PORT = ":53"
"""Browsers time out on it, says Cloudflare, which offers it all the same."""

DIRECT: dict[str, Any] = {"iceServers": []}
"""Host candidates only; without it aiortc asks Google's STUN server at every call."""


@dataclass(frozen=True, slots=True)
class RelayServices:
    """Where the credentials come from."""

    hugging_face: str = "https://turn.fastrtc.org"
    cloudflare: str = "https://rtc.live.cloudflare.com"
    twilio: str = "https://api.twilio.com"


class Relays:
    """Fresh credentials of one relay, a set of its own for every call."""

    def __init__(self, relay: Relay | None, longest_call_s: float, services: RelayServices | None = None) -> None:
        self._relay = relay
        self._life_s = round(min(LONGEST_LIFE_S, max(SHORTEST_LIFE_S, longest_call_s + 600)))
        self._services = services or RelayServices()
        self.trouble = ""
        """Why the last credentials could not be had, in one sentence; empty when they could."""

    async def fresh(self) -> dict[str, Any]:
        """The ``RTCConfiguration`` of a browser, with the relay if it can be had.

        Never raises: a call can be tried without a relay too. ``trouble`` is then told beside it, for the page.
        """
        if self._relay is None:
            return DIRECT
        try:
            async with asyncio.timeout(CREDENTIALS_TIMEOUT_S):
                servers = await self._ask(self._relay)
        except Exception as error:
            self.trouble = _explained(self._relay, error)
            log.warning("%s (%s)", self.trouble, type(error).__name__)
            return {**DIRECT, "trouble": self.trouble}
        self.trouble = ""
        return {"iceServers": servers}

    async def _ask(self, relay: Relay) -> list[dict[str, Any]]:
        life_s = self._life_s
        match relay.kind:
            case RelayKind.OWN:
                return [{"urls": list(relay.urls), "username": relay.account, "credential": relay.secret}]
            case RelayKind.CLOUDFLARE:
                path = f"{self._services.cloudflare}/v1/turn/keys/{relay.account}/credentials/generate-ice-servers"
                asked = httpx.Request("POST", path, headers=_bearer(relay), json={"ttl": life_s})
            case RelayKind.TWILIO:
                path = f"{self._services.twilio}/2010-04-01/Accounts/{relay.account}/Tokens.json"
                asked = httpx.Request("POST", path, data={"Ttl": str(life_s)})
            case RelayKind.HUGGING_FACE:
                path = f"{self._services.hugging_face}/credentials"
                asked = httpx.Request("GET", path, headers=_bearer(relay), params={"ttl": life_s})
        account = (relay.account, relay.secret) if relay.kind is RelayKind.TWILIO else None
        async with httpx.AsyncClient(verify=await asyncio.to_thread(_tls)) as http:
            answer = (await http.send(asked, auth=account)).raise_for_status()
        found = answer.json()
        return _servers(found["iceServers"] if "iceServers" in found else found["ice_servers"])


def _bearer(relay: Relay) -> dict[str, str]:
    return {"authorization": f"Bearer {relay.secret}"}


@cache
def _tls() -> ssl.SSLContext:
    """Takes some 20 ms the first time."""
    return httpx.create_ssl_context()


def _servers(told: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the services say, one or several servers, as browsers take it. Raises for what cannot be used."""
    servers = []
    for server in [told] if isinstance(told, Mapping) else told:
        named = server["urls"] if "urls" in server else server["url"]
        listed = [named] if isinstance(named, str) else named
        urls = [url for url in listed if not url.partition("?")[0].endswith(BLOCKED_PORT)]
        if urls:
            keys = {key: str(server[key]) for key in ("username", "credential") if server.get(key)}
            servers.append({"urls": urls, **keys})
    if not any("credential" in server for server in servers):
        raise ValueError("no relay among them")
    return servers


def _explained(relay: Relay, error: Exception) -> str:
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
    if status in (401, 403, 404):
        what = f"The relay for calls ({relay.kind}) does not accept {relay.variable}"
        do = "Check it on the server"
    elif status == 429:
        what = f"The relay for calls ({relay.kind}) gives no more credentials at the moment"
        do = f"Try again in a minute, or check the account of {relay.variable}"
    else:
        what = f"The relay for calls ({relay.kind}) could not be reached"
        do = f"Try again in a minute, or check {relay.variable} and the server's network"
    return f"{what}, so calls are tried without it and may not connect from another network. {do}; typing still works."
