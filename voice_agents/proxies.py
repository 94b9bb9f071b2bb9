"""Proxies of the environment: one rule for every client of a provider, and none on the way to this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from voice_agents.pasted import unwrapped

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY")
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
HTTP_KINDS = frozenset({"http", "https", "socks5", "socks5h"})
"""What clients of HTTP go through."""
SOCKET_KINDS = HTTP_KINDS | {"socks4", "socks4a"}
"""What clients of WebSockets go through."""
PACKAGES = {False: ("socksio", "socksio==1.0.0"), True: ("python_socks", "python-socks==3.2.1")}
"""What a SOCKS proxy needs, for HTTP and for WebSockets: the module, and how it is installed."""

_NO_WORDS = ("none", "null", "off", "no", "false", "direct", "0")
"""What people write who want none."""
_aside: dict[str, str] = {}
"""By scheme: proxies that were taken out of the environment, where they would stop every client of HTTP."""


class UnusableProxy(ValueError):
    """No connection can be made through the proxy that is set: the text says why, without its address."""


def prepare(env: MutableMapping[str, str], own_hosts: Iterable[str] = ()) -> None:
    """Before any client is made: this machine is never asked through a proxy, and no proxy stops the start.

    Quotes are taken off, ``socks://`` (as desktops write it) becomes ``socks5://``, a missing scheme ``http://``. Both
    spellings of every variable are looked at, since libraries differ in which one counts.
    """
    for name in [name for name in env if name.upper() in VARIABLES]:
        url = "" if unwrapped(env[name]).lower() in _NO_WORDS else unwrapped(env[name])
        url = re.sub(r"^socks://", "socks5://", url, flags=re.IGNORECASE)
        if url and "://" not in url:
            url = f"http://{url}"
        if not url or _reason(url, sockets=False):
            if url:
                _aside[name.upper().removesuffix("_PROXY").lower()] = url
            del env[name]
        else:
            env[name] = url
    spared = [part for name in ("NO_PROXY", "no_proxy") for part in unwrapped(env.get(name, "")).split(",")]
    spared = list(dict.fromkeys(filter(None, map(str.strip, (*spared, *THIS_MACHINE, *own_hosts)))))
    if any(name.upper() in VARIABLES for name in env):
        env["NO_PROXY"] = env["no_proxy"] = "*" if "*" in spared else ",".join(spared)


def unusable_ones() -> dict[str, str]:
    """Variables that name a proxy through which no connection can be made, with the end of a sentence that says why."""
    reasons = {f"{scheme.upper()}_PROXY": _reason(url, sockets=True) for scheme, url in _aside.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def proxy_for(url: str) -> str | None:
    """The proxy on the way to an ``http(s)`` or ``ws(s)`` address; None: it is reached directly."""
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    host = parts.hostname or ""
    if _is_spared(host, parts.port or (443 if secure else 80)):
        return None
    proxies = {**_aside, **getproxies()}
    found = next(
        (proxies[scheme] for scheme in ("https" if secure else "http", "all", "socks") if proxies.get(scheme)), ""
    )
    if not found:
        return None
    found = re.sub(r"^socks://", "socks5://", unwrapped(found), flags=re.IGNORECASE)
    return found if "://" in found else f"http://{found}"


def usable(proxy: str | None, *, sockets: bool) -> str | None:
    """The proxy, if such a client can go through it. Raises UnusableProxy.

    ``sockets``: of WebSockets, else of HTTP. SOCKS proxies look names up themselves, for both.
    """
    if proxy is None:
        return None
    if reason := _reason(proxy, sockets=sockets):
        raise UnusableProxy(reason)
    proxy = re.sub(r"^socks4:", "socks4a:", re.sub(r"^socks5:", "socks5h:", proxy))
    return _with_plain_password(proxy) if sockets else proxy


def _with_plain_password(proxy: str) -> str:
    """The websockets library takes user and password as they stand, where an address has them encoded."""
    who, at, where = proxy.rpartition("@")
    return f"{re.sub(r'%(?!2[Ff]|3[Ff]|23)[0-9A-Fa-f]{2}', lambda code: unquote(code[0]), who)}{at}{where}"


def _reason(proxy: str, *, sockets: bool) -> str:
    """Why nothing can go through it, as the end of a sentence; empty if it can."""
    try:
        parts = urlsplit(proxy)
        _ = parts.port
        httpx.URL(proxy)  # stricter than urlsplit
    except (ValueError, httpx.InvalidURL):
        parts = urlsplit("")
    if parts.scheme not in (SOCKET_KINDS if sockets else HTTP_KINDS) or not parts.hostname or " " in proxy:
        return "cannot be used: set HTTPS_PROXY and ALL_PROXY to an http:// or socks5:// address, or to nothing."
    module, package = PACKAGES[sockets]
    if parts.scheme.startswith("socks") and find_spec(module) is None:
        return (
            f"is a SOCKS proxy, for which the package {package.partition('==')[0]} is missing: pip install {package}, "
            "or set HTTPS_PROXY and ALL_PROXY to an http:// address."
        )
    return ""


def _is_spared(host: str, port: int) -> bool:
    """``NO_PROXY`` names it, or a network it is in."""
    if proxy_bypass(f"{host}:{port}") or proxy_bypass(host):
        return True
    try:
        address = ip_address(host)
        spared = getproxies().get("no", "").split(",")
        return address.is_loopback or any("/" in each and address in ip_network(each.strip(), False) for each in spared)
    except ValueError:
        return host == "localhost"


def gradio_hosts(host: str) -> tuple[str, ...]:
    """Under which names gradio asks its own page for a sign of life."""
    return () if host in ("", "0.0.0.0", "::") else (host,)
