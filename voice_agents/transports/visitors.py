"""Who asks: the address of a visitor, as far as it can be known and not be made up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import Scope

_ADDRESS: ContextVar[str] = ContextVar("visitor_address", default="")
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
