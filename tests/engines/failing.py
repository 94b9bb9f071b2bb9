"""Engines whose configured providers fail as they are told, while the offline ones do not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from tests.engines.live import QUICK, TURNS, WORD_S, Live, QuickEngine, answer, listened_to, services
from tests.quick_engines import QuickRecogniser, ToneVoice
from voice_agents.conversation.model import Conversation
from voice_agents.engines.engine import RealtimeEngine, SandwichTimeouts
from voice_agents.offline.brain import Brain, Message, Reply
from voice_agents.offline.faults import ConnectionFaults, Fault, FaultKind, FaultPlan, Service
from voice_agents.offline.server import OfflineServer
from voice_agents.settings import Endpoint, Provider, Settings

HEARD_OFFLINE = "other0 other1"
"""What the offline ears understand; the configured ones understand ``SAID``."""
SECRET = "sk-the-key-of-the-vendor"
LOUD = 6000
"""The configured voice's samples reach this; those of the offline voice half of it."""


class StrikingPlan(FaultPlan):
    """Faults for connections to come, and for those that are open."""

    def __init__(self) -> None:
        super().__init__()
        self._begun: list[tuple[Service, ConnectionFaults]] = []

    def begin(self, service: Service) -> ConnectionFaults:
        """The faults of a connection that begins now; it is kept, to be struck later."""
        faults = super().begin(service)
        self._begun.append((service, faults))
        return faults

    def strike(self, fault: Fault) -> None:
        """From now on, everywhere; who refuses new connections drops the open ones with their next message."""
        self.add(replace(fault, times=-1))
        refuses = fault.kind is FaultKind.REFUSE
        now = replace(fault, kind=FaultKind.CLOSE, status=1006, after=0) if refuses else fault
        for service, faults in self._begun:
            if service is fault.service:
                faults.add(now)


class OtherBrain:
    """The other chat provider that is configured."""

    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        return Reply(f"Another one answers: {answer(1)}")


class QuietVoice(ToneVoice):
    """Half as loud."""

    def __init__(self, word_s: float) -> None:
        super().__init__(word_s)
        self._word = self._word // 2


@dataclass
class Failing:
    """Somebody in a session of an app with keys, its vendors' server, and the offline one."""

    somebody: Live
    vendor: OfflineServer
    offline: OfflineServer

    def strike(self, *faults: str) -> None:
        """From now on, for good."""
        plan = self.vendor.services.faults
        assert isinstance(plan, StrikingPlan)
        for fault in faults:
            plan.strike(Fault.parse(fault))


def configured(vendor: str, offline: str, other_chat: str = "") -> Settings:
    """What the environment of an app with keys makes, whose vendors' server is at ``vendor``."""
    speech = Endpoint(Provider.ELEVENLABS, vendor, "scribe_v2_realtime", SECRET)
    voice = replace(speech, model="eleven_flash_v2_5", voice="21m00Tcm4TlvDq8ikWAM")
    chat = Endpoint(Provider.AZURE, f"{vendor}/openai/v1", "offline", SECRET)
    realtime = replace(chat, voice="marin", transcribe_model="offline")
    if other_chat:
        other = Endpoint(Provider.OPENAI, f"{other_chat}/v1", "offline", SECRET)
        chat = replace(chat, stand_in=lambda: other)
    return Settings(stt=speech, tts=voice, chat=chat, realtime=realtime).with_offline(offline)


@asynccontextmanager
async def failing(
    folder: Path,
    faults: Sequence[str] = (),
    *,
    timeouts: SandwichTimeouts = QUICK,
    failover: bool = True,
    other_chat: bool = False,
    realtime: bool = False,
) -> AsyncIterator[Failing]:
    """``faults`` are there before the session begins. ``other_chat``: a second chat provider is configured."""
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(OfflineServer(services=replace(services(), faults=StrikingPlan())))
        other = replace(services(), recogniser=QuickRecogniser("other{}".format), voice=QuietVoice(WORD_S))
        other.brain = cast(Brain, OtherBrain())
        offline = await stack.enter_async_context(OfflineServer(services=other))
        settings = configured(vendor.url, offline.url, offline.url if other_chat else "")
        settings = replace(settings, failover=failover, database=folder / "talk.sqlite3")
        engine = RealtimeEngine(settings) if realtime else QuickEngine(settings, timeouts)
        await stack.enter_async_context(engine)
        for fault in faults:
            vendor.services.faults.add(Fault.parse(fault))
        session = await stack.enter_async_context(engine.session(Conversation(), TURNS))
        somebody = await stack.enter_async_context(listened_to(session))
        yield Failing(somebody, vendor, offline)
