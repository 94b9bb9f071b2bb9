"""Other people's conversations: ids guessed, stolen by half, or no ids at all, in every message of a window."""

from __future__ import annotations

import asyncio
import json
import secrets
from html import unescape
from typing import Any

import websockets

from tests.attacks import routes
from tests.attacks.outcome import Outcome, dealt
from tests.attacks.target import Targets
from tests.attacks.visitor import CONTROLS, NORMAL, NOT_UNDERSTOOD, Visitor
from tests.attacks.wire import Answer

HERS = "Zanzibar"
"""The word of her conversation: no number, as a stranger's own random id would hold one by chance."""


def forged(identity: dict[str, str], short: bool) -> list[Any]:
    """Identities that know the conversation's id, or the owner's key, but not both."""
    owner, conversation = identity["owner"], identity["conversation"]
    others: list[Any] = [
        secrets.token_hex(16), "", None, 0, [], {}, [owner], {"$ne": ""}, owner[:-1], owner + "0", owner.upper() + " ",
        " " + owner, owner + "\n", owner[::-1], "%", "_" * 32, "*", "' OR '1'='1", "x' UNION SELECT owner --", "0" * 32,
        "\x00" + owner, "٠" * 32, owner[:16], owner + "\x00", True, "../" + owner, conversation,
    ]  # fmt: skip
    found: list[Any] = [{"owner": other, "conversation": conversation} for other in others]
    found += [{"conversation": conversation}, {"Owner": owner, "conversation": conversation}, [owner, conversation]]
    found += [conversation, json.dumps({"owner": "", "conversation": conversation}), None, "' OR 1=1 --"]
    found += [{"owner": owner, "conversation": wild} for wild in ("%", "_" * 32, "' OR '1'='1", conversation[:-1])]
    return found[::5] if short else found


def broke(answer: Answer) -> bool:
    """Whether it failed in another way than with a plain sentence (which HEAD cannot be told)."""
    return answer.status >= 500 and bool(answer.body) and b"under the number" not in answer.body


def is_hers(value: Any) -> bool:
    text = unescape(json.dumps(value) if not isinstance(value, str) else value)
    return HERS in text


async def identities(house: Targets, outcome: Outcome) -> None:
    """Everything a window can ask for, with every forged identity; her conversation lives meanwhile."""
    her = Visitor(house.app)
    await her.says(f"My name is {HERS}", HERS)
    outcome.expect(is_hers(await her.drawn()), "control: she sees her own conversation")
    before = her.server.rows()
    await _forged_windows(house, outcome, her)
    hers = await her.drawn()
    outcome.expect(is_hers(hers), "her conversation is gone")
    outcome.expect("stranger" not in json.dumps(hers), "somebody typed into her conversation")
    outcome.expect(house.app.rows() >= before, "rows of the database are gone")
    await her.says("What is my name?", f"{HERS}.*{HERS}")
    await _sockets(house, outcome, her)
    await her.hang_up()


DEEDS: tuple[dict[str, Any], ...] = (
    {"do": "say", "kind": "sandwich", "text": "stranger was here", **CONTROLS},
    *({"do": name} for name in ("interrupt", "end_turn", "new")),
    {"do": "set_turns", **CONTROLS},
    {"do": "set_voice", "voice": "x"},
    {"do": "hear_voice", "kind": "sandwich", "voice": "x"},
    {"do": "earlier", "before": -1},
    {"do": "models"},
    {"do": "use_model", "name": "x"},
    *({"do": name, "kind": kind} for name in ("hang_up", "turn_to") for kind in ("sandwich", "realtime")),
)
"""Everything a window can ask for about the conversation it shows."""

OF_THE_OWNER: tuple[dict[str, Any], ...] = (
    {"do": "list", "search": "zanzibar"},
    {"do": "delete_note", "note": 1},
    {"do": "delete_everything"},
)
"""What it can ask about all conversations of its browser, which is known by the owner's key alone."""


def about(conversation: Any) -> tuple[dict[str, Any], ...]:
    """What a window can ask about a conversation that it does not show."""
    of = {"of": conversation}
    deeds: tuple[dict[str, Any], ...] = ({"do": "delete"}, {"do": "take_back"}, {"do": "rename", "name": "stranger"})
    return tuple(of | deed for deed in (*deeds, *({"do": "export", "format": name} for name in ("md", "json"))))


