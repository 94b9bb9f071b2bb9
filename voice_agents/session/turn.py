"""A turn as one object: what the user said, the steps of the answer, and how much of it was heard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voice_agents.conversation.deeds import Deed, Deeds
from voice_agents.conversation.history import HistoryEntry, Speaker, done_entries
from voice_agents.conversation.turn import AgentTurn
from voice_agents.errors import ProviderError
from voice_agents.providers.rules import CANCELLED
from voice_agents.turns.heard import AlignedWords, split_heard
from voice_agents.turns.latency import TurnMarks
from voice_agents.turns.voiced import VoicedWords

WORDS_UNKNOWN = "(not understood: these words could not be written down)"
"""What memory keeps of a user whose words never came: an answer without a question would mislead the next model."""


@dataclass(slots=True, eq=False)
class Piece:
    """A part of what the user said whose final words were asked for."""

    final: asyncio.Future[str]
    shown: str = ""
    """Its words as the page shows them; they count as long as the final ones have not come, or if they never do."""
    told: bool = False
    """They are told by :meth:`settle`; else a recogniser has promised them."""

    @classmethod
    def of(cls, text: str) -> Piece:
        """One whose words are known."""
        return cls(_known(text))

    @classmethod
    def awaited(cls) -> Piece:
        """One whose words will be told by :meth:`settle`."""
        return cls(asyncio.get_running_loop().create_future(), told=True)

    @property
    def failed(self) -> bool:
        """Its final words will not come."""
        return self.final.done() and (self.final.cancelled() or self.final.exception() is not None)

    @property
    def known(self) -> str:
        """Its words as far as they are known."""
        return self.final.result() if self.final.done() and not self.failed else self.shown

    def settle(self, text: str) -> None:
        """Its words for good; said twice, the later word counts."""
        if self.told and not self.final.done():
            self.final.set_result(text)
        else:
            self.final = _known(text)

    async def words(self) -> str:
        """Its words, when the recogniser has answered or given up."""
        try:
            return await asyncio.shield(self.final)
        except ProviderError:
            return self.shown


def _known(text: str) -> asyncio.Future[str]:
    known: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    known.set_result(text)
    return known


class UserWords:
    """What the user said in one turn, in as many pieces as the recogniser or the server made of it.

    A server names its pieces, in its own time: what it names before it says that it is part of the turn is kept aside.
    """

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        """In the order in which they were said."""
        self.aside: list[Piece] = []
        """What was said before them to an agent that went on: its words are not known yet, and may still count."""
        self.partial = ""
        """The recogniser's hypothesis for what it was not asked for yet."""
        self.told = False
        """The final transcript was told."""
        self._names: dict[str, Piece] = {}
        self._coming: dict[str, Piece] = {}
        self._named = asyncio.Event()
        self._named.set()

    @classmethod
    def of_text(cls, text: str) -> UserWords:
        """Of a typed turn."""
        words = cls()
        words.pieces.append(Piece.of(text))
        return words

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._names

    @property
    def awaits_item(self) -> bool:
        """The turn was taken by us, and the server has not said yet under which name."""
        return not self._named.is_set()

    @property
    def known(self) -> bool:
        """No word is missing any more."""
        return not self.awaits_item and all(piece.final.done() for piece in self.pieces)

    @property
    def certain(self) -> str:
        """The final words of all pieces that have them."""
        return _joined(piece.known for piece in self.pieces if piece.final.done())

    @property
    def said(self) -> str:
        """The words of all pieces so far: the final ones, or those the page shows."""
        return _joined(piece.known for piece in self.pieces)

    @property
    def shown(self) -> str:
        """All words so far, also of what is no piece of the turn yet."""
        return _joined([self.said, *(piece.known for piece in self._coming.values()), self.partial])

    async def final(self) -> str:
        """All words, when the last piece has come. Raises ProviderError when one of them failed."""
        await self._named.wait()
        return _joined([await asyncio.shield(piece.final) for piece in self.pieces])

    def go_on_with(self, later: UserWords) -> None:
        """The turn was not over: what is being said goes on with it."""
        self.pieces += [*later.aside, *later.pieces]
        self.partial = later.partial
        self.told = False

    # The pieces of a server

    def expect(self, item_id: str) -> None:
        """The server has named the next piece; its words are on their way, if they have not come."""
        if item_id not in self._names:
            self._names[item_id] = self._coming.pop(item_id) if item_id in self._coming else Piece.awaited()
            self.pieces.append(self._names[item_id])
        self._named.set()

    def hear(self, item_id: str, text: str, *, final: bool) -> None:
        """A named piece's words so far, or for good ("" if they will not be known)."""
        piece = self._names.get(item_id) or self._coming.setdefault(item_id, Piece.awaited())
        if final:
            piece.settle(text.strip())
        elif not piece.final.done():
            piece.shown = text.strip()

    def await_item(self) -> None:
        """The turn was taken by us; the server will say under which name."""
        self._named.clear()

    def forget_coming(self) -> None:
        """What was being said will be heard once more, under another name."""
        self._coming.clear()

    def forget(self, item_id: str) -> None:
        """What was said under this name was nothing."""
        self._coming.pop(item_id, None)

    def give_up(self) -> None:
        """What is not known for good will not be: what was shown of it stays."""
        if self.awaits_item:  # what the server is hearing is a piece of the turn, whatever it is called
            self.pieces += self._coming.values()
        self._coming.clear()
        for piece in self.pieces:
            if not piece.final.done():
                piece.settle(piece.shown)
        self._named.set()


