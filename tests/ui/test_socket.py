"""Who may open a window's socket, and what becomes of messages no page sends; over real sockets."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.browser.helpers.process import AppProcess
from tests.transports.page_server import serve_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6


def window(url: str, cookies: str = "") -> connect:
    return connect(url.replace("http", "ws") + "/page/window", additional_headers={"cookie": cookies})


async def closed(socket: ClientConnection) -> int:
    """The code it is closed with."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as end:
            while True:
                await socket.recv()
    assert end.value.rcvd is not None
    return end.value.rcvd.code


async def test_only_who_passed_the_password_gets_a_window() -> None:
    async with AppProcess(["-m", "tests.ui.demo"], {"DEMO_PASSWORD": "right"}) as locked:
        for cookies in ("", "access-token-x=guess; access-token-unsecure-x=guess"):
            with pytest.raises(InvalidStatus) as refused:
                async with window(locked.url, cookies):
                    pass
            assert refused.value.response.status_code == 401
        async with httpx.AsyncClient(base_url=locked.url) as http:
            (await http.post("/login", data={"username": "user", "password": "right"})).raise_for_status()
            signed_in = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
        async with window(locked.url, signed_in) as socket:
            assert json.loads(await socket.recv())["type"] == "hello"


async def test_a_socket_that_says_nothing_does_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_agents.ui.socket.FIRST_MESSAGE_S", 0.3)
    async with serve_page() as served, window(served.url) as silent, window(served.url) as quiet:
        await quiet.send('{"do": "ping"}')
        assert await closed(silent) == 4400
        await quiet.send('{"do": "ping"}')
        async with asyncio.timeout(10):
            while json.loads(await quiet.recv())["type"] != "pong":
                pass


@pytest.mark.parametrize(
    "message",
    ["no json", "[]", '{"do": "fly"}', '{"do": "say"}', "x" * 100_000, b"\x00", "[" * 60_000, '{"do":' * 9_000],
)
async def test_a_window_that_sends_nonsense_is_closed_and_others_live_on(message: str | bytes) -> None:
    async with serve_page() as served, window(served.url) as bad, window(served.url) as good:
        await bad.send(message)
        assert await closed(bad) == 4400
        await good.send('{"do": "ping"}')
        async with asyncio.timeout(10):
            while json.loads(await good.recv())["type"] != "pong":
                pass


async def test_half_a_character_does_not_cost_a_window_its_socket() -> None:
    """As of an emoji that was cut in two: no text on a socket can hold it."""
    async with serve_page() as served, window(served.url) as socket:
        await socket.send(json.dumps({"do": "open", "kind": ["sandwich"]}))
        await socket.send(json.dumps({"do": "say", "kind": "sandwich", "text": "\ud83d" + "x" * 5000}))
        async with asyncio.timeout(10):
            while (message := json.loads(await socket.recv()))["type"] != "give_back":
                pass
    assert message["text"].lstrip("?") == "x" * 5000
