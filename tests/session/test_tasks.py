"""How the parts of a session are ended, also when one of them will not or fails."""

from __future__ import annotations

import asyncio

import pytest

from tests.stories.clock import play
from voice_agents.session.tasks import SessionTasks, end_all


def test_a_part_that_fails_or_hangs_keeps_no_other_from_its_end(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def fails() -> None:
        raise OSError("the socket is gone")

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def ends() -> None:
        await asyncio.sleep(0.3)
        ended.append("in time")

    async def story() -> None:
        await end_all(0.5, fails(), hangs(), ends())
        assert ended == ["in time"]
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)

    play(story())

    async def quick() -> None:
        await end_all(0.5, fails())

    play(quick())
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [OSError]


@pytest.mark.parametrize(("core", "breaks"), [(True, 1), (False, 0)])
def test_only_what_a_session_cannot_do_without_breaks_it(core: bool, breaks: int) -> None:
    broken: list[bool] = []

    async def fails() -> None:
        raise OSError

    async def story() -> None:
        tasks = SessionTasks(lambda: broken.append(True))
        await asyncio.wait([(tasks.start_core if core else tasks.start)(fails())])
        await asyncio.sleep(0.1)

    play(story())
    assert len(broken) == breaks
