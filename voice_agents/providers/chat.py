"""The chat model: Azure OpenAI (v1 endpoint), OpenAI or any server that speaks its chat completions."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from langchain_core.language_models import BaseChatModel

from voice_agents.errors import ProviderError, Role
from voice_agents.settings import Endpoint


class ChatModel:
    """``async with ChatModel(endpoint) as chat: chat.model``: the model and its connection pool."""

    model: BaseChatModel

    def __init__(self, endpoint: Endpoint) -> None:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    async def warm(self) -> None:
        """Open a connection ahead of the first turn. Errors are ignored: the first turn will tell."""
        raise NotImplementedError


def provider_error(error: BaseException, endpoint: Endpoint, role: Role) -> ProviderError:
    """What went wrong, as one plain sentence."""
    raise NotImplementedError
