"""What the page's buttons do, and what its sheets show, with the fake engine and without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self

import pytest

from tests.ui.fake_engine import FakeSession
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.errors import ConfigurationError, InvalidInput
from voice_agents.events import Status
from voice_agents.session.base import Session
from voice_agents.transports.line import Line
from voice_agents.transports.live import Ending, SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.desk import Desk, Sheet
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

    async def history(conversation: Conversation, before: int | None) -> Sequence[HistoryEntry]:
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


async def test_no_place_in_line_either_is_said_in_the_page() -> None:
    late = Conversation()
    async with running_desk(places=1) as desk:
        desk.registry.line = Line(1, longest=0)
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


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
async def test_every_window_of_a_conversation_is_drawn_to_the_end(kind: str) -> None:
    """Also windows that were open before anything began, and after one of them was closed."""
    conversation = Conversation()
    async with running_desk() as desk:
        sheet = await desk.sheet(conversation)

        async def last_seen(until: str) -> list[str]:
            seen: list[str] = []
            async for _ in sheet.changes():
                seen = [sheet.shown_status.value, *texts(sheet)]
                if seen[-1].startswith(until) and sheet.live is None:
                    return seen
            return seen

        async with asyncio.timeout(10), asyncio.TaskGroup() as windows:
            looking = [windows.create_task(last_seen("It is ten past nine")) for _ in range(3)]
            async for _ in sheet.changes():
                break
            await desk.say(SessionRequest(kind, conversation), "hello")
            await follow(sheet, lambda s: len(s.view.figures(kind).history) == 1)
            await desk.hang_up(conversation)
        assert all(task.result()[:3] == ["Ready", "earlier", "hello"] for task in looking)


async def test_a_store_that_refuses_is_said_in_the_page() -> None:
    async with running_desk() as desk:
        sheet = await desk.sheet(Conversation(owner="bad"))
        assert sheet.view.banner is not None
        assert "somebody else" in sheet.view.banner.text


async def test_sheets_that_nobody_uses_are_forgotten() -> None:
    old, shown, new = Conversation(), Conversation(), Conversation()
    async with running_desk(size=1) as desk:
        first, drawn = await desk.sheet(old), await desk.sheet(shown)
        following = drawn.changes()
        await anext(following)
        await desk.sheet(new)
        assert await desk.sheet(old) is not first
        assert await desk.sheet(shown) is drawn
        await following.aclose()


def test_what_a_browser_sends_is_an_id_of_ours_or_replaced() -> None:
    known = Conversation()
    assert conversation_of(identity_of(known)) == known
    for sent in (None, "x", {}, {"owner": "../..", "conversation": 7}, {"owner": "A" * 32, "conversation": "'; drop"}):
        made = conversation_of(sent)
        assert len(made.id) == len(made.owner) == 32


async def test_what_was_said_at_another_instance_meanwhile_is_shown() -> None:
    said, state = ["earlier"], "state 1"

    async def history(_: Conversation, before: int | None) -> Sequence[HistoryEntry]:
        return [HistoryEntry(role=Speaker.USER, text=text) for text in said]

    async def written_elsewhere(_: Conversation) -> str:
        return state

    def make(request: SessionRequest) -> Session:
        return FakeSession(request.conversation, request.turns, answer_s=0.2)

    conversation = Conversation()
    async with SessionRegistry(make) as registry:
        desk = Desk(registry, history, written_elsewhere=written_elsewhere)
        sheet = await desk.sheet(conversation)
        assert texts(sheet) == ["earlier"]
        sheet.view.say("info", "This stays.")
        said, state = ["earlier", "elsewhere"], "state 2"
        assert await desk.sheet(conversation) is sheet
        assert texts(sheet) == ["earlier", "elsewhere"]
        assert sheet.view.banner is not None
        await desk.say(SessionRequest("sandwich", conversation), "hello")
        state = "state 3"  # by another instance that takes it over; this one still has it
        shown = texts(await desk.sheet(conversation))
        assert shown[:2] == ["earlier", "elsewhere"]
        await desk.hang_up(conversation)
        state = ""  # the newest is our own
        assert len(texts(await desk.sheet(conversation))) >= len(shown)


async def test_a_timer_keeps_a_typed_session_only_while_a_page_shows_it() -> None:
    conversation = Conversation()
    async with running_desk() as desk:
        await desk.say(SessionRequest("sandwich", conversation), "hello")
        live, sheet = desk.registry.get(conversation), await desk.sheet(conversation)
        assert live is not None and not live.watched
        windows = [sheet.changes(), sheet.changes()]
        for window in windows:
            await anext(window)
        assert live.watched
        await windows[0].aclose()
        assert live.watched, "the other window is there"
        await windows[1].aclose()
        assert not live.watched


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
