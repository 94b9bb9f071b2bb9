"""Other people's pages: every way of naming this server, and everything a browser would carry here for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlencode

from tests.attacks import routes
from tests.attacks.outcome import Outcome, dealt
from tests.attacks.routes import Way
from tests.attacks.target import Server, Targets
from tests.attacks.visitor import Visitor
from tests.attacks.wire import Answer, Header, Wire

DOOR_SAYS = (b"a name that is not its own", b"Pages of other addresses may not", b"Web pages of other addresses may")
CAMOUFLAGE: tuple[tuple[Header, ...], ...] = (
    (),
    (("X-Forwarded-Host", "{own}"), ("X-Forwarded-Proto", "http")),
    (("Forwarded", "host={own}"), ("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")),
    (("Referer", "http://{own}/"), ("Origin", "http://{own}"), ("Sec-Fetch-Site", "same-origin")),
)
NAMES = (
    "evil.example", "evil.localhost", "EVIL.LocalHost", "localhost.", "LOCALHOST.", "localhost..", ".localhost",
    "127.0.0.1.", "127.0.0.1.evil.example", "127.0.0.1.nip.io", "localhost.evil.example", "localhost.localdomain",
    "127.1", "127.0.0.2", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "0.0.0.0", "0", "[::]", "[::2]",
    "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]", "[::1].evil.example", "[::1", "::1",
    "user@localhost", "user:word@127.0.0.1", "localhost@evil.example", "evil.example@localhost", "localhost#.evil",
    "localhost?.evil.example", "localhost/.evil.example", "localhost\\.evil.example", "localhost%00.evil.example",
    "localhost%2eevil.example", "localhost,evil.example", "localhost evil.example", "localhost;evil.example",
    "localhost\tevil.example", "ⓛocalhost", "lоcalhost", "localhost。evil", "*", "null", "169.254.169.254", "_",
)  # fmt: skip
PORTS = ("{name}:{port}", "{name}", "{name}:80", "{name}:{port}:{port}")
WRONG_PORTS = ("localhost:", "localhost:-1", "localhost:123456", "localhost: 80", "localhost:http", ":{port}", "", " ")
ORIGINS = (
    "https://evil.example", "http://evil.localhost:{port}", "http://localhost.:{port}", "http://127.0.0.1.:{port}",
    "http://127.0.0.1:{other}", "http://localhost:{other}", "http://127.0.0.1", "http://localhost:{port}",
    "http://[::1]:{port}", "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}@evil.example",
    "http://evil.example#127.0.0.1:{port}", "http://evil.example/127.0.0.1:{port}", "http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port} http://evil.example", "http://user@127.0.0.1:{port}", "HTTP://EVIL.EXAMPLE",
    "null", "NULL", "", " ", "*", "127.0.0.1:{port}", "//127.0.0.1:{port}", "file://", "data:", "about:blank",
    "ws://127.0.0.1:{port}", "ftp://127.0.0.1:{port}", "chrome-extension://abcdefgh", "capacitor://localhost",
    "app://obsidian.md", "vscode-webview://abc", "http://2130706433:{port}", "http://0.0.0.0:{port}",
)  # fmt: skip


def door_refused(answer: Answer) -> bool:
    """By the door itself, or before it because it was no HTTP; not by a route that knew no better."""
    if answer.status in (0, 400) and (not answer.body or b"Invalid HTTP request" in answer.body):
        return True
    return answer.status == 403 and (not answer.body or any(words in answer.body for words in DOOR_SAYS))


def all_ways(house: Targets) -> Iterator[tuple[Server, Way]]:
    """Every route of every server, and one nobody serves."""
    for server, ways in (
        (house.app, routes.of_the_app()),
        (house.locked, routes.of_the_app()),
        (house.offline, routes.of_the_offline_server()),
    ):
        yield from ((server, way) for way in (*ways, Way("GET", "/nowhere"), Way("OPTIONS", "/config")))


def some_ways(house: Targets) -> Iterator[tuple[Server, Way]]:
    """One page, one call that changes something, one socket of each server."""
    for server in (house.app, house.locked):
        yield from ((server, Way(*way)) for way in (("GET", "/config"), ("POST", "/gradio_api/queue/join")))
        yield server, Way("", "/ws/sandwich")
    yield from ((house.offline, Way(*way)) for way in (("POST", "/faults"), ("", "/v1/speech-to-text/realtime")))


async def knock(server: Server, way: Way, headers: Sequence[Header]) -> Answer:
    """This way in, with the offline server's key where there is one: the key alone lets no page in."""
    carried = [*headers, ("api-key", server.key), ("xi-api-key", server.key)] if server.key else list(headers)
    if not way.method:
        return await server.wire.handshake(way.filled(), carried)
    if way.method != "POST":
        return await server.wire.ask(way.method, way.filled(), carried)
    return await server.wire.post(way.filled(), ["stt:refuse:401"], carried)


