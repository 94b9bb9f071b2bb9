"""Who asks: the address of a visitor, as far as it can be known and not be made up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.requests import HTTPConnection
from starlette.types import Scope

from voice_agents.environment import is_loopback

_ADDRESS: ContextVar[str] = ContextVar("visitor_address", default="")
_FORWARDED = frozenset({"forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "fly-client-ip"})
"""What proxies, relays and share links add to a request that they hand on, beside ``x-forwarded-...``."""
_IPV6_HOME = 64
"""Bits of an IPv6 address that its owner did not choose: the rest has millions of values for everybody."""


def visitor_address() -> str:
    """The address of the visitor whose request, socket or call this is; empty when nobody's.

    Calls and sockets inherit it from the request that began them.
    """
    return _ADDRESS.get()


@contextmanager
def visited_from(address: str) -> Iterator[None]:
    """What happens inside is done for the visitor at this address, see :func:`address_of`."""
    token = _ADDRESS.set(address)
    try:
        yield
    finally:
        _ADDRESS.reset(token)


def is_own_machine(address: str) -> bool:
    """Nobody else's: a program or browser of this machine that came here without a proxy."""
    try:
        return not address or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def is_from_here(connection: HTTPConnection) -> bool:
    """Whether a program or browser of this machine asks for itself.

    A proxy on this machine comes from here as well. It tells for whom it asks, or speaks HTTP/1.0 as nginx does
    unless it is told otherwise; and who asks here names this machine.
    """
    client = connection.client.host if connection.client else ""
    handed_on = any(name in _FORWARDED or name.startswith("x-forwarded-") for name in connection.headers)
    old = connection.scope.get("http_version", "1.1") == "1.0"
    return is_loopback(client) and is_loopback(connection.url.hostname or "") and not handed_on and not old


def address_of(scope: Scope) -> str:
    """The visitor's address in one form; IPv6 as the network of its home.

    Behind a proxy on a trusted address (``FORWARDED_ALLOW_IPS``, by default this machine) uvicorn has put in the last
    address of ``X-Forwarded-For`` that is not a proxy's: what a visitor writes there himself stands before it.
    """
    return plain_address(str((scope.get("client") or ("",))[0]))


def plain_address(written: str) -> str:
    """An address in one form; what is none stays as it is, in some bounded length."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return written[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(ipaddress.ip_network((address, _IPV6_HOME), strict=False))
    return str(address)
