"""Strangers at the door: foreign pages, foreign names, huge and half-sent bodies, guessed passwords."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from tests.stories.clock import play
from voice_agents.transports.door import FREE_TRIES, MAX_BODY_BYTES, MOST_AT_ONCE, REFUSED_AFTER, Door

OWN = "127.0.0.1:7860"
FOREIGN_HOSTS = (
    "evil.localhost:7860", "localhost.:7860", "rebound.example:7860", "127.1:7860", "2130706433", "0x7f.1", "[::2]",
    "localhost:7860@evil.example", "localhost,evil.example", "localhost:7860 ", "", "127.0.0.1.nip.io",
    "203.0.113.7:7860",
)  # fmt: skip
FOREIGN_ORIGINS = (
    "https://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1", "http://localhost:7860",
    "http://evil.localhost:7860", "http://127.0.0.1:7860.evil.example", "file://", "chrome-extension://abc", "*", "",
)  # fmt: skip


class House:
    """An application that remembers who came in."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.came_in: list[str] = []
        self.body_bytes = 0
        routes = [
            Route("/{path:path}", self._answer, methods=["GET", "POST"]),
            WebSocketRoute("/{path:path}", self._talk),
        ]
        self.door = Starlette(routes=routes, middleware=[Middleware(Door, names=lambda: names)])

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.door), base_url=f"http://{OWN}")

    async def _answer(self, request: Request) -> PlainTextResponse:
        if request.url.path == "/broken":
            raise RuntimeError("a secret in /home/somebody/app.py")
        try:
            self.body_bytes = len(await request.body())
        except Exception:
            if request.url.path != "/misread":
                raise
            return PlainTextResponse("There was an error parsing the body", 400)  # what FastAPI says, whatever it was
        self.came_in.append(request.url.path)
        return PlainTextResponse("hello", 400 if request.url.path == "/login" else 200)

    async def _talk(self, socket: WebSocket) -> None:
        await socket.accept()
        self.came_in.append("socket")
        await socket.close()


async def ask(house: House, kind: str, headers: dict[str, str], method: str = "GET", path: str = "/") -> list[Message]:
    """What a bare request is answered; of a body nothing ever comes."""
    sent: list[Message] = []
    told = [{"type": "websocket.connect"}] if kind == "websocket" else []

    async def receive() -> Message:
        if not told:
            await asyncio.Event().wait()
        return told.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": kind, "method": method, "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()], "scheme": "http",
        "server": ("127.0.0.1", 7860), "client": ("127.0.0.1", 5), "http_version": "1.1", "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    await house.door(scope, receive, send)
    return sent


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
async def test_a_name_that_is_not_ours_gets_nothing(host: str) -> None:
    house = House()
    async with house.client() as client:
        answer = await client.get("/config", headers={"host": host})
    assert answer.status_code == 403 and not house.came_in
    assert "ALLOWED_HOSTS" in answer.text


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
async def test_a_page_of_another_address_can_send_and_read_nothing(origin: str) -> None:
    house = House()
    async with house.client() as client:
        for answer in [
            await client.get("/config", headers={"origin": origin}),
            await client.post("/queue/join", content="{}", headers={"origin": origin, "content-type": "text/plain"}),
        ]:
            assert answer.status_code == 403
    assert not house.came_in


@pytest.mark.parametrize("headers", [{"host": "evil.localhost"}, {"host": OWN, "origin": "https://evil.example"}])
async def test_a_page_of_another_address_opens_no_socket(headers: dict[str, str]) -> None:
    house = House()
    assert (await ask(house, "websocket", headers))[0]["type"] == "websocket.http.response.start"
    assert not house.came_in


async def test_our_own_page_opens_a_socket() -> None:
    house = House()
    assert (await ask(house, "websocket", {"host": OWN, "origin": f"http://{OWN}"}))[0]["type"] == "websocket.accept"
    assert house.came_in == ["socket"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_picture_or_script_of_another_page_is_refused_and_a_followed_link_is_not(site: str) -> None:
    house = House()
    async with house.client() as client:
        taken = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors"}
        followed = {"sec-fetch-site": site, "sec-fetch-mode": "navigate"}
        assert (await client.get("/config", headers=taken)).status_code == 403
        assert (await client.get("/", headers=followed)).status_code == 200
        assert (await client.post("/", headers=followed)).status_code == 403, "a form of another page is no link"
    assert house.came_in == ["/"]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (OWN, None),
        (OWN, f"http://{OWN}"),
        ("localhost:7860", "http://localhost:7860"),
        ("[::1]:7860", "http://[::1]:7860"),
        ("talk.example", "https://talk.example"),  # behind a proxy that takes the TLS off
        (OWN, "https://talk.example"),  # and one that asks under another name
        ("talk.example:443", "https://talk.example"),
    ],
)
async def test_our_own_page_gets_in_under_every_name_of_ours(host: str, origin: str | None) -> None:
    house = House(names=["talk.example"])
    async with house.client() as client:
        answer = await client.post("/queue/join", headers={"host": host} | ({"origin": origin} if origin else {}))
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"


async def test_a_large_body_is_refused_by_its_length_and_a_nameless_one_as_it_comes() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 100_000

    house = House()
    async with house.client() as client:
        assert (await client.post("/", content=b"x" * (MAX_BODY_BYTES + 1))).status_code == 413
        assert (await client.post("/", content=endless())).status_code == 413
        assert not house.came_in
        assert (await client.post("/", content=b"x" * MAX_BODY_BYTES)).status_code == 200
    assert house.body_bytes == MAX_BODY_BYTES


