"""After a sleep a call goes on, or what ended it is told as it was: the server's sleep is not the browser's silence."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import numpy as np
import pytest

from tests.forked import start_python
from tests.stories.clock import VirtualTimeLoop, play
from tests.transports.test_registry import Ear, make, request
from voice_agents.events import Notice
from voice_agents.session.events_out import EventsOut
from voice_agents.session.waiting import Waiting
from voice_agents.transports import sleep
from voice_agents.transports.live import Ending, LiveSession
from voice_agents.transports.registry import SessionRegistry

ASLEEP_S = 30.0
SOUND = np.zeros(320, np.int16)


def fall_asleep() -> None:
    """The process is stopped and continued: no time passes for the program, and all clocks are later."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.now += ASLEEP_S


async def send_sound(live: LiveSession, seconds: float) -> None:
    for _ in range(round(seconds / 0.02)):
        live.push_audio(SOUND)
        await asyncio.sleep(0.02)


async def in_call(registry: SessionRegistry) -> tuple[LiveSession, Ear]:
    live, ear = await registry.open(request()), Ear()
    live.attach_call(ear)
    await send_sound(live, 2.0)  # a watch begins with the session, and is looked at every second
    return live, ear


async def over(ear: Ear) -> None:
    """Within two of the patiences a silent call has."""
    async with asyncio.timeout(12.0):
        while ear.why is None:
            await ear.news()


def notices(ear: Ear) -> list[str]:
    return [event.text for event in ear.events if isinstance(event, Notice)]


def test_a_call_whose_browser_is_still_there_goes_on_and_the_sleep_is_told() -> None:
    async def story() -> None:
        async with SessionRegistry(make) as registry:
            live, ear = await in_call(registry)
            fall_asleep()
            await send_sound(live, 8.0)
            assert live.ending is None
            [notice] = notices(ear)
            assert re.search(r"asleep for about (29|30) s", notice) and "goes on" in notice
            await send_sound(live, 20.0)
            assert len(notices(ear)) == 1

    play(story())


@pytest.mark.parametrize("backlog", [0, 50])
def test_a_call_that_did_not_survive_the_servers_sleep_is_not_the_browsers_fault(backlog: int) -> None:
    """Sound that came before the sleep may be delivered after it: no sign that the browser is still there."""

    async def story() -> None:
        async with SessionRegistry(make) as registry:
            live, ear = await in_call(registry)
            fall_asleep()
            for _ in range(backlog):
                live.push_audio(SOUND)
            await over(ear)
            assert ear.why is Ending.SLEPT
            assert "asleep" in ear.why.sentence and "browser" not in ear.why.sentence

    play(story())


def test_a_browser_that_hung_up_while_the_server_slept_is_told_why() -> None:
    async def story() -> None:
        async with SessionRegistry(make) as registry:
            live, ear = await in_call(registry)
            fall_asleep()
            await live.leave(ear)  # its goodbye is the first that is read
            assert ear.why is Ending.SLEPT

    play(story())


def test_a_browsers_silence_is_told_as_that() -> None:
    async def story() -> None:
        async with SessionRegistry(make) as registry:
            _live, ear = await in_call(registry)
            await over(ear)
            assert ear.why is Ending.NO_SOUND
            assert "browser" in ear.why.sentence and "asleep" in ear.why.sentence

    play(story())


def test_a_sleep_long_ago_is_no_excuse() -> None:
    async def story() -> None:
        async with SessionRegistry(make) as registry:
            live, ear = await in_call(registry)
            fall_asleep()
            await send_sound(live, 5.0)
            await over(ear)
            assert ear.why is Ending.NO_SOUND

    play(story())


def test_a_computer_whose_timers_stand_still_in_its_sleep_is_noticed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux stops the monotonic clock while the lid is closed."""
    lid_s = 0.0

    async def story() -> None:
        nonlocal lid_s
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(sleep, "time_with_sleep", lambda: loop.time() + lid_s)
        async with SessionRegistry(make) as registry:
            _live, ear = await in_call(registry)
            lid_s = ASLEEP_S
            await over(ear)
            assert ear.why is Ending.SLEPT

    play(story())


def test_no_provider_is_called_slow_for_our_sleep() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        tell = EventsOut(loop.time, lambda: 0)
        waiting = Waiting(tell, lambda call: call)
        waiting.begin(loop.time(), lambda: "Somebody is slow.")
        fall_asleep()
        await asyncio.sleep(5.0)
        assert tell.complained_at < 0
        await asyncio.sleep(5.0)
        assert tell.complained_at > 0, "from now on it is"

    play(story())


PROGRAM = """
import asyncio
import numpy as np
from tests.transports.test_registry import Ear, make, request
from tests.transports.test_sleep import notices, send_sound
from voice_agents.transports.live import Limits
from voice_agents.transports.registry import SessionRegistry

async def main():
    async with SessionRegistry(make, limits=Limits(no_sound_s=0.6, stood_still_s=0.5, backlog_s=0.1)) as registry:
        live, ear = await registry.open(request()), Ear()
        live.attach_call(ear)
        await send_sound(live, 0.2)
        print("ready", flush=True)
        if {goes_on}:
            sending = asyncio.create_task(send_sound(live, 60))
            await ear.until(lambda: notices(ear))
            print(notices(ear)[0], flush=True)
            sending.cancel()
        else:
            await ear.until(lambda: ear.why is not None)
            print(ear.why.sentence, flush=True)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system stops no processes")
@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_process_that_was_stopped_knows_it(goes_on: bool) -> None:
    program = await start_python(["-c", PROGRAM.format(goes_on=goes_on)], os.environ, piped=True)
    assert program.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert (await program.stdout.readline()).strip() == b"ready"
            os.kill(program.pid, signal.SIGSTOP)
            await asyncio.sleep(2.0)  # this is what is tested: time that passes for everybody else
            os.kill(program.pid, signal.SIGCONT)
            said = (await program.stdout.read()).decode()
    finally:
        if program.returncode is None:
            program.kill()
        await program.wait()
    assert "asleep" in said and ("goes on" in said) is goes_on, said
