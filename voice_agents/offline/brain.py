"""A small rule-based model: it answers, or calls the tools on offer, from the messages alone.

What it does not understand it says it does not understand.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from voice_agents.offline.skills import ABILITIES, FOLLOWER, LISTENER, SKILLS, expected, said_alone
from voice_agents.offline.skills.model import Say, Step, Talk, Use
from voice_agents.offline.skills.sentence import MISHEARD
from voice_agents.offline.skills.small_talk import GO_ON, LISTENING
from voice_agents.offline.skills.tool_skills import ASKED_BACK
from voice_agents.offline.skills.understanding import Request, Understanding
from voice_agents.offline.stt.expected import Expectation
from voice_agents.turns.backchannel import is_backchannel

_PIECE_CHARS = 16
MessageRole = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A tool the model wants to be run; ``id`` pairs it with the tool message that brings the result."""

    id: str
    name: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, id: str, name: str, arguments: str) -> FunctionCall:
        """From arguments as JSON text; what is no object is none. Raises ValueError for what is no JSON."""
        parsed = json.loads(arguments or "{}")
        return cls(id, name, parsed if isinstance(parsed, dict) else {})

    @classmethod
    def lenient(cls, id: str, name: str, arguments: str) -> FunctionCall:
        """As :meth:`of`, without arguments where they are no JSON."""
        try:
            return cls.of(id, name, arguments)
        except ValueError:
            return cls(id, name, {})

    @property
    def written(self) -> str:
        """The arguments as JSON text."""
        return json.dumps(dict(self.arguments))

    def pieces(self) -> list[str]:
        """That text as a model writes it, piece by piece."""
        return [self.written[at : at + _PIECE_CHARS] for at in range(0, len(self.written), _PIECE_CHARS)]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. ``tool_call_id`` is set on tool messages, ``tool_calls`` on assistant messages."""

    role: MessageRole
    text: str
    tool_calls: tuple[FunctionCall, ...] = ()
    tool_call_id: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says, or the tools it calls first; then ``text`` is empty, all is said when they have answered."""

    text: str = ""
    tool_calls: tuple[FunctionCall, ...] = ()


EXAMPLES: tuple[str, ...] = tuple(skill.examples[0] for skill in SKILLS if skill.demo)
"""Phrases to try, as a user would read them; every one is understood spoken and typed."""

GREETING = "Hello, I am the small offline agent. What can I do for you?"

