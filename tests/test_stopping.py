"""Stopping the app: whoever talks is told, the answer ends or is stored as heard, and the process ends with 0."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.forked import ROOT, Process, start_python
from tests.instances import provided_by
from tests.share_tunnel import Tunnel, tunnel
from tests.transports.api.client import Client, Message, client, kinds
from tests.transports.rtc_client import RtcCaller
from tests.transports.typist import typed
from voice_agents.conversation.history import History, HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.conversation.store import open_store
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.stopping import STOP_S

PROVIDERS = ("AZURE_", "OPENAI_", "ELEVENLABS_", "GRADIO_")
WITHIN_S = 120.0

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no such signals elsewhere")


class App:
    """``python app.py`` as the leader of a process group of its own, as in a terminal."""

    def __init__(self, process: Process, database: Path) -> None:
        self.process = process
        self.database = database
        self.address = ""

    async def serves(self) -> None:
        """Until its page can be opened."""
        assert self.process.stdout is not None
        while not re.search(rb"^\* .*public (link|URL)", line := await self.process.stdout.readline()):
            assert line, f"the app ended instead of serving: {(await self.process.communicate())[1].decode()}"
            if found := re.search(rb"http://(\S+)", line):
                self.address = found[1].decode()

    def signal(self, number: int, group: bool) -> None:
        """Signal it, or everything in its process group, as a terminal does."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    async def ended(self) -> tuple[int, str]:
        """Its exit code and what it wrote to standard error, but for how long a busy machine takes to start."""
        _, said = await self.process.communicate()
        assert self.process.returncode is not None
        lines = [line for line in said.decode().splitlines() if "is still starting after" not in line]
        return self.process.returncode, "\n".join(lines)

    async def remembered(self) -> list[HistoryEntry]:
        """The one conversation of its database."""
        async with open_store(self.database) as store:
            [(identity, owner)] = await store.query("SELECT id, owner FROM conversations")
            return await History(store).messages(Conversation(id=identity, owner=owner))


@pytest.fixture(scope="module")
def speech(offline_server: EmbeddedServer) -> dict[str, str]:
    """Variables for an app whose providers are a server that is there already; the app's own takes seconds to start."""
    return provided_by(offline_server.url, offline_server.key)


@asynccontextmanager
async def running(
    database: Path, *arguments: str, env: Mapping[str, str] | None = None, forked: bool = True
) -> AsyncIterator[App]:
    """The app, with an offline server of its own unless ``env`` names another."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(PROVIDERS)}
    process = await start_python(
        ["app.py", "--port", "0", *arguments],
        {**own, "DATABASE_URL": str(database), **(env or {})},
        piped=True,
        forked=forked,
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            yield App(process, database)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answering(app: App, talk: Client, text: str) -> None:
    """Until the answer to these words is being spoken."""
    await talk.say(type="text", text=text)
    while (await talk.next())["type"] not in ("audio", "tts_audio", "binary"):
        pass


def sentences(messages: list[Message]) -> str:
    return " ".join(str(message.get("message", message.get("text", ""))) for message in messages)


@pytest.mark.parametrize(
    ("number", "group", "kind"),
    [
        (signal.SIGTERM, False, "sandwich"),
        (signal.SIGTERM, True, "realtime"),
        (signal.SIGINT, True, "sandwich"),
        (signal.SIGINT, True, "realtime"),
    ],
    ids=["SIGTERM", "SIGTERM to all", "Ctrl-C", "Ctrl-C, realtime"],
)
async def test_the_answer_under_way_comes_to_its_end_and_is_stored(
    tmp_path: Path, number: int, group: bool, kind: str
) -> None:
    async with running(tmp_path / "talk.sqlite3") as app:
        await app.serves()
        async with client(f"ws://{app.address}/ws/{kind}") as talk:
            await answering(app, talk, "What is seven times eight?")
            app.signal(number, group)
            _, last = await talk.closed()
        code, said = await app.ended()
        assert said == ""
        assert code == 0
        assert "The server is being stopped." in sentences(last)
        entries = [entry for entry in await app.remembered() if entry.role is not Speaker.TOOL]
        assert [entry.role for entry in entries] == [Speaker.USER, Speaker.AGENT]
        assert entries[0].text == "What is seven times eight?"
        assert re.search(r"56|fifty.six", entries[1].text)
        assert not entries[1].interrupted


async def shown(url: str, identity: dict[str, str], words: str) -> None:
    """Until a window of this conversation is told these words."""
    async with connect(url.replace("http", "ws") + "/page/window") as socket, asyncio.timeout(WITHIN_S):
        await socket.send(json.dumps({"do": "open", **identity}))
        while words not in await socket.recv(decode=True):
            pass


@pytest.mark.parametrize(
    ("number", "group", "kind"), [(signal.SIGTERM, False, "realtime"), (signal.SIGINT, True, "sandwich")]
)
async def test_a_browsers_call_hears_the_answer_to_its_end_and_is_hung_up(
    tmp_path: Path, speech: dict[str, str], number: int, group: bool, kind: str
) -> None:
    identity = {"owner": secrets.token_hex(16), "conversation": secrets.token_hex(16)}
    async with running(tmp_path / "talk.sqlite3", env=speech) as app:
        await app.serves()
        url = f"http://{app.address}"
        async with RtcCaller(url, f"{kind}-mic", identity) as caller:
            await caller.told("send_input", WITHIN_S)
            await typed(url, "What is seven times eight?", identity, kind=kind)
            page = asyncio.create_task(shown(url, identity, "The server is being stopped."))
            await caller.hears(0.3, WITHIN_S)
            app.signal(number, group)
            asked_at = asyncio.get_running_loop().time()
            await page
            await caller.told("end_stream", WITHIN_S)
        code, said = await app.ended()
        assert (code, said) == (0, "")
        assert asyncio.get_running_loop().time() - asked_at < 2 * STOP_S, (
            "a loaded machine may take longer than it should"
        )
        entries = await app.remembered()
        assert re.search(r"56|fifty.six", entries[-1].text)
        assert not entries[-1].interrupted


@pytest.fixture
def link(tmp_path: Path) -> Tunnel:
    """A share link's other half."""
    return tunnel(tmp_path / "huggingface")


