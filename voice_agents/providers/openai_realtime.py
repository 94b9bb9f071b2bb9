"""The Realtime protocol of Azure OpenAI and OpenAI: one server session per conversation, renewed when it is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm
from voice_agents.providers.interfaces import ConnectionListener
from voice_agents.providers.realtime_config import PastItem, RealtimeConfig
from voice_agents.providers.realtime_events import RealtimeEvent
from voice_agents.settings import Endpoint


class RealtimeClient:
    """Entering starts to connect in the background and returns at once; leaving closes every socket and task.

    Verbs never block. What is sent while there is no connection is kept and sent when there is one again.

    **A lost connection.** Nothing is reported of it but RECONNECTING, then OPEN (to ``on_connection``). The fresh
    server session is told, in this order: the configuration; every item of ``past()``; results of tools ``past()``
    shows as still running but that were sent meanwhile; the typed turn that is not answered, unless it is the last
    user item of ``past()``; the audio of turns whose words are not known yet; the request for the answer that is owed; the
    audio of the sentence the user is in the middle of. So ``past()`` has to hold, beside the stored conversation, of
    the open turn: the user's words as far as known, the calls with their results so far, and the words of the answer
    received so far (kind "assistant").

    * An answer is owed from the user's turn (:class:`UserSpeechStopped`, :meth:`commit`, :meth:`send_text`) or
      :meth:`respond` until :class:`ResponseDone` or :meth:`cancel`. A response that was under way is never finished:
      no ResponseDone comes for it, a new ResponseStarted takes its place. The model is asked to go on where ``past()``
      ends.
    * A sentence the user is in the middle of is heard again by the new server session: UserSpeechStarted comes a second
      time, with another item id.
    * A turn that was taken but whose words were not known keeps its item id: UserFinal comes as if nothing had happened.
    * A tool's result goes to the fresh session if ``past()`` or an earlier response there has its call; else it is
      dropped.
    * Items of earlier server sessions cannot be truncated any more; that is ignored, ``past()`` has told what was heard.

    **FAILED** (key, deployment, quota: what trying again cannot mend) drops what is owed. The next :meth:`send_text`,
    :meth:`commit` or loud enough sound tries once more.

    **Renewal.** Before the server's time limit, and for another voice than the one the server has spoken with, the
    server session is replaced in a pause of the conversation: nothing is reported.

    :class:`ServerError` means that the turn under way will not be answered; the conversation can go on.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        config: RealtimeConfig,
        *,
        past: Callable[[], Sequence[PastItem]],
        on_connection: ConnectionListener,
    ) -> None:
        """``past`` is asked at every (re)connect: the conversation so far, for the fresh server session."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        """Events, until the client is left."""
        raise NotImplementedError

    def send_audio(self, pcm: Pcm) -> None:
        """The microphone's next samples, int16 mono at 24 kHz."""
        raise NotImplementedError

    def commit(self) -> None:
        """Push-to-talk: what was sent since the last turn is the user's turn, and is to be answered."""
        raise NotImplementedError

    def send_text(self, text: str) -> None:
        """A typed turn, to be answered (after what is being answered now has been cancelled)."""
        raise NotImplementedError

    def send_tool_output(self, call_id: str, output: str) -> None:
        """A tool's result; :meth:`respond` makes the model go on."""
        raise NotImplementedError

    def respond(self) -> None:
        """Ask for the next response, as soon as none is active."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Cancel the response that is active, if one is; nothing of it is reported any more."""
        raise NotImplementedError

    def truncate(self, item_id: str, played: int) -> None:
        """Cut an assistant message to its first ``played`` samples (24 kHz); clamped to what was received."""
        raise NotImplementedError

    def configure(self, config: RealtimeConfig) -> None:
        """Another configuration, from the next response on."""
        raise NotImplementedError
