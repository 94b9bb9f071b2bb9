"""Who thinks, in a window's words, and the one press that lets a model server on this machine do it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from voice_agents.errors import InvalidInput, Role, VoiceAgentError
from voice_agents.local_models import ModelChoice
from voice_agents.settings import Provider, Settings
from voice_agents.ui.drawing import Data
from voice_agents.ui.status import who
from voice_agents.ui.voice_tab import TabSpec

LONGEST_NAME = 100
NOT_YOURS = "Only a browser on the machine where this app runs, asking it without a proxy, may choose who answers."
NOBODY = (
    "No model server answers on this machine. Start Ollama, LM Studio, llama.cpp or vLLM there, and open this again."
)
OFFERED = (
    "This answers on this machine. One press, and it talks in the built-in agent's place: for everybody who uses this "
    "app, in a conversation that is going on from its next answer."
)

Message = Mapping[str, Any]
Send = Callable[[Data], Awaitable[None]]


class Models:
    """What all windows are told of it."""

    def __init__(self, settings: Settings, tabs: Sequence[TabSpec], choice: ModelChoice | None) -> None:
        """``choice``: None where nothing can be chosen; it counts only where the offline agent would answer."""
        self._settings = settings
        self._tabs = tabs
        offline = settings.chat is not None and settings.chat.provider is Provider.OFFLINE
        self.choice = choice if offline else None

    @property
    def who(self) -> dict[str, str]:
        """Who does what at present, as HTML, by tab."""
        return {tab.kind: who(self._settings, tab.roles, self.choice) for tab in self._tabs}

    @property
    def answered(self) -> str:
        """What is said of who is chosen; empty when the offline agent answers."""
        if self.choice is None or self.choice.chosen is None:
            return ""
        where = self._where
        return (
            f"{self.choice.chosen.introduction} answers now, in {where}: for everybody who uses this app, in a "
            "conversation that is going on from its next answer."
        )

    @property
    def _where(self) -> str:
        reached = [tab.title for tab in self._tabs if Role.CHAT in tab.roles or self._thinks_offline(tab)]
        return f"the tab {reached[0]}" if len(reached) == 1 else f"the tabs {' and '.join(reached)}"

    def _thinks_offline(self, tab: TabSpec) -> bool:
        realtime = Role.REALTIME in tab.roles and Role.REALTIME in self._settings.offline_roles
        return realtime and self.choice is not None and self.choice.reaches_realtime


class ModelPress:
    """One window's: it is told what there is, and, where it is the owner's, may choose."""

    def __init__(self, models: Models, send: Send, *, is_owner: bool) -> None:
        """``is_owner``: the window is on the machine itself, see :func:`transports.visitors.is_from_here`."""
        self._models = models
        self._send = send
        self._choice = models.choice if is_owner else None
        self.deeds: Mapping[str, Callable[[Message], Awaitable[None]]] = {"models": self._list, "use_model": self._use}

    async def _list(self, _: Message) -> None:
        await self._tell("")

    async def _use(self, message: Message) -> None:
        name = message.get("name")
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            raise InvalidInput("There is no such model server.")
        problem = NOT_YOURS if self._choice is None else ""
        if self._choice is not None:
            try:
                await asyncio.to_thread(self._choice.choose, name)
            except VoiceAgentError as error:
                problem = str(error)
        await self._tell(problem)

    async def _tell(self, problem: str) -> None:
        models, choice = self._models, self._choice
        found = [] if choice is None else await asyncio.to_thread(choice.found)
        chosen = None if choice is None else choice.chosen
        await self._send(
            {
                "type": "models",
                "who": models.who,
                "offered": choice is not None,
                "servers": [{"name": each.name, "model": each.model} for each in found if each != chosen],
                "chosen": "" if chosen is None else chosen.name,
                "text": models.answered or (OFFERED if found else NOBODY),
                "problem": problem,
            }
        )
