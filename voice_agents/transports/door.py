"""Who gets into this server: pages of its own address and programs, with bodies of a sane size and few wrong passwords.

A browser carries any page's requests here, under any name that leads to this machine (``evil.localhost``, a rebound
one, another port). So the name that is asked has to be one of ours, and a page has to come from the address it asks.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import Counter, deque
from collections.abc import Callable, Collection
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voice_agents.transports.visitors import address_of, is_own_machine, visited_from

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1_000_000

MOST_AT_ONCE = 100
"""Requests and sockets of one address that go on at a time; this machine itself is not limited, its owner is there."""

FREE_TRIES = 5
REFUSED_AFTER = 10
FORGOTTEN_AFTER_S = 600.0
"""Wrong passwords of one address: slowed after ``FREE_TRIES``, refused after ``REFUSED_AFTER`` within this time."""

OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_AUTHORITY = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^\s:\[\]/@,]+)(?::\d{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_PAGES_OF_OTHERS = frozenset({"cross-site", "same-site"})
"""``Sec-Fetch-Site``; another port of this machine is "same-site"."""

_CLOSED = re.compile(
    r"/(?:upload|upload_progress|(?:proxy|file)=.*|file|stream|process_recording|vibe-[a-z-]+|undo-vibe-edit)(?:/|$)|\0"
)
"""Doors of gradio into the file system, to other servers and to its own developers' tools: this app needs none. And a
zero byte, which no path of ours has and no file system takes."""
_UNUSED = re.compile(
    r"/gradio_api/(?!(?:app_id|component_server|config|custom_component|info|login_check|startup-events|theme\.css|token|"
    r"user)(?:/|$))"
)
"""What else of gradio's the page does without, its queue above all: there everybody may open any number of streams,
each of which looks for news twenty times a second, whether anybody reads it or not."""

_WRONG_HOST = (
    "This server is asked under a name that is not its own. If the name is yours, add it to ALLOWED_HOSTS and restart."
)
_WRONG_ORIGIN = (
    "Pages of other addresses may not use this server. If the address is yours, add its host to ALLOWED_HOSTS."
)
_NO_FILES = "This app takes no files and hands out none."
_NOT_USED = "This part of gradio is not in use here: the page does without it, and programs have their own way in."
_CROWDED = (
    f"Your network address has {MOST_AT_ONCE} connections to this server open, the most that one address may. "
    "Close some pages, and try again."
)
_TOO_LARGE = "This request is too large: at most 1 MB is accepted here."
_TOO_MANY_TRIES = "Too many wrong passwords came from this address. Please wait ten minutes."

Names = Callable[[], Collection[str]]
"""The further names this server is reached under at the moment, lower case, without a port; ``*`` is any name."""


class Door:
    """An ASGI application in front of everything: gradio, fastrtc, the password and our own routes."""

    def __init__(
        self, app: ASGIApp, names: Names = tuple, framed_by: str = "'self'", tries: Tries | None = None
    ) -> None:
        """``framed_by``: Content-Security-Policy sources of pages that may show this one in a frame. ``tries``: of
        passwords, counted elsewhere, too."""
        self._app = app
        self._names = names
        self._tries = tries or Tries()
        self._inside: Counter[str] = Counter()
        """Requests and sockets that go on, by address."""
        self._headers = (
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"same-origin"),
            (b"content-security-policy", f"frame-ancestors {framed_by}".encode()),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await PlainTextResponse(refusal, 403)(scope, receive, send)  # also before a WebSocket is accepted
            return
        address = address_of(scope)
        if self._inside[address] >= MOST_AT_ONCE and not is_own_machine(address):
            await PlainTextResponse(_CROWDED, 429, {"connection": "close"})(scope, receive, send)
            return
        self._inside[address] += 1
        try:
            with visited_from(address):
                await self._let_in(address, scope, headers, receive, send)
        finally:
            self._inside[address] -= 1
            if not self._inside[address]:
                del self._inside[address]

    async def _let_in(self, address: str, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(address, scope, headers, receive, send)
        elif closed := _closed(scope["path"]):
            await PlainTextResponse(closed, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        named = [_name(host) for host in headers.getlist("host")]
        reached = str((scope.get("server") or ("",))[0])
        own = OWN_NAMES | {f"[{reached}]" if ":" in reached else reached}
        public = self._names()
        if len(named) != 1 or not (named[0] in own or _is_among(named[0], public)):
            return _WRONG_HOST
        if not all(_is_same(origin, headers["host"]) or _is_public(origin, public) for origin in _origins(headers)):
            return _WRONG_ORIGIN
        is_link = scope.get("method") in ("GET", "HEAD")
        return _WRONG_ORIGIN if _is_fetched_by_another_page(headers, is_link) else None

    async def _http(self, address: str, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            await _refuse(413, _TOO_LARGE, scope, receive, send)
            return
        is_login = scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/login")
        is_form = headers.get("content-type", "").strip().lower().startswith("multipart/")
        closed = _NO_FILES if is_form and not is_login else _closed(scope["path"])
        if closed:
            await _refuse(403, closed, scope, receive, send)
            return
        if is_login and not await self._tries.admit(address):
            await _refuse(429, _TOO_MANY_TRIES, scope, receive, send)
            return
        body = _Body(receive)
        answer = _Answer(send, self._headers, body)
        try:
            await self._app(scope, body.receive, answer.send)
        except _Unacceptable as error:
            await answer.end_with(error.status, str(error), scope, receive)
        except Exception as error:
            sign = secrets.token_hex(4)
            log.error("request %s to %s failed", sign, scope["path"], exc_info=error)
            sentence = f"Something went wrong inside this app. Its log tells more under the number {sign}."
            await answer.end_with(500, sentence, scope, receive)
        if is_login and answer.status < 400:
            self._tries.forgive(address)


class Tries:
    """Passwords tried of late, by address; every try counts until it proves right."""

    def __init__(self, pause_s: float = 0.5) -> None:
        self._pause_s = pause_s
        self._tried_at: dict[str, deque[float]] = {}

    async def admit(self, address: str) -> bool:
        """Whether one more may be tried; takes its time when many were wrong."""
        now = asyncio.get_running_loop().time()
        self._forget_before(now - FORGOTTEN_AFTER_S)
        tried = self._tried_at.setdefault(address, deque(maxlen=REFUSED_AFTER))
        if len(tried) >= REFUSED_AFTER:
            return False
        tried.append(now)
        await asyncio.sleep(self._pause_s * max(0, len(tried) - FREE_TRIES))
        return True

    def forgive(self, address: str) -> None:
        """The password was right."""
        self._tried_at.pop(address, None)

    def _forget_before(self, oldest: float) -> None:
        for address, tried in tuple(self._tried_at.items()):
            if not tried or tried[-1] < oldest:
                del self._tried_at[address]


class _Unacceptable(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _Body:
    """Counts what arrives, also of a body that does not say its length."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    def check(self) -> None:
        """Raises _Unacceptable when more has come than is taken."""
        if self._bytes > MAX_BODY_BYTES:
            raise _Unacceptable(413, _TOO_LARGE)

    async def receive(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        self.check()
        return message


class _Answer:
    """What the app answers, with our headers; ours in its place when it fails before it began."""

    def __init__(self, send: Send, headers: Collection[tuple[bytes, bytes]], body: _Body) -> None:
        self._send = send
        self._headers = headers
        self._body = body
        self.status = 0

    async def send(self, message: Message) -> None:
        if not self.status:
            self._body.check()  # FastAPI took what that raised before for a body that cannot be read
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)

    async def end_with(self, status: int, sentence: str, scope: Scope, receive: Receive) -> None:
        if not self.status:
            await _refuse(status, sentence, scope, receive, self._pass_on)