async def _forged_windows(house: Targets, outcome: Outcome, her: Visitor) -> None:
    at_once = asyncio.Semaphore(4)
    owner, conversation = her.identity["owner"], her.identity["conversation"]

    async def one(deed: dict[str, Any], identity: Any) -> None:
        known = identity if isinstance(identity, dict) else {"owner": identity, "conversation": identity}
        stranger = Visitor(house.app, known)
        async with at_once:
            told, code = await stranger.tell(deed, known | {"do": "open"})
        outcome.expect(not is_hers(told), f"{deed['do']} shows her conversation to {identity!r}")
        outcome.expect(code in (NORMAL, NOT_UNDERSTOOD), f"{deed['do']} of {identity!r} ended a window with {code}")

    everybody = forged(her.identity, house.short)
    without_the_key = [each for each in everybody if not isinstance(each, dict) or each.get("owner") != owner]
    tries = [(deed, each) for deed in DEEDS for each in everybody]
    tries += [(deed, each) for deed in (*OF_THE_OWNER, *about(conversation)) for each in without_the_key]
    await asyncio.gather(*(one(*each) for each in tries))


async def _sockets(house: Targets, outcome: Outcome, her: Visitor) -> None:
    """The API: a page's conversation is none of its own, whoever knows the id."""
    ids = [her.identity["conversation"], her.identity["owner"], her.identity["conversation"].upper()]
    ids += ["%25", "_" * 32, "0" * 32, "'%20OR%20'1'='1"]
    paths = [way.template for way in routes.of_the_app() if not way.method and way.template.startswith("/ws/")]
    at_once = asyncio.Semaphore(4)

    async def one(path: str, conversation: str) -> None:
        url = f"ws://{house.app.wire.authority}{path}?conversation={conversation}"
        async with at_once:
            told = await _told(url, "What is my name?")
        outcome.expect(not is_hers(told), f"{path}?conversation={conversation} tells {told[-300:]}")

    await asyncio.gather(*(one(*each) for each in dealt(paths, ids, house.short)))


async def _told(url: str, text: str) -> str:
    """All that is answered to one typed turn."""
    told: list[str] = []
    try:
        async with asyncio.timeout(15), websockets.connect(url) as socket:
            await socket.send(json.dumps({"type": "text", "text": text}))
            while not any(
                mark in (told[-1] if told else "") for mark in ('"complete"', '"done"', '"error"', "turn_done")
            ):
                frame = await socket.recv()
                told += [frame] if isinstance(frame, str) and '"data"' not in frame else []
    except (TimeoutError, websockets.ConnectionClosed):
        pass
    return "\n".join(told)


async def gradio_sessions(house: Targets, outcome: Outcome) -> None:
    """gradio's own ids: sessions, events, components and calls of others, on every route that takes one."""
    her = Visitor(house.app)
    await her.says(f"My name is {HERS}", HERS)
    ids = ("x", "0", "", "%00", "..", "*", "'", her.identity["conversation"], her.session_hash, "A" * 5000)
    ways = [way for way in routes.of_the_app() if way.takes_a_path and way.method]
    asked = [(way.method, way.filled(value)) for way, value in dealt(ways, ids, house.short)]
    asked += [("GET", f"/gradio_api/queue/data?session_hash={value}") for value in ids[:5]]

    async def one(method: str, path: str) -> None:
        if "heartbeat" in path:  # an endless answer by design
            return
        send = house.app.wire.request(method, path.replace(" ", ""), [("Content-Type", "application/json")], b"{}")
        answer = await house.app.wire.send(send, within_s=2.0)
        outcome.expect(not is_hers(answer.text) and not broke(answer), f"{answer.status} for {method} {path[:80]}")

    await asyncio.gather(*(one(method, path) for method, path in asked))
    await _component_calls(house, outcome, her)
    await her.hang_up()


async def _component_calls(house: Targets, outcome: Outcome, her: Visitor) -> None:
    """Functions of the server that are no business of a browser, on every component."""
    functions = (
        "offer",
        "turn",
        "quit_output_stream",
        "clean_up",
        "__init__",
        "__class__",
        "pcs",
        "set_input",
        "load",
        "",
    )
    mic, candidate = her.component("mic"), {"candidate": "candidate:1 1 udp 1 1.2.3.4 5 typ host"}
    components = [*[part["id"] for part in house.app.config["components"]][::8], -1]
    called = [*dealt(components, functions, house.short), *((mic, function) for function in functions)]
    trickled = {"webrtc_id": her.session_hash, "type": "ice-candidate", "candidate": candidate}
    odd: tuple[Any, ...] = ("x", None, {"webrtc_id": "x"}, trickled)

    async def one(component: int, function: str, data: Any) -> None:
        body = {"data": data, "component_id": component, "fn_name": function, "session_hash": "x"}
        answer = await house.app.wire.post("/gradio_api/component_server", body)
        outcome.expect(
            not is_hers(answer.text) and not broke(answer),
            f"{answer.status} for {function} of {component}: {data!r:.60}",
        )

    await asyncio.gather(
        *(
            one(component, function, data)
            for component, function in called
            for data in (odd if component == mic else odd[:1])
        )
    )
