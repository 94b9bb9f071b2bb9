"""Strangers at the offline server: web pages, other names, no key. Every route refuses them, and nothing changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any, cast
from urllib.parse import quote

import httpx
import pytest
import websockets
from starlette.routing import BaseRoute, Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection

from tests.offline.conftest import WAIT_S, FakeRecogniser, FakeVoice, connect, said
from voice_agents.impatience import impatient
from voice_agents.offline.brain import Brain
from voice_agents.offline.elevenlabs.access import Access
from voice_agents.offline.faults import Fault, FaultKind, Service
from voice_agents.offline.server import OfflineServer, app
from voice_agents.offline.services import Services

KEY = "offline-the-right-key"
STT = "/v1/speech-to-text/realtime"
AZURE = "/openai/v1/realtime"
FOREIGN_HOSTS = (
    "evil.example", "evil.localhost", "localhost.", "localhost.evil.example", "127.0.0.1.evil.example", "127.1",
    "2130706433", "[::1].evil.example", "user@localhost", "localhost:80:80", "localhost,evil.example", "169.254.0.1",
    "",
)  # fmt: skip
FOREIGN_ORIGINS = (
    "null", "https://evil.example", "http://evil.localhost:{port}", "http://localhost.:{port}", "http://127.0.0.1:1",
    "http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.1:{port}.evil.example", "file://", "",
)  # fmt: skip
RIGHT = {"xi-api-key": KEY, "api-key": KEY, "authorization": f"Bearer {KEY}"}
WITHOUT_KEY: tuple[dict[str, str], ...] = (
    {}, {"xi-api-key": "wrong"}, {"api-key": KEY[:-1]}, {"authorization": f"Bearer {KEY}x"}, {"authorization": KEY},
    {"authorization": f"Basic {KEY}"}, {"cookie": f"api-key={KEY}"}, {"x-api-key": KEY}, {"api-key": ""},
    {"xi-api-key": KEY.upper()}, {"sec-websocket-protocol": "openai-insecure-api-key."},
)  # fmt: skip


@pytest.fixture
async def server(recogniser: FakeRecogniser, voice: FakeVoice) -> AsyncIterator[OfflineServer]:
    async with OfflineServer(services=Services(recogniser, voice, Brain()), key=KEY) as running:
        for service in Service:  # one that were begun would be used up
            running.services.faults.add(Fault(service, FaultKind.REFUSE, 503))
        yield running


def routes() -> list[BaseRoute]:
    found = app(Services(FakeRecogniser(), FakeVoice(), cast(Brain, None)), Access()).routes
    return [route for route in found if isinstance(route, Route | WebSocketRoute)]


HTTP = [
    (method, route.path_format)
    for route in routes()
    if isinstance(route, Route)
    for method in sorted(route.methods or {"GET", "POST"})
] + [("GET", "/"), ("OPTIONS", "/v1/models"), ("PUT", "/faults"), ("GET", "/nowhere"), ("POST", "/openai/nowhere")]
SOCKETS = [route.path_format for route in routes() if isinstance(route, WebSocketRoute)] + ["/nowhere"]


def filled(path: str) -> str:
    return path.replace("{voice_id}", "any").replace("{kind}", "realtime_scribe").replace("{model:path}", "any")


def client(server: OfflineServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=WAIT_S)


async def handshake(server: OfflineServer, path: str, headers: Iterable[tuple[str, str]], query: str = "") -> int:
    """The status a socket's handshake is answered with; 101 for one that was accepted. Written by hand: no client
    sends a Host of the caller's."""
    own = server.url.removeprefix("http://")
    fixed = [("Host", own), ("Upgrade", "websocket"), ("Connection", "Upgrade")]
    fixed += [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]
    given = list(headers)
    names = {name.lower() for name, _ in given}
    lines = [f"{name}: {value}" for name, value in [*(f for f in fixed if f[0].lower() not in names), *given]]
    reader, writer = await asyncio.open_connection(*own.split(":"))
    writer.write("\r\n".join([f"GET {path}{query} HTTP/1.1", *lines, "", ""]).encode())
    async with asyncio.timeout(WAIT_S):
        status = int((await reader.readline()).split()[1])
    writer.close()
    await writer.wait_closed()
    return status


