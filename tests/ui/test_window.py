"""What one open window is told, and what it can ask for, without a browser or a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.ui.fake_engine import FakeSession
from tests.ui.test_desk import running_desk
from voice_agents.conversation.history import HistoryEntry
from voice_agents.conversation.model import Conversation
from voice_agents.errors import InvalidInput, VoiceAgentError
from voice_agents.settings import TurnDetection, TurnMode, TurnSettings
from voice_agents.transports.live import Ending, SessionRequest
from voice_agents.transports.registry import SessionRegistry
from voice_agents.ui.desk import Desk
from voice_agents.ui.identity import identity_of
from voice_agents.ui.voice_tab import TabSpec
from voice_agents.ui.window import Window, voices
from voice_agents.ui.wishes import Wishes

TABS = [TabSpec(kind, kind.capitalize(), "", ()) for kind in ("sandwich", "realtime", "closed")]
LONG = "word " * 1000


class Opened:
    """A window and everything it was sent, put together as the page's scripts do."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.messages: list[dict[str, Any]] = []
        self.shown: dict[str, Any] = {}
        self._news = asyncio.Condition()

    async def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "sheet":
            self.shown = {"lines": {}}
        lines = {line["id"]: line for line in message.get("lines", ())}
        known = self.shown.get("lines", {})
        self.shown = {**self.shown, **message, "lines": {**known, **lines}}
        for gone in message.get("gone", ()):
            del self.shown["lines"][gone]
        async with self._news:
            self.messages.append(message)
            self._news.notify_all()

    @property
    def texts(self) -> list[str]:
        return [line["text"] for line in sorted(self.shown["lines"].values(), key=lambda ln: (ln["order"], ln["id"]))]

    async def until(self, true: Callable[[Opened], bool]) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: bool(self.shown) and true(self))

    def given_back(self) -> list[str]:
        return [message["text"] for message in self.messages if message["type"] == "give_back"]


@asynccontextmanager
async def opened(desk: Desk, conversation: Conversation) -> AsyncIterator[Opened]:
    """A window that shows this conversation."""
    page: Opened

    async def send(message: dict[str, Any]) -> None:
        await page.take(message)

    page = Opened(Window(desk, TABS, Wishes(TurnSettings()), send))
    running = asyncio.create_task(page.window.run())
    await page.window.take({"do": "open", **identity_of(conversation)})
    await page.until(lambda p: p.shown.get("conversation") == conversation.id)
    try:
        yield page
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_two_windows_of_one_conversation_show_the_same() -> None:
    conversation = Conversation()
    async with running_desk() as desk, opened(desk, conversation) as one, opened(desk, conversation) as other:
        await one.window.take({"do": "say", "kind": "sandwich", "text": "hello"})
        for page in (one, other):
            await page.until(lambda p: p.texts[-1].startswith("It is ten past nine"))
            assert page.texts[:2] == ["earlier", "hello"]
        await other.window.take({"do": "say", "kind": "realtime", "text": "and here"})
        for page in (one, other):
            await page.until(lambda p: "and here" in p.texts and p.shown["kind"] == "realtime")


async def test_a_new_conversation_is_empty_and_the_old_one_can_be_opened_again() -> None:
    conversation = Conversation()
    async with running_desk() as desk, opened(desk, conversation) as page:
        await page.window.take({"do": "say", "kind": "sandwich", "text": "hello"})
        await page.until(lambda p: "hello" in p.texts)
        await page.window.take({"do": "new"})
        await page.until(lambda p: p.shown["conversation"] != conversation.id)
        assert "hello" not in page.texts
        assert page.shown["owner"] == conversation.owner
        await page.window.take({"do": "open", **identity_of(conversation)})
        await page.until(lambda p: "hello" in p.texts)


async def test_words_no_session_took_come_back_to_the_window_that_typed_them_once() -> None:
    conversation = Conversation()
    async with running_desk() as desk, opened(desk, conversation) as page, opened(desk, conversation) as other:
        await page.window.take({"do": "say", "kind": "closed", "text": "hello"})
        await page.until(lambda p: p.given_back() == ["hello"])
        assert page.shown["banner"] == {"level": "error", "text": "The key is missing."}
        await page.window.take({"do": "say", "kind": "sandwich", "text": LONG})
        await page.until(lambda p: p.given_back() == ["hello", LONG])
        assert other.given_back() == []


