"""One open window of the page: what it is told of its conversation, and what it asks for, message by message."""

from __future__ import annotations

import asyncio
import logging
import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from typing import Any

from voice_agents.conversation.model import Conversation
from voice_agents.conversation.shelf import Shelf
from voice_agents.errors import InvalidInput, VoiceAgentError
from voice_agents.session.base import OUTPUT_RATE, Session
from voice_agents.transports.page_call import place_of
from voice_agents.ui.desk import Desk
from voice_agents.ui.drawer import Drawer
from voice_agents.ui.drawing import Data, Drawn, line_data
from voice_agents.ui.identity import conversation_of, identity_of
from voice_agents.ui.models import ModelPress, Models
from voice_agents.ui.voice_tab import SaySample, TabSpec
from voice_agents.ui.wishes import Wishes, voice_of

log = logging.getLogger(__name__)

VOICES_TIMEOUT_S = 8.0

Send = Callable[[Data], Awaitable[None]]
"""Sends one message to the window. Raises when it is gone."""

Message = Mapping[str, Any]


class Window:
    """Run it once; :meth:`take` what the window sends. ``send`` is called from one task at a time."""

    def __init__(
        self,
        desk: Desk,
        tabs: Sequence[TabSpec],
        wishes: Wishes,
        send: Send,
        shelf: Shelf | None = None,
        models: Models | None = None,
        *,
        is_owner: bool = False,
    ) -> None:
        """``shelf``: None where nothing is kept. ``models``: None where nobody is told of them."""
        self._desk = desk
        self._tabs = {tab.kind: tab for tab in tabs}
        self._wishes = wishes
        self._send_now = send
        self._sending = asyncio.Lock()
        self._sampling: asyncio.Task[None] | None = None
        self._offered: dict[str, set[str]] = {}
        """The voices of each tab."""
        self._name = secrets.token_hex(8)
        self._conversation: Conversation | None = None
        self._turned = asyncio.Event()
        """It goes on with another conversation than the one that is followed."""
        self._tasks: asyncio.TaskGroup | None = None
        self._in_line: set[asyncio.Task[str]] = set()
        """Typed turns that wait for a place."""
        self._deeds: dict[str, Callable[[Message], Awaitable[None]]] = {
            "open": self._open,
            "new": self._new,
            "say": self._say,
            "interrupt": self._interrupt,
            "end_turn": self._end_turn,
            "set_turns": self._set_turns,
            "set_voice": self._set_voice,
            "hang_up": self._hang_up,
            "turn_to": self._turn_to,
            "hear_voice": self._hear_voice,
            "earlier": self._earlier,
            "ping": self._ping,
        }
        if shelf is not None:
            self._drawer = Drawer(desk, shelf, self._send)
            self._deeds |= dict.fromkeys(self._drawer.deeds, self._use_drawer)
        if models is not None:
            self._deeds |= ModelPress(models, self._send, is_owner=is_owner).deeds

    @property
    def asked_for(self) -> Set[str]:
        """What it can be asked to ``do``."""
        return self._deeds.keys()

    async def run(self) -> None:
        """Tell the window everything new, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._tell_voices())
            while True:
                await self._turned.wait()
                self._turned.clear()
                assert self._conversation is not None
                following = tasks.create_task(self._follow(self._conversation))
                await self._turned.wait()
                following.cancel()

    async def take(self, message: Any) -> None:
        """Do what the window asks. Raises InvalidInput for what no page of ours sends."""
        deed = self._deeds.get(str(message.get("do"))) if isinstance(message, Mapping) else None
        if deed is None or (self._conversation is None and message["do"] not in ("open", "ping")):
            raise InvalidInput("This message is none that the page sends.")
        if self._conversation is not None and message.get("played") is not None:
            self._played(message["played"])
        await deed(message)

    def _played(self, message: Any) -> None:
        """What cuts an answer brings along how far it was heard: what its call says of that may still be behind the
        microphone's sound.
        """
        place = place_of(message)
        self._act(lambda session: session.played(*place))

    async def _follow(self, conversation: Conversation) -> None:
        sheet = await self._desk.sheet(conversation)
        drawn = Drawn()
        await self._send({"type": "sheet", **identity_of(conversation), **drawn.news(sheet)})
        async for _ in sheet.changes():
            if news := drawn.news(sheet):
                await self._send({"type": "news", **news})
            if lost := sheet.give_back(self._name):
                await self._send({"type": "give_back", "text": "\n".join(lost)})

    async def _tell_voices(self) -> None:
        for tab in self._tabs.values():
            found = await voices(tab)
            self._offered[tab.kind] = {voice for _, voice in found["voices"]}
            await self._send({"type": "voices", "kind": tab.kind, **found})

    async def _open(self, message: Message) -> None:
        self._turn(conversation_of(message))
        await self._keep_promises(message.get("kind"))

    async def _keep_promises(self, kind: Any) -> None:
        """Timers that were left behind go on, or speak up, in the engine of the tab that is shown."""
        shown = kind if kind in tuple(self._tabs) else next(iter(self._tabs))  # anybody may send anything
        await self._desk.keep_promises(self._wishes.request(shown, identity_of(self._known)))

    async def _new(self, message: Message) -> None:
        self._leave_the_line()
        old = self._known
        await self._desk.hang_up(old)
        self._turn(conversation_of({"owner": old.owner, "conversation": message.get("conversation")}))

    async def _say(self, message: Message) -> None:
        text = str(message.get("text", ""))
        request = self._wishes.request(self._kind(message), {**message, **identity_of(self._known)})
        waits = asyncio.Event()
        saying = asyncio.create_task(self._desk.say(request, text, self._name, waits.set))
        self._in_line.add(saying)
        saying.add_done_callback(self._in_line.discard)
        waiting = asyncio.create_task(waits.wait())
        saying.add_done_callback(lambda _: waiting.cancel())
        try:
            await asyncio.wait({saying, waiting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the window is gone: it is answered all the same, but not if it has to wait
            waiting.add_done_callback(lambda _: saying.cancel())
            raise
        taken = self._taken(saying, text)
        if saying.done() or self._tasks is None:
            await taken
        else:
            self._tasks.create_task(taken)  # beside what else the window asks meanwhile

    async def _taken(self, saying: asyncio.Task[str], text: str) -> None:
        """A typed turn comes back when it was refused, or left the line."""
        try:
            await asyncio.wait([saying])
        finally:
            saying.cancel()
        if left := text if saying.cancelled() else saying.result():
            await self._send({"type": "give_back", "text": left})

    def _leave_the_line(self) -> None:
        for saying in self._in_line:
            saying.cancel()

    async def _interrupt(self, _: Message) -> None:
        self._act(lambda session: session.interrupt())

    async def _end_turn(self, _: Message) -> None:
        self._act(lambda session: session.end_turn())

    async def _set_turns(self, message: Message) -> None:
        turns = self._wishes.turns(message)
        self._act(lambda session: session.set_turns(turns))

    async def _set_voice(self, message: Message) -> None:
        voice = voice_of(message)
        self._act(lambda session: session.set_voice(voice))

    async def _hang_up(self, message: Message) -> None:
        self._leave_the_line()
        await self._desk.hang_up(self._known, self._kind(message))
        await self._keep_promises(message["kind"])

    async def _turn_to(self, message: Message) -> None:
        await self._desk.turn_to(self._kind(message), self._known)

    async def _hear_voice(self, message: Message) -> None:
        tab, voice = self._tabs[self._kind(message)], voice_of(message)
        if tab.say_sample is None or voice not in self._offered.get(tab.kind, ()):
            raise InvalidInput("There is no such voice.")
        if self._tasks is not None and (self._sampling is None or self._sampling.done()):
            self._sampling = self._tasks.create_task(self._send_sample(tab.kind, voice, tab.say_sample))

    async def _send_sample(self, kind: str, voice: str, say_sample: SaySample) -> None:
        """Beside everything else: a provider may take its time."""
        about = {"type": "sample", "kind": kind, "voice": voice}
        try:
            async with asyncio.timeout(VOICES_TIMEOUT_S):
                pcm = await say_sample(voice)
        except (VoiceAgentError, TimeoutError) as error:
            await self._send({**about, "text": str(error) or "The provider did not answer in time."})
        else:
            await self._send({**about, "rate": OUTPUT_RATE, "pcm": b64encode(pcm).decode()})

    async def _earlier(self, message: Message) -> None:
        before = message.get("before")
        if isinstance(before, bool) or not isinstance(before, int):
            raise InvalidInput("There is no such line.")
        try:
            lines = await self._desk.earlier(self._known, before)
        except VoiceAgentError as error:
            await self._send({"type": "refused", "do": "earlier", "text": str(error)})
        else:
            await self._send({"type": "earlier", "before": before, "lines": [line_data(line) for line in lines]})

    async def _use_drawer(self, message: Message) -> None:
        known = self._known
        everything = message["do"] == "delete_everything"
        leaves = everything or (message["do"] == "delete" and message.get("of") == known.id)
        if leaves:
            self._leave_the_line()
        if await self._drawer.take(known.owner, message) and leaves:
            self._turn(Conversation() if everything else Conversation(owner=known.owner))

    def _turn(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._turned.set()

    async def _ping(self, _: Message) -> None:
        await self._send({"type": "pong"})

    def _kind(self, message: Message) -> str:
        kind = message.get("kind")
        if not isinstance(kind, str) or kind not in self._tabs:
            raise InvalidInput("There is no such engine.")
        return kind

    @property
    def _known(self) -> Conversation:
        assert self._conversation is not None
        return self._conversation

    def _act(self, action: Callable[[Session], None]) -> None:
        try:
            self._desk.act(self._known, action)
        except VoiceAgentError as error:
            log.info("a page's wish was refused: %s", error)

    async def _send(self, data: Data) -> None:
        async with self._sending:
            await self._send_now(data)


async def voices(tab: TabSpec) -> Data:
    """The tab's voices as the provider lists them; the default voice alone when it cannot be asked."""
    chosen = tab.default_voice
    if tab.list_voices is None:
        return {"voices": [], "chosen": chosen, "note": ""}
    try:
        async with asyncio.timeout(VOICES_TIMEOUT_S):
            found = list(await tab.list_voices())
    except (VoiceAgentError, TimeoutError) as error:
        reason = str(error) or "The provider did not answer in time."
        note = f"The voices could not be listed. {reason}"
        return {"voices": [("Default", chosen)], "chosen": chosen, "note": note}
    if chosen not in [voice for _, voice in found]:
        found.insert(0, ("Default", chosen))
    return {"voices": found, "chosen": chosen, "note": ""}