@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
async def test_a_share_link_stays_until_its_visitors_are_told(
    tmp_path: Path, speech: dict[str, str], link: Tunnel, number: int, group: bool
) -> None:
    async with running(tmp_path / "talk.sqlite3", "--share", env={**speech, **link.env}) as app:
        await app.serves()
        async with client(f"ws://{app.address}/ws/sandwich") as talk:
            await answering(app, talk, "What is seven times eight?")
            assert link.runs
            app.signal(number, group)
            told: list[Message] = []
            while "complete" not in kinds(told) or "being stopped" not in sentences(told):  # in either order
                told.append(await talk.next())
            assert link.runs, "nobody outside would have heard the end"
            await talk.closed()
        assert await app.ended() == (0, "")
        await gone(link)


async def test_a_second_ctrl_c_ends_the_share_link_too(tmp_path: Path, speech: dict[str, str], link: Tunnel) -> None:
    async with running(tmp_path / "talk.sqlite3", "--share", env={**speech, **link.env}) as app:
        await app.serves()
        async with client(f"ws://{app.address}/ws/sandwich") as talk:
            await answering(app, talk, "Tell me a long story")
            app.signal(signal.SIGINT, group=True)
            await told_of_the_stop(talk)
            app.signal(signal.SIGINT, group=True)
            assert await app.ended() == (130, "")
        await gone(link)


async def told_of_the_stop(talk: Client) -> None:
    """Until the server says that it is being stopped."""
    while "being stopped" not in sentences([await talk.next()]):
        pass


async def gone(link: Tunnel) -> None:
    """The tunnel has ended, or ends soon."""
    async with asyncio.timeout(10):
        while link.runs:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", ["sandwich", "realtime"])
async def test_an_answer_that_takes_too_long_is_stored_as_heard(
    tmp_path: Path, speech: dict[str, str], kind: str
) -> None:
    async with running(tmp_path / "talk.sqlite3", env=speech) as app:
        await app.serves()
        async with client(f"ws://{app.address}/ws/{kind}") as talk:
            await answering(app, talk, "Tell me a long story")
            app.signal(signal.SIGTERM, group=False)
            await talk.closed()
        code, said = await app.ended()
        assert said == ""
        assert code == 0
        entries = await app.remembered()
        assert entries[-1].role is Speaker.AGENT
        assert entries[-1].interrupted
        assert entries[-1].text


