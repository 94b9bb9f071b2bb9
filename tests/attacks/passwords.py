"""Without the password nothing is told and nothing begins; guessing it is in vain, and locks nobody else out."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterator
from urllib.parse import urlencode

from tests.attacks import routes
from tests.attacks.outcome import Outcome, dealt
from tests.attacks.target import PASSWORD, Server, Targets
from tests.attacks.visitor import Visitor
from tests.attacks.wire import Answer, Header, Wire, read_answer

TRIES = 10
"""So many wrong passwords of one address are looked at, then no more for a while."""
INSIDE = (b'"dependencies":[{', b'"components":[{', b'"providers"', b'"event_id":"')
OTHER_ADDRESS = "127.0.0.7"


def guesses(count: int) -> Iterator[str]:
    """Wrong ones, some of them nearly right."""
    near = (
        PASSWORD.upper(),
        PASSWORD + " ",
        PASSWORD[:-1],
        PASSWORD + "\x00",
        "",
        "user",
        "' OR 1=1 --",
        "*",
        "pässword",
    )
    yield from near
    yield from (f"guess-{number}" for number in range(count - len(near)))


async def outside(house: Targets, outcome: Outcome) -> None:
    """Every route and socket without the password, and with what looks like it."""
    carried: tuple[tuple[Header, ...], ...] = (
        (),
        (("Cookie", "access-token=x; access-token-unsecure-x=x; session=x"),),
        (("X-Forwarded-User", "user"), ("Remote-User", "user"), ("X-Authenticated-User", "user")),
    )
    before = house.locked.rows()

    async def one(way: routes.Way, headers: tuple[Header, ...]) -> None:
        if not way.method:
            answer = await house.locked.wire.handshake(way.filled(), headers)
            held = answer.status != 101
        else:
            answer = await _ask(house, way.method, way.filled(), headers)
            held = not any(word in answer.body for word in INSIDE)
        outcome.expect(held, f"{answer.status} for {way.method} {way.template}: {answer.text[:80]}")

    await asyncio.gather(*(one(*each) for each in dealt(routes.of_the_app(), carried, house.short)))
    typed = Visitor(house.app).typed("Remember that a stranger was here.")
    for path in ("/gradio_api/queue/join", "/gradio_api/run/_send", "/gradio_api/component_server"):
        answer = await house.locked.wire.post(path, typed)
        outcome.expect(answer.refused, f"{answer.status} for {path}")
    outcome.expect(house.locked.rows() == before, "rows in the database")


async def _ask(house: Targets, method: str, path: str, headers: tuple[Header, ...]) -> Answer:
    raw = house.locked.wire.request(method, path, [*headers, ("Content-Type", "application/json")], b"{}")
    return await house.locked.wire.send(raw, within_s=3.0)


async def guessed(house: Targets, outcome: Outcome) -> None:
    """By the hundred, at once, at every place that takes one; an address that has not guessed gets in all the while."""
    count = 120 if house.short else 400
    answer = await _bearer(house.locked.wire, PASSWORD)
    outcome.expect(b"providers" in answer.body, f"control: the right password was answered {answer.status}")
    looked_at = await asyncio.gather(*(_log_in(house.locked, word) for word in guesses(count)))
    outcome.tried += count
    outcome.expect(200 not in looked_at, "a wrong password was taken")
    outcome.expect(looked_at.count(400) <= TRIES, f"{looked_at.count(400)} wrong passwords were looked at")
    outcome.expect(looked_at.count(429) >= count - TRIES, f"only {looked_at.count(429)} of {count} were refused")
    pretended = await asyncio.gather(*(_log_in(house.locked, word, f"198.51.100.{number}")
                                       for number, word in enumerate(guesses(60))))  # fmt: skip
    outcome.tried += len(pretended)
    outcome.expect(set(pretended) == {429}, f"under other people's addresses: {pretended.count(400)} were looked at")
    answer = await _bearer(house.locked.wire, PASSWORD)
    outcome.expect(b"providers" not in answer.body, "who has guessed in the page's form may go on guessing in the API")
    for place in (_basic, _bearer, _subprotocol):
        wrong = [word for word in guesses(40) if word.strip("\x00 ") != PASSWORD]  # as a header both are the right one
        answers = await asyncio.gather(*(place(house.locked.wire, word) for word in wrong))
        outcome.tried += len(answers)
        outcome.expect(
            not any(b"providers" in answer.body or answer.status == 101 for answer in answers), place.__name__
        )
    answer = await _bearer(house.locked.wire, PASSWORD)
    outcome.expect(b"providers" not in answer.body, "who has guessed for long may go on guessing")
    await _others_get_in(house, outcome)


async def _others_get_in(house: Targets, outcome: Outcome) -> None:
    """From another address of this machine, with the right password, at once."""
    body = urlencode({"username": "user", "password": PASSWORD}).encode()
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    raw = house.locked.wire.request("POST", "/login", headers, body)
    try:
        reader, writer = await asyncio.open_connection(
            house.locked.wire.host, house.locked.wire.port, local_addr=(OTHER_ADDRESS, 0)
        )
    except OSError:
        outcome.facts.append("this machine has no second loopback address to try")
        return
    writer.write(raw)
    answer = await read_answer(reader, 5.0)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    outcome.expect(answer.status == 200, f"the right password from another address was answered {answer.status}")


async def _log_in(server: Server, word: str, pretended: str = "") -> int:
    """``pretended``: an address it says to ask for, as a proxy does."""
    body = urlencode({"username": "user", "password": word}).encode()
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    forwarded = [(name, pretended) for name in ("X-Forwarded-For", "X-Real-IP", "Client-IP") if pretended]
    return (await server.wire.ask("POST", "/login", [*headers, *forwarded], body)).status


async def _basic(wire: Wire, word: str) -> Answer:
    return await wire.ask("GET", "/health", [("Authorization", "Basic " + _in_base64(f"user:{word}"))])


async def _bearer(wire: Wire, word: str) -> Answer:
    return await wire.ask("GET", "/health", [("Authorization", f"Bearer {word}".replace("\x00", "").strip())])


async def _subprotocol(wire: Wire, word: str) -> Answer:
    offered = "voice-agents, bearer." + _in_base64(word).rstrip("=").replace("+", "-").replace("/", "_")
    return await wire.handshake("/ws/sandwich", [("Sec-WebSocket-Protocol", offered)])


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
