"""An alarm calls once, at its time, and only for what it was set to last."""

from __future__ import annotations

import asyncio

from voice_agents.alarm import Alarm


async def test_only_the_last_setting_counts_and_it_calls_once() -> None:
    rung: list[str] = []
    over = asyncio.Event()
    now = asyncio.get_running_loop().time()
    alarm = Alarm()
    alarm.set(now, lambda: rung.append("forgotten"))
    alarm.set(now, over.set)
    assert alarm.is_set
    await over.wait()
    assert not alarm.is_set
    assert rung == []


async def test_an_alarm_may_be_set_anew_while_it_rings() -> None:
    alarm, over = Alarm(), asyncio.Event()
    now = asyncio.get_running_loop().time()
    alarm.set(now, lambda: alarm.set(now, over.set))
    await over.wait()


async def test_a_cancelled_alarm_or_one_set_to_no_time_stays_silent() -> None:
    rung: list[str] = []
    later = asyncio.Event()
    now = asyncio.get_running_loop().time()
    cancelled, never, next_one = Alarm(), Alarm(), Alarm()
    cancelled.set(now, lambda: rung.append("cancelled"))
    cancelled.cancel()
    never.set(now, lambda: rung.append("never"))
    never.set(None, lambda: rung.append("never"))
    assert not cancelled.is_set and not never.is_set
    next_one.set(now, later.set)
    await later.wait()
    assert rung == []
