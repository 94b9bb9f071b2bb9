"""What it costs the server to tell an open window of a new status: ``python -m tests.bench.redraw``.

One window, in another process, follows a conversation of many lines over a real socket while its status changes; the
CPU time is that of the thread of the event loop, less what it takes when nothing changes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import warnings

from tests.transports.page_server import Served, serve_page
from voice_agents.conversation.history import HistoryEntry, Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.events import AgentText, Event, Status, StatusChanged
from voice_agents.ui.desk import REDRAW_S, Sheet
from voice_agents.ui.identity import identity_of
from voice_agents.ui.page import Page

LINES = (0, 20, 80)
WORDS = "These are words of a conversation that has been going on for some time now, more or less. "
CLIENT = """
import asyncio, sys
from websockets.asyncio.client import connect
async def main():
    async with connect(sys.argv[1]) as socket:
        await socket.send(sys.argv[2])
        async for message in socket:
            if '"sheet"' in message:
                print("following", flush=True)
asyncio.run(main())
"""


async def cost_s(sheet: Sheet, changes: list[list[Event]]) -> float:
    """CPU seconds of this thread per redraw; each list of events is one."""
    shares = []
    nothing: list[list[Event]] = [[] for _ in changes]
    for each in (nothing, changes):
        began = time.thread_time()
        for events in each:
            for event in events:
                sheet.hear(event)
            await asyncio.sleep(REDRAW_S * 1.2)
        shares.append(time.thread_time() - began)
    return (shares[1] - shares[0]) / len(changes)


async def measure(served: Served, page: Page, lines: int, redraws: int) -> tuple[float, float]:
    """Seconds for a redraw of the status, and for one of the status and a line that grows."""
    conversation = Conversation()
    sheet = await page.desk.sheet(conversation)
    sheet.view.restore(HistoryEntry(role=(Speaker.USER, Speaker.AGENT)[i % 2], text=WORDS) for i in range(lines))
    arguments = (
        served.url.replace("http", "ws") + "/page/window",
        json.dumps({"do": "open", **identity_of(conversation)}),
    )
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    await client.stdout.readline()
    statuses = (Status.THINKING, Status.SPEAKING)
    changes: list[list[Event]] = [[StatusChanged(turn=1, at=0.0, status=statuses[i % 2])] for i in range(redraws)]
    status_s = await cost_s(sheet, changes)
    grows = AgentText(turn=lines, at=0.0, text="word ")
    line_s = await cost_s(sheet, [[*change, grows] for change in changes])
    client.terminate()
    await client.wait()
    return status_s, line_s


async def main(redraws: int) -> None:
    print(f"{'lines':>8}{'status, ms':>14}{'and a line, ms':>18}")
    async with serve_page() as served:
        for lines in LINES:
            status_s, line_s = await measure(served, served.parts, lines, redraws)
            print(f"{lines:>8}{1000 * status_s:>14.2f}{1000 * line_s:>18.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redraws", type=int, default=100)
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.run(main(parser.parse_args().redraws))