_NOT_UNDERSTOOD = (
    'I heard "{heard}", but I do not understand it; I am only the small offline agent, and I can {abilities}.',
    'Sorry, I do not understand "{heard}", because I am a small offline agent that can {abilities}.',
    'I do not understand "{heard}" yet, but as a small offline agent I can {abilities}.',
)
_CAN_NOT = 'I heard "{heard}", but I can not {ability}; I am only the small offline agent, and I can {abilities}.'
_BEYOND = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), ability)
    for words, ability in (
        ("weather|forecast|umbrella|temperature (?:outside|today|tomorrow)", "look up the weather"),
        ("news|headlines?", "read the news"),
        ("play|music|songs?|playlist|radio|sing|riddles?|poems?", "play music or games, sing or tell riddles"),
        ("e-?mails?|text message|phone call|call (?:my|the|him|her)|send", "call anybody or send messages"),
        ("lights?|lamps?|thermostat|heating|front door|garage|blinds", "control anything in your home"),
        ("louder|quieter|slower|faster|volume", "change how loud or fast I speak"),
        ("translat(?:e|ion)|(?:in|speak) (?:french|spanish|german|italian|japanese|chinese)", "speak other languages"),
        (
            "directions|traffic|flights?|hotels?|restaurants?|taxi|train|book (?:me|us|an?)|reservations?",
            "plan or book a trip",
        ),
        ("search|google|look up|internet|website|wikipedia", "look anything up"),
        ("alarm|calendar|appointments?|meeting|schedule", "keep a calendar or set an alarm"),
        ("buy|order|shop|stocks?|price", "buy anything or look up prices"),
        ("recipes?|cook|bake", "tell recipes"),
    )
)
"""What people ask assistants for, and this one never can."""
_JOINTS = ("to", "into", "for", "of", "in")
_POLITE_END = re.compile(r"(?:\W+(?:please|thanks|thank you|now|for me))*\W*$", re.IGNORECASE)
_ASIDE = r"oh|ah|ha|haha|wow|well|okay|so|and|but|yes|no|nice|cool|great|sure|hm+|really|(?:no|oh|too|got|all) \w+"
_REMARK = re.compile(
    rf"(?:(?:{_ASIDE})\W+)*(?:(?:{_ASIDE})$|"
    r"(?:i|i'm|i've|i'd|we|we're|we've|he|she|they|it|it's|that|that's|this|the|my|our|there|there's|today|let's|if|because"
    r"|while|when i|since|as|you|your|heads|tails)\b[^?]*$)",
    re.IGNORECASE,
)
"""Who tells something beside what he asks for wants no answer to that."""
_HEARD_WORDS = 12
_SPOKEN_OF = 6
"""So many requests are remembered that may be asked about again ..."""
_LATE = 32
"""... so many messages back."""
_MAY_FOLLOW = frozenset({"repeat", "yes", "no", "duration", "stop", "reckon_on", "impressed"})
"""Skills whose words mean something else after a request: "again", "ten minutes"."""
_ERROR_WRAPPING = re.compile(r"^\s*(?:tool\s+)?error\b[^:]*:\s*|\s*please fix your mistakes\.?\s*$", re.IGNORECASE)
_IS_ERROR = re.compile(r"\s*(?:tool\s+)?error\b", re.IGNORECASE)

LISTENERS_WORDS = (
    *("Mm-hmm.", "Mm hmm.", "Mhm.", "Mmm.", "Mm.", "Uh-huh.", "Uh huh.", "Hmm.", "Hm.", "Yeah.", "Yep.", "Yes."),
    *("No.", "Nope.", "Okay.", "Right.", "Sure.", "I see.", "All right."),
    *("Stop.", "Stop it.", "Wait.", "Wait a minute.", "Hold on.", "Never mind."),
)
"""What people say while they listen, and to stop the agent."""


def expectation() -> Expectation:
    """What the recogniser is to expect: what the skills understand, and the words people say while they listen."""
    return Expectation((*expected(), *LISTENERS_WORDS), said_alone(), _means_something, _is_request)


def warm_up() -> None:
    """Compile the phrases (0.2 s of work), which the first words would have to wait for otherwise."""
    nothing = "something that nobody says to anybody"
    _means_something(nothing)
    _is_request(nothing)


def _means_something(text: str) -> bool:
    found = LISTENER.understand(text)
    return bool(found.requests) and not found.missed and not MISHEARD.search(text)


def _is_request(text: str) -> bool:
    return not MISHEARD.search(text) and (LISTENER.whole(text) or FOLLOWER.may_follow(text))