@dataclass(slots=True)
class SpeechStep:
    """One message of the agent; ``start`` is its first sample in the turn's sound."""

    id: str
    words: AlignedWords | VoicedWords
    start: int = 0
    read: bool = False
    """Only written; all of it counts as heard."""
    response_id: str = ""
    """The server's response it belongs to."""

    def heard(self, position: int) -> str:
        """Its words played when the turn's sound was played up to ``position``."""
        if self.read:
            return self.words.text
        if isinstance(self.words, VoicedWords):
            return self.words.heard(position - self.start) if position > self.start else ""
        return self.words.heard(position)


@dataclass(slots=True)
class ToolStep:
    """A tool call and, when it is done, its result."""

    call_id: str
    name: str
    args: Mapping[str, Any]
    result: str | None = None
    error: bool = False
    arguments: str = "{}"
    """JSON text as a server wrote it."""
    deed: Deed | None = None
    """Of a tool with side effects that a server asked for."""
    repeated: bool = False
    """The server asks for what was done already, for an answer that was taken back."""

    def settle(self, result: str, error: bool) -> None:
        """The result, once."""
        self.result, self.error = result, error


@dataclass(slots=True, eq=False)
class Turn:
    """Grows with what happens in one turn. Positions are samples (24 kHz) of the turn's sound."""

    number: int
    user: UserWords = field(default_factory=UserWords)
    of_user: bool = True
    """False: the agent or the server speaks up by itself."""
    announces: str = ""
    """What the agent speaks up for."""
    typed: bool = False
    """The user said all of it in writing."""
    murmured: bool = False
    """It was said while the agent had the floor: an "mm-hmm" alone is nothing."""
    voice_s: float = 0.0
    """How long the user's voice was heard in it."""
    marks: TurnMarks = field(default_factory=TurnMarks)
    deeds: Deeds = field(default_factory=Deeds)
    """What tools did for it, in answers that were begun."""
    steps: list[SpeechStep | ToolStep] = field(default_factory=list)
    samples: int = 0
    """Of the sound that has come."""
    read: bool = False
    """The answer is only written, or does not sound any more: what is written counts."""
    merged: bool = False
    """The user went on before anything of the first answer was heard."""
    work: AgentTurn | None = None
    """The agent's run, known as soon as the user's words are; a server's answer has none."""
    run: asyncio.Task[None] | None = None
    """Makes the answer."""
    stored_as: str = ""
    """The id of the message that memory keeps of the user's words, where no run of the agent keeps account."""

    def withdraw(self) -> None:
        """Nothing of its answer was heard, and nothing stays of it but what tools did: another one will be given.

        A server remembers what it has called; a run of the agent is forgotten whole.
        """
        self.steps = [step for step in self.steps if isinstance(step, ToolStep) and self.work is None]
        self.deeds.withdraw()
        self.samples = 0
        self.work = self.run = None

    def to_be_read(self) -> None:
        """It does not sound any more: what is written counts."""
        self.read = True
        for speech in self.speeches:
            speech.read = True

    @property
    def speeches(self) -> Iterator[SpeechStep]:
        """The agent's messages, in order."""
        return (step for step in self.steps if isinstance(step, SpeechStep))

    @property
    def tools(self) -> Iterator[ToolStep]:
        """The tool calls, in order."""
        return (step for step in self.steps if isinstance(step, ToolStep))

    @property
    def in_tools(self) -> bool:
        """A tool is at work."""
        return any(tool.result is None for tool in self.tools)

    @property
    def asks(self) -> bool:
        """What was written last ends with a question."""
        last = next((speech for speech in reversed(self.steps) if isinstance(speech, SpeechStep)), None)
        return last is not None and last.words.text.rstrip(" \n\"'”’*_)").endswith("?")

    def speech(self, id: str) -> SpeechStep | None:
        """The message of this id, if it has begun."""
        return next((speech for speech in self.speeches if speech.id == id), None)

    def tool(self, call_id: str) -> ToolStep | None:
        """The call of this id, if it has begun."""
        return next((tool for tool in self.tools if tool.call_id == call_id), None)

    def heard(self, position: int) -> dict[str, str]:
        """The words played up to ``position``, by message; as they were written where all were played."""
        return {speech.id: text for speech in self.speeches if (text := speech.heard(position))}

    def heard_text(self, position: int) -> str:
        """The words played up to ``position``."""
        return _joined(text.strip() for text in self.heard(position).values())

    def unheard(self, position: int) -> str:
        """What was written and not played up to ``position``."""
        return _joined(split_heard(speech.words.text, speech.heard(position))[1].strip() for speech in self.speeches)

    def entries(self, position: int, *, words_missing: bool = False) -> list[HistoryEntry]:
        """What memory keeps of it when playing ended at ``position``, where no run of the agent keeps account.

        ``words_missing``: the user said something that nobody wrote down, which has to be seen without an answer, too.
        """
        text, answer = self.user.certain, self._answer_entries(position)
        if not text and self.of_user and (answer or words_missing):
            text = WORDS_UNKNOWN
        return [*([HistoryEntry(role=Speaker.USER, text=text)] if text else []), *answer]

    def _answer_entries(self, position: int) -> list[HistoryEntry]:
        entries: list[HistoryEntry] = []
        for step in self.steps:
            if isinstance(step, ToolStep):
                if not step.repeated:
                    entries.append(_tool_entry(step))
            elif heard := step.heard(position).strip():
                written = step.words.text
                cut = heard.split() != written.split() or not getattr(step.words, "complete", True)
                entries.append(
                    HistoryEntry(role=Speaker.AGENT, text=heard if cut else written.strip(), interrupted=cut)
                )
        known = {step.call_id for step in self.tools}
        return [*entries, *(entry for entry in done_entries(self.deeds) if entry.call_id not in known)]


def _tool_entry(step: ToolStep) -> HistoryEntry:
    if step.result is None and step.deed is not None and (done := step.deed.result) is not None:
        step.settle(done.text, done.error)
    return HistoryEntry(
        role=Speaker.TOOL,
        text=CANCELLED if step.result is None else step.result,
        name=step.name,
        args=step.args,
        call_id=step.call_id,
        error=step.error or step.result is None,
    )


def _joined(texts: Iterable[str]) -> str:
    return " ".join(text for text in texts if text)
