"""The Realtime protocol of Azure OpenAI and OpenAI: one server session per conversation, renewed when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Self

from voice_agents.audio import Pcm, to_bytes
from voice_agents.errors import ProviderError
from voice_agents.providers.interfaces import ConnectionListener
from voice_agents.providers.names import agent_name, inside
from voice_agents.providers.realtime.config import PastItem, RealtimeConfig
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.events import RealtimeEvent, ResponseDone, ServerError
from voice_agents.providers.realtime.inbox import Inbox
from voice_agents.providers.realtime.ledger import Owed
from voice_agents.providers.realtime.line import RealtimeTimeouts, ServerLine, Way
from voice_agents.providers.realtime.microphone import is_loud
from voice_agents.providers.realtime.socket import Connector, TokenProvider
from voice_agents.providers.standby import FailoverTimes
from voice_agents.settings import UNDERSTOOD_OFFLINE, Endpoint, Provider

__all__ = ["RealtimeClient", "RealtimeTimeouts", "TokenProvider"]


class RealtimeClient:
    """Entering starts to connect in the background and returns at once; leaving closes every socket and task.

    Verbs never block. What is sent while there is no connection is kept and sent when there is one again.

    Iterate all the time: the server is listened to as fast as its events are dealt with, and a verb is about what the
    caller has dealt with, whatever is on its way. A turn whose UserSpeechStopped (or UserCommitted) is being dealt with
    is not answered yet: :meth:`cancel` is about the answer before it.

    **A lost connection.** Nothing is reported of it but RECONNECTING, then OPEN (to ``on_connection``). The fresh
    server session is told, in this order: the configuration; every item of ``past()`` but those of the answer under
    way; the typed turn that is not answered, unless it is the last user item of ``past()``; the audio of turns whose
    words are not known yet; what there is of the answer under way, with results of its tools that were sent meanwhile;
    the request for the answer that is owed; the audio of the sentence the user is in the middle of. So ``past()`` has
    to hold, beside the stored conversation, of the open turn: the user's words as far as known, and, marked as
    ``answering``, the calls with their results so far and the words of the answer received so far (kind "assistant").

    * An answer is owed from the user's turn (:class:`UserSpeechStopped`, :meth:`commit`, :meth:`send_text`) or
      :meth:`respond` until :class:`ResponseDone` or :meth:`cancel`. A response that was under way is never finished:
      no ResponseDone comes for it, a new ResponseStarted takes its place. The model is asked to go on where ``past()``
      ends.
    * A sentence the user is in the middle of is heard again by the new server session: UserSpeechStarted comes a
      second time, with another item id.
    * A turn that was taken but whose words were not known keeps its item id: UserFinal comes as if nothing had
      happened.
    * A tool's result goes to the fresh session if ``past()`` or an earlier response there has its call; else it is
      dropped.
    * Items of earlier server sessions cannot be truncated any more; that is ignored, ``past()`` has told what
      was heard.

    **FAILED** (key, deployment, quota: what trying again cannot mend) drops what is owed. The next :meth:`send_text`,
    :meth:`commit` or loud enough sound tries once more.

    **A stand-in.** Where ``endpoint.stand_in`` gives another server, that one is called when this one cannot be had,
    says that it will not work, or owes an answer for too long; it is a fresh server session like any other. Nothing is
    reported but REPLACED (it is connected, and why), and OPEN when the first one is there again.

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
        timeouts: RealtimeTimeouts | None = None,
        token: TokenProvider | None = None,
        failover: FailoverTimes | None = None,
    ) -> None:
        """``past`` is asked at every (re)connect: the conversation so far, for the fresh server session.

        ``token`` is asked for an Entra access token at every connect; without it ``endpoint.api_key`` is the key.
        """
        first = _way_to(endpoint, token)
        self._sentences = first.sentences
        self._ledger = Owed(config, past, endpoint.transcribe_model)
        self._inbox = Inbox()
        self._line = ServerLine(
            first,
            lambda: _way_of(endpoint.stand_in(), self._ledger.config.language),
            self._ledger,
            timeouts or RealtimeTimeouts(),
            self._inbox,
            on_connection,
            failover,
        )
        self._clock = asyncio.get_running_loop().time

    async def __aenter__(self) -> Self:
        self._line.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._line.close()
        self._inbox.close()

    def __aiter__(self) -> AsyncIterator[RealtimeEvent]:
        """Events, until the client is left."""
        return self._inbox.__aiter__()

    def send_audio(self, pcm: Pcm) -> None:
        """The microphone's next samples, int16 mono at 24 kHz."""
        data = to_bytes(pcm)
        self._ledger.microphone.add(data)
        if self._line.session is not None:
            self._line.session.send_audio(data)
        elif self._line.may_be_tried and is_loud(data):
            self._line.try_again()

    def commit(self) -> None:
        """Push-to-talk: what was sent since the last turn is the user's turn, and is to be answered.

        Less than 0.1 s of sound is no turn: a ServerError says so.
        """
        if self._ledger.microphone.take("") is None:
            return self._inbox.put([ServerError(self._sentences.nothing_said())])
        self._ledger.owe()
        if self._line.session is not None:
            self._line.session.commit(self._clock())
        return self._line.need()

    def send_text(self, text: str) -> None:
        """A typed turn, to be answered (after what is being answered now has been cancelled)."""
        self._ledger.owe(typed=text)
        if self._line.session is not None:
            self._line.session.send_text(text, self._clock())
        self._line.need()

    def send_tool_output(self, call_id: str, output: str) -> None:
        """A tool's result; :meth:`respond` makes the model go on."""
        self._ledger.outputs[call_id] = output
        if self._line.session is not None:
            self._line.session.send_tool_output(call_id, output)

    def respond(self) -> None:
        """Ask for the next response, as soon as none is active."""
        self._ledger.owe_next()
        if self._line.session is not None:
            self._line.session.respond(self._clock())
        self._line.need()

    def ensure_answer(self) -> None:
        """The turn that the server took last is to be answered. It does so by itself, unless it was still answering."""
        self._ledger.owe_next()
        if self._line.session is not None:
            self._line.session.ensure_answer(self._clock())
        self._line.need()

    def ignore(self, item_id: str) -> None:
        """What the server took for a turn is none: it goes, with its answer; the answer before it goes on."""
        session = self._line.session
        going_on = session.ignored(item_id) if session is not None else ""
        if going_on:
            self._ledger.goes_on(going_on)
        else:
            self.cancel()

    def cancel(self) -> None:
        """Cancel the answer that is active or to come, if one is; nothing of it is reported any more."""
        self._ledger.forgive()
        self._line.need_no_more()
        unseen = self._inbox.withdraw_responses()
        if self._line.session is not None:
            self._line.session.cancel(self._clock())
            for event in unseen:
                if isinstance(event, ResponseDone):
                    self._line.session.will_not_run(event.tool_calls)

    def truncate(self, item_id: str, played: int) -> None:
        """Cut an assistant message to its first ``played`` samples (24 kHz); clamped to what was received."""
        if self._line.session is not None:
            self._line.session.truncate(item_id, played)

    def delete(self, item_id: str) -> None:
        """An assistant message is no part of the conversation: nothing of it was heard."""
        if self._line.session is not None:
            self._line.session.delete(item_id)

    def hold(self, held: bool) -> None:
        """Keep what is said from now on, though the server has not taken notice of it; or no longer."""
        self._ledger.microphone.held = held

    def connect_anew(self) -> None:
        """Replace the server session, which has fallen deaf; the next one hears what was held. Nothing is reported."""
        self._line.connect_anew()

    def replace(self, error: ProviderError) -> bool:
        """The server will not answer the turn under way: another one is to. False: there is none."""
        if not self._line.replace(error):
            return False
        self._ledger.owe_next()
        return True

    def configure(self, config: RealtimeConfig) -> None:
        """Another configuration, from the next response on. Sound of a turn that is not taken yet is forgotten when
        another one takes the turns."""
        another_takes_turns = config.mode is not self._ledger.config.mode
        self._ledger.config = config
        if another_takes_turns:
            self._ledger.microphone.clear()
        self._ledger.microphone.keep_all = self._line.session is None or self._ledger.by_hand
        if self._line.session is not None:
            self._line.session.configure(clear=another_takes_turns)


def _way_of(endpoint: Endpoint | None, language: str) -> Way | None:
    """To who stands in, if there is somebody who understands the user."""
    deaf = endpoint is not None and endpoint.provider is Provider.OFFLINE and language not in UNDERSTOOD_OFFLINE
    return None if endpoint is None or deaf else _way_to(endpoint)


def _way_to(endpoint: Endpoint, token: TokenProvider | None = None) -> Way:
    sentences, name = Sentences(endpoint), inside(agent_name(endpoint))
    simple = ", which knows a few things only" if endpoint.provider is Provider.OFFLINE else ""
    meanwhile = f"Until it works again, {name} answers{simple}."
    return Way(Connector(endpoint, sentences, token), sentences, endpoint.transcribe_model, meanwhile)