async def test_a_body_that_is_too_large_is_told_so_though_the_app_takes_it_for_a_bad_one() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000

    async with House().client() as client:
        answer = await client.post("/misread", content=endless())
    assert answer.status_code == 413 and "1 MB" in answer.text


async def test_a_failure_inside_is_one_sentence_with_a_number() -> None:
    async with House().client() as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "number" in answer.text and "secret" not in answer.text and "/home" not in answer.text


def test_wrong_passwords_are_slowed_and_then_refused_for_a_while() -> None:
    async def guess() -> None:
        loop = asyncio.get_running_loop()
        async with House().client() as client:
            waited = []
            for _ in range(REFUSED_AFTER):
                before = loop.time()
                assert (await client.post("/login", data={"password": "guess"})).status_code == 400
                waited.append(loop.time() - before)
            assert waited[FREE_TRIES] > waited[0] and waited == sorted(waited)
            assert (await client.post("/login", data={"password": "guess"})).status_code == 429
            assert (await client.get("/")).status_code == 200, "only trying is refused"
            await asyncio.sleep(601)
            assert (await client.post("/login", data={"password": "guess"})).status_code == 400

    play(guess())


FILES = (
    "/gradio_api/upload", "/upload", "/gradio_api/upload/", "/gradio_api/upload_progress", "/gradio_api/proxy=http://127.0.0.1:1/",
    "/gradio_api/file=/etc/passwd", "/file=app.py", "/gradio_api/file/etc/passwd", "/gradio_api/file=http://evil.example",
    "/gradio_api/stream/1", "/gradio_api/stream/1/2/3/playlist.m3u8", "/gradio_api/process_recording",
    "/gradio_api/vibe-edit", "/gradio_api/vibe-code/", "/gradio_api/undo-vibe-edit", "/a/root/path/gradio_api/upload",
    "/gradio_api/%75pload", "/page/static/..%00/etc/passwd", "/page/static/main.js%00", "/%00",
)  # fmt: skip


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT"])
async def test_nothing_is_uploaded_and_no_file_is_handed_out(path: str, method: str) -> None:
    house = House()
    async with house.client() as client:
        answer = await client.request(method, path, content=b"x")
    assert answer.status_code == 403 and not house.came_in
    assert method == "HEAD" or answer.text == "This app takes no files and hands out none."


async def test_a_form_with_files_gets_in_nowhere_and_no_socket_opens_there() -> None:
    house = House()
    async with house.client() as client:
        files = {"file": ("a.txt", b"x")}
        assert (await client.post("/gradio_api/component_server", files=files)).status_code == 403
        assert not house.came_in
        assert (await client.post("/login", files=files)).status_code == 400
        for path in ("/assets/upload-4f2.js", "/gradio_api/info", "/files", "/ws/sandwich", "/"):
            assert (await client.get(path)).status_code == 200
    scope = {"host": OWN, "origin": f"http://{OWN}"}
    assert (await ask(house, "websocket", scope, path="/gradio_api/stream/1"))[0]["status"] == 403


UNUSED = (
    "queue/join", "queue/data", "queue/status", "/queue/join", "call/_tell", "call/_tell/x", "run/_tell", "api/_tell/",
    "heartbeat/x", "cancel", "reset/", "dev/reload", "deep_link", "openapi.json", "QUEUE/join", "component_servers",
)  # fmt: skip


@pytest.mark.parametrize("path", UNUSED)
@pytest.mark.parametrize("root", ["", "/a/root/path"])
async def test_of_gradio_only_what_the_page_uses_is_open(root: str, path: str) -> None:
    house = House()
    async with house.client() as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, f"{root}/gradio_api/{path}", content=b"{}")
            assert answer.status_code == 403 and "not in use here" in answer.text
    assert not house.came_in


@pytest.mark.parametrize("path", ["component_server", "component_server/", "custom_component/5/client/x.js", "info"])
async def test_what_the_page_uses_of_gradio_is_open(path: str) -> None:
    async with House().client() as client:
        assert (await client.post(f"/gradio_api/{path}")).status_code == 200


async def test_one_address_opens_only_so_many_sockets_and_gets_more_when_it_has_closed_some() -> None:
    gone, opened = asyncio.Event(), []

    async def stay(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await gone.wait()

    door = Door(stay, names=lambda: ["talk.example"])

    async def visit(address: str, name: str = "talk.example") -> str:
        told: asyncio.Queue[Message] = asyncio.Queue()
        scope = {
            **{"type": "websocket", "path": "/page/window", "headers": [(b"host", name.encode())], "method": "GET"},
            **{"server": ("10.0.0.1", 80), "client": (address, 5), "extensions": {"websocket.http.response": {}}},
        }
        opened.append(asyncio.create_task(door(scope, told.get, told.put)))
        return str((await told.get())["type"])

    async with asyncio.timeout(20):
        for number in range(MOST_AT_ONCE):
            assert await visit(f"2001:db8::{number:x}") == "websocket.accept"
        assert await visit("2001:db8::ffff:1") == "websocket.http.response.start", "the same home's network"
        assert await visit("203.0.113.9") == "websocket.accept", "others get in"
        assert {await visit("127.0.0.1") for _ in range(MOST_AT_ONCE + 1)} == {"websocket.accept"}
        gone.set()
        await asyncio.gather(*opened)
        gone.clear()
        assert await visit("2001:db8::1") == "websocket.accept"
        gone.set()
        await asyncio.gather(*opened)