@pytest.mark.parametrize("deed", [{"do": "interrupt"}, {"do": "say", "kind": "sandwich", "text": "wait"}])
async def test_what_cuts_an_answer_tells_first_how_far_it_was_heard(deed: dict[str, Any]) -> None:
    """The call's own reports go by another socket, behind the microphone's sound."""
    order: list[Any] = []

    class Noting(FakeSession):
        def played(self, turn: int, epoch: int, position: int) -> None:
            order.append((turn, epoch, position))

        def interrupt(self) -> None:
            order.append("cut")
            super().interrupt()

    async def history(_: Conversation, before: int | None) -> list[HistoryEntry]:
        return []

    async with (
        SessionRegistry(lambda request: Noting(request.conversation, request.turns), 2) as registry,
        opened(Desk(registry, history), Conversation()) as page,
    ):
        await page.window.take({"do": "say", "kind": "sandwich", "text": "hello"})
        await page.until(lambda p: p.shown["status"] == "Speaking")
        order.clear()
        await page.window.take({**deed, "played": {"turn": 1, "epoch": 0, "position": 4800}})
        await page.until(lambda p: "cut" in order)
    assert order[:2] == [(1, 0, 4800), "cut"]


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        "open",
        [],
        {},
        {"do": "__init__"},
        {"do": "say", "kind": "x", "text": "y"},
        {"do": "hang_up", "kind": []},
        {"do": "interrupt", "played": 7},
        {"do": "interrupt", "played": {"turn": 1, "epoch": 0}},
        {"do": "interrupt", "played": {"turn": 1, "epoch": 0, "position": -1}},
    ],
)
async def test_what_no_page_sends_is_refused(message: Any) -> None:
    async with running_desk() as desk, opened(desk, Conversation()) as page:
        with pytest.raises(InvalidInput):
            await page.window.take(message)


async def test_nothing_can_be_asked_before_a_conversation_is_open() -> None:
    async with running_desk() as desk:

        async def send(_: dict[str, Any]) -> None: ...

        window = Window(desk, TABS, Wishes(TurnSettings()), send)
        with pytest.raises(InvalidInput):
            await window.take({"do": "say", "kind": "sandwich", "text": "hello"})


async def test_another_owner_can_neither_see_nor_stop_a_conversation() -> None:
    mine = Conversation()
    async with running_desk() as desk, opened(desk, mine) as page, opened(desk, Conversation(id=mine.id)) as thief:
        await page.window.take({"do": "say", "kind": "sandwich", "text": "my secret"})
        await page.until(lambda p: p.shown["status"] == "Speaking")
        for deed in ({"do": "hang_up", "kind": "sandwich"}, {"do": "interrupt"}, {"do": "new"}):
            await thief.window.take(deed)
        await page.until(lambda p: p.shown["status"] == "Ready")
        assert page.texts[-1].startswith("It is ten past nine")
        assert "my secret" not in str(thief.messages)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "x",
        {"patience": "x", "mode": 3, "detection": [], "language": ["fi"]},
        {"patience": float("nan")},
        {"interruptions": {}, "voice": ["r"], "owner": 5, "conversation": None},
    ],
)
def test_values_no_page_sends_are_the_defaults(sent: Any) -> None:
    assert Wishes(TurnSettings()).request("sandwich", sent).turns == TurnSettings()


@pytest.mark.parametrize("kind", [None, [], {}, [["sandwich"]], 5, "none"])
async def test_a_window_that_opens_no_tab_of_ours_is_served_all_the_same(kind: Any) -> None:
    async with running_desk() as desk, opened(desk, Conversation()) as page:
        await page.window.take({"do": "open", **identity_of(Conversation()), "kind": kind})
        await page.window.take({"do": "ping"})


@pytest.mark.parametrize(
    ("patience", "silence_s"),
    [(10**400, 2.0), (-(10**400), 0.2), (float("inf"), 2.0), (0, 0.2)],
    ids=["huge", "far below zero", "endless", "none"],
)
def test_a_patience_of_any_size_is_one_that_is_possible(patience: float, silence_s: float) -> None:
    assert Wishes(TurnSettings()).turns({"patience": patience}).silence_s == silence_s


def test_what_the_controls_say_is_taken() -> None:
    sent = {"patience": 9, "mode": "push to talk", "detection": "semantic_vad", "voice": "r", "language": "fi"}
    request = Wishes(TurnSettings()).request("realtime", sent)
    expected = TurnSettings(
        silence_s=2.0, mode=TurnMode.PUSH_TO_TALK, detection=TurnDetection.SEMANTIC_VAD, language="fi"
    )
    assert (request.turns, request.voice) == (expected, "r")


async def test_voices_that_cannot_be_listed_leave_the_default_and_say_why() -> None:
    async def refuse() -> list[tuple[str, str]]:
        raise VoiceAgentError("The key is wrong.")

    found = await voices(TabSpec("sandwich", "", "", (), list_voices=refuse, default_voice="r"))
    assert found["voices"] == [("Default", "r")]
    assert found["note"] == "The voices could not be listed. The key is wrong."


