"""The page's WebSocket: carries a window's messages, lets in only who has passed the page's password."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from voice_agents.conversation.messages import whole
from voice_agents.errors import InvalidInput
from voice_agents.ui.drawing import Data
from voice_agents.ui.window import Send, Window

log = logging.getLogger(__name__)

BOOT = secrets.token_hex(8)
"""Of this process: a page that meets another one after an outage goes on with its call there."""

LARGEST_MESSAGE = 64_000
FIRST_MESSAGE_S = 20.0
"""A socket that says nothing is no window of ours: those say at once whose they are."""
_NOT_UNDERSTOOD, _BROKEN = 4400, 1011
_GONE = (WebSocketDisconnect, RuntimeError)
"""How starlette says that a socket is closed: while it reads, while it writes."""

MakeWindow = Callable[[Send], Window]


async def admitted(socket: WebSocket, signed_in: bool) -> bool:
    """Accept a socket of the page; refuse it when its page has not passed the password."""
    if not signed_in:
        await socket.send_denial_response(PlainTextResponse("Please sign in at the page first.", 401))
        return False
    await socket.accept()
    return True


async def serve_window(socket: WebSocket, page: str, make_window: MakeWindow) -> None:
    """Serve one window, whose socket is accepted, until it is gone.

    ``page``: the mark of the page that is served now; a window of another one loads itself anew.
    """

    async def send(data: Data) -> None:
        await socket.send_text(whole(json.dumps(data, ensure_ascii=False, separators=(",", ":"))))

    window = make_window(send)
    await send({"type": "hello", "boot": BOOT, "page": page})
    tasks = {asyncio.create_task(window.run()), asyncio.create_task(_listen(socket, window))}
    try:
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    await asyncio.gather(*others, return_exceptions=True)  # a window that is gone may end both
    reasons = [task.exception() for task in done]
    await _explain(socket, reasons[0])


async def _listen(socket: WebSocket, window: Window) -> None:
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            text = await _text(socket)
    except TimeoutError:
        raise InvalidInput("This window said nothing.") from None
    while True:
        await window.take(_message(text))
        text = await _text(socket)


async def _text(socket: WebSocket) -> str:
    try:
        return await socket.receive_text()
    except KeyError:
        raise InvalidInput("A window's messages are text.") from None


async def _explain(socket: WebSocket, error: BaseException | None) -> None:
    if isinstance(error, InvalidInput):
        await socket.close(_NOT_UNDERSTOOD, str(error))
        return
    errors = ExceptionGroup("", [error]) if isinstance(error, Exception) else None
    if errors is None or errors.split(_GONE)[1] is None:
        return
    log.error("a window's connection broke", exc_info=error)
    with suppress(*_GONE):
        await socket.close(_BROKEN)


def _message(text: str) -> Any:
    if len(text) > LARGEST_MESSAGE:
        raise InvalidInput("This message is too large.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput("This message is no JSON.") from None
