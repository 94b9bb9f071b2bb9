"""Everything that can go wrong at a provider, once: one plain sentence, and the conversation goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.live import SAID, Footprint, answer, engine_at, live, remembered, services, shrinks_to
from voice_agents.conversation.history import Speaker
from voice_agents.conversation.model import Conversation
from voice_agents.engines.engine import SandwichTimeouts
from voice_agents.events import Status, TurnDone
from voice_agents.offline.faults import Fault
from voice_agents.offline.server import OfflineServer
from voice_agents.settings import Settings
from voice_agents.turns import slowness

STT = [
    *(f"stt:refuse:{status}" for status in (401, 403, 404, 429, 500, 503)),
    *(f"stt:close:{code}:after=1" for code in (1006, 1008, 1011)),
    "stt:stall:after=1",
    "stt:malformed:after=1",
    *(
        f"stt:error:{name}:after=1"
        for name in (
            *("error", "auth_error", "quota_exceeded", "unaccepted_terms", "rate_limited", "queue_overflow"),
            *("resource_exhausted", "input_error", "invalid_request", "chunk_size_exceeded", "transcriber_error"),
        )
    ),
    "stt:missing-commit",
]
CHAT = [
    *(f"chat:refuse:{status}" for status in (400, 401, 403, 404, 429, 500, 503)),
    "chat:refuse:429:insufficient_quota",
    *(f"chat:{kind}:after={after}" for kind in ("close", "stall", "malformed", "malformed:schema") for after in (0, 4)),
    "chat:error:after=0",
    "chat:error:after=4",
]
TTS = [
    *(f"tts:refuse:{status}" for status in (401, 403, 404, 429, 500, 503)),
    *(f"tts:close:{code}:after={after}" for code in (1000, 1006, 1008, 1011) for after in (0, 3)),
    *(f"tts:{kind}:after={after}" for kind in ("stall", "malformed", "malformed:schema") for after in (0, 3)),
    *(
        f"tts:error:{name}:after=2"
        for name in (
            *("invalid_api_key", "quota_exceeded", "rate_limited", "input_timeout_exceeded"),
            *("max_active_conversations", "voice_not_found", "internal_server_error"),
        )
    ),
    "tts:context-cap",
]
BOTH = [
    f"tts:close:1011:after=2 tts-http:{fault}"
    for fault in ("refuse:401", "refuse:429", "refuse:500", "close:after=1", "stall:after=1", "error:quota_exceeded")
]
SURVIVED = {
    "stt:error:commit_throttled:after=1": "nothing was said, as far as the recogniser goes",
    "stt:error:session_time_limit_exceeded:after=1": "sessions end",
    "stt:error:insufficient_audio_activity:after=1": "sessions end",
    "stt:duplicate:committed_transcript": "told apart",
    "stt:drip:delay=0.05": "a little late",
    "stt:late-commit:delay=0.2": "a little late",
    "chat:drip:delay=0.02": "a little late",
    "tts:drip:delay=0.02": "a little late",
}
"""What needs no sentence, because nobody would notice."""
LIMITS = {name: getattr(slowness, name) for name in dir(slowness) if name.endswith("_S")}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no slow provider."""
    for name in LIMITS:
        monkeypatch.setattr(slowness, name, 60.0)


@pytest.fixture
async def server() -> AsyncIterator[OfflineServer]:
    async with OfflineServer(services=services()) as server:
        yield server


