"""One tab of the page, alive: what its buttons do to the conversation's session, and what its session shows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from voice_agents.conversation.model import Conversation
from voice_agents.engines.base import Session
from voice_agents.errors import VoiceAgentError
from voice_agents.settings import TurnDetection, TurnMode, TurnSettings
from voice_agents.transports.registry import LiveSession, SessionRequest
from voice_agents.transports.visitors import visitor_address
from voice_agents.transports.webrtc import answer_calls
from voice_agents.ui import chat, latency_view, status
from voice_agents.ui.desk import Desk, Sheet
from voice_agents.ui.identity import address_of_event, conversation_of, identity_of, is_known
from voice_agents.ui.voice_tab import Component, TabComponents, TabSpec

log = logging.getLogger(__name__)

VOICES_TIMEOUT_S = 8.0
NEWCOMERS = 40
"""Connections at a time that talk to nobody yet, or any more."""
Drawing = list[Any]
"""New values of ``TabComponents.drawn``."""

_HIDDEN: dict[str, Any] = {"show_progress": "hidden"}
_CALL_STARTED = "(id) => { voiceAgents.callStarted('%s'); return [id]; }"
_CALL_STOPPED = "(id) => { voiceAgents.callStopped('%s'); return [id]; }"
_PUSH_TO_TALK = f"m === '{TurnMode.PUSH_TO_TALK}'"
_TELL_MODE = f"(id, s, m, d) => {{ voiceAgents.setPushToTalk({_PUSH_TO_TALK}); return [id, s, m, d]; }}"
_TURN_TO = f"(id, m) => {{ voiceAgents.turnTo('%s', {_PUSH_TO_TALK}); return [id, m]; }}"


def draw(sheet: Sheet, kind: str) -> Drawing:
    """Everything of a sheet that changes in this engine's tab while its conversation runs."""
    return [chat.messages(sheet.view), *_around(sheet, kind)]


def _around(sheet: Sheet, kind: str) -> Drawing:
    """What is drawn around the transcript."""
    view = sheet.view
    figures = view.figures(kind)
    return [
        status.pill(sheet.shown_status),
        status.speakers(sheet.shown_status),
        status.banner(view.banner),
        latency_view.waterfall(figures.last, figures.history),
    ]


