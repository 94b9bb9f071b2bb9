"""Streamed HTTP bodies with the declared faults striking on the way out."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.types import Scope

from voice_agents.offline.faults import ConnectionFaults, Fault, FaultKind
from voice_agents.offline.sockets import cut


async def faulty_body(
    pieces: AsyncGenerator[bytes, None],
    faults: ConnectionFaults,
    scope: Scope,
    *,
    malformed: bytes,
    error: Callable[[str], bytes] | None = None,
) -> AsyncGenerator[bytes, None]:
    """``pieces`` as a body; each counts as one message. ``pieces`` is closed with it.

    MALFORMED sends ``malformed`` instead of a piece. ERROR_FRAME sends what ``error`` makes of the error's name and
    ends the body. CLOSE cuts the TCP connection, so that the client sees an incomplete body. The server ends a STALL by
    cancelling the response when the client is gone.
    """
    async with aclosing(pieces):
        async for piece in pieces:
            body = piece
            for fault in faults.on_message():
                if fault.kind is FaultKind.CLOSE:
                    cut(scope)
                    return
                if fault.kind is FaultKind.ERROR_FRAME and error is not None:
                    yield error(fault.name)
                    return
                body = await _changed(body, fault, malformed)
            yield body


async def _changed(piece: bytes, fault: Fault, malformed: bytes) -> bytes:
    if fault.kind in (FaultKind.STALL, FaultKind.DRIP):
        await _wait(fault)
    elif fault.kind is FaultKind.DUPLICATE:
        return piece + piece
    elif fault.kind is FaultKind.MALFORMED:
        return malformed
    return piece


async def _wait(fault: Fault) -> None:
    if math.isinf(fault.delay_s):
        await asyncio.Event().wait()
    await asyncio.sleep(fault.delay_s)