@pytest.mark.parametrize("faults", [*STT, *CHAT, *TTS, *BOTH])
async def test_a_fault_costs_one_sentence_and_at_most_one_turn(
    server: OfflineServer, tmp_path: Path, faults: str
) -> None:
    async with engine_at(Settings().with_offline(server.url), tmp_path) as engine:
        before = Footprint.now(server)
        for fault in faults.split():
            server.services.faults.add(Fault.parse(fault))

        conversation = Conversation()
        async with live(engine, conversation) as somebody:
            await somebody.turn()
            done = await somebody.turn()
            assert done.heard_text, "the next turn is heard"
            assert somebody.heard(done.turn) == SAID
            await somebody.until(lambda: somebody.status == Status.LISTENING)
            assert len(somebody.sentences) == 1, somebody.sentences
            assert_plain(somebody.sentences[0])
            assert server.services.faults.faults == (), "everything struck"
            finished = [turn for turn in somebody.all(TurnDone) if turn.heard_text]

        entries = await remembered(engine, conversation)
        said = [entry.text for entry in entries if entry.role is Speaker.AGENT]
        assert said == [turn.heard_text for turn in finished]
        assert said[-1] == answer(sum(entry.role is Speaker.USER for entry in entries)), (
            "in one piece, knowing the rest"
        )
        await shrinks_to(server, before)


SLOW = {
    "stt:late-commit:delay=0.5": ("TRANSCRIPTION_S", "speech-to-text"),
    "stt:drip:delay=0.3": ("TRANSCRIPTION_S", "speech-to-text"),
    "": ("FIRST_TOKEN_S", "chat model"),
    "chat:drip:delay=0.15:after=4": ("DRY_S", "answer"),
    "tts:stall:delay=0.5": ("FIRST_AUDIO_S", "voice"),
    "tts:stall:delay=0.5:after=1": ("DRY_S", "answer"),
}
"""What only takes long, and whose fault it looks like. Healthy, each takes some hundredths of a second."""


@pytest.mark.parametrize("fault", SLOW)
async def test_a_turn_that_was_only_slow_says_so(
    server: OfflineServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    limit, says = SLOW[fault]
    monkeypatch.setattr(slowness, limit, 0.25)
    async with engine_at(Settings().with_offline(server.url), tmp_path, SandwichTimeouts()) as engine:
        if fault:
            server.services.faults.add(Fault.parse(fault))
        else:
            server.services.pace.chat_first_token_s = 0.5
        async with live(engine) as somebody:
            done = await somebody.turn()
            assert done.heard_text == answer(1)
            [sentence] = somebody.sentences
            assert says in sentence and sentence.endswith(" s.")


@pytest.mark.parametrize(
    ("fault", "says"), [("stt:drip", "speech-to-text"), ("chat:drip", "The offline agent"), ("tts:drip", "voice")]
)
async def test_a_drip_is_told_once_and_the_conversation_goes_on(
    server: OfflineServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, says: str
) -> None:
    for name, limit_s in LIMITS.items():
        monkeypatch.setattr(slowness, name, limit_s)
    async with engine_at(Settings().with_offline(server.url), tmp_path, SandwichTimeouts()) as engine:
        server.services.faults.add(Fault.parse(fault))
        async with live(engine) as somebody:
            for turn in (1, 2):
                somebody.say()
                await somebody.until(lambda turn=turn: bool(len(somebody.sound(turn))))
                somebody.session.interrupt()
                await somebody.until(lambda turn=turn: len(somebody.all(TurnDone)) == turn)
            [sentence] = somebody.sentences
            assert says in sentence and "slow" in sentence


@pytest.mark.parametrize("fault", SURVIVED)
async def test_what_nobody_would_notice_is_not_spoken_of(server: OfflineServer, tmp_path: Path, fault: str) -> None:
    async with engine_at(Settings().with_offline(server.url), tmp_path) as engine, live(engine) as somebody:
        server.services.faults.add(Fault.parse(fault))
        for _ in range(2):
            assert (await somebody.turn()).heard_text
            await somebody.until(lambda: somebody.status == Status.LISTENING)
        assert somebody.sentences == []


def assert_plain(sentence: str) -> None:
    assert sentence[0].isupper() and sentence.endswith(".")
    assert "offline" in sentence, "it names the provider"
    assert not any(word in sentence for word in ("Error", "Exception", "Traceback", "{", "api_key"))
