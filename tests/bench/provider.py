"""A loopback provider with fixed delays and no engines, in a process of its own: ``python -m tests.bench.provider``.

Speaks the vendors' protocols through the offline server's own code; what it hears and says is scripted, so that a
benchmark measures the client side only. Prints its URL; ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from tests.quick_engines import QuickRecogniser, ToneVoice
from voice_agents.collector import leave_out_what_is_loaded
from voice_agents.offline.brain import Brain, Message, Reply
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Pace, Services

COMMIT_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S = 0.12, 0.3, 0.02, 0.15
ANSWER = "Sure, " + " ".join(["this answer goes on for a while so that it can be interrupted."] * 3)
FIRST_CLAUSE_TOKENS = 2
"""The server streams "Sure," as "S" and "ure,"."""
FIXED_S = COMMIT_S + FIRST_TOKEN_S + (FIRST_CLAUSE_TOKENS - 1) * TOKEN_S + FIRST_AUDIO_S
"""What this provider takes between the end of a turn and its first audible sample."""
WORD_S = 0.25


def word_at(number: int) -> str:
    return ("please", "tell", "me", "more")[number % 4]


class ScriptedBrain:
    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        return Reply(ANSWER)


async def serve() -> None:
    services = Services(QuickRecogniser(word_at), ToneVoice(WORD_S), cast(Brain, ScriptedBrain()))
    services.pace = Pace(COMMIT_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S)
    async with OfflineServer(services=services) as server:
        leave_out_what_is_loaded()
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def fixed_delays(module: str = "tests.bench.provider") -> Iterator[str]:
    """The URL of such a provider (``module`` prints it when run) for as long as the block runs."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(serve())