def unharmed(server: OfflineServer) -> bool:
    plan = server.services.faults.faults
    voice, recogniser = cast(FakeVoice, server.services.voice), cast(FakeRecogniser, server.services.recogniser)
    return len(plan) == len(Service) and not voice.spoken and not recogniser.utterances


async def refused(server: OfflineServer, expected: int, strange: Iterable[dict[str, str]]) -> None:
    """Every route and socket answers every one of these requests with this status."""
    async with client(server) as http:
        for headers in strange:
            for method, path in HTTP:
                answer = await http.request(method, filled(path), headers=headers, json=["stt:refuse:401"])
                assert answer.status_code == expected, (method, path, headers)
                assert method == "HEAD" or KEY not in answer.text
            for path in SOCKETS:
                assert await handshake(server, filled(path), headers.items()) == expected, (path, headers)
    assert unharmed(server)


async def test_nobody_comes_in_under_a_name_that_is_not_ours(server: OfflineServer) -> None:
    port = server.url.rpartition(":")[2]
    hosts = [f"{name}:{port}" for name in FOREIGN_HOSTS] + list(FOREIGN_HOSTS[:4])
    await refused(server, 403, [RIGHT | {"host": host} for host in hosts])


async def test_no_web_page_comes_in_even_with_the_key(server: OfflineServer) -> None:
    port = server.url.rpartition(":")[2]
    origins = [origin.format(port=port) for origin in FOREIGN_ORIGINS]
    await refused(server, 403, [RIGHT | {"origin": origin} for origin in origins])


async def test_nobody_comes_in_without_the_key_or_with_it_in_a_wrong_place(server: OfflineServer) -> None:
    await refused(server, 401, WITHOUT_KEY)


@pytest.mark.parametrize("query", [f"?key={KEY}", f"?xi-api-key={KEY}", f"?api-key={KEY}", f"?token={KEY}"])
async def test_no_request_brings_the_key_in_its_address(server: OfflineServer, query: str) -> None:
    async with client(server) as http:
        for method, path in HTTP:
            assert (await http.request(method, filled(path) + query)).status_code == 401
    for path in SOCKETS:
        if not (path.endswith("realtime") and path != STT and "api-key" in query[:9]):  # Azure's own place for it
            assert await handshake(server, filled(path), (), query) == 401, path
    assert unharmed(server)


async def test_two_hosts_or_origins_are_one_too_many(server: OfflineServer) -> None:
    own = server.url.removeprefix("http://")
    origins = [*RIGHT.items(), ("origin", server.url), ("origin", "http://evil.example")]
    assert await handshake(server, STT, [*RIGHT.items(), ("host", own), ("host", "evil.example")]) in (400, 403)
    assert await handshake(server, STT, origins) in (400, 403)


async def test_faults_are_switched_with_the_key_only_even_where_any_will_do() -> None:
    services = Services(FakeRecogniser(), FakeVoice(), Brain())
    async with OfflineServer(services=services) as server, client(server) as http:
        for method in ("GET", "POST", "DELETE"):
            answer = await http.request(method, "/faults", headers={"api-key": "any"}, json=["stt:stall"])
            assert answer.status_code == 401
        assert (await http.get("/connections")).status_code == 401
        assert services.faults.faults == ()
        for headers in ({"api-key": "any"}, {}):
            assert (await http.get("/v1/models", headers=headers)).status_code == 200
        switched = await http.post("/faults", headers={"api-key": server.key}, json=["stt:stall"])
        assert switched.json() == [str(Fault.parse("stt:stall"))]


async def test_a_page_is_refused_where_any_key_will_do() -> None:
    async with OfflineServer(services=Services(FakeRecogniser(), FakeVoice(), Brain())) as server:
        await refused_when_open(server)