async def test_nobody_gets_in_meanwhile(tmp_path: Path, speech: dict[str, str]) -> None:
    async with running(tmp_path / "talk.sqlite3", env=speech) as app:
        await app.serves()
        async with client(f"ws://{app.address}/ws/sandwich") as talk:
            await answering(app, talk, "Tell me a long story")
            app.signal(signal.SIGTERM, group=False)
            await told_of_the_stop(talk)
            async with client(f"ws://{app.address}/ws/sandwich") as late:
                await late.say(type="text", text="Hello")
                refused = await late.until("error")
            assert sentences(refused[-1:]) == "The server is being stopped."


async def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    async with running(tmp_path / "talk.sqlite3") as app:
        await app.serves()
        async with client(f"ws://{app.address}/ws/sandwich") as talk:
            await answering(app, talk, "Tell me a long story")
            app.signal(signal.SIGINT, group=True)
            await told_of_the_stop(talk)
            app.signal(signal.SIGINT, group=True)
            code, said = await app.ended()
        assert said == ""
        assert code == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_that_nobody_uses_ends_quietly(tmp_path: Path, number: int) -> None:
    async with running(tmp_path / "talk.sqlite3") as app:
        await app.serves()
        app.signal(number, group=True)
        assert await app.ended() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_start_that_is_broken_off_ends_quietly(tmp_path: Path, number: int) -> None:
    async with running(tmp_path / "talk.sqlite3", forked=False) as app:
        while not await asyncio.to_thread(app.database.exists):  # noqa: ASYNC110 - the last thing before the heavy libraries
            await asyncio.sleep(0.01)
        app.signal(number, group=True)
        assert await app.ended() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_start_that_is_broken_off_in_its_imports_ends_quietly(tmp_path: Path, number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "app.py", "--port", "0"),
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": str(tmp_path / "talk.sqlite3")},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(WITHIN_S):
        while b"voice_agents.errors" not in (line := await process.stderr.readline()):
            assert line
        process.send_signal(number)
        said = await process.stderr.read()
        assert await process.wait() == 0
    assert not [line for line in said.splitlines() if not line.startswith(b"import time:")]


AT_EVERY_LINE = """
import faulthandler, signal, sys
from voice_agents import stopping

faulthandler.dump_traceback_later(60, exit=True)
stopping.STOP_S, stopping.LOOKS_AGAIN_S = 1000.0, 0.01

def trace(frame, event, _):
    global left
    if event == "line":
        left -= 1
        if left == 0:
            signal.raise_signal(signal.SIGTERM)
    return trace

for line in range(1, 16):
    asked, left = stopping.Stopping(), line
    asked.serves()
    sys.settrace(trace)
    asked.wait()
    sys.settrace(None)
"""


async def test_a_signal_is_taken_at_whatever_line_of_its_waiting_the_app_is() -> None:
    """With a threading.Event it met, now and then, the lock that the same thread held, and nothing ended any more."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", AT_EVERY_LINE), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")


AS_IT_IS_SERVED = """
import os, signal, sys, gradio

launch = gradio.Blocks.launch

def launched(*given, **named):
    done = launch(*given, **named)
    os.kill(os.getpid(), signal.SIGTERM)
    return done

gradio.Blocks.launch = launched
sys.argv = ["app.py", "--port", "0"]
import app
sys.exit(app.main())
"""


async def test_a_stop_in_the_moment_in_which_it_is_served_is_an_orderly_one(
    tmp_path: Path, speech: dict[str, str]
) -> None:
    env = {**os.environ, **speech, "DATABASE_URL": str(tmp_path / "talk.sqlite3")}
    process = await start_python(["-c", AS_IT_IS_SERVED], env, piped=True)
    said, _ = await process.communicate()
    assert process.returncode == 0
    assert b"Stopping: whoever is talking" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_doctor_that_is_stopped_ends_the_app_it_started(
    tmp_path: Path, speech: dict[str, str], number: int
) -> None:
    env = {**os.environ, **speech, "DATABASE_URL": str(tmp_path / "talk.sqlite3")}
    process = await start_python(["app.py", "--doctor"], env, piped=True)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            while b"started inside" not in (line := await process.stdout.readline()):
                assert line
            os.kill(process.pid, number)
            assert b"it was stopped before its end" in await process.stdout.read()
            assert await process.wait() == 1
            await group_ended(process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def group_ended(group: int) -> None:
    """Until no process of it is left."""
    with suppress(ProcessLookupError):
        while True:
            os.killpg(group, 0)
            await asyncio.sleep(0.05)