class Brain:
    """The model. It has no state: everything it remembers stands in the messages. One instance serves everybody."""

    def reply(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        """The next assistant message after ``messages``; takes about a millisecond and never raises.

        ``tools`` are the names of the tools on offer. A skill whose tool is not on offer says so. After tool messages
        the results are spoken. An answer of its own that was cut is gone on with when it ends the messages, or when
        after it the user only showed that they listen, or asked for the rest.
        """
        begun = _begun(messages)
        whole = self._answer(messages[:begun], tools)
        said = [word for message in messages[begun:] if message.role == "assistant" for word in message.text.split()]
        if not said:
            return whole
        return Reply(_rest(whole.text.split(), said) or LISTENING)

    def _answer(self, messages: Sequence[Message], tools: Collection[str]) -> Reply:
        """The whole answer to the last user message and the tools that were called for it."""
        asked = next((at for at in reversed(range(len(messages))) if messages[at].role == "user"), None)
        if asked is None:
            return Reply(GREETING)
        steps = _plan(messages[: asked + 1])
        results = _results(messages[asked + 1 :])
        wanted = [step for step in steps if isinstance(step, Use) and step.tool in tools]
        if wanted and not results:
            return Reply(tool_calls=_calls(wanted, messages))
        spoken = [_spoken(step, tools, results) for step in steps]
        spoken += [_result(text) for _, text in results]
        return Reply(" ".join(text for text in spoken if text))


def _begun(messages: Sequence[Message]) -> int:
    """Where the answer begins that ends the messages, maybe in pieces with nothing but nods of the user between."""
    at = len(messages)
    while at and (_is_answer(messages[at - 1]) or (at > 1 and _asks_on(messages[at - 2], messages[at - 1]))):
        at -= 1
    return at


def _is_answer(message: Message) -> bool:
    return message.role == "assistant" and not message.tool_calls


def _asks_on(before: Message, message: Message) -> bool:
    """Whether a message asks for nothing but the rest of what is before it. A call under way has no rest yet."""
    if message.role != "user" or before.role == "system" or before.tool_calls:
        return False
    requests = LISTENER.understand(message.text).requests
    return [request.skill for request in requests] == [GO_ON] if requests else is_backchannel(message.text)


def _rest(whole: list[str], said: list[str]) -> str:
    """What remains of the words of an answer of which ``said`` are the first; "" if they are not."""
    return " ".join(whole[len(said) :]) if whole[: len(said)] == said else ""


def _plan(messages: Sequence[Message]) -> list[Step]:
    """What to do about the last message, which is the user's."""
    text = messages[-1].text
    understood = _understood_after(messages)
    if not understood.requests:
        return [Say(LISTENING if _heard(text) and is_backchannel(text) else _not_understood(text))]
    talk = replace(_talk(messages[:-1]), text=text)
    steps: list[Step] = []
    for request in understood.requests:
        step = request.skill.act(request.slots, talk)
        said = step if isinstance(step, tuple) else (step,)
        steps += [one for one in said if isinstance(one, Use) or one not in steps]
    if asked := [piece for piece in understood.missed if not _REMARK.match(piece)]:
        steps.append(Say(f'But I do not understand "{_heard(asked[0])}".'))
    return steps


def _understood_after(messages: Sequence[Message]) -> Understanding:
    """What the last message, which is the user's, asks for after those before."""
    late = messages[-_LATE:]
    before: tuple[Request, ...] = ()
    for at, message in enumerate(late[:-1], 1):
        if message.role == "user":
            requests = filter(FOLLOWER.can_follow, reversed(_understood(late[:at], before).requests))
            before = (*requests, *before)[:_SPOKEN_OF]
    return _understood(late, before)


def _understood(messages: Sequence[Message], before: Sequence[Request]) -> Understanding:
    """What the last message asks for; ``before``: the requests before it that can be asked about, the last first."""
    text = messages[-1].text
    understood = LISTENER.understand(text)
    if len(messages) > 2 and messages[-2].text in ASKED_BACK:
        understood = _answered(messages, understood)
    if not understood.requests and len(messages) > 1 and messages[-2].role == "user":
        # A request that was taken for two turns because of a pause within it.
        both = LISTENER.understand(f"{messages[-2].text} {text}")
        understood = understood if both.missed else both
    weak = understood.missed or all(request.skill.name in _MAY_FOLLOW for request in understood.requests)
    followed = next(filter(None, (FOLLOWER.follow(text, request) for request in before)), None) if weak else None
    if before and followed is None and not understood.requests:
        followed = FOLLOWER.mentioned(text, before[0])
    return understood if followed is None else Understanding((followed,))


def _answered(messages: Sequence[Message], alone: Understanding) -> Understanding:
    """The last request together with the answer to the question what was missing in it."""
    asked = next((message.text for message in reversed(messages[:-1]) if message.role == "user"), "")
    asked = _POLITE_END.sub("", asked)
    readings = [LISTENER.understand(f"{asked} {between} {messages[-1].text}") for between in ("", *_JOINTS)]
    known = max((len(request.slots) for request in LISTENER.understand(asked).requests), default=0)
    whole = [reading for reading in readings if len(reading.requests) == 1 and not reading.missed]
    best = max(whole, key=lambda reading: len(reading.requests[0].slots), default=alone)
    return best if best.requests and len(best.requests[0].slots) > known else alone


def _talk(messages: Sequence[Message]) -> Talk:
    """The conversation as skills see it."""
    requests = tuple(message.text for message in messages if message.role == "user")
    answers = tuple(message.text for message in messages if message.role == "assistant" and message.text)

    def recall(slot: str) -> Any:
        said = (request for text in reversed(requests) for request in reversed(LISTENER.understand(text).requests))
        return next((request.slots[slot] for request in said if slot in request.slots), None)

    return Talk(requests, answers, recall=recall)


def _calls(wanted: Sequence[Use], messages: Sequence[Message]) -> tuple[FunctionCall, ...]:
    """The calls, with ids that differ from turn to turn and are the same for the same messages."""
    turn = hashlib.blake2b(repr(messages).encode(), digest_size=11).hexdigest()
    return tuple(FunctionCall(f"call_{turn}{at:02}", use.tool, use.arguments) for at, use in enumerate(wanted))


def _results(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """The tools' names and what they answered, in the order of the calls."""
    answers = {message.tool_call_id: message.text for message in messages if message.role == "tool"}
    calls = [call for message in messages for call in message.tool_calls]
    return [(call.name, answers[call.id]) for call in calls if call.id in answers]


def _spoken(step: Step, tools: Collection[str], results: list[tuple[str, str]]) -> str:
    """A step in words; takes the result it speaks out of ``results``."""
    if isinstance(step, Say):
        return step.text
    at = next((at for at, (name, _) in enumerate(results) if name == step.tool), None)
    if at is not None:
        return _result(results.pop(at)[1])
    if step.tool in tools:
        return ""
    return f"I can not do that here, because the tool {step.tool.replace('_', ' ')} is not switched on."


def _result(text: str) -> str:
    """A tool's answer as it is spoken; what went wrong in plain words."""
    text = text.strip()
    if not _IS_ERROR.match(text):
        return text or "That is done."
    reason = _ERROR_WRAPPING.sub("", text).strip()
    return f"Sorry, that did not work. {reason[:1].upper()}{reason[1:]}".strip()


def _not_understood(text: str) -> str:
    """One sentence with what was heard and what could be asked; the same for the same text."""
    heard = _heard(text)
    if not heard:
        return "I did not hear any words."
    for pattern, ability in _BEYOND:
        if pattern.search(text):
            return _CAN_NOT.format(heard=heard, ability=ability, abilities=_some_abilities(heard))
    form = hashlib.blake2b(heard.encode(), digest_size=2).digest()[0]
    return _NOT_UNDERSTOOD[form % len(_NOT_UNDERSTOOD)].format(heard=heard, abilities=_some_abilities(heard))


def _some_abilities(heard: str) -> str:
    """Three of them, always the same for the same words."""
    first = hashlib.blake2b(heard.encode(), digest_size=2).digest()[1]
    some = [ABILITIES[(first + at) % len(ABILITIES)] for at in range(3)]
    return f"{some[0]}, {some[1]} or {some[2]}"


def _heard(text: str) -> str:
    """The first words of a text, without signs that cannot be spoken."""
    return " ".join(re.sub(r"[^\w\s'’.,-]|_", " ", text).split()[:_HEARD_WORDS]).strip(" .,'’-")
