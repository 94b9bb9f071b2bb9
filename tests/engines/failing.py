"""A live Sandwich whose configured providers fail as they are told, while the offline ones do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.engines.live import QUICK, Live, engine_at, live, services
from tests.quick_engines import QuickRecogniser
from voice_agents.engines.sandwich import SandwichTimeouts
from voice_agents.offline.faults import Fault
from voice_agents.offline.server import OfflineServer
from voice_agents.settings import Endpoint, Provider, Settings

HEARD_OFFLINE = "other0 other1"
"""What the offline ears understand; the configured ones understand ``SAID``."""
SECRET = "sk-the-key-of-the-vendor"


@dataclass
class Failing:
    """Somebody in a session of an app with keys, its vendors' server, and the offline one."""

    somebody: Live
    vendor: OfflineServer
    offline: OfflineServer

    def fail(self, *faults: str) -> None:
        for fault in faults:
            self.vendor.services.faults.add(Fault.parse(fault))


def configured(vendor: str, offline: str) -> Settings:
    """What the environment of an app with keys makes, whose vendors' server is at ``vendor``."""
    speech = Endpoint(Provider.ELEVENLABS, vendor, "scribe_v2_realtime", SECRET)
    chat = Endpoint(Provider.OPENAI, f"{vendor}/v1", "offline", SECRET)
    voice = replace(speech, model="eleven_flash_v2_5", voice="21m00Tcm4TlvDq8ikWAM")
    return Settings(stt=speech, tts=voice, chat=chat).with_offline(offline)


@asynccontextmanager
async def failing(
    folder: Path, faults: Sequence[str] = (), *, timeouts: SandwichTimeouts = QUICK, failover: bool = True
) -> AsyncIterator[Failing]:
    """``faults`` are there before the session begins."""
    other = replace(services(), recogniser=QuickRecogniser("other{}".format))
    async with OfflineServer(services=services()) as vendor, OfflineServer(services=other) as offline:
        settings = configured(vendor.url, offline.url)
        if not failover:
            settings = replace(settings, failover=False)
        async with engine_at(settings, folder, timeouts) as engine:
            for fault in faults:
                vendor.services.faults.add(Fault.parse(fault))
            async with live(engine) as somebody:
                yield Failing(somebody, vendor, offline)
