"""One visitor does not take every place: neither by typing, nor by calls, nor over the API, nor under other names."""

from __future__ import annotations

import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.transports.api.client import client, errors
from tests.transports.api.server import listening, serve_api
from tests.transports.page_server import serve_page
from tests.transports.rtc_client import RtcCaller
from tests.transports.test_aiortc import controls, until
from tests.transports.typist import typed
from voice_agents.conversation.model import Conversation, new_id
from voice_agents.transports.door import Door
from voice_agents.transports.live import Ending
from voice_agents.transports.shares import Shares
from voice_agents.transports.visitors import address_of, is_own_machine, plain_address, visitor_address
from voice_agents.ui.app import PROXIES_OF_A_SPACE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6


def through(*hops: str) -> dict[str, str]:
    """As a proxy on this machine asks for somebody."""
    return {"X-Forwarded-For": ", ".join(hops)}


def held(browser: str) -> Conversation:
    """A new conversation of this browser."""
    return Conversation(owner=browser)


async def test_a_browser_that_types_gets_its_share_and_keeps_its_words() -> None:
    async with serve_page(max_sessions=6, per_visitor=2) as page:
        greedy, other = new_id(), new_id()
        for _ in range(2):
            assert await typed(page.url, "hello", controls(held(greedy))) == ""
        refused = held(greedy)
        assert await typed(page.url, "my third", controls(refused)) == "my third"
        assert len(page.registry) == 2
        assert await typed(page.url, "good morning", controls(held(other))) == ""
        live = page.registry.get(page.sessions[0].conversation)
        assert live is not None
        await live.end(Ending.IDLE)
        assert await typed(page.url, "my third", controls(refused)) == ""


async def test_a_call_that_finds_no_place_begins_by_itself_when_there_is_one() -> None:
    late = Conversation()
    async with serve_page(max_sessions=1, answer_s=0.5) as page:
        async with RtcCaller(page.url, "sandwich-mic", controls(Conversation())):
            await until(lambda: len(page.registry) == 1)
            gone = RtcCaller(page.url, "sandwich-mic", controls(Conversation()))
            await gone.__aenter__()
            patient = RtcCaller(page.url, "sandwich-mic", controls(late))
            await patient.__aenter__()
            await until(lambda: len(page.registry.line) == 2, 30)
            await gone.__aexit__(None, None, None)
            await until(lambda: len(page.registry.line) == 1, 30)
            assert page.registry.get(late) is None
        await until(lambda: page.registry.get(late) is not None, 30)
        await until(lambda: page.sessions[-1].heard_samples > 1_000)
        await patient.__aexit__(None, None, None)


async def test_changing_ones_browser_id_brings_an_address_half_of_the_places_at_most() -> None:
    async with serve_page(max_sessions=6, per_visitor=1) as page:
        boxes = [await typed(page.url, "hello", controls(Conversation()), through("203.0.113.7")) for _ in range(5)]
        assert boxes == ["", "", "", "hello", "hello"]
        # whoever writes an address of his own into the header stands before the one the proxy puts there
        forged = through("198.51.100.1", "203.0.113.7")
        assert await typed(page.url, "hello", controls(Conversation()), forged) == "hello"
        assert await typed(page.url, "hello", controls(Conversation()), through("198.51.100.1")) == ""
        assert await typed(page.url, "hello", controls(Conversation())) == "", "this machine is its owner's"


async def test_calls_count_like_typed_conversations() -> None:
    async with serve_page(max_sessions=6, per_visitor=1) as page:
        browser = new_id()
        assert await typed(page.url, "hello", controls(held(browser))) == ""
        async with RtcCaller(page.url, "sandwich-mic", controls(held(browser))) as caller:
            assert (await caller.told("end_stream"))["data"].startswith("You hold 1 conversations")
        for _ in range(3):
            assert await typed(page.url, "hello", controls(Conversation()), through("203.0.113.7")) == ""
        async with RtcCaller(page.url, "sandwich-mic", controls(Conversation()), through("203.0.113.7")) as caller:
            assert (await caller.told("end_stream"))["data"].startswith("Your network address holds 3")
        async with RtcCaller(page.url, "sandwich-mic", controls(Conversation()), through("203.0.113.8")):
            await until(lambda: len(page.registry) == 5)


