"""The Realtime client when no connection can be had: told plainly, tried again when that can help."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.providers.other_server import KEY, WAIT_S
from tests.providers.realtime.caller import CONFIG, QUICK, calling
from tests.providers.realtime.other_server import (
    RATE,
    RealtimeSocket,
    answers,
    tone,
    waits,
)
from voice_agents.audio import silence
from voice_agents.errors import (
    AuthenticationFailed,
    ProviderTimeout,
    ProviderUnavailable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
)
from voice_agents.providers.interfaces import ConnectionState
from voice_agents.providers.realtime.events import (
    ResponseDone,
    ServerError,
)
from voice_agents.settings import Provider, TurnMode

BY_HAND = replace(CONFIG, mode=TurnMode.PUSH_TO_TALK)


@pytest.mark.parametrize(
    ("refusal", "provider", "kind", "says"),
    [
        (401, Provider.AZURE, AuthenticationFailed, "AZURE_OPENAI_API_KEY"),
        (403, Provider.OPENAI, AuthenticationFailed, "OPENAI_API_KEY"),
        (404, Provider.AZURE, RequestRejected, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
        (404, Provider.OPENAI, RequestRejected, "OPENAI_REALTIME_MODEL"),
        ((400, '{"error":{"code":"OpperationNotSupported"}}'), Provider.AZURE, RequestRejected, "not a realtime model"),
        ((400, '{"error":{"message":"API version not supported"}}'), Provider.AZURE, RequestRejected, "(status 400)"),
        ((429, '{"error":{"code":"insufficient_quota"}}'), Provider.AZURE, QuotaExceeded, "billing"),
    ],
)
async def test_a_refusal_for_good_is_told_once_and_not_tried_again(
    refusal: int | tuple[int, str], provider: Provider, kind: type, says: str
) -> None:
    async with calling(refusal, provider=provider) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        [error] = caller.connections.errors
        assert isinstance(error, kind) and says in str(error) and KEY not in f"{error!r}"
        for _ in range(50):
            caller.speak(silence(0.02, RATE))
            await asyncio.sleep(0.002)
        assert caller.server.refusals == 1


@pytest.mark.parametrize("body", ['{"error":{"code":"429","message":"See your billing page."}}', "quota_exceeded: no"])
async def test_no_credits_is_a_code_and_not_a_word(body: str) -> None:
    async with calling((429, body), answers) as caller:
        await caller.connections.until(ConnectionState.RECONNECTING)
        assert [type(error) for error in caller.connections.errors] == [RateLimited]


@pytest.mark.parametrize(
    ("status", "kind"), [(500, ProviderUnavailable), (503, ProviderUnavailable), (429, RateLimited)]
)
async def test_a_refusal_for_now_is_tried_again(status: int, kind: type) -> None:
    async with calling(status, answers) as caller:
        caller.client.send_text("Hello?")
        await caller.until(ResponseDone)
        assert [type(error) for error in caller.connections.errors] == [kind]
        assert caller.connections.states == [
            ConnectionState.CONNECTING,
            ConnectionState.RECONNECTING,
            ConnectionState.OPEN,
        ]


async def test_an_error_right_after_the_handshake_is_a_refusal_too() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.error("model_not_found")
        await socket.close(4000)

    async with calling(script) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        assert "AZURE_OPENAI_REALTIME_DEPLOYMENT" in str(caller.connections.errors[0])


async def test_a_server_that_says_why_only_as_it_closes() -> None:
    async def script(socket: RealtimeSocket) -> None:
        await socket.close(3000, f"invalid_request_error.invalid_api_key {KEY}")

    async with calling(script, provider=Provider.OPENAI) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        assert "OPENAI_API_KEY" in str(caller.connections.errors[0]) and KEY not in str(caller.connections.errors[0])
        [socket] = caller.server.sockets
        assert socket.headers["Authorization"] == f"Bearer {KEY}" and "api-key" not in socket.headers


async def test_a_server_that_says_nothing() -> None:
    async with calling(RealtimeSocket.until_gone, answers, timeouts=replace(QUICK, connect_s=0.1)) as caller:
        await caller.connections.until(ConnectionState.OPEN)
        assert isinstance(caller.connections.errors[0], ProviderTimeout)


async def test_the_offline_agent_is_called_by_its_name_though_its_key_is_a_word_of_it() -> None:
    async with calling(500, provider=Provider.OFFLINE, key="offline") as caller:
        await caller.connections.until(ConnectionState.RECONNECTING)
        assert str(caller.connections.errors[0]).startswith("The offline agent has a problem")


async def test_nobody_there() -> None:
    async with calling(waits) as other:
        url = other.server.url
    async with calling(waits, url=url) as caller:
        await caller.connections.until(ConnectionState.RECONNECTING)
        assert "AZURE_OPENAI_ENDPOINT" in str(caller.connections.errors[0])


@pytest.mark.parametrize("by", ["typing", "speaking", "push to talk"])
async def test_after_a_refusal_the_user_may_try_again(by: str) -> None:
    config = BY_HAND if by == "push to talk" else CONFIG
    async with calling(401, answers, config=config) as caller:
        await caller.connections.until(ConnectionState.FAILED)
        if by == "typing":
            caller.client.send_text("Again, please.")
        async with asyncio.timeout(WAIT_S):
            while by == "speaking" and caller.connections.states[-1] is ConnectionState.FAILED:
                caller.speak(tone(0.02))
                await asyncio.sleep(0.01)
        if by == "push to talk":
            caller.speak(tone(0.5))
            caller.client.commit()
        await caller.connections.until(ConnectionState.OPEN)
        if by != "speaking":
            await caller.until(ResponseDone)


async def test_a_turn_for_which_no_connection_can_be_had_is_given_up() -> None:
    async with calling(503, timeouts=replace(QUICK, answer_s=0.2)) as caller:
        caller.client.send_text("Hello?")
        assert isinstance((await caller.until(ServerError)).error, ProviderUnavailable)