async def refused_when_open(server: OfflineServer) -> None:
    for strange in ({"origin": "null"}, {"origin": "http://localhost:3000"}, {"host": "evil.localhost"}):
        assert await handshake(server, STT, (RIGHT | strange).items()) == 403
        async with client(server) as http:
            assert (await http.get("/v1/models", headers=RIGHT | strange)).status_code == 403


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/models HT",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\napi-key: any\r\nContent-Length: 9\r\n\r\nhalf",
        b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha",
    ],
)
async def test_half_a_request_is_closed_with_and_without_a_key(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_agents.offline.server.impatient", partial(impatient, request_s=0.3))
    async with OfflineServer(services=Services(FakeRecogniser(), FakeVoice(), Brain())) as server:
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        writer.write(sent)
        async with asyncio.timeout(WAIT_S):
            answer = await reader.read()
        assert (b"408" in answer.split(b"\r\n")[0]) == bool(sent) or b" 40" in answer.split(b"\r\n")[0]
        writer.close()


# and who does come in


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
async def test_this_machine_comes_in_under_all_its_names(server: OfflineServer, host: str) -> None:
    port = server.url.rpartition(":")[2]
    async with client(server) as http:
        for named in (f"{host}:{port}", host):
            answer = await http.get("/v1/models", headers={"api-key": KEY, "host": named})
            assert answer.status_code == 200


async def test_a_client_that_names_our_own_address_as_its_origin_comes_in(server: OfflineServer) -> None:
    server.services.faults.clear()
    assert await handshake(server, STT, [("xi-api-key", KEY), ("origin", server.url)]) == 101


async def test_hosts_and_origins_that_were_named_come_in() -> None:
    services = Services(FakeRecogniser(), FakeVoice(), Brain())
    page = "http://localhost:3000"
    async with OfflineServer(services=services, key=KEY, hosts=["offline"], origins=[page]) as server:
        headers = [("api-key", KEY), ("host", "offline:8765"), ("origin", page)]
        assert await handshake(server, AZURE, headers, "?model=m") == 101
        assert await handshake(server, AZURE, headers[1:], "?model=m") == 401


async def opened(server: OfflineServer, path: str, **handshake_headers: Any) -> ClientConnection:
    url = server.url.replace("http", "ws") + path
    return await websockets.connect(url, proxy=None, close_timeout=1, **handshake_headers)


async def test_every_place_of_the_vendors_takes_the_key(server: OfflineServer) -> None:
    server.services.faults.clear()
    bearer = {"authorization": f"Bearer {KEY}"}
    places: list[tuple[str, dict[str, Any]]] = [
        (f"{AZURE}?model=m", {"additional_headers": {"api-key": KEY}}),
        (f"{AZURE}?model=m", {"additional_headers": bearer}),
        (f"{AZURE}?model=m&api-key={KEY}", {}),
        ("/v1/realtime?model=m", {"additional_headers": bearer}),
        ("/v1/realtime?model=m", {"subprotocols": ["realtime", f"openai-insecure-api-key.{KEY}"]}),
        ("/v1/text-to-speech/any/stream-input", {"additional_headers": {"xi-api-key": KEY}}),
        (f"/v1/text-to-speech/any/stream-input?authorization={quote('Bearer ' + KEY)}", {}),
    ]
    for path, options in places:
        await (await opened(server, path, **options)).close()


async def test_a_single_use_token_opens_one_socket_of_its_kind(server: OfflineServer) -> None:
    server.services.faults.clear()
    async with client(server) as http:
        tokens = [
            (await http.post("/v1/single-use-token/realtime_scribe", headers={"xi-api-key": KEY})).json()["token"]
            for _ in range(2)
        ]
        unknown = await http.post("/v1/single-use-token/anything", headers={"xi-api-key": KEY})
    assert unknown.status_code == 404
    async with connect(server, STT, None, token=tokens[0], model_id="scribe_v2_realtime") as socket:
        assert (await said(socket))["message_type"] == "session_started"
    assert await handshake(server, STT, (), f"?token={tokens[0]}") == 401
    speaking = "/v1/text-to-speech/any/stream-input"
    assert await handshake(server, speaking, (), f"?single_use_token={tokens[1]}") == 401