async def test_a_voice_can_be_heard_if_it_is_one_of_those_offered() -> None:
    async def listed() -> list[tuple[str, str]]:
        return [("Rachel", "r"), ("Broken", "b")]

    async def sample(voice: str) -> bytes:
        if voice == "b":
            raise VoiceAgentError("The key is wrong.")
        return b"ab"

    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    async with running_desk() as desk:
        tab = TabSpec("sandwich", "", "", (), list_voices=listed, default_voice="r", say_sample=sample)
        window = Window(desk, [tab], Wishes(TurnSettings()), told.put)
        running = asyncio.create_task(window.run())
        await window.take({"do": "open", **identity_of(Conversation())})
        await answer(told, "voices")
        await window.take({"do": "hear_voice", "kind": "sandwich", "voice": "r"})
        heard = await answer(told, "sample")
        assert (heard["voice"], heard["rate"], heard["pcm"]) == ("r", 24_000, "YWI=")
        await window.take({"do": "hear_voice", "kind": "sandwich", "voice": "b"})
        assert (await answer(told, "sample"))["text"] == "The key is wrong."
        for voice in ("stranger", "", None):
            with pytest.raises(InvalidInput):
                await window.take({"do": "hear_voice", "kind": "sandwich", "voice": voice})
        running.cancel()
        await asyncio.wait([running])


async def answer(told: asyncio.Queue[dict[str, Any]], kind: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (message := await told.get())["type"] != kind:
            pass
    return message


async def test_a_typed_turn_waits_in_line_and_is_answered_by_itself() -> None:
    late = Conversation()
    async with running_desk(places=1) as desk, opened(desk, late) as page:
        first = await desk.open(SessionRequest("sandwich", Conversation()))
        await page.window.take({"do": "say", "kind": "sandwich", "text": "am I next?"})
        await page.until(lambda p: "You are next" in ((p.shown.get("banner") or {}).get("text") or ""))
        await page.window.take({"do": "ping"})
        assert page.messages[-1] == {"type": "pong"}, "it is served while it waits"
        await first.end(Ending.LEFT)
        await page.until(lambda p: "am I next?" in p.texts and p.shown["banner"] is None)
        assert page.given_back() == []


@pytest.mark.parametrize("leaves", [{"do": "new"}, {"do": "hang_up", "kind": "sandwich"}])
async def test_a_typed_turn_that_leaves_the_line_is_given_back(leaves: dict[str, str]) -> None:
    async with running_desk(places=1) as desk, opened(desk, Conversation()) as page:
        await desk.open(SessionRequest("sandwich", Conversation()))
        await page.window.take({"do": "say", "kind": "sandwich", "text": "am I next?"})
        await page.window.take(leaves)
        await page.until(lambda p: p.given_back() == ["am I next?"])
        assert len(desk.registry.line) == 0


async def test_a_window_that_is_closed_leaves_the_line() -> None:
    async with running_desk(places=1) as desk:
        await desk.open(SessionRequest("sandwich", Conversation()))
        async with opened(desk, Conversation()) as page:
            await page.window.take({"do": "say", "kind": "sandwich", "text": "am I next?"})
            assert len(desk.registry.line) == 1
        await asyncio.sleep(0)  # in which what was cancelled ends
        assert len(desk.registry.line) == 0


@pytest.mark.parametrize("places", [1, 0], ids=["answered", "would have to wait in line"])
async def test_words_typed_just_before_a_window_is_gone_are_answered_but_take_no_place_in_the_line(places: int) -> None:
    """And nothing that waited for them is left to the garbage collector, which would log it as an error."""
    asked, reads = asyncio.Event(), asyncio.Event()
    reads.set()

    async def written_elsewhere(_: Conversation) -> str:
        asked.set()
        await reads.wait()
        return ""

    async def history(_: Conversation, before: int | None) -> list[HistoryEntry]:
        return []

    conversation = Conversation()
    async with SessionRegistry(lambda asked: FakeSession(asked.conversation, asked.turns), 1) as registry:
        desk = Desk(registry, history, written_elsewhere=written_elsewhere)
        if not places:
            await desk.open(SessionRequest("sandwich", Conversation()))
        async with opened(desk, conversation) as page:
            asked.clear()
            reads.clear()
            before = asyncio.all_tasks()
            taking = asyncio.create_task(page.window.take({"do": "say", "kind": "sandwich", "text": "hello"}))
            await asked.wait()
            begun = asyncio.all_tasks() - before - {taking}
            taking.cancel()
        reads.set()
        await asyncio.wait(begun, timeout=10.0)
        assert all(task.done() for task in begun)
        assert len(registry.line) == 0
        assert bool((await desk.sheet(conversation)).view.lines) == bool(places)
