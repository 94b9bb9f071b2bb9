"""What clients of OpenAI may send, as its SDK's types say.

A module of its own, because it takes 0.7 s of computing to import: the server is ready before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Required

from openai.types import realtime as vendor
from openai.types.chat import ChatCompletionMessageParam
from openai.types.chat.completion_create_params import CompletionCreateParamsBase
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Request(CompletionCreateParamsBase, total=False):
    messages: Required[list[Annotated[ChatCompletionMessageParam, Field(discriminator="role")]]]
    stream: bool | None


# pydantic takes a configuration for what is no class of its own only
CHAT_REQUEST = TypeAdapter[Any](_Request | None, config=ConfigDict(strict=True))

_Message = Annotated[
    vendor.RealtimeConversationItemSystemMessage
    | vendor.RealtimeConversationItemUserMessage
    | vendor.RealtimeConversationItemAssistantMessage,
    Field(discriminator="role"),
]
_Item = Annotated[
    _Message | vendor.RealtimeConversationItemFunctionCall | vendor.RealtimeConversationItemFunctionCallOutput,
    Field(discriminator="type"),
]


class _SessionUpdate(vendor.SessionUpdateEvent):
    session: vendor.RealtimeSessionCreateRequest


class _ItemCreate(vendor.ConversationItemCreateEvent):
    item: _Item


REALTIME_EVENTS: Mapping[str, type[BaseModel]] = {
    "session.update": _SessionUpdate,
    "input_audio_buffer.append": vendor.InputAudioBufferAppendEvent,
    "input_audio_buffer.commit": vendor.InputAudioBufferCommitEvent,
    "input_audio_buffer.clear": vendor.InputAudioBufferClearEvent,
    "conversation.item.create": _ItemCreate,
    "conversation.item.retrieve": vendor.ConversationItemRetrieveEvent,
    "conversation.item.delete": vendor.ConversationItemDeleteEvent,
    "conversation.item.truncate": vendor.ConversationItemTruncateEvent,
    "response.create": vendor.ResponseCreateEvent,
    "response.cancel": vendor.ResponseCancelEvent,
}
