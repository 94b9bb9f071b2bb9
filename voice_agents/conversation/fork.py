"""A checkpoint of a conversation that lives only while one turn of a graph is worked on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    empty_checkpoint,
)

from voice_agents.conversation.store import State


class Fork(BaseCheckpointSaver[int]):
    """Holds the latest checkpoint of a graph and its subgraphs, as objects: nothing is encoded, nothing is on disk.

    So a turn can be dropped without a trace, and costs the same however long the conversation is. What is to stay of it
    is stored when it is known what was heard.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self._checkpoints: dict[str, tuple[Checkpoint, CheckpointMetadata]] = {}
        self._writes: dict[tuple[str, str], list[PendingWrite]] = {}
        if state:
            checkpoint: Checkpoint = {
                **empty_checkpoint(),
                "channel_values": dict(state),
                "channel_versions": dict.fromkeys(state, 1),
            }
            self._checkpoints[""] = checkpoint, {"source": "update", "step": 0, "parents": {}}

    @property
    def state(self) -> State:
        """What the whole graph's latest checkpoint holds, by channel."""
        return self._checkpoints[""][0]["channel_values"] if "" in self._checkpoints else {}

    @property
    def unfinished(self) -> Sequence[tuple[str, Any]]:
        """What tasks of its last step wrote that was not over when the run ended: channels and values."""
        if "" not in self._checkpoints:
            return []
        writes = self._writes.get(("", self._checkpoints[""][0]["id"]), [])
        return [(channel, value) for _, channel, value in writes]

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The latest checkpoint of a graph (or subgraph) of this fork; None: it has none."""
        space = _space(config)
        if space not in self._checkpoints:
            return None
        checkpoint, metadata = self._checkpoints[space]
        return CheckpointTuple(
            _named(config, checkpoint["id"]),
            checkpoint,
            metadata,
            pending_writes=list(self._writes.get((space, checkpoint["id"]), [])),
        )

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep this checkpoint in the place of the one before."""
        self._checkpoints[_space(config)] = checkpoint, metadata
        return _named(config, checkpoint["id"])

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what tasks of the present step have written."""
        kept = self._writes.setdefault((_space(config), config["configurable"]["checkpoint_id"]), [])
        kept += [(task_id, channel, value) for channel, value in writes]

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """The latest one: there is no history before it."""
        latest = self.get_tuple(config) if config is not None else None
        return iter([latest] if latest is not None else [])

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """As :meth:`get_tuple`, which does not wait for anything."""
        return self.get_tuple(config)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As :meth:`put`, which does not wait for anything."""
        return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """As :meth:`put_writes`, which does not wait for anything."""
        self.put_writes(config, writes, task_id, task_path)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """As :meth:`list`, which does not wait for anything."""
        for latest in self.list(config):
            yield latest


def _space(config: RunnableConfig) -> str:
    space: str = config["configurable"].get("checkpoint_ns", "")
    return space


def _named(config: RunnableConfig, checkpoint_id: str) -> RunnableConfig:
    about = {"thread_id": config["configurable"]["thread_id"], "checkpoint_ns": _space(config)}
    return {"configurable": {**about, "checkpoint_id": checkpoint_id}}
