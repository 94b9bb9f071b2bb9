"""Calls over real WebRTC: offer, data channel, Opus both ways."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import numpy as np
import pytest

from tests.transports.page_server import serve_page
from tests.transports.rtc_client import RATE, RtcCaller
from voice_agents.audio import Pcm, first_audible
from voice_agents.conversation.model import Conversation
from voice_agents.transports import webrtc
from voice_agents.transports.live import Limits
from voice_agents.transports.playback import Playback
from voice_agents.ui.identity import identity_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of gradio 5 about gradio 6


def controls(conversation: Conversation) -> dict[str, Any]:
    return {**identity_of(conversation), "patience": 0.3, "mode": "automatic"}


def speech(seconds: float = 0.6) -> Pcm:
    """Loud enough for the fake engine's ears."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)


async def until(true: Any, within_s: float = 10.0) -> None:
    """The server's side has no event for this; looks every 20 ms."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_caller_is_heard_and_hears_the_whole_answer_without_gaps() -> None:
    async with (
        serve_page(answer_s=2.0) as page,
        RtcCaller(page.url, "sandwich-mic", controls(Conversation())) as caller,
    ):
        await until(lambda: page.sessions and page.sessions[0].heard_samples > 16_000)
        caller.microphone.say(speech())
        heard = await caller.hears(2.0)
        start = first_audible(heard, 2000)
        assert start is not None
        answer = heard[start : start + round(1.8 * RATE)].astype(np.float64)
        blocks = answer[: len(answer) // 480 * 480].reshape(-1, 480)
        assert np.sqrt((blocks**2).mean(axis=1)).min() > 2000, "the answer has a hole"


async def test_hanging_up_ends_the_session_within_a_second() -> None:
    async with serve_page() as page:
        async with RtcCaller(page.url, "sandwich-mic", controls(Conversation())):
            await until(lambda: len(page.registry) == 1)
        await until(lambda: len(page.registry) == 0, within_s=1.5)
        assert page.sessions[0].closed


async def test_a_vanished_browser_is_noticed_by_its_silence() -> None:
    async with (
        serve_page(Limits(no_sound_s=0.5)) as page,
        RtcCaller(page.url, "sandwich-mic", controls(Conversation())) as caller,
    ):
        await until(lambda: page.sessions and page.sessions[0].heard_samples > 1_000)
        await caller.vanish()
        await until(lambda: len(page.registry) == 0, within_s=3)
        await until(lambda: not page.peers, within_s=3)


async def test_a_call_that_is_over_keeps_no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder has threads; a handler may be referred to until the next garbage collection, or longer."""
    made: list[weakref.ref[Playback]] = []

    class Watched(Playback):
        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            made.append(weakref.ref(self))

    monkeypatch.setattr(webrtc, "Playback", Watched)
    gc.disable()
    try:
        async with serve_page() as page:
            async with RtcCaller(page.url, "sandwich-mic", controls(Conversation())):
                await until(lambda: len(page.registry) == 1)
            await until(lambda: len(page.registry) == 0)
            await until(lambda: made[0]() is None, within_s=3)
    finally:
        gc.enable()


async def test_nothing_stale_is_played_after_an_interruption() -> None:
    async with (
        serve_page(answer_s=30.0) as page,
        RtcCaller(page.url, "sandwich-mic", controls(Conversation())) as caller,
    ):
        await until(lambda: page.sessions and page.sessions[0].heard_samples > 1_000)
        caller.microphone.say(speech())
        await caller.hears(0.5)
        page.sessions[0].interrupt()
        await asyncio.sleep(0.5)
        silent_from = len(caller.heard)
        await asyncio.sleep(0.3)
        assert first_audible(caller.heard[silent_from:]) is None


async def test_two_callers_have_two_sessions() -> None:
    async with (
        serve_page() as page,
        RtcCaller(page.url, "sandwich-mic", controls(Conversation())),
        RtcCaller(page.url, "sandwich-mic", controls(Conversation())) as second,
    ):
        await until(lambda: len(page.sessions) == 2 and min(s.heard_samples for s in page.sessions) > 1_000)
        second.microphone.say(speech())
        await second.hears(0.3)
        assert sorted(session.turn for session in page.sessions) == [0, 1]
