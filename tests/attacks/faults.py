"""The offline server's switches: without its key nobody lets things go wrong, listens in, or uses it at all."""

from __future__ import annotations

import asyncio

from tests.attacks import routes
from tests.attacks.outcome import Outcome, dealt
from tests.attacks.target import Targets
from tests.attacks.wire import Header


def wrong_keys(key: str) -> list[tuple[Header, ...]]:
    """None, nearly the right one, and the right one where nobody puts it."""
    return [
        (),
        (("api-key", ""),),
        (("api-key", "offline"),),
        (("api-key", key[:-1]),),
        (("api-key", key + "x"),),
        (("api-key", key.upper()),),
        (("api-key", key + ", " + key),),
        (("Authorization", key),),
        (("Authorization", f"Basic {key}"),),
        (("Authorization", f"Bearer {key}x"),),
        (("Cookie", f"api-key={key}"),),
        (("X-Api-Key", key),),
        (("Proxy-Authorization", f"Bearer {key}"),),
        (("Sec-WebSocket-Protocol", "openai-insecure-api-key."),),
    ]


async def without_key(house: Targets, outcome: Outcome) -> None:
    """Every route and socket; the faults and the connections are as before."""
    wire, key = house.offline.wire, house.offline.key

    async def one(way: routes.Way, headers: tuple[Header, ...], query: str = "") -> None:
        path = way.filled() + query
        if not way.method:
            answer = await wire.handshake(path, headers)
        elif way.method == "POST":
            answer = await wire.post(path, ["stt:refuse:401"], headers)
        else:
            answer = await wire.ask(way.method, path, headers)
        outcome.expect(answer.status in (401, 403), f"{answer.status} for {way.method or 'WS'} {path} {headers}")

    ways = routes.of_the_offline_server()
    await asyncio.gather(*(one(*each) for each in dealt(ways, wrong_keys(key), house.short)))
    http = [way for way in ways if way.method]
    await asyncio.gather(*(one(way, (), f"?{name}={key}") for way in http for name in ("api-key", "key", "token")))
    faults = await wire.ask("GET", "/faults", [("api-key", key)])
    outcome.expect(faults.body == b"[]", f"the faults are {faults.text}")
