"""Which sessions live, who hears them, and when they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from tests.stories.clock import play
from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.model import Conversation
from voice_agents.errors import SessionLimitReached, VoiceAgentError
from voice_agents.events import Event, Failed, Status, StatusChanged, UserTranscript
from voice_agents.session.base import Session
from voice_agents.settings import Settings
from voice_agents.transports.live import Ending, Limits, SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.transports.watch.figures import Figures


class Ear:
    """Remembers what it heard; can be waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.why: Ending | None = None
        self._news = asyncio.Event()

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    def ended(self, why: Ending) -> None:
        assert self.why is None, "told twice"
        self.why = why
        self._news.set()

    async def news(self) -> None:
        self._news.clear()
        await self._news.wait()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():
                await self.news()


def request(kind: str = "sandwich", conversation: Conversation | None = None) -> SessionRequest:
    return SessionRequest(kind, conversation or Conversation())


def make(wanted: SessionRequest) -> Session:
    return FakeSession(wanted.conversation, wanted.turns)


async def test_a_typed_turn_sent_while_opening_is_answered() -> None:
    async with SessionRegistry(make) as registry:
        live, ear = await registry.open(request()), Ear()
        live.listen(ear)
        live.do(lambda session: session.send_text("hello"))
        await ear.until(lambda: any(isinstance(event, UserTranscript) for event in ear.events))
    assert ear.why is Ending.SHUTDOWN


async def test_sound_that_comes_while_opening_is_not_lost() -> None:
    async with SessionRegistry(make) as registry:
        live, ear = await registry.open(request()), Ear()
        live.push_audio(np.zeros(1600, np.int16))
        live.listen(ear)
        await ear.until(lambda: any(isinstance(e, StatusChanged) and e.status is Status.LISTENING for e in ear.events))
        assert isinstance(live.session, FakeSession)
        assert live.session.heard_samples == 1600


async def test_one_conversation_has_one_session() -> None:
    conversation = Conversation()
    async with SessionRegistry(make) as registry:
        first = await registry.open(request(conversation=conversation))
        assert await registry.open(request(conversation=conversation)) is first
        assert registry.get(conversation) is first


async def test_going_on_in_the_other_tab_ends_the_session_of_the_first() -> None:
    conversation, ear = Conversation(), Ear()
    async with SessionRegistry(make) as registry:
        first = await registry.open(request("sandwich", conversation))
        first.listen(ear)
        second = await registry.open(request("realtime", conversation))
        assert second is not first
        assert ear.why is Ending.REPLACED
        assert len(registry) == 1


async def test_somebody_who_only_knows_the_id_gets_nothing() -> None:
    conversation = Conversation()
    stranger = Conversation(id=conversation.id)
    async with SessionRegistry(make) as registry:
        await registry.open(request(conversation=conversation))
        assert registry.get(stranger) is None
        with pytest.raises(VoiceAgentError, match="belongs to another browser"):
            await registry.open(request(conversation=stranger))


async def test_a_second_call_takes_the_conversation_over() -> None:
    first, second = Ear(), Ear()
    async with SessionRegistry(make) as registry:
        live = await registry.open(request())
        live.attach_call(first)
        live.attach_call(second)
        assert first.why is Ending.REPLACED
        await live.leave(first)
        assert live.ending is None, "the call that was taken over cannot end the session"
        await live.leave(second)
        assert live.ending is Ending.LEFT


async def test_when_all_places_are_taken_the_next_is_told_and_a_place_given_back_is_free_at_once() -> None:
    async with SessionRegistry(make, max_sessions=1) as registry:
        live = await registry.open(request())
        with pytest.raises(SessionLimitReached, match="All 1 places"):
            await registry.open(request())
        await live.end(Ending.LEFT)
        await registry.open(request())


LIMITS: list[tuple[Limits, bool, Ending]] = [
    (Limits(no_sound_s=0.05), True, Ending.NO_SOUND),
    (Limits(idle_s=0.05), False, Ending.IDLE),
    (Limits(session_s=0.05), True, Ending.TIME_LIMIT),
]


@pytest.mark.parametrize(("limits", "in_call", "why"), LIMITS)
async def test_a_session_nobody_uses_ends_by_itself(limits: Limits, in_call: bool, why: Ending) -> None:
    ear = Ear()
    async with SessionRegistry(make, limits=limits) as registry:
        live = await registry.open(request())
        live.attach_call(ear) if in_call else live.listen(ear)
        await ear.until(lambda: ear.why is not None)
        assert ear.why is why
        assert len(registry) == 0


