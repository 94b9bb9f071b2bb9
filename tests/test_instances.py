"""Several instances, as users notice them: a conversation goes on wherever it was begun, whatever happens to one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.browser.helpers.process import AppProcess
from tests.instances import MISSING, NGINX, instances, nginx
from tests.postgres import PostgresServer
from tests.transports.api.client import Client
from voice_agents.conversation.history import History
from voice_agents.conversation.store import open_store
from voice_agents.offline.embedded import EmbeddedServer
from voice_agents.settings import PostgresUrl
from voice_agents.transports.api.options import conversation_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGAIN = "Say that again"
"""The offline agent repeats what it said last: it can only if it knows the conversation."""


@dataclass
class House:
    """Three instances, and the address they are reached at together."""

    apps: list[AppProcess]
    address: str
    database: PostgresUrl


@pytest.fixture(scope="module")
def offline(offline_server: EmbeddedServer) -> tuple[str, str]:
    return offline_server.url, offline_server.key


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    offline: tuple[str, str], postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    if not NGINX.exists():
        pytest.skip(MISSING)
    database = postgres.new_database()
    async with instances(database, *offline) as apps:
        with nginx(tmp_path_factory.mktemp("nginx"), [int(app.url.rpartition(":")[2]) for app in apps]) as address:
            yield House(list(apps), address, database)


@asynccontextmanager
async def socket(address: str, conversation: str = "") -> AsyncIterator[Client]:
    """A socket of the API on a conversation, a new one without an id."""
    query = f"?conversation={conversation}" if conversation else ""
    async with connect(f"ws://{address.removeprefix('http://')}/ws/sandwich{query}") as one:
        yield Client(one)


async def ask(client: Client, text: str) -> str:
    """What the agent says to a typed turn; it is stored then."""
    await client.say(type="text", text=text)
    messages = await client.until("complete")
    errors = [message["message"] for message in messages if message["type"] == "error"]
    assert not errors
    return "".join(message["text"] for message in messages if message["type"] == "agent_chunk")


async def test_instances_share_conversations_hand_them_over_and_survive_each_other(house: House) -> None:
    async with socket(house.apps[0].url) as first:
        conversation = (await first.until("session"))[-1]["conversation"]
        assert "fifty-six" in await ask(first, "What is seven times eight?")

        # opened at another instance, too: the newer one goes on, the older one is told
        async with socket(house.apps[1].url, conversation) as second:
            assert "fifty-six" in await ask(second, AGAIN)
            code, messages = await first.closed()
            assert code == 1000
            assert "This conversation goes on elsewhere" in messages[-1]["message"]
            assert "sixty-three" in await ask(second, "What is seven times nine?")

    # through nginx: the instance the call is on is killed, and the same address goes on with the conversation
    async with socket(house.address, conversation) as third:
        assert "sixty-three" in await ask(third, AGAIN)
        assert "sixty-four" in await ask(third, "What is eight times eight?")
        gone = await killed_under(third, house)
    async with socket(house.address, conversation) as fourth:
        assert "sixty-four" in await ask(fourth, AGAIN)
    await gone.start()


async def killed_under(client: Client, house: House) -> AppProcess:
    """Kill the instance at the other end, found by who holds the only session."""
    async with httpx.AsyncClient() as http:
        used = {app: (await http.get(f"{app.url}/health")).json()["sessions"]["in_use"] for app in house.apps}
    [gone] = [app for app in house.apps if used[app]]
    await gone.kill()
    with pytest.raises(ConnectionClosed):
        await client.until("never")
    return gone


async def test_a_database_that_goes_away_is_told_in_the_turn_and_caught_up_with(
    house: House, postgres: PostgresServer
) -> None:
    async with socket(house.apps[0].url) as client:
        conversation = (await client.until("session"))[-1]["conversation"]
        assert "fifty-six" in await ask(client, "What is seven times eight?")
        await asyncio.to_thread(postgres.stop)
        try:
            await client.say(type="text", text=AGAIN)
            messages = await client.until("error")
            messages += await client.until("complete") if messages[-1]["type"] != "complete" else []
        finally:
            await asyncio.to_thread(postgres.start)
        told = [message for message in messages if message["type"] == "error"]
        assert "The database cannot be used at the moment" in told[0]["message"]
        assert "fifty-six" in "".join(message.get("text", "") for message in messages)
    async with open_store(house.database) as store, asyncio.timeout(60):
        history = History(store)
        while len(await history.messages(conversation_of(conversation))) < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_page_stays_at_its_instance_until_that_is_gone(house: House) -> None:
    async with httpx.AsyncClient(base_url=f"http://{house.address}") as browser:
        await browser.get("/")
        place = browser.cookies["voice_agents_at"]
        for _ in range(5):
            assert (await browser.get("/config")).is_success
        assert browser.cookies["voice_agents_at"] == place
        gone = house.apps[("one", "two", "three").index(place)]
        await gone.kill()
        assert (await browser.get("/config")).is_success
        other = browser.cookies["voice_agents_at"]
        assert other != place
        await gone.start()
        assert (await browser.get("/config")).is_success
        assert browser.cookies["voice_agents_at"] == other, "what is live there now is not torn from it"
