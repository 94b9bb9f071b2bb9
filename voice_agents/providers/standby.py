"""A provider whose work another one does while it fails: when it is given up, and the quiet checks until it works."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from voice_agents.alarm import Alarm
from voice_agents.errors import ProviderError
from voice_agents.providers.interfaces import ConnectionListener, ConnectionState


@dataclass(frozen=True, slots=True)
class FailoverTimes:
    """Seconds a provider is waited for before another one does its work, and between the checks afterwards."""

    asked_too_s: float = 0.5
    """Words asked for -> the other recogniser is asked for them, too, in case it will be needed."""
    words_s: float = 1.1
    """Words asked for -> those of the other recogniser are taken, if they have come."""
    first_word_s: float = 1.7
    """A chat model that takes longer for its first word has another one asked beside it, where one is configured."""
    silent_s: float = 1.0
    """How long a listener may hear nothing of a voice that owes sound, all in all until it has caught up."""
    caught_up_s: float = 1.0
    """A voice that is so far ahead of the listener has caught up."""
    lost_s: float = 0.8
    """A connection that nobody needs at the moment may be lost for so long."""
    first_check_s: float = 1.0
    last_check_s: float = 60.0
    """The pause before a check, which doubles from the first to the last of these."""
    steady_s: float = 30.0
    """Who works for so long has the pauses begin anew."""
    check_s: float = 4.0
    """How long a check may take."""


class Client(Protocol):
    """What recognisers and voices have in common."""

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


C = TypeVar("C", bound=Client)

Make = Callable[[ConnectionListener], C]
Check = Callable[[C], Awaitable[None]]
"""Lets a client work once. Raises ProviderError when it cannot."""


class First(Generic[C]):
    """The client of the provider whose work it is; ``client`` is None while another one does it.

    Its connection's changes are passed on. ``replaceable`` says whether there is another one: if not, everything is as
    without failover.
    """

    def __init__(
        self,
        make: Make[C],
        check: Check[C],
        *,
        replaceable: Callable[[], bool],
        on_connection: ConnectionListener,
        meanwhile: str,
        times: FailoverTimes,
    ) -> None:
        """``meanwhile``: a sentence about who does the work until it is done by this one again."""
        self.client: C | None = None
        self.trouble: ProviderError | None = None
        """Why its connection is not what it should be."""
        self._make = make
        self._check = check
        self._replaceable = replaceable
        self._on_connection = on_connection
        self._meanwhile = meanwhile
        self._times = times
        self._listener = _Listener(self._changed)
        self._lost = Alarm()
        self._pause_s = times.first_check_s
        self._works_since = -math.inf
        self._mending: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to connect."""
        self.client = self._make(self._listener)
        await self.client.__aenter__()

    async def close(self) -> None:
        """Close everything."""
        self._lost.cancel()
        self._listener.heard = False
        client, self.client = self.client, None
        if self._mending is not None:
            self._mending.cancel()
            await asyncio.wait([self._mending])
        if client is not None:
            await client.__aexit__(None, None, None)

    def give_up(self, error: ProviderError) -> None:
        """Another one does the work from now on, until a check says that this one can. Told once."""
        if self.client is None:
            return
        client, self.client, self._listener.heard = self.client, None, False
        self.trouble = error
        self._lost.cancel()
        if asyncio.get_running_loop().time() - self._works_since >= self._times.steady_s:
            self._pause_s = self._times.first_check_s
        self._on_connection(ConnectionState.REPLACED, replaced(error, self._meanwhile))
        self._mending = asyncio.get_running_loop().create_task(self._mend(client), name="check of a provider")

    def _changed(self, state: ConnectionState, error: ProviderError | None) -> None:
        """The connection of the client in use has changed."""
        if state is ConnectionState.OPEN:
            self.trouble = None
            self._lost.cancel()
        elif error is not None and self._replaceable():
            self.trouble = error
            if state is ConnectionState.FAILED:
                return self.give_up(error)
            now = asyncio.get_running_loop().time()
            return self._lost.set(now + self._times.lost_s, lambda: self._still_lost(error))
        return self._on_connection(state, error)

    def _still_lost(self, error: ProviderError) -> None:
        if self._replaceable():
            self.give_up(error)

    async def _mend(self, client: C) -> None:
        """Close what failed, and try new ones until one works."""
        await client.__aexit__(None, None, None)
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(self._times.last_check_s, 2 * self._pause_s)
            if await self._try_again():
                return

    async def _try_again(self) -> bool:
        """Whether a new client works; it is in use then."""
        listener = _Listener(self._changed, heard=False)
        client = self._make(listener)
        await client.__aenter__()
        works = False
        try:
            with suppress(ProviderError, TimeoutError):
                async with asyncio.timeout(self._times.check_s):
                    await self._check(client)
                works = listener.trouble is None
        finally:
            if not works:
                await client.__aexit__(None, None, None)
        if works:
            self._listener, listener.heard = listener, True
            self.client, self.trouble, self._works_since = client, None, asyncio.get_running_loop().time()
            self._on_connection(ConnectionState.OPEN, None)
        return works


class _Listener:
    """Hears of one client's connection, and passes it on while that client is in use."""

    def __init__(self, then: ConnectionListener, *, heard: bool = True) -> None:
        self.heard = heard
        self.trouble: ProviderError | None = None
        self._then = then

    def __call__(self, state: ConnectionState, error: ProviderError | None) -> None:
        self.trouble = None if state is ConnectionState.OPEN else error or self.trouble
        if self.heard:
            self._then(state, error)


def replaced(error: ProviderError, meanwhile: str) -> ProviderError:
    """The error of a provider that is replaced: why, and who does its work."""
    sentence = f"{reason(error)} {meanwhile}"
    return type(error)(error.role, error.provider, sentence, explained=error.explained)


def reason(error: ProviderError) -> str:
    """What went wrong, without what the user would have to do or wait for if nobody stood in."""
    return _ADVICE.sub("", str(error)).strip()


_ADVICE = re.compile(r"(?:(?<=[.!?])|^)\s*(?:Please|Trying|Try it)\b[^.!?]*[.!?](?=\s|$)")