async def every(
    house: Targets, outcome: Outcome, ways: Iterable[tuple[Server, Way]], variants: Sequence[Sequence[Header]]
) -> None:
    """Each variant of headers on each of these ways has to be refused at the door."""

    async def one(server: Server, way: Way, headers: Sequence[Header]) -> None:
        filled = [(name, _filled(value, server.wire)) for name, value in headers]
        answer = await knock(server, way, filled)
        held = door_refused(answer) or (not way.method and answer.status == 400)  # by the WebSocket protocol itself
        outcome.expect(held, f"{answer.status} for {way.method or 'WS'} {way.template} {filled}")

    await asyncio.gather(*(one(*way, headers) for way, headers in dealt(ways, variants, house.short)))


async def hosts(house: Targets, outcome: Outcome) -> None:
    """Names that lead here and are not ours."""
    honest = ("localhost", "LocalHost", "127.0.0.1", "[::1]", "{own}", "localhost:{port}", "[::1]:80")
    for server in (house.app, house.offline):
        for host in honest:
            way = Way("GET", "/config" if server is house.app else "/v1/models")
            answer = await knock(server, way, [("Host", _filled(host, server.wire))])
            outcome.expect(answer.status == 200, f"control: {host} was answered {answer.status}")
    named = [shape.replace("{name}", name) for name in NAMES for shape in PORTS] + list(WRONG_PORTS)
    await every(house, outcome, some_ways(house), [[("Host", host)] for host in named])
    first = NAMES[:3] if house.short else NAMES[:20]
    await every(house, outcome, all_ways(house), [[("Host", f"{name}:{{port}}")] for name in first])
    evil = ("Host", "evil.example:{port}")
    await every(house, outcome, some_ways(house), [[evil, *more] for more in CAMOUFLAGE])
    own = ("Host", "{own}")
    await every(
        house, outcome, some_ways(house), [[own, evil], [evil, own], [own, own], [own, ("hOsT", "evil.example")]]
    )
    await _odd_requests(house, outcome)


async def _odd_requests(house: Targets, outcome: Outcome) -> None:
    """Requests whose host stands somewhere else than usual, or nowhere."""
    await asyncio.gather(*(_odd_requests_to(server, outcome) for server in house.servers))


async def _odd_requests_to(server: Server, outcome: Outcome) -> None:
    own, path = server.wire.authority, "/faults" if server.key else "/config"
    key = f"api-key: {server.key}\r\n" if server.key else ""
    for raw in (
        f"GET {path} HTTP/1.0\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\r\n{key}\r\n",
        f"GET {path}\r\n\r\n",
        f"GET {path} HTTP/1.1\r\nHost:\r\n{key}\r\n",
        f"GET {path} HTTP/1.0\r\nHost: evil.example\r\n{key}\r\n",
        f"GET http://{own}{path} HTTP/1.1\r\nHost: evil.example\r\n{key}\r\n",
        f"GET http://{own}{path} HTTP/1.0\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\r\nHost : {own}\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\r\n Host: {own}\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\r\nHost: {own}\r\n evil.example\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nX: a\r\n Host: {own}\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\nHost: evil.example\n{key}\n",
        f"GET {path} HTTP/1.1\r\nHost: {own}\x00.evil.example\r\n{key}\r\n",
        f"GET {path} HTTP/1.1\r\nX-Host: {own}\r\n{key}\r\n",
        f"CONNECT {own} HTTP/1.1\r\nHost: evil.example\r\n{key}\r\n",
        f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{key}",
    ):
        answer = await server.wire.send(raw.encode())
        outcome.expect(door_refused(answer) or answer.status >= 400, f"{answer.status} for {raw!r}")