@pytest.mark.parametrize("path", ["/ws/sandwich", "/ws/realtime"])
async def test_a_program_gets_one_visitors_share_and_this_machine_any(path: str) -> None:
    async with serve_api(max_sessions=9, per_visitor=2) as api, AsyncExitStack() as opened:

        async def talk(headers: dict[str, str]) -> list[str]:
            caller = await opened.enter_async_context(client(api.ws + path, additional_headers=headers))
            await caller.say(type="text", text="hello")
            with contextlib.suppress(Exception):
                await caller.until("session")
                await caller.until("complete" if "sandwich" in path else "done")
            return errors(caller.received)

        far = through("203.0.113.7")
        assert [await talk(far), await talk(far)] == [[], []]
        (refusal,) = await talk(far)
        assert refusal.startswith("You hold 2 conversations") and "MAX_SESSIONS_PER_VISITOR" in refusal
        assert await talk(through("203.0.113.8")) == []
        assert [await talk({}) for _ in range(4)] == [[]] * 4
        assert len(api.registry) == 7


@dataclass
class Visit:
    visitor: str
    address: str


@pytest.mark.parametrize(
    ("places", "per_visitor", "of_an_address"), [(20, 3, 9), (5, 3, 3), (1, 1, 1), (1, 3, 3), (20, 20, 20), (100, 3, 9)]
)
def test_the_share_of_an_address_leaves_places_to_others(places: int, per_visitor: int, of_an_address: int) -> None:
    assert Shares.of(places, per_visitor) == Shares(per_visitor, of_an_address)


def test_a_household_shares_its_address() -> None:
    shares = Shares.of(20, 3)
    home = [Visit(f"browser {n}", "203.0.113.7") for n in range(9)]
    for number, visit in enumerate(home):
        assert shares.refusal(visit, home[:number]) == ""
    assert "address" in shares.refusal(Visit("one more", "203.0.113.7"), home)
    assert shares.refusal(Visit("somebody", "203.0.113.8"), home) == ""
    assert shares.refusal(Visit("the owner", "127.0.0.1"), [Visit(str(n), "127.0.0.1") for n in range(19)]) == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        ("::1", "::1"),
        ("no address", "no address"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_an_address_has_one_form(written: str, read: str) -> None:
    assert plain_address(written) == read
    assert address_of({"client": (written, 0)}) == read


@pytest.mark.parametrize(
    ("address", "own"),
    [("", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("10.0.0.1", False), ("x", False)],
)
def test_this_machine_is_known_by_its_address(address: str, own: bool) -> None:
    assert is_own_machine(address) is own


def test_who_comes_without_a_network_has_no_address() -> None:
    assert address_of({}) == ""


@pytest.mark.parametrize(
    ("trusted", "hops", "seen"),
    [
        (None, ["203.0.113.7"], "203.0.113.7"),
        (None, ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (None, ["6.6.6.6", "203.0.113.7", "10.1.2.3"], "10.1.2.3"),
        (PROXIES_OF_A_SPACE, ["6.6.6.6", "203.0.113.7", "10.1.2.3"], "203.0.113.7"),
        ("192.0.2.1", ["203.0.113.7"], "127.0.0.1"),
        (None, [], "127.0.0.1"),
    ],
)
async def test_only_the_last_hop_of_a_trusted_proxy_is_believed(
    trusted: str | None, hops: list[str], seen: str
) -> None:
    async def tell(_request: Request) -> PlainTextResponse:
        return PlainTextResponse(visitor_address())

    app = Starlette(routes=[Route("/", tell)], middleware=[Middleware(Door)])
    async with listening(app, forwarded_allow_ips=trusted) as port, httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/", headers=through(*hops) if hops else {})
    assert answer.text == seen