@dataclass(frozen=True, slots=True)
class Wiring:
    """Connects one tab's components; ``identity`` is the browser's memory of which conversation it goes on with."""

    spec: TabSpec
    components: TabComponents
    desk: Desk
    turns: TurnSettings
    identity: Component

    def connect(self, tab: Component) -> None:
        """Register all listeners in the current gr.Blocks context; ``tab`` is the gr.Tab the components stand in."""
        turned = tab.select(
            self._turn_to,
            [self.identity, self.components.mode],
            self.components.drawn,
            js=_TURN_TO % self.spec.kind,
            **_HIDDEN,
        )
        self._give_back_after(turned)
        self._connect_call()
        self._connect_typing()
        self._connect_controls()

    def request(self, identity: Any, voice: Any, *turns: Any) -> SessionRequest:
        """What the page's controls ask for; values nobody's page can hold are replaced by the defaults."""
        address = visitor_address() or address_of_event()
        return SessionRequest(
            self.spec.kind, conversation_of(identity), self._turns(*turns), str(voice or ""), address=address
        )

    def usual_request(self, identity: Any) -> SessionRequest:
        """What a page asks for whose controls nobody has touched."""
        return self.request(identity, "", None, None, None)

    async def voices(self) -> Component:
        """The voice dropdown filled by the provider; the default voice alone when it cannot be asked."""
        if self.spec.list_voices is None:
            return gr.skip()
        chosen = self.spec.default_voice
        try:
            async with asyncio.timeout(VOICES_TIMEOUT_S):
                found = list(await self.spec.list_voices())
        except (VoiceAgentError, TimeoutError) as error:
            reason = str(error) or "The provider did not answer in time."
            return gr.Dropdown([("Default", chosen)], value=chosen, info=f"The voices could not be listed. {reason}")
        if chosen not in [voice for _, voice in found]:
            found.insert(0, ("Default", chosen))
        return gr.Dropdown(found, value=chosen, info=None)

    async def follow(self, identity: Any, request: gr.Request) -> AsyncIterator[Drawing]:
        """Redraw what changed in the tab for as long as something is live in its conversation."""
        sheet = await self._sheet(identity)
        shown: list[Any] = [None] * len(self.components.drawn)
        revision = -1
        async for _ in sheet.changes(str(request.session_hash)):
            lines = None if sheet.view.revision == revision else chat.messages(sheet.view)
            revision = sheet.view.revision
            drawing = [shown[0] if lines is None else lines, *_around(sheet, self.spec.kind)]
            yield [gr.skip() if new == old else new for new, old in zip(drawing, shown, strict=True)]
            shown = drawing

    async def _turn_to(self, identity: Any, _mode: Any, request: gr.Request) -> AsyncIterator[Drawing]:
        if is_known(identity):
            await self.desk.turn_to(self.spec.kind, conversation_of(identity))
            async for drawing in self.follow(identity, request):
                yield drawing

    def _connect_call(self) -> None:
        components = self.components
        inputs = [self.identity, *components.controls]

        async def open_call(values: Sequence[Any]) -> LiveSession:
            return await self.desk.open(self.request(*values), waits=True)

        answer_calls(components.mic, open_call, inputs, places=self.desk.registry.max_sessions + NEWCOMERS)
        called = components.mic.start_recording(
            self._follow_call,
            [self.identity],
            components.drawn,
            js=_CALL_STARTED % self.spec.kind,
            **_HIDDEN,
        )
        self._give_back_after(called)
        hung_up = components.mic.stop_recording(
            self._hang_up, [self.identity], js=_CALL_STOPPED % self.spec.kind, **_HIDDEN
        )
        hung_up.then(self.follow, [self.identity], components.drawn, **_HIDDEN)
        components.release.click(self._end_turn, [self.identity], **_HIDDEN)

    def _connect_typing(self) -> None:
        components = self.components
        controls = [self.identity, *components.controls]
        follow: dict[str, Any] = {"inputs": [self.identity], "outputs": components.drawn, **_HIDDEN}
        sent = [
            gr.on(
                [components.text.submit, components.send.click],
                self._send,
                [components.text, *controls],
                [components.text],
                **_HIDDEN,
            )
        ]
        sent += [button.click(self._try, [button, *controls], **_HIDDEN) for button in components.examples]
        for event in sent:
            self._give_back_after(event.then(self.follow, **follow))
        components.stop.click(self._interrupt, [self.identity], **_HIDDEN)
        components.new.click(self._begin_new, [self.identity], [self.identity, *components.drawn], **_HIDDEN)

    def _give_back_after(self, followed: Component) -> None:
        """Whoever followed a session to its end asks whether it left typed words behind."""
        followed.then(self._give_back, [self.identity, self.components.text], [self.components.text], **_HIDDEN)

    def _connect_controls(self) -> None:
        components = self.components
        turns = [self.identity, *components.turn_controls]
        components.patience.release(self._set_turns, turns, **_HIDDEN)
        shown = [components.release, components.patience, components.detection]
        for control in (components.mode, components.detection):
            control.change(self._set_mode, turns, shown, js=_TELL_MODE, **_HIDDEN)
        components.voice.input(self._set_voice, [self.identity, components.voice], **_HIDDEN)

    def _turns(self, patience: Any, mode: Any, detection: Any) -> TurnSettings:
        silence_s = min(2.0, max(0.2, float(patience))) if isinstance(patience, int | float) else self.turns.silence_s
        return replace(
            self.turns,
            silence_s=silence_s,
            mode=TurnMode(mode) if mode in tuple(TurnMode) else self.turns.mode,
            detection=TurnDetection(detection) if detection in tuple(TurnDetection) else self.turns.detection,
        )

    async def _follow_call(self, identity: Any, request: gr.Request) -> AsyncIterator[Drawing]:
        (await self._sheet(identity)).expect()
        async for drawing in self.follow(identity, request):
            yield drawing

    async def _sheet(self, identity: Any) -> Sheet:
        return await self.desk.sheet(conversation_of(identity))

    async def _send(self, text: str, *controls: Any) -> str:
        return await self.desk.say(self.request(*controls), text)

    async def _try(self, phrase: str, *controls: Any) -> None:
        await self.desk.say(self.request(*controls), phrase)

    async def _give_back(self, identity: Any, text: str) -> Any:
        lost = (await self._sheet(identity)).give_back()
        return "\n".join([*lost, text] if text else lost) if lost else gr.skip()

    async def _hang_up(self, identity: Any) -> None:
        await self.desk.hang_up(conversation_of(identity), self.spec.kind)
        await self.desk.keep_promises(self.usual_request(identity))

    async def _interrupt(self, identity: Any) -> None:
        self._act(identity, lambda session: session.interrupt())

    async def _end_turn(self, identity: Any) -> None:
        self._act(identity, lambda session: session.end_turn())

    async def _set_turns(self, identity: Any, *controls: Any) -> None:
        turns = self._turns(*controls)
        self._act(identity, lambda session: session.set_turns(turns))

    async def _set_mode(self, identity: Any, *controls: Any) -> list[Component]:
        await self._set_turns(identity, *controls)
        turns = self._turns(*controls)
        by_hand = turns.mode is TurnMode.PUSH_TO_TALK
        by_meaning = bool(self.spec.detections) and turns.detection is TurnDetection.SEMANTIC_VAD
        return [
            gr.Button(visible=by_hand),
            gr.Slider(visible=not by_hand and not by_meaning),
            gr.Radio(visible=not by_hand and bool(self.spec.detections)),
        ]

    async def _set_voice(self, identity: Any, voice: str) -> None:
        self._act(identity, lambda session: session.set_voice(voice))

    async def _begin_new(self, identity: Any, request: gr.Request) -> list[Any]:
        old = conversation_of(identity)
        (await self.desk.sheet(old)).unfollow(
            str(request.session_hash)
        )  # else the end of the old call may be drawn over the new page
        await self.desk.hang_up(old)
        new = Conversation(owner=old.owner)
        return [identity_of(new), *draw(await self.desk.sheet(new), self.spec.kind)]

    def _act(self, identity: Any, action: Callable[[Session], None]) -> None:
        self.desk.act(conversation_of(identity), action)
