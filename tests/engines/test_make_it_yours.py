"""The snippets of the README's "Make it yours", as they stand there, each in a conversation."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import pytest

from tests.engines.live import live, remembered
from tests.quick_engines import QuickRecogniser, ToneVoice
from tests.stories.caller import LoudnessModel
from voice_agents import SandwichEngine, Settings, SpeechChunk
from voice_agents.errors import ConfigurationError
from voice_agents.events import ToolCalled, ToolReturned
from voice_agents.offline.brain import Brain, FunctionCall, Message, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.turns.vad import VoiceActivity

README = Path(__file__).parents[2] / "README.md"
SECTION = README.read_text(encoding="utf-8").partition("## Make it yours")[2].partition("\n## ")[0]
SNIPPETS: Sequence[str] = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)


class ObedientBrain:
    """Calls every tool that the user names, and tells what came of it; else says what it is told to be."""

    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        if messages[-1].role == "tool":
            return Reply(messages[-1].text)
        asked = messages[-1].text
        arguments: dict[str, Any] = {"book_table": {"name": "Ada"}, "opening_hours": {"day": "Monday"}}
        if calls := tuple(FunctionCall(f"call_{name}", name, arguments[name]) for name in arguments if name in asked):
            assert {call.name for call in calls} <= set(tools)
            return Reply(tool_calls=calls)
        system = next((message.text for message in messages if message.role == "system"), "")
        return Reply("Curious." if "One word" in system else f"You said {asked}. {system.splitlines()[-1]}.")


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Settings]:
    services = Services(QuickRecogniser("word{}".format), ToneVoice(0.04), cast(Brain, ObedientBrain()))
    async with OfflineServer(services=services) as server:
        yield Settings(database=folder / "talk.sqlite3").with_offline(server.url, server.key)


def made(snippet: str, settings: Settings) -> Any:
    """The engine of a snippet."""
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(snippet, "README.md", "exec"), names)
    return names["engine"](settings)


@pytest.fixture(autouse=True)
def everything_loud_is_speech(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(SandwichEngine, "voice_activity", lambda self: VoiceActivity(LoudnessModel()))
    yield


def test_there_are_three() -> None:
    assert len(SNIPPETS) == 3


async def test_own_tools(tmp_path: Path) -> None:
    async with served(tmp_path) as settings, made(SNIPPETS[0], settings) as engine, live(engine) as somebody:
        done = await somebody.turn("book_table please")
        assert done.heard_text == "A table for 2 is booked for Ada."
        done = await somebody.turn("opening_hours please")
        assert done.heard_text == "On Monday it is open from noon to ten."
        assert [event.name for event in somebody.all(ToolCalled)] == ["book_table", "opening_hours"]


async def test_own_tools_with_realtime(tmp_path: Path) -> None:
    snippet = SNIPPETS[0].replace("SandwichEngine", "RealtimeEngine")
    async with served(tmp_path) as settings, made(snippet, settings) as engine, live(engine) as somebody:
        await somebody.turn("book_table please")
        assert [event.result for event in somebody.all(ToolReturned)] == ["A table for 2 is booked for Ada."]


async def test_own_graph(tmp_path: Path) -> None:
    async with served(tmp_path) as settings, made(SNIPPETS[1], settings) as engine, live(engine) as somebody:
        done = await somebody.turn("hello")
        assert done.heard_text == "You said hello. The user feels: Curious.."
        assert somebody.written(1).strip() == done.heard_text
        entries = await remembered(engine, somebody.session.conversation)
        assert [entry.text.strip() for entry in entries] == ["hello", done.heard_text]


async def test_own_voice_and_recogniser(tmp_path: Path) -> None:
    async with served(tmp_path) as settings, made(SNIPPETS[2], settings) as engine, live(engine) as somebody:
        done = await somebody.turn()
        assert somebody.heard(1) == "what can you do"
        assert done.heard_text.startswith("You said what can you do.")
        assert np.abs(somebody.sound(1)).max() > 7000


class WordlessSpeech:
    """A tone for each piece, in one chunk, without a word of where its words are."""

    def __init__(self) -> None:
        self._texts: asyncio.Queue[str] = asyncio.Queue()

    def send(self, text: str) -> None:
        self._texts.put_nowait(text)

    def finish(self) -> None:
        self._texts.put_nowait("")

    def cancel(self) -> None:
        self._texts.put_nowait("")

    async def __aiter__(self) -> AsyncIterator[SpeechChunk]:
        while text := await self._texts.get():
            yield SpeechChunk(np.full(500 * len(text.split()), 8000, np.int16))


class WordlessVoice:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    def open(self) -> WordlessSpeech:
        return WordlessSpeech()

    def set_voice(self, voice: str) -> None:
        pass


async def test_what_a_voice_without_times_says_is_remembered(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        engine = SandwichEngine(settings, text_to_speech=lambda on_connection: WordlessVoice())
        async with engine, live(engine) as somebody:
            done = await somebody.turn("hello")
            assert done.heard_text == somebody.written(1).strip()
            assert [entry.text for entry in await remembered(engine, somebody.session.conversation)][1:] == [
                done.heard_text
            ]


async def test_settings_need_nothing_that_is_brought(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="speech-to-text"):
        SandwichEngine(Settings())
    async with served(tmp_path) as settings:
        only_chat = Settings(database=settings.database, chat=settings.chat)
        async with made(SNIPPETS[2], only_chat) as engine, live(engine) as somebody:
            assert (await somebody.turn("hello")).heard_text.startswith("You said hello")


async def test_a_made_agent_has_the_tools_and_each_session_its_own(tmp_path: Path) -> None:
    from langchain.agents import create_agent

    def book_table(name: str) -> str:
        """Book a table."""
        return f"Booked for {name}."

    async with served(tmp_path) as settings:
        engine = SandwichEngine(
            settings, tools=[book_table], agent=lambda parts: create_agent(parts.model, list(parts.tools))
        )
        async with engine, live(engine) as somebody:
            assert (await somebody.turn("book_table please")).heard_text == "Booked for Ada."
            assert [event.name for event in somebody.all(ToolCalled)] == ["book_table"]


async def test_a_compiled_graph_takes_no_tools(tmp_path: Path) -> None:
    from langchain.agents import create_agent

    from tests.conversation.scripted import scripted

    with pytest.raises(ConfigurationError, match=r"agent=lambda parts"):
        SandwichEngine(Settings(), agent=create_agent(scripted(["Hi."]), []), tools=[test_there_are_three])