BUSY_LIMITS = [
    (Limits(no_sound_s=2.0), True, Ending.NO_SOUND, 2),
    (Limits(session_s=900.0), False, Ending.TIME_LIMIT, 900),
]


@pytest.mark.parametrize(("limits", "in_call", "why", "after_s"), BUSY_LIMITS)
def test_a_running_timer_keeps_a_typed_conversation_open_within_the_time_limit(
    limits: Limits, in_call: bool, why: Ending, after_s: float
) -> None:
    async def story() -> None:
        ear, loop = Ear(), asyncio.get_running_loop()
        async with SessionRegistry(make, limits=limits) as registry:
            live, began = await registry.open(request()), loop.time()
            assert isinstance(live.session, FakeSession)
            live.session.busy = True
            live.attach_call(ear) if in_call else live.listen(ear)
            while ear.why is None:
                await ear.news()
            assert (ear.why, round(loop.time() - began)) == (why, after_s)

    play(story())


async def test_a_call_that_is_over_before_it_began_ends_only_a_session_nobody_uses() -> None:
    late = Ear()
    async with SessionRegistry(make) as registry:
        called, typed, unused = [await registry.open(request()) for _ in range(3)]
        called.attach_call(Ear())
        typed.do(lambda session: session.send_text("hello"))
        for live in (called, typed, unused):
            await live.leave(late)
        assert [live.ending for live in (called, typed, unused)] == [None, None, Ending.LEFT]


async def test_answers_are_spoken_only_where_somebody_listens() -> None:
    async with SessionRegistry(make) as registry:
        live, ear = await registry.open(request()), Ear()
        live.listen(ear)
        await ear.until(lambda: len(ear.events) > 1)
        assert isinstance(live.session, FakeSession)
        assert not live.session.speaking
        live.attach_call(Ear())
        assert live.session.speaking


class Broken(FakeSession):
    """Cannot be opened."""

    failure: Callable[[], Awaitable[None]]

    async def __aenter__(self) -> Broken:
        await self.failure()
        return self


async def refused() -> None:
    raise VoiceAgentError("ElevenLabs does not accept the key.")


async def buggy() -> None:
    raise ZeroDivisionError("secret")


async def stuck() -> None:
    await asyncio.Event().wait()


FAILURES = [
    (refused, "does not accept the key"),
    (buggy, "Something went wrong"),
    (stuck, "could not be opened in time"),
]


def broken_by(failure: Callable[[], Awaitable[None]]) -> Callable[[SessionRequest], Session]:
    def make_broken(wanted: SessionRequest) -> Session:
        session = Broken(wanted.conversation, wanted.turns)
        session.failure = failure
        return session

    return make_broken


@pytest.mark.parametrize(("failure", "sentence"), FAILURES)
async def test_a_session_that_cannot_be_opened_says_so(failure: Callable[[], Awaitable[None]], sentence: str) -> None:
    ear = Ear()
    async with SessionRegistry(broken_by(failure), limits=Limits(opening_s=0.05)) as registry:
        live = await registry.open(request())
        live.listen(ear)
        await ear.until(lambda: ear.why is not None)
    (error,) = [str(event.error) for event in ear.events if isinstance(event, Failed)]
    assert sentence in error
    assert ear.why is Ending.FAILED


@pytest.mark.parametrize("in_call", [False, True])
@pytest.mark.parametrize(("failure", "sentence"), FAILURES)
async def test_who_comes_when_it_could_not_be_opened_is_told_so_too(
    failure: Callable[[], Awaitable[None]], sentence: str, in_call: bool
) -> None:
    """Between a session's begin and its call lies a moment, in which it may be over already."""
    first, late, done = Ear(), Ear(), []
    figures = Figures(Settings().with_offline("http://127.0.0.1:1"), "1")
    limits = Limits(opening_s=0.05)
    async with SessionRegistry(broken_by(failure), limits=limits, watchers=[figures]) as registry:
        live = await registry.open(request())
        live.listen(first)
        await first.until(lambda: first.why is not None)
        (live.attach_call if in_call else live.listen)(late)
        live.do(lambda session: done.append(session))
    assert [sentence in str(event.error) for event in late.events if isinstance(event, Failed)] == [True]
    assert late.why is Ending.FAILED and not done and not live.in_call
    assert b'voice_agents_sessions{engine="sandwich",transport="typed"} 0.0' in figures.page()


async def test_who_comes_when_it_was_ended_is_told_why() -> None:
    late = Ear()
    async with SessionRegistry(make) as registry:
        live = await registry.open(request())
        await live.end(Ending.LEFT)
        live.attach_call(late)
        assert late.why is Ending.LEFT and not live.in_call
