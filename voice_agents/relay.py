"""Which TURN relay carries the sound of a call where no direct way leads, as the environment says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from voice_agents.address import LAST_PORT
from voice_agents.environment import Values
from voice_agents.errors import ConfigurationError

_URL = re.compile(
    r"turns?:(\[[0-9a-f:.]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?(\?transport=(udp|tcp))?", re.IGNORECASE | re.ASCII
)


class RelayKind(StrEnum):
    """Who runs the relay, by the name a user knows."""

    OWN = "the TURN server in TURN_URL"
    CLOUDFLARE = "Cloudflare"
    TWILIO = "Twilio"
    HUGGING_FACE = "Hugging Face"


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay, or the account that pays for credentials of one.

    ``account``: user name, key id or account id; ``secret``: password or token. ``urls``: of an own TURN server.
    """

    kind: RelayKind
    secret: str = field(repr=False)
    account: str = field(default="", repr=False)
    urls: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """What to check when it does not let us in."""
        return _SECRETS[self.kind]


_SECRETS = {
    RelayKind.OWN: "TURN_PASSWORD",
    RelayKind.CLOUDFLARE: "CLOUDFLARE_TURN_KEY_API_TOKEN",
    RelayKind.TWILIO: "TWILIO_AUTH_TOKEN",
    RelayKind.HUGGING_FACE: "HF_TOKEN",
}


def relay_of(values: Values) -> Relay | None:
    """The first that is configured: an own server, Cloudflare, Twilio, Hugging Face.

    Raises ConfigurationError naming the variable when one is configured by half or unusable.
    """
    _whole(values, "TURN_URL", "TURN_USERNAME", "TURN_PASSWORD")
    _whole(values, "CLOUDFLARE_TURN_KEY_ID", "CLOUDFLARE_TURN_KEY_API_TOKEN")
    _whole(values, "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    urls = _urls(values)
    token = values.key("HF_TOKEN")
    if urls:
        return Relay(RelayKind.OWN, values.get("TURN_PASSWORD"), values.get("TURN_USERNAME"), urls)
    if secret := values.key("CLOUDFLARE_TURN_KEY_API_TOKEN"):
        return Relay(RelayKind.CLOUDFLARE, secret, values.plain_name("CLOUDFLARE_TURN_KEY_ID"))
    if secret := values.key("TWILIO_AUTH_TOKEN"):
        return Relay(RelayKind.TWILIO, secret, values.plain_name("TWILIO_ACCOUNT_SID"))
    return Relay(RelayKind.HUGGING_FACE, token) if token else None


def _whole(values: Values, *names: str) -> None:
    present = [name for name in names if values.get(name)]
    missing = [name for name in names if not values.get(name)]
    if present and missing:
        raise ConfigurationError(
            f"{missing[0]} is missing: {present[0]} is set. Set it, or remove {present[0]} to connect calls without "
            "this relay."
        )


def _urls(values: Values) -> tuple[str, ...]:
    urls = tuple(values.get("TURN_URL").replace(",", " ").split())
    if not all(_is_address(url) for url in urls):
        raise ConfigurationError(
            "TURN_URL must be an address such as turn:turn.example.com:3478 or turns:example.com:5349?transport=tcp"
            " (several: with commas between)."
        )
    return urls


def _is_address(url: str) -> bool:
    found = _URL.fullmatch(url)
    return found is not None and 1 <= int(found["port"] or 1) <= LAST_PORT
