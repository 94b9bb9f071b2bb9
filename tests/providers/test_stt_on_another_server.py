"""The speech-to-text client against servers with habits of their own, good and bad."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.providers.other_server import (
    BAD_PROXIES,
    KEY,
    WAIT_S,
    Connections,
    OtherServer,
    OtherSocket,
    Script,
    endpoint,
    opening_badly,
    ramp,
)
from voice_agents.audio import Pcm, silence
from voice_agents.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    ProxyUnusable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
)
from voice_agents.providers.elevenlabs.stt import ElevenLabsStt, SttTimeouts
from voice_agents.providers.interfaces import ConnectionState

SECOND = 16_000
PATIENT = SttTimeouts(connect_s=10.0, commit_s=20.0, give_up_s=20.0)
"""For all that is not about waiting: however busy the machine is, a server that answers is not given up."""
QUICK = SttTimeouts(connect_s=1.0, commit_s=0.2, give_up_s=2.0)


class Ears:
    """A client, what it reported, and the server it talks to."""

    def __init__(self, server: OtherServer, timeouts: SttTimeouts, key: str = KEY) -> None:
        self.server = server
        self.connections = Connections()
        self.partials: asyncio.Queue[str] = asyncio.Queue()
        self.committed: list[str] = []
        """Partials about an utterance whose final words were awaited."""
        self.heard: list[str] = []
        self.stt = ElevenLabsStt(
            endpoint(server, key=key), on_partial=self._partial, on_connection=self.connections, timeouts=timeouts
        )

    def _partial(self, text: str, *, committed: bool = False) -> None:
        if committed:
            self.committed.append(text)
            return
        self.heard.append(text)
        self.partials.put_nowait(text)

    def say(self, pcm: Pcm) -> None:
        """As a microphone does: in slices of 20 ms."""
        for start in range(0, len(pcm), 320):
            self.stt.send_audio(pcm[start : start + 320])

    async def words(self, pcm: Pcm | None = None) -> str:
        """Say something, commit, wait for the words."""
        self.say(ramp(0, SECOND) if pcm is None else pcm)
        async with asyncio.timeout(WAIT_S):
            return await self.stt.commit()

    async def partial(self) -> str:
        async with asyncio.timeout(WAIT_S):
            return await self.partials.get()


@asynccontextmanager
async def listening(*scripts: Script | int, timeouts: SttTimeouts = PATIENT, key: str = KEY) -> AsyncIterator[Ears]:
    async with OtherServer(*scripts) as server:
        ears = Ears(server, timeouts, key)
        async with ears.stt:
            yield ears


async def counts(socket: OtherSocket) -> None:
    """Answers every commit with the audio it got: how many samples, and whether they were in order."""
    while True:
        pcm = await socket.utterance()
        pcm = pcm[pcm != 0]
        gaps = np.flatnonzero(~np.isin(np.diff(pcm.astype(int)), (1, -29_999)))
        await socket.final(f"{len(pcm)} samples, {len(gaps)} gaps")


def answers(*texts: str) -> Script:
    """Answers the commits with these words, then says nothing more."""

    async def script(socket: OtherSocket) -> None:
        for text in texts:
            await socket.utterance()
            await socket.final(text)
        await socket.until_gone()

    return script


def breaks(act: Callable[[OtherSocket], Awaitable[None]], *, before_commit: bool = False) -> Script:
    """Hears an utterance (or its beginning) and then does something."""

    async def script(socket: OtherSocket) -> None:
        await (socket.receive() if before_commit else socket.utterance())
        await act(socket)
        await socket.until_gone()

    return script


def says(kind: str) -> Callable[[OtherSocket], Awaitable[None]]:
    return lambda socket: socket.send(message_type=kind, error=f"about {KEY}")


# what is said


async def test_it_introduces_itself_as_documented() -> None:
    async with listening(answers("hello")) as ears:
        assert await ears.words() == "hello"
        [socket] = ears.server.sockets
        assert socket.path == "/v1/speech-to-text/realtime"
        assert socket.headers["xi-api-key"] == KEY
        expected = {"model_id": "model-1", "audio_format": "pcm_16000", "commit_strategy": "manual"}
        assert expected.items() <= socket.query.items()
        assert KEY not in str(socket.query)


@pytest.mark.parametrize("language", ["", "de", "yue"])
async def test_the_language_is_asked_for(language: str) -> None:
    async with OtherServer(answers("hallo")) as server:
        stt = ElevenLabsStt(
            endpoint(server),
            on_partial=lambda _text, *, committed=False: None,
            on_connection=Connections(),
            timeouts=PATIENT,
            language=language,
        )
        async with stt:
            stt.send_audio(ramp(0, SECOND))
            assert await stt.commit() == "hallo"
        assert server.sockets[0].query.get("language_code", "") == language


async def test_all_audio_arrives_in_order_in_a_few_messages() -> None:
    async with listening(counts) as ears:
        assert await ears.words(ramp(0, 10 * SECOND + 7)) == f"{10 * SECOND + 7} samples, 0 gaps"
        assert len(ears.server.sockets[0].received) < 10 * 30


async def test_what_it_does_not_know_is_ignored() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.send(message_type="session_started", sessionId=7, config={"vad": None})
        await socket.send(message_type="warning", warning="slow")
        await socket.send(message_type="diarized_transcript", speakers=[])
        await socket.send(message_type="committed_transcript_entities", entities=[])
        await counts(socket)

    async with listening(script) as ears:
        assert await ears.words() == f"{SECOND} samples, 0 gaps"
        assert ears.connections.errors == []


async def test_partials_are_reported_while_the_user_speaks() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.receive()
        await socket.send(message_type="partial_transcript", text="what")
        await socket.send(message_type="partial_transcript", text="what time")
        await socket.utterance()
        await socket.final("What time is it?")

    async with listening(script) as ears:
        ears.say(ramp(0, SECOND))
        assert [await ears.partial(), await ears.partial()] == ["what", "what time"]
        assert await ears.stt.commit() == "What time is it?"


async def test_what_goes_on_after_a_pause_is_heard_from_its_beginning() -> None:
    """The words asked for in the pause are of no use then; nothing is sent meanwhile."""
    async with listening(counts) as ears:
        ears.say(ramp(0, SECOND))
        assert await ears.stt.commit_perhaps() == f"{SECOND} samples, 0 gaps"
        ears.say(ramp(SECOND, SECOND // 2))
        ears.stt.recall()
        ears.say(ramp(SECOND + SECOND // 2, SECOND))
        assert await ears.stt.commit() == f"{2 * SECOND + SECOND // 2} samples, 0 gaps"


async def test_what_was_over_in_the_pause_is_not_heard_again() -> None:
    async with listening(counts) as ears:
        ears.say(ramp(0, SECOND))
        answer = ears.stt.commit_perhaps()
        ears.say(ramp(SECOND, 700))
        ears.stt.confirm()
        assert await answer == f"{SECOND} samples, 0 gaps"
        ears.say(ramp(SECOND + 700, SECOND))
        assert await ears.stt.commit() == f"{SECOND + 700} samples, 0 gaps"


async def test_a_recall_before_the_answer_and_over_a_lost_connection_loses_nothing() -> None:
    async with listening(breaks(lambda socket: socket.close(1011)), counts) as ears:
        ears.say(ramp(0, SECOND))
        first = ears.stt.commit_perhaps()
        ears.stt.recall()
        ears.say(ramp(SECOND, SECOND))
        second = ears.stt.commit()
        assert await first == f"{SECOND} samples, 0 gaps"
        assert await second == f"{2 * SECOND} samples, 0 gaps"


async def test_partials_that_come_after_the_commit_are_told_as_such() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.receive()
        await socket.send(message_type="partial_transcript", text="what time")
        await socket.utterance()
        await socket.send(message_type="partial_transcript", text="what time is it")
        await socket.send(message_type="partial_transcript", text="something else entirely")
        await socket.final("What time is it?")

    async with listening(script) as ears:
        ears.say(ramp(0, SECOND))
        assert await ears.partial() == "what time"
        assert await ears.stt.commit() == "What time is it?"
        assert ears.committed == ["what time is it"]


@pytest.mark.parametrize("prefix", ["committed_transcript", "final_transcript"])
@pytest.mark.parametrize("timed_first", [True, False])
async def test_a_final_that_comes_in_two_forms_counts_once(prefix: str, timed_first: bool) -> None:
    async def script(socket: OtherSocket) -> None:
        kinds = [f"{prefix}_with_timestamps", prefix]
        for number in (1, 2, 2):
            await socket.utterance()
            for kind in kinds if timed_first else reversed(kinds):
                await socket.send(message_type=kind, text=f"turn {number}", words=[])

    async with listening(script) as ears:
        assert [await ears.words() for _ in range(3)] == ["turn 1", "turn 2", "turn 2"]


async def test_a_final_sent_twice_does_not_answer_the_next_commit() -> None:
    async def script(socket: OtherSocket) -> None:
        for number in (1, 2, 3):
            await socket.utterance()
            await socket.final(f"turn {number}")
            await socket.final(f"turn {number}")

    async with listening(script) as ears:
        ears.say(ramp(0, SECOND))
        first = ears.stt.commit()
        ears.say(ramp(0, SECOND))
        second = ears.stt.commit()
        assert [await first, await second, await ears.words()] == ["turn 1", "turn 2", "turn 3"]


REPEATS = ["What time is it?", "what time is it", "What time is it", "WHAT TIME IS IT?"]


@pytest.mark.parametrize("again", REPEATS)
@pytest.mark.parametrize("when", ["at once", "later", "while the next one is awaited"])
async def test_a_final_that_is_said_again_is_no_words_of_the_next_utterance(
    monkeypatch: pytest.MonkeyPatch, again: str, when: str
) -> None:
    if when == "later":
        monkeypatch.setattr("voice_agents.providers.elevenlabs.scribe.REPEAT_S", 0.0)

    async def script(socket: OtherSocket) -> None:
        await socket.utterance()
        await socket.final("What time is it?")
        if when != "while the next one is awaited":
            await socket.final(again)
        await socket.receive()
        await socket.send(message_type="partial_transcript", text="and in")
        await socket.utterance()
        if when == "while the next one is awaited":
            await socket.final(again)
        await socket.final("And in Tokyo?")
        await answers("next")(socket)

    async with listening(script) as ears:
        assert await ears.words() == "What time is it?"
        ears.say(ramp(0, SECOND))
        assert await ears.partial() == "and in", "nothing of the old words is shown"
        assert [await ears.stt.commit(), await ears.words()] == ["And in Tokyo?", "next"]


@pytest.mark.parametrize("stale", ["What", "what time", "What time is", "what time is it", "What time is it?"])
async def test_a_hypothesis_that_comes_after_its_final_is_no_beginning_of_the_next(stale: str) -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.utterance()
        await socket.final("What time is it?")
        await socket.send(message_type="partial_transcript", text=stale)
        await socket.send(message_type="partial_transcript", text="And in")
        await socket.until_gone()

    async with listening(script) as ears:
        assert await ears.words() == "What time is it?"
        assert await ears.partial() == "And in" and ears.heard == ["And in"]


async def test_who_says_the_same_twice_is_understood_twice() -> None:
    async def script(socket: OtherSocket) -> None:
        for _ in range(3):
            await socket.utterance()
            await socket.send(message_type="partial_transcript", text="yes")
            await socket.final("Yes.")

    async with listening(script) as ears:
        assert [await ears.words() for _ in range(3)] == ["Yes."] * 3


NOISES = ["(coughs)", "[laughter]", "\N{EIGHTH NOTE}", ".", "(backgr"]


@pytest.mark.parametrize("noise", NOISES)
async def test_a_noise_is_no_hypothesis(noise: str) -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.receive()
        await socket.send(message_type="partial_transcript", text=noise)
        await socket.send(message_type="partial_transcript", text="hello")
        await socket.until_gone()

    async with listening(script) as ears:
        ears.say(ramp(0, SECOND))
        while await ears.partial() != "hello":
            pass
        assert set(ears.heard) <= {"", "hello"}


async def test_answers_pair_with_commits_first_in_first_out() -> None:
    async def script(socket: OtherSocket) -> None:
        for _ in range(3):
            await socket.utterance()
        for text in ("one", "", "three"):
            await socket.final(text)
        await socket.until_gone()

    async with listening(script) as ears:
        commits = []
        for _ in range(3):
            ears.say(ramp(0, SECOND))
            commits.append(ears.stt.commit())
        async with asyncio.timeout(WAIT_S):
            assert await asyncio.gather(*commits) == ["one", "", "three"]


async def test_what_the_server_commits_by_itself_belongs_to_the_utterance() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.receive()
        await socket.final("A long")
        await socket.send(message_type="partial_transcript", text="story")
        await socket.utterance()
        await socket.final("story.")
        await answers("next")(socket)

    async with listening(script) as ears:
        ears.say(ramp(0, SECOND))
        while await ears.partial() != "A long story":
            pass
        assert await ears.stt.commit() == "A long story."
        assert await ears.words() == "next"


async def test_a_partial_after_the_commit_is_not_taken_for_the_next_utterance() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.utterance()
        await socket.send(message_type="partial_transcript", text="hello wor")
        await socket.final("hello world")
        await socket.until_gone()

    async with listening(script) as ears:
        assert await ears.words() == "hello world"
        assert ears.heard == []


async def test_a_commit_without_audio_asks_nobody() -> None:
    async with listening(counts) as ears:
        assert await ears.stt.commit() == ""
        assert await ears.words() == f"{SECOND} samples, 0 gaps"


async def test_a_commit_the_server_finds_too_short_gives_no_words() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.utterance()
        await says("commit_throttled")(socket)
        await counts(socket)

    async with listening(script) as ears:
        assert await ears.words(ramp(0, 800)) == ""
        assert await ears.words() == f"{SECOND} samples, 0 gaps"
        assert len(ears.server.sockets) == 1


# connections that break


@pytest.mark.parametrize("before_commit", [True, False])
@pytest.mark.parametrize("code", [1000, 1011])
async def test_a_lost_connection_loses_no_audio(before_commit: bool, code: int) -> None:
    async with listening(breaks(lambda socket: socket.close(code), before_commit=before_commit), counts) as ears:
        ears.say(ramp(0, SECOND))
        await ears.server.connected(2 if before_commit else 1)
        assert await ears.words(ramp(SECOND, SECOND)) == f"{2 * SECOND} samples, 0 gaps"


async def test_a_long_utterance_is_sent_again_in_pieces_a_server_takes() -> None:
    timeouts = SttTimeouts(commit_s=2.0)
    async with listening(breaks(lambda socket: socket.close(1011)), counts, timeouts=timeouts) as ears:
        await ears.server.connected()
        assert (
            await ears.words(np.full(50 * SECOND, 1, dtype=np.int16))
            == f"{50 * SECOND} samples, {50 * SECOND - 1} gaps"
        )
        longest = max(len(message["audio_base_64"]) for message in ears.server.sockets[1].received)
        assert longest <= 4 / 3 * 2 * SECOND + 4


async def test_several_commits_survive_a_lost_connection_in_order() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.utterance()
        await socket.utterance()
        await socket.final("first")
        await socket.close(1012)

    async with listening(script, answers("second", "third")) as ears:
        commits = []
        for _ in range(3):
            ears.say(ramp(0, SECOND))
            commits.append(ears.stt.commit())
        async with asyncio.timeout(WAIT_S):
            assert await asyncio.gather(*commits) == ["first", "second", "third"]


async def test_speech_before_there_is_a_connection_is_heard() -> None:
    async with listening(500, counts) as ears:
        assert await ears.words() == f"{SECOND} samples, 0 gaps"
        assert [type(error) for error in ears.connections.errors] == [ProviderUnavailable]
        assert ears.connections.states[-1] is ConnectionState.OPEN


@pytest.mark.parametrize(
    "garbage",
    [
        *("{", "[1, 2]", '"text"', "null", '{"surprise": 1}', '{"message_type": 3}'),
        '{"message_type": "committed_transcript", "text": null}',
        '{"message_type": "committed_transcript"}',
    ],
)
async def test_an_unreadable_message_costs_no_words(garbage: str) -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.send_text(garbage)
        await counts(socket)

    async with listening(script, counts) as ears:
        assert await ears.words() == f"{SECOND} samples, 0 gaps"


# answers that do not come


async def test_a_commit_that_is_not_answered_is_asked_again_with_all_its_audio() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.receive()
        await socket.send(message_type="partial_transcript", text="turn")
        await socket.until_gone()

    async with listening(script, counts, timeouts=QUICK) as ears:
        ears.say(ramp(0, SECOND))
        assert await ears.partial() == "turn"
        assert await ears.stt.commit() == "16000 samples, 0 gaps"


async def test_without_any_final_the_last_partial_has_to_do() -> None:
    async def script(socket: OtherSocket) -> None:
        await socket.receive()
        await socket.send(message_type="partial_transcript", text="turn it off")
        await socket.until_gone()

    async with listening(script, script, answers("the next one"), timeouts=QUICK) as ears:
        ears.say(ramp(0, SECOND))
        assert await ears.partial() == "turn it off"
        assert await ears.stt.commit() == "turn it off"
        assert await ears.words() == "the next one"


async def test_a_final_that_comes_too_late_does_not_answer_the_next_commit() -> None:
    late = asyncio.Event()

    async def script(socket: OtherSocket) -> None:
        await socket.utterance()
        await late.wait()
        await socket.final("too late")
        await socket.until_gone()

    async with listening(script, script, answers("the next one"), timeouts=QUICK) as ears:
        with pytest.raises(ProviderTimeout):
            await ears.words()
        late.set()
        assert await ears.words() == "the next one"


async def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    timeouts = SttTimeouts(connect_s=1.0, commit_s=0.1, give_up_s=0.5)
    async with listening(breaks(lambda socket: socket.close(1011)), timeouts=timeouts) as ears:
        with pytest.raises(ProviderError):
            await ears.words()


# errors


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("auth_error", AuthenticationFailed),
        ("quota_exceeded", QuotaExceeded),
        ("unaccepted_terms", QuotaExceeded),
        ("invalid_request", RequestRejected),
        ("input_error", RequestRejected),
    ],
)
async def test_an_error_that_will_not_go_away_fails_the_utterance(kind: str, expected: type[ProviderError]) -> None:
    async with listening(breaks(says(kind))) as ears:
        with pytest.raises(expected) as failed:
            await ears.words()
        await ears.connections.until(ConnectionState.FAILED)
        assert KEY not in str(failed.value)
        assert "ElevenLabs" in str(failed.value) and str(failed.value).endswith(".")
        assert len(ears.server.sockets) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rate_limited", RateLimited),
        ("queue_overflow", RateLimited),
        ("resource_exhausted", RateLimited),
        ("transcriber_error", ProviderUnavailable),
        ("error", ProviderUnavailable),
    ],
)
async def test_an_error_that_may_pass_costs_no_words(kind: str, expected: type[ProviderError]) -> None:
    async with listening(breaks(says(kind)), counts) as ears:
        assert await ears.words() == f"{SECOND} samples, 0 gaps"
        assert [type(error) for error in ears.connections.errors] == [expected]


@pytest.mark.parametrize("kind", ["session_time_limit_exceeded", "insufficient_audio_activity"])
async def test_the_normal_end_of_a_session_is_no_error(kind: str) -> None:
    async with listening(breaks(says(kind)), counts) as ears:
        assert await ears.words() == f"{SECOND} samples, 0 gaps"
        assert ears.connections.errors == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, RequestRejected),
        (401, AuthenticationFailed),
        (402, QuotaExceeded),
        (403, AuthenticationFailed),
        (404, RequestRejected),
        (422, RequestRejected),
        (429, RateLimited),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
    ],
)
async def test_a_refused_handshake_is_sorted(status: int, expected: type[ProviderError]) -> None:
    async with listening(status, timeouts=QUICK) as ears:
        with pytest.raises(expected) as failed:
            await ears.words()
        assert KEY not in str(failed.value)


@pytest.mark.parametrize("proxy", BAD_PROXIES)
async def test_a_proxy_that_cannot_be_used_is_named_at_once(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    connections = Connections()
    far = endpoint("https://speech.example")
    async with ElevenLabsStt(far, on_partial=lambda _text, *, committed=False: None, on_connection=connections) as stt:
        await connections.until(ConnectionState.FAILED)
        stt.send_audio(ramp(0, SECOND))
        with pytest.raises(ProxyUnusable, match=r"ElevenLabs.*speech-to-text.*HTTPS_PROXY") as failed:
            async with asyncio.timeout(WAIT_S):
                await stt.commit()
        assert "127.0.0.1" not in str(failed.value)


async def test_a_fault_nobody_reckoned_with_costs_no_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voice_agents.providers.elevenlabs.stt.open_socket", opening_badly())
    async with listening(counts) as ears:
        assert await ears.words() == f"{SECOND} samples, 0 gaps"
        [told] = ears.connections.errors
        assert type(told) is ProviderUnavailable and "RuntimeError" in str(told)
    assert "a surprise" in caplog.text, "whoever mends it finds it in the log"


async def test_after_a_failure_the_next_utterance_tries_again() -> None:
    async with listening(breaks(says("quota_exceeded")), 401, counts) as ears:
        with pytest.raises(QuotaExceeded):
            await ears.words()
        await ears.connections.until(ConnectionState.FAILED)
        ears.say(silence(0.4, SECOND))  # what a microphone goes on to send tries once, and is refused
        await asyncio.sleep(0)
        await ears.connections.until(ConnectionState.FAILED)
        ears.say(ramp(0, SECOND))
        assert await ears.words(ramp(SECOND, SECOND)) == f"{2 * SECOND} samples, 0 gaps"
        assert ears.connections.states[-1] is ConnectionState.OPEN


# being idle, and leaving


async def test_silence_keeps_an_idle_connection_alive() -> None:
    async with listening(counts, timeouts=SttTimeouts(keep_alive_s=0.02)) as ears:
        socket = await ears.server.connected()
        async with asyncio.timeout(WAIT_S):
            while len(socket.received) < 3:  # noqa: ASYNC110 - the script has no event for it
                await asyncio.sleep(0.005)
        assert await ears.words() == f"{SECOND} samples, 0 gaps"


async def test_leaving_closes_the_socket_and_leaves_no_task() -> None:
    async with OtherServer(breaks(lambda socket: asyncio.sleep(0))) as server:
        await asyncio.sleep(0)
        before = asyncio.all_tasks()
        ears = Ears(server, QUICK)
        async with ears.stt:
            socket = await server.connected()
            ears.say(ramp(0, SECOND))
            ears.stt.commit()
        ours = {task for task in asyncio.all_tasks() - before if "voice_agents" in str(task.get_coro())}
        assert ours == set()
        async with asyncio.timeout(WAIT_S):
            await socket.gone.wait()


async def test_leaving_before_there_is_a_connection_leaves_nothing() -> None:
    async with OtherServer(counts) as server:
        before = asyncio.all_tasks()
        async with Ears(server, QUICK).stt:
            pass
        assert {task for task in asyncio.all_tasks() - before if "voice_agents" in str(task.get_coro())} == set()