async def _refuse(status: int, sentence: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer and close: what is still to come of the body is not read."""
    with suppress(OSError):
        await PlainTextResponse(sentence, status, {"connection": "close"})(scope, receive, send)


def _closed(path: str) -> str:
    """Why nobody gets in there; empty where one does."""
    if _CLOSED.search(path):
        return _NO_FILES
    return _NOT_USED if _UNUSED.search(path) else ""


def _name(host: str) -> str:
    match = _AUTHORITY.fullmatch(host.lower())
    return match["name"] if match else ""


def _is_among(name: str, names: Collection[str]) -> bool:
    return bool(name) and ("*" in names or name in names)


def _origins(headers: Headers) -> list[str]:
    return [origin.lower() for origin in headers.getlist("origin")]


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of this origin came from the address it asks; a proxy may have taken the TLS off."""
    scheme, _, authority = origin.partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    return port is not None and authority.removesuffix(port) == host.lower().removesuffix(port)


def _is_public(origin: str, names: Collection[str]) -> bool:
    """Whether a page came from one of our public names; a proxy may ask us under another."""
    try:
        parts = urlsplit(origin)
        return parts.scheme in _DEFAULT_PORTS and (parts.hostname or "") in names
    except ValueError:
        return False


def _is_fetched_by_another_page(headers: Headers, is_link: bool) -> bool:
    """Whether a script, picture or form of another page asks, not a person who follows a link to ours."""
    if "origin" in headers:
        return False  # judged already
    elsewhere = headers.get("sec-fetch-site", "") in _PAGES_OF_OTHERS
    return elsewhere and not (is_link and headers.get("sec-fetch-mode", "") == "navigate")