async def origins(house: Targets, outcome: Outcome) -> None:
    """Pages of every other address, under our own name."""
    for server in (house.app, house.offline):
        path = "/config" if server is house.app else "/v1/models"
        answer = await knock(server, Way("GET", path), [("Origin", server.wire.url)])
        outcome.expect(answer.status == 200, f"control: our own page was answered {answer.status}")
    await every(house, outcome, some_ways(house), [[("Origin", origin)] for origin in ORIGINS])
    first = ORIGINS[:2] if house.short else ORIGINS[:12]
    await every(house, outcome, all_ways(house), [[("Origin", origin)] for origin in first])
    own, evil = ("Origin", "http://{own}"), ("Origin", "https://evil.example")
    await every(house, outcome, some_ways(house), [[own, evil], [evil, own], [("origin", "null"), own]])
    preflight = [evil, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Private-Network", "true")]
    ways = [(server, Way("OPTIONS", way.template)) for server, way in all_ways(house) if way.method == "POST"]
    await every(house, outcome, ways, [preflight])


async def fetches(house: Targets, outcome: Outcome) -> None:
    """Pictures, scripts, styles, forms of other pages, whose browsers say no Origin."""
    modes = ("no-cors", "cors", "websocket", "same-origin", "")
    strange = [
        [("Sec-Fetch-Site", site), *([("Sec-Fetch-Mode", mode)] if mode else []), ("Sec-Fetch-Dest", dest)]
        for site in ("cross-site", "same-site")
        for mode in modes
        for dest in ("image", "script", "empty", "iframe")
    ]
    served = [(server, way) for server, way in some_ways(house) if server is not house.offline]
    await every(house, outcome, served, strange)
    pages = [(server, way) for server, way in all_ways(house) if server is not house.offline]
    await every(house, outcome, pages, strange[:1])
    sent = [(server, way) for server, way in pages if way.method not in ("GET", "HEAD", "OPTIONS", "")]
    await every(house, outcome, sent, [[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")]])
    followed = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
    answer = await house.app.wire.ask("GET", "/", followed)
    outcome.expect(answer.status == 200, f"control: a followed link was answered {answer.status}")


async def sockets(house: Targets, outcome: Outcome) -> None:
    """Every socket, from every other page; the control is a program without a page."""
    ways = [(server, way) for server, way in all_ways(house) if not way.method]
    await every(house, outcome, ways, [[("Origin", origin)] for origin in ORIGINS])
    await every(house, outcome, ways, [[("Host", f"{name}:{{port}}")] for name in NAMES[:12]])
    answer = await house.app.wire.handshake("/ws/sandwich")
    outcome.expect(answer.status == 101, f"control: a program's socket was answered {answer.status}")
    connections = await house.offline.wire.ask("GET", "/connections", [("api-key", house.offline.key)])
    outcome.expect(not any(connections.json().values()), f"sockets stayed open: {connections.text}")


def _blind_bodies(house: Targets) -> Iterator[tuple[str, str, bytes]]:
    """Content type, path and body of what a foreign page can send without being allowed to ask."""
    visitor = Visitor(house.app)
    typed, call = visitor.typed("Remember that a stranger was here."), visitor.offered("v=0")
    for kind in ("text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json", ""):
        yield kind, "/gradio_api/queue/join", json.dumps(typed).encode()
        yield kind, "/gradio_api/component_server", json.dumps(call).encode()
        yield kind, "/gradio_api/run/_send", json.dumps(typed).encode()
        yield kind, "/gradio_api/call/_send", json.dumps(typed).encode()
        yield kind, "/gradio_api/reset", b'{"event_id": "x"}'
        yield kind, "/gradio_api/cancel", b'{"session_hash": "x", "fn_index": 8, "event_id": "x"}'
    form = urlencode({"username": "user", "password": "guess"}).encode()
    yield "application/x-www-form-urlencoded", "/login", form
    parts = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.html"\r\n\r\n<b>\r\n--x--\r\n'
    yield "multipart/form-data; boundary=x", "/gradio_api/upload", parts


async def blind_posts(house: Targets, outcome: Outcome) -> None:
    """What a form or a fetch of another page may send without asking first; judged by what it leaves behind."""
    before = await house.app.traces()
    senders: tuple[tuple[Header, ...], ...] = (
        (("Origin", "https://evil.example"),),
        (("Origin", "null"),),
        (("Origin", "http://127.0.0.1:9"),),
        (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")),
        (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")),
        (("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")),
        (("Host", "evil.localhost:{port}"), ("Origin", "http://evil.localhost:{port}")),
        (("Host", "rebound.example:{port}"), ("Sec-Fetch-Site", "same-origin")),
    )

    async def one(kind: str, path: str, body: bytes, sender: tuple[Header, ...]) -> None:
        headers = [(name, _filled(value, house.app.wire)) for name, value in sender]
        answer = await house.app.wire.ask("POST", path, [*headers, ("Content-Type", kind)], body)
        outcome.expect(door_refused(answer), f"{answer.status} for {path} as {kind!r} from {headers}")

    await asyncio.gather(*(one(*sent, sender) for sent, sender in dealt(_blind_bodies(house), senders, house.short)))
    outcome.expect(await house.app.traces() == before, "a blind POST left something behind")
    visitor = Visitor(house.app)
    await visitor.says("What is seven times eight?", "56|fifty-six")
    outcome.expect(await house.app.traces() != before, "control: an honest POST left nothing behind")


def _filled(value: str, wire: Wire) -> str:
    for mark, meant in (("{own}", wire.authority), ("{port}", str(wire.port)), ("{other}", str(wire.port ^ 1))):
        value = value.replace(mark, meant)
    return value
