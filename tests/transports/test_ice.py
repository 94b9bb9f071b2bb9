"""Credentials of a relay: asked for at every call, as the services want it; what fails is told, and holds nobody up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.transports.api.server import listening
from voice_agents.relay import Relay, RelayKind
from voice_agents.transports import ice
from voice_agents.transports.ice import DIRECT, Relays, RelayServices

HUGGING_FACE = Relay(RelayKind.HUGGING_FACE, "hf-secret")
CLOUDFLARE = Relay(RelayKind.CLOUDFLARE, "token-secret", "key-id")
TWILIO = Relay(RelayKind.TWILIO, "auth-secret", "sid")
OWN = Relay(RelayKind.OWN, "pass-secret", "me", ("turn:turn.example.com:3478",))

TURN = "turn:turn.example.com:3478?transport=udp"
ASKED = [
    (HUGGING_FACE, "GET /credentials?ttl=7200", "Bearer hf-secret", ""),
    (
        CLOUDFLARE,
        "POST /v1/turn/keys/key-id/credentials/generate-ice-servers",
        "Bearer token-secret",
        '{"ttl":7200}',
    ),
    (TWILIO, "POST /2010-04-01/Accounts/sid/Tokens.json", "Basic c2lkOmF1dGgtc2VjcmV0", "Ttl=7200"),
]


@dataclass
class Service:
    """A stand-in for all three services: remembers what it was asked, answers what the test says."""

    answer: Callable[[int], Any]
    status: int = 200
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        what = f"{request.method} {request.url.path}{query}"
        self.asked.append((what, request.headers["authorization"], (await request.body()).decode()))
        return JSONResponse(self.answer(len(self.asked)), self.status)


@asynccontextmanager
async def services(service: Callable[[Request], Any]) -> AsyncIterator[RelayServices]:
    async def endpoint(request: Request) -> Response:
        answered: Response = await service(request)
        return answered

    app = Starlette(routes=[Route("/{path:path}", endpoint, methods=["GET", "POST"])])
    async with listening(app) as port:
        url = f"http://127.0.0.1:{port}"
        yield RelayServices(url, url, url)


def numbered(call: int) -> dict[str, Any]:
    """What Cloudflare and Hugging Face answer."""
    stun = {"urls": ["stun:stun.example.com:3478", "stun:stun.example.com:53"]}
    blocked = "turn:turn.example.com:53?transport=udp"
    return {"iceServers": [stun, {"urls": [TURN, blocked], "username": f"user {call}", "credential": f"word {call}"}]}


def as_twilio(call: int) -> dict[str, Any]:
    stun = {"url": "stun:stun.example.com:3478", "urls": "stun:stun.example.com:3478"}
    return {
        "ice_servers": [stun, {"url": TURN, "urls": TURN, "username": f"user {call}", "credential": f"word {call}"}]
    }


@pytest.mark.parametrize(("relay", "what", "who", "body"), ASKED, ids=[one[0].kind.name for one in ASKED])
async def test_every_call_gets_credentials_of_its_own(relay: Relay, what: str, who: str, body: str) -> None:
    service = Service(as_twilio if relay is TWILIO else numbered)
    async with services(service) as at:
        relays = Relays(relay, 3600, at)
        for call in (1, 2):
            assert await relays.fresh() == {
                "iceServers": [
                    {"urls": ["stun:stun.example.com:3478"]},
                    {"urls": [TURN], "username": f"user {call}", "credential": f"word {call}"},
                ]
            }
        assert relays.trouble == ""
    asked = [(one, auth, said.replace(" ", "")) for one, auth, said in service.asked]
    assert asked == [(what, who, body)] * 2


async def test_they_outlive_the_longest_call_but_twilios_day() -> None:
    service = Service(numbered)
    async with services(service) as at:
        for longest_call_s in (4 * 3600, 30 * 3600):
            await Relays(HUGGING_FACE, longest_call_s, at).fresh()
    assert [what for what, _, _ in service.asked] == ["GET /credentials?ttl=15000", "GET /credentials?ttl=86400"]


async def test_one_server_may_stand_alone() -> None:
    alone = {"iceServers": {"urls": TURN, "username": "u", "credential": "c"}}
    async with services(Service(lambda _: alone)) as at:
        found = await Relays(CLOUDFLARE, 3600, at).fresh()
    assert found == {"iceServers": [{"urls": [TURN], "username": "u", "credential": "c"}]}


async def test_an_own_relay_asks_nobody() -> None:
    found = await Relays(OWN, 3600, RelayServices("", "", "")).fresh()
    assert found == {"iceServers": [{"urls": [*OWN.urls], "username": "me", "credential": "pass-secret"}]}


async def test_without_a_relay_a_call_is_direct() -> None:
    assert await Relays(None, 3600).fresh() == DIRECT


@pytest.mark.parametrize(
    ("status", "relay", "says"),
    [
        (401, HUGGING_FACE, "Hugging Face) does not accept HF_TOKEN"),
        (403, TWILIO, "Twilio) does not accept TWILIO_AUTH_TOKEN"),
        (404, CLOUDFLARE, "Cloudflare) does not accept CLOUDFLARE_TURN_KEY_API_TOKEN"),
        (429, HUGGING_FACE, "gives no more credentials at the moment"),
        (500, CLOUDFLARE, "could not be reached"),
        (200, HUGGING_FACE, "could not be reached"),
    ],
)
async def test_what_fails_is_told_and_the_call_is_tried_without(status: int, relay: Relay, says: str) -> None:
    async with services(Service(lambda _: {"iceServers": [{"urls": "stun:only.example.com"}]}, status)) as at:
        relays = Relays(relay, 3600, at)
        found = await relays.fresh()
    assert found["iceServers"] == []
    assert says in found["trouble"]
    assert found["trouble"] == relays.trouble
    assert "secret" not in relays.trouble


async def test_nobody_there_is_told_too_and_forgotten_when_it_works_again() -> None:
    async with services(Service(numbered)) as at:
        relays = Relays(HUGGING_FACE, 3600, at)
        await relays.fresh()
    await relays.fresh()
    assert "could not be reached" in relays.trouble
    async with services(Service(numbered)) as at:
        again = Relays(HUGGING_FACE, 3600, at)
        again.trouble = relays.trouble
        await again.fresh()
    assert again.trouble == ""


async def test_a_service_that_hangs_holds_up_one_call_for_a_few_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "CREDENTIALS_TIMEOUT_S", 0.2)
    hung = asyncio.Event()

    async def hang(_: Request) -> Response:
        await hung.wait()
        return Response()

    async with services(hang) as at:
        found = await Relays(HUGGING_FACE, 3600, at).fresh()
        hung.set()
    assert found["iceServers"] == []
    assert "could not be reached" in found["trouble"]
