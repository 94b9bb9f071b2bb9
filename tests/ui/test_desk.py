"""What the page's buttons do, and what its sheets show, with the fake engine and without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Self, cast

import pytest

from tests.stories.clock import play
from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import Session
from voice_agents.errors import ConfigurationError, InvalidInput
from voice_agents.events import Status
from voice_agents.transports.registry import Ending, SessionRegistry, SessionRequest
from voice_agents.ui.desk import STILL_THERE_S, Desk, Sheet
from voice_agents.ui.identity import conversation_of, identity_of


class ClosedSession(FakeSession):
    """Opens only to say that it cannot."""

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        raise ConfigurationError("The key is missing.")


@asynccontextmanager
async def running_desk(places: int = 2, size: int = 500) -> AsyncIterator[Desk]:
    """A desk whose store remembers that everybody once said "earlier"; stores of the owner "bad" refuse.

    Sessions of the kind "closed" cannot be opened, those of the kind "never" cannot even be made.
    """

    def make(request: SessionRequest) -> Session:
        if request.kind == "never":
            raise ConfigurationError("No provider is configured.")
        if request.kind == "closed":
            return ClosedSession(request.conversation, request.turns)
        return FakeSession(request.conversation, request.turns, answer_s=0.2)

    async def history(conversation: Conversation) -> Sequence[HistoryEntry]:
        if conversation.owner == "bad":
            raise InvalidInput("This conversation belongs to somebody else.")
        return [HistoryEntry(role=Speaker.USER, text="earlier")]

    async def promised(conversation: Conversation) -> bool:
        return conversation.owner == "promised"

    async with SessionRegistry(make, places) as registry:
        yield Desk(registry, history, size, promised)


async def follow(sheet: Sheet, until: Callable[[Sheet], bool]) -> None:
    """Follow the sheet as a page does, until it shows this."""
    async with asyncio.timeout(10):
        async for _ in sheet.changes():
            if until(sheet):
                return
    raise AssertionError("the page stopped following")


def texts(sheet: Sheet) -> list[str]:
    return [line.text for line in sheet.view.lines]


async def test_a_typed_turn_is_answered_below_what_was_said_earlier() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        assert await desk.say(SessionRequest("sandwich", conversation), "  hello ") == ""
        sheet = await desk.sheet(conversation)
        await follow(sheet, lambda s: len(s.view.figures("sandwich").history) == 1)
        assert texts(sheet)[:2] == ["earlier", "hello"]
        assert texts(sheet)[-1].startswith("It is ten past nine")
        await desk.hang_up(conversation)
        assert sheet.give_back() == []


async def test_without_a_call_a_waiting_session_is_ready_not_listening() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        await desk.say(SessionRequest("sandwich", conversation), "hello")
        sheet = await desk.sheet(conversation)
        await follow(
            sheet, lambda s: len(s.view.figures("sandwich").history) == 1 and s.view.status is Status.LISTENING
        )
        assert sheet.shown_status is Status.READY


async def test_an_empty_message_opens_nothing() -> None:
    async with running_desk() as desk:
        assert await desk.say(SessionRequest("sandwich", Conversation()), "   ") == ""
        assert len(desk.registry) == 0


async def test_a_message_that_is_too_long_is_refused_in_the_page() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        assert await desk.say(SessionRequest("sandwich", conversation), "x" * 4001) == "x" * 4001
        banner = (await desk.sheet(conversation)).view.banner
        assert banner is not None
        assert banner.text == "This text has 4001 characters; at most 4000 fit into one turn."
        assert len(desk.registry) == 0


async def test_no_place_left_is_said_in_the_page() -> None:
    late = Conversation()
    async with running_desk(places=1) as desk:
        await desk.say(SessionRequest("sandwich", Conversation()), "first")
        assert await desk.say(SessionRequest("sandwich", late), "second") == "second"
        banner = (await desk.sheet(late)).view.banner
        assert banner is not None
        assert banner.text.startswith("All 1 places of this server are taken")


async def test_a_call_waits_in_line_and_goes_on_by_itself() -> None:
    first, late = SessionRequest("sandwich", Conversation()), SessionRequest("sandwich", Conversation())
    async with running_desk(places=1) as desk:
        live = await desk.open(first)
        waiting = asyncio.create_task(desk.open(late, waits=True))
        sheet = await desk.sheet(late.conversation)
        await follow(sheet, lambda sheet: banner_text(sheet).startswith("All places of this server are taken. You are"))
        await live.end(Ending.LEFT)
        assert (await waiting).request == late
        await follow(sheet, lambda sheet: sheet.view.banner is None)


async def test_a_call_that_leaves_the_line_leaves_no_sentence_behind() -> None:
    late = SessionRequest("sandwich", Conversation())
    async with running_desk(places=1) as desk:
        await desk.open(SessionRequest("sandwich", Conversation()))
        waiting = asyncio.create_task(desk.open(late, waits=True))
        sheet = await desk.sheet(late.conversation)
        await follow(sheet, lambda sheet: banner_text(sheet).startswith("All places"))
        waiting.cancel()
        await asyncio.wait([waiting])
        assert banner_text(sheet) == ""
        assert sheet.shown_status is Status.READY


def banner_text(sheet: Sheet) -> str:
    return sheet.view.banner.text if sheet.view.banner is not None else ""


async def test_a_session_that_cannot_be_made_leaves_the_text() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        assert await desk.say(SessionRequest("never", conversation), "hello") == "hello"
        banner = (await desk.sheet(conversation)).view.banner
        assert banner is not None
        assert banner.text == "No provider is configured."


async def test_a_session_that_cannot_be_opened_gives_the_text_back_once() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        assert await desk.say(SessionRequest("closed", conversation), "hello") == ""
        sheet = await desk.sheet(conversation)
        assert sheet.give_back() == []
        await follow(sheet, lambda s: s.live is None)
        assert sheet.view.banner is not None
        assert sheet.view.banner.text == "The key is missing."
        assert sheet.give_back() == ["hello"]
        assert sheet.give_back() == []


async def test_a_page_stops_following_when_nothing_is_live_any_more() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        await desk.say(SessionRequest("sandwich", conversation), "hello")
        sheet = await desk.sheet(conversation)
        await follow(sheet, lambda s: s.live is not None)
        await desk.hang_up(conversation)
        async with asyncio.timeout(5):
            async for _ in sheet.changes():
                pass
        assert sheet.shown_status is Status.READY


async def test_a_later_button_of_the_same_window_takes_over() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        await desk.say(SessionRequest("sandwich", conversation), "hello")
        sheet = await desk.sheet(conversation)
        first = sheet.changes("window")
        await anext(first)
        second = sheet.changes("window")
        await anext(second)
        async with asyncio.timeout(5):
            assert [update async for update in first] == []
        await second.aclose()


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
async def test_every_window_of_a_conversation_is_drawn_to_the_end(kind: str) -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        await desk.say(SessionRequest(kind, conversation), "hello")
        sheet = await desk.sheet(conversation)

        async def last_seen(window: str) -> list[str]:
            seen: list[str] = []
            async for _ in sheet.changes(window):
                seen = [sheet.shown_status.value, *texts(sheet)]
            return seen

        async with asyncio.timeout(10), asyncio.TaskGroup() as windows:
            looking = [windows.create_task(last_seen(name)) for name in ("one", "two", "three")]
            async for _ in sheet.changes("closed soon"):
                break
            await follow(sheet, lambda s: len(s.view.figures(kind).history) == 1)
            await desk.hang_up(conversation)
        assert all(task.result()[:3] == ["Ready", "earlier", "hello"] for task in looking)
        assert all(task.result()[-1].startswith("It is ten past nine") for task in looking)


async def test_a_call_that_never_comes_is_said() -> None:
    sheet = Sheet()
    sheet.expect(within_s=0.02)
    assert sheet.view.status is Status.CONNECTING
    async with asyncio.timeout(5):
        async for _ in sheet.changes():
            pass
    assert sheet.view.banner is not None
    assert "could not be connected" in sheet.view.banner.text
    assert sheet.shown_status is Status.READY


async def test_a_store_that_refuses_is_said_in_the_page() -> None:
    async with running_desk() as desk:
        sheet = await desk.sheet(Conversation(owner="bad"))
        assert sheet.view.banner is not None
        assert "somebody else" in sheet.view.banner.text


async def test_sheets_that_nobody_uses_are_forgotten() -> None:
    old, new = Conversation(), Conversation()
    async with running_desk(size=1) as desk:
        first = await desk.sheet(old)
        await desk.sheet(new)
        assert await desk.sheet(old) is not first


def test_what_a_browser_sends_is_an_id_of_ours_or_replaced() -> None:
    known = Conversation()
    assert conversation_of(identity_of(known)) == known
    for sent in (None, "x", {}, {"owner": "../..", "conversation": 7}, {"owner": "A" * 32, "conversation": "'; drop"}):
        made = conversation_of(sent)
        assert len(made.id) == len(made.owner) == 32


async def test_a_timer_keeps_a_typed_session_only_while_a_page_shows_it() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        await desk.say(SessionRequest("sandwich", conversation), "hello")
        live, sheet = desk.registry.get(conversation), await desk.sheet(conversation)
        assert live is not None and not live.watched
        windows = [sheet.changes("one"), sheet.changes("two")]
        for window in windows:
            await anext(window)
        assert live.watched
        await windows[0].aclose()
        assert live.watched, "the other window is there"
        await windows[1].aclose()
        assert not live.watched


def test_gradio_learns_within_seconds_that_a_page_is_gone() -> None:
    """It looks after every drawing, so there is one now and then while nothing changes."""

    async def story() -> None:
        conversation = Conversation()
        async with running_desk() as desk:
            loop = asyncio.get_running_loop()
            await desk.say(SessionRequest("sandwich", conversation), "hello")
            live = desk.registry.get(conversation)
            assert live is not None
            cast(FakeSession, live.session).busy = True
            drawn_at = [loop.time()]
            async for _ in (await desk.sheet(conversation)).changes():
                drawn_at.append(loop.time())
                if drawn_at[-1] > 300:
                    break
            assert max(after - before for before, after in pairwise(drawn_at)) <= STILL_THERE_S + 1

    play(story())


async def test_a_visitor_who_left_a_timer_behind_finds_its_session_again() -> None:
    promised, other = Conversation(owner="promised"), Conversation()
    async with running_desk(places=1) as desk:
        await desk.keep_promises(SessionRequest("sandwich", other))
        assert len(desk.registry) == 0
        await desk.keep_promises(SessionRequest("sandwich", promised))
        live = desk.registry.get(promised)
        assert live is not None
        await desk.keep_promises(SessionRequest("sandwich", promised))
        assert desk.registry.get(promised) is live
        late = Conversation(owner="promised")
        await desk.keep_promises(SessionRequest("sandwich", late))
        banner = (await desk.sheet(late)).view.banner
        assert banner is not None and "places" in banner.text
