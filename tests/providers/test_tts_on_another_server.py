"""The text-to-speech client against servers with habits of their own, good and bad."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tests.providers.other_server import (
    BAD_PROXIES,
    KEY,
    WAIT_S,
    Connections,
    OtherServer,
    OtherSocket,
    endpoint,
    opening_badly,
)
from tests.providers.other_voice import (
    QUICK,
    WORD,
    Contexts,
    Habits,
    Heard,
    Mouth,
    Times,
    eventually,
    over_http,
    sound,
    speaking,
    speaks,
    speaks_until,
    tone,
)
from voice_agents.audio import to_bytes
from voice_agents.errors import (
    AuthenticationFailed,
    ProtocolViolation,
    ProviderError,
    ProviderTimeout,
    ProviderUnavailable,
    ProxyUnusable,
    QuotaExceeded,
    RateLimited,
    RequestRejected,
)
from voice_agents.providers import sockets
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.providers.elevenlabs.speech_frames import plain_error
from voice_agents.providers.elevenlabs.speech_timing import TtsTimeouts
from voice_agents.providers.elevenlabs.tts import ElevenLabsTts
from voice_agents.providers.interfaces import ConnectionState

PIECES = ("Sure,", "it's ten past nine in Lisbon.", "Shall I set a timer?")
TEXT = " ".join(PIECES)
Act = Callable[[Contexts, OtherSocket, str], Awaitable[None]]


def assert_all_words(heard: Heard, text: str, *, within: int = 0) -> None:
    """Each word once, in order, with its own sound (give or take ``within`` samples) at the time it is said to have."""
    assert heard.error is None
    assert heard.text == text
    starts = [word.start for word in heard.words]
    assert starts == sorted(starts)
    for word in heard.words:
        middle = heard.sound[word.start + within : word.end - within]
        assert len(middle) and (middle == tone(word.text)[0]).all(), word


# what is said, on servers with other habits


async def test_it_introduces_itself_as_documented() -> None:
    async with speaking(speaks()) as mouth:
        await mouth.say("Hello.")
        [socket] = mouth.server.sockets
        assert socket.path == "/v1/text-to-speech/rachel/multi-stream-input"
        assert socket.headers["xi-api-key"] == KEY
        assert {
            "model_id": "model-1",
            "output_format": "pcm_24000",
            "auto_mode": "true",
        }.items() <= socket.query.items()
        assert KEY not in str(socket.query) + json.dumps(socket.received)


HABITS = {
    "times with every frame": Habits(),
    "times with the first frame of a piece": Habits(times=Times.FIRST),
    "no space between pieces": Habits(times=Times.FIRST, spaces=False),
    "durations under another name": Habits(names=("chars", "charStartTimesMs", "charsDurationsMs")),
    "snake case": Habits(
        names=("chars", "char_start_times_ms", "char_durations_ms"), context="context_id", final="is_final"
    ),
    "only normalised times": Habits(field="normalizedAlignment", spell=str.lower),
    "no context ids": Habits(context=None),
    "frames that end inside a sample": Habits(times=Times.FIRST, frame_bytes=2 * WORD - 1777),
    "one byte more than a word": Habits(times=Times.FIRST, frame_bytes=2 * WORD + 1),
    "all in one frame": Habits(frame_bytes=2**24),
    "nothing says that it was the last audio": Habits(final=None),
    "a final after every piece": Habits(final_after_each=True),
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS.keys())
async def test_every_word_is_heard_once_at_its_time(habits: Habits) -> None:
    async with speaking(speaks(habits)) as mouth:
        for _ in range(2):
            heard = await mouth.say(*PIECES)
            assert_all_words(heard, TEXT, within=50)
            assert np.array_equal(heard.sound, sound(TEXT))
        assert len(mouth.server.sockets) == 1, "the socket stays warm"
        assert mouth.connections.errors == []


@pytest.mark.parametrize("times", [Times.NEVER, Times.LATER])
async def test_words_without_times_are_estimated(times: Times) -> None:
    async with speaking(speaks(Habits(times=times))) as mouth:
        heard = await mouth.say(*PIECES)
        assert heard.text == TEXT
        assert np.array_equal(heard.sound, sound(TEXT))
        starts = [word.start for word in heard.words]
        assert starts == sorted(starts) and all(0 <= word.start <= len(heard.sound) for word in heard.words)


async def test_numbers_that_are_reported_as_they_are_spoken_keep_their_own_spelling() -> None:
    spelled = {"$5": "five dollars", "2:30": "half past two"}
    habits = Habits(field="normalizedAlignment", spell=lambda word: spelled.get(word, word))
    async with speaking(speaks(habits)) as mouth:
        text = "The $5 ticket at 2:30 is yours."
        assert_all_words(await mouth.say(text), text, within=50)


async def test_a_server_that_drips_is_heard_to_its_end() -> None:
    """Every frame later than a healthy server's end would be waited for, and none says that it was the last."""

    async def script(socket: OtherSocket) -> None:
        contexts = Contexts(socket, Habits(times=Times.FIRST, frame_bytes=WORD // 2))
        while True:
            context, text, _ = await contexts.next()
            for frame in contexts.frames(text) if text else []:
                await asyncio.sleep(0.3)
                await contexts.send(context, **frame)

    async with speaking(script, timeouts=TtsTimeouts(quiet_s=0.25)) as mouth:
        heard = await mouth.say("One two.")
        assert_all_words(heard, "One two.", within=50)
        assert np.array_equal(heard.sound, sound("One two."))
        assert mouth.connections.errors == []


async def test_sound_that_comes_with_the_final_is_heard() -> None:
    async with speaking(speaks(Habits(final_with_audio=True))) as mouth:
        heard = await mouth.say("Hello there.")
        assert np.array_equal(heard.sound, np.concatenate([sound("Hello there."), tone("the end")]))


async def test_a_frame_may_be_larger_than_a_mebibyte() -> None:
    text = " ".join(f"word{number}" for number in range(300))
    async with speaking(speaks(Habits(frame_bytes=2**22))) as mouth:
        heard = await mouth.say(text)
        assert_all_words(heard, text, within=50)


async def test_a_time_that_is_no_number_spoils_no_sound() -> None:
    async def script(socket: OtherSocket) -> None:
        contexts = Contexts(socket, Habits())
        while True:
            context, text, closed = await contexts.next()
            for frame in contexts.frames(text) if text else []:
                frame["alignment"] = {"chars": ["x"], "charStartTimesMs": [None], "charDurationsMs": ["?"]}
                await contexts.send(context, **frame)
            if closed:
                await contexts.finish(context)

    async with speaking(script) as mouth:
        heard = await mouth.say("Hello there.")
        assert heard.error is None and heard.text == "Hello there."
        assert np.array_equal(heard.sound, sound("Hello there."))


async def test_the_first_sound_does_not_wait_for_the_rest_of_the_text() -> None:
    async with speaking(speaks()) as mouth:
        stream = mouth.tts.open()
        stream.send("Sure,")
        chunks = stream.__aiter__()
        async with asyncio.timeout(WAIT_S):
            assert len((await anext(chunks)).pcm)
        stream.send("that is all.")
        stream.finish()
        heard = await mouth.listen(stream)
        assert heard.text.endswith("that is all.")


async def test_a_word_is_known_no_later_than_its_sound_even_when_times_come_late() -> None:
    """An interruption must find the words that were heard, whatever part of the piece has come."""
    async with speaking(speaks(Habits(times=Times.FIRST))) as mouth:
        stream = mouth.tts.open()
        stream.send("one two three four five six")
        stream.finish()
        heard = Heard()
        async for chunk in stream:
            heard.pcm.append(chunk.pcm)
            heard.words += chunk.words
            assert abs(len(heard.words) - len(heard.sound) / WORD) <= 1


# contexts


async def test_every_context_is_closed_however_its_turn_ends() -> None:
    """The scripted server fails the test at the sixth open context."""
    async with speaking(speaks()) as mouth:
        for turn in range(12):
            stream = mouth.tts.open()
            stream.send(f"Turn {turn} begins.")
            await anext(stream.__aiter__())
            if turn % 3 == 0:
                stream.cancel()
            else:
                stream.finish()
                if turn % 3 == 1:
                    stream.cancel()
        assert (await mouth.say("Still here.")).text == "Still here."
        assert len(mouth.server.sockets) == 1
        assert mouth.connections.errors == []
        received = mouth.server.sockets[0].received
        contexts = {message["context_id"] for message in received}
        closed = [message["context_id"] for message in received if message.get("close_context")]
        assert sorted(closed) == sorted(contexts) and len(contexts) == 13


async def test_a_turn_that_said_nothing_opens_no_context() -> None:
    async with speaking(speaks()) as mouth:
        await mouth.server.connected()
        for ended in ("cancel", "finish"):
            stream = mouth.tts.open()
            stream.send("   ")
            getattr(stream, ended)()
            assert (await mouth.listen(stream)).pcm == []
        assert (await mouth.say("Hello.")).text == "Hello."
        assert len({message["context_id"] for message in mouth.server.sockets[0].received}) == 1


async def test_sound_of_a_cancelled_turn_is_never_heard_again() -> None:
    async def script(socket: OtherSocket) -> None:
        contexts = Contexts(socket, Habits())
        cancelled, text, _ = await contexts.next()
        await contexts.speak(cancelled, text, only=1)
        while (found := await contexts.next())[0] == cancelled:
            pass
        await contexts.speak(cancelled, "stale words")
        await contexts.finish(cancelled)
        await contexts.speak(found[0], found[1])
        await contexts.speak(cancelled, "more of them")
        await contexts.finish(found[0])
        await socket.until_gone()

    async with speaking(script) as mouth:
        stream = mouth.tts.open()
        stream.send("This will be cut off.")
        async for _chunk in stream:
            stream.cancel()
        assert_all_words(await mouth.say("Something new."), "Something new.", within=50)


async def test_a_context_that_waits_for_a_slow_model_is_kept_alive() -> None:
    kept = asyncio.Event()

    async def script(socket: OtherSocket) -> None:
        contexts = Contexts(socket, Habits())
        context, text, _ = await contexts.next()
        await contexts.speak(context, text)
        assert await socket.receive() == {"text": "", "context_id": context}
        kept.set()
        await contexts.speak(*(await contexts.next())[:2])
        assert (await contexts.next())[2]
        await contexts.finish(context)
        await socket.until_gone()

    async with speaking(script, timeouts=TtsTimeouts(keep_alive_s=0.1, quiet_s=0.3)) as mouth:
        stream = mouth.tts.open()
        stream.send("Let me see.")
        listening = asyncio.create_task(mouth.listen(stream))
        async with asyncio.timeout(WAIT_S):
            await kept.wait()
        stream.send("Here it is.")
        stream.finish()
        assert_all_words(await listening, "Let me see. Here it is.", within=50)


async def test_another_voice_is_another_socket_and_the_present_turn_keeps_its_own() -> None:
    async with speaking(speaks()) as mouth:
        stream = mouth.tts.open()
        stream.send("I am Rachel.")
        mouth.tts.set_voice("adam/../x")
        await mouth.server.connected(2)
        stream.finish()
        assert (await mouth.listen(stream)).text == "I am Rachel."
        assert (await mouth.say("I am Adam.")).text == "I am Adam."
        rachel, adam = mouth.server.sockets
        assert "/rachel/" in rachel.path and "Adam" not in str(rachel.received)
        assert adam.path == "/v1/text-to-speech/adam/../x/multi-stream-input", "quoted on its way, one path segment"
        async with asyncio.timeout(WAIT_S):
            await rachel.gone.wait()


# sockets that end


async def idle_timeout(socket: OtherSocket) -> None:
    await socket.send(
        message="Have not received a new text input within the timeout of 20.0 seconds.",
        error="input_timeout_exceeded",
        code=1008,
    )
    await socket.close(1008)


@pytest.mark.parametrize(
    "end", [idle_timeout, lambda s: s.close(1008), lambda s: s.close(1000), lambda s: s.close(1011)]
)
async def test_an_idle_socket_that_ends_is_replaced_without_a_word(
    end: Callable[[OtherSocket], Awaitable[None]],
) -> None:
    async with speaking(end, speaks()) as mouth:
        await mouth.server.connected(2)
        assert_all_words(await mouth.say(*PIECES), TEXT, within=50)
        assert mouth.connections.errors == []
        assert mouth.server.requests == []


async def test_a_socket_that_ends_while_the_model_thinks_is_replaced_without_a_word() -> None:
    closing = asyncio.Event()

    async def closes_when_told(socket: OtherSocket) -> None:
        await closing.wait()
        await idle_timeout(socket)

    async with speaking(closes_when_told, speaks()) as mouth:
        await mouth.connections.until(ConnectionState.OPEN)
        stream = mouth.tts.open()
        closing.set()
        await mouth.server.connected(2)
        stream.send("Here it is.")
        stream.finish()
        assert_all_words(await mouth.listen(stream), "Here it is.", within=50)
        assert mouth.connections.errors == []
        assert mouth.server.requests == []


def error(name: str, message: str = "no", *, close: bool = True) -> Act:
    async def act(_contexts: Contexts, socket: OtherSocket, _context: str) -> None:
        await socket.send(message=f"{message} ({KEY})", error=name, code=1008)
        if close:
            await socket.close(1008)

    return act


async def cut(_contexts: Contexts, socket: OtherSocket, _context: str) -> None:
    await socket.close(1011)


async def bare_close(_contexts: Contexts, socket: OtherSocket, _context: str) -> None:
    await socket.close(1000)


async def nothing(_contexts: Contexts, _socket: OtherSocket, _context: str) -> None:
    pass


async def not_json(_contexts: Contexts, socket: OtherSocket, _context: str) -> None:
    await socket.send_text('{"audio": "AAAA')


async def no_shape(_contexts: Contexts, socket: OtherSocket, _context: str) -> None:
    await socket.send(surprise=[1, 2, 3])


async def not_base64(contexts: Contexts, _socket: OtherSocket, context: str) -> None:
    await contexts.send(context, audio="?!")


BREAKS: dict[str, tuple[Act, type[ProviderError]]] = {
    "the socket breaks": (cut, ProviderUnavailable),
    "the socket is closed": (bare_close, ProviderUnavailable),
    "nothing more comes": (nothing, ProviderTimeout),
    "no JSON": (not_json, ProtocolViolation),
    "no frame": (no_shape, ProtocolViolation),
    "no base64": (not_base64, ProtocolViolation),
    "an error": (error("internal_server_error", "Failed to generate speech with the voice"), ProviderUnavailable),
    "an error without a close": (error("something_new", close=False), ProviderUnavailable),
    "a timeout": (error("input_timeout_exceeded"), ProviderUnavailable),
    "too many contexts": (error("max_active_conversations", "Maximum simultaneous contexts"), RateLimited),
    "too many requests": (error("too_many_concurrent_requests"), RateLimited),
}


@pytest.mark.parametrize(("act", "kind"), BREAKS.values(), ids=BREAKS.keys())
@pytest.mark.parametrize("frames", [0, 1, 4])
async def test_what_the_socket_does_not_say_is_said_over_http(act: Act, kind: type[ProviderError], frames: int) -> None:
    text = "one two three four five six"
    script = speaks_until(act, frames=frames)
    async with speaking(script, speaks(), answer=over_http(), timeouts=QUICK) as mouth:
        stream = mouth.tts.open()
        stream.send(text)
        listening = asyncio.create_task(mouth.listen(stream))
        await eventually(lambda: bool(mouth.connections.errors))
        stream.send("seven eight.")
        stream.finish()
        heard = await listening
        assert heard.error is None
        assert heard.text == f"{text} seven eight."
        assert np.array_equal(heard.sound, sound(heard.text)), "no word is lost and none is repeated"
        assert [type(found) for found in mouth.connections.errors] == [kind], "told once"
        assert KEY not in str(mouth.connections.errors[0])
        [request, *_] = mouth.server.requests
        assert request[0].url.path == "/v1/text-to-speech/rachel/stream"
        assert request[0].query_params["output_format"] == "pcm_24000"
        assert json.loads(request[1])["model_id"] == "model-1"
        assert_all_words(await mouth.say("Next turn."), "Next turn.", within=50)
        assert len(mouth.server.sockets) == 2, "the next turn has a socket of its own"


async def test_a_loss_in_the_middle_of_a_word_leaves_at_most_that_word_torn() -> None:
    text = "one two three four five six"
    script = speaks_until(cut, frames=1)
    for share in (0.3, 0.7):
        habits = Habits(times=Times.FIRST, frame_bytes=round((2 + share) * WORD) * 2)

        async def torn(socket: OtherSocket, habits: Habits = habits) -> None:
            contexts = Contexts(socket, habits)
            context, said, _ = await contexts.next()
            await contexts.speak(context, said, only=1)
            await socket.close(1011)

        async with speaking(torn, script, answer=over_http(), timeouts=QUICK) as mouth:
            heard = await mouth.say(text)
            assert heard.text == text, "each word once"
            rest = sound(text)[(3 if share > 0.5 else 2) * WORD :]
            assert np.array_equal(heard.sound[-len(rest) :], rest)


@pytest.mark.parametrize(
    ("name", "message", "kind", "says"),
    [
        ("quota_exceeded", "You have 3 credits left", QuotaExceeded, "plan"),
        ("invalid_api_key", "You must be authenticated", AuthenticationFailed, "ELEVENLABS_API_KEY"),
        ("voice_not_found", "A voice for the voice_id was not found", RequestRejected, "ELEVENLABS_VOICE_ID"),
        ("invalid_request", "The model eleven_v3 is not supported here", RequestRejected, "ELEVENLABS_TTS_MODEL"),
    ],
)
async def test_what_only_the_user_can_mend_is_said_and_not_tried_again(
    name: str, message: str, kind: type[ProviderError], says: str
) -> None:
    script = speaks_until(error(name, message), frames=0)
    async with speaking(script, speaks(), answer=over_http(), timeouts=QUICK) as mouth:
        heard = await mouth.say(TEXT)
        assert type(heard.error) is kind
        assert says in str(heard.error) and "ElevenLabs" in str(heard.error) and KEY not in str(heard.error)
        assert mouth.server.requests == []
        await mouth.connections.until(ConnectionState.FAILED)
        assert (await mouth.say("Mended.")).text == "Mended.", "the next turn tries anew"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationFailed), (402, QuotaExceeded), (403, AuthenticationFailed), (404, RequestRejected)],
)
async def test_a_refused_handshake_fails_the_turn_in_plain_words(status: int, kind: type[ProviderError]) -> None:
    async with speaking(status, speaks(), answer=over_http(), timeouts=QUICK) as mouth:
        heard = await mouth.say(TEXT)
        assert type(heard.error) is kind and KEY not in str(heard.error)
        assert (await mouth.say("Mended.")).text == "Mended."


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_handshake_that_is_refused_for_now_is_made_up_for_over_http(status: int) -> None:
    async with speaking(status, speaks(), answer=over_http(), timeouts=QUICK) as mouth:
        heard = await mouth.say(*PIECES)
        assert heard.error is None and heard.text == TEXT
        assert np.array_equal(heard.sound, sound(TEXT))


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (429, RateLimited),
        (503, ProviderUnavailable),
        (speaks_until(error("rate_limited", "Slow down."), frames=0), RateLimited),
        (speaks_until(error("internal_server_error", "Oops."), frames=0), ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("then", [400, 401, 404, 500])
async def test_what_the_server_said_first_is_told_whatever_http_says_then(
    first: Any, kind: type[ProviderError], then: int
) -> None:
    """A server that has no speech over HTTP does not make a busy moment the fault of the voice's name."""
    async with speaking(first, speaks(), answer=over_http(then), timeouts=QUICK) as mouth:
        heard = await mouth.say(TEXT)
        assert type(heard.error) is kind
        assert "check" not in str(heard.error)
        assert len(mouth.server.requests) == 1, "it was tried"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"detail": {"status": "quota_exceeded", "message": "0 credits"}}, QuotaExceeded),
        ({"detail": {"type": "billing", "code": "quota_exceeded", "message": "0 credits"}}, QuotaExceeded),
        (
            {"detail": {"status": "invalid_api_key", "message": "This key may not read the quota."}},
            AuthenticationFailed,
        ),
        ({"detail": "quota of requests, not of credits"}, AuthenticationFailed),
        ("quota", AuthenticationFailed),
    ],
)
async def test_no_credits_is_a_code_and_not_a_word(body: Any, kind: type[ProviderError]) -> None:
    async def answer(_request: Request) -> Response:
        return JSONResponse(body, 401)

    async with speaking(speaks_until(cut, frames=0), speaks(), answer=answer, timeouts=QUICK) as mouth:
        heard = await mouth.say(TEXT)
        assert type(heard.error) is kind


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("quota_exceeded", "Nothing left.", QuotaExceeded),
        ("rate_limited", "The quota of requests per minute is used up: it is no matter of credits.", RateLimited),
        ("internal_server_error", "The quota service is away.", ProviderUnavailable),
        ("The quota service is away.", "", ProviderUnavailable),
        ("internal_server_error", "The author of this voice is away.", ProviderUnavailable),
    ],
)
def test_an_error_frame_is_sorted_by_its_code(name: str, message: str, kind: type[ProviderError]) -> None:
    assert type(plain_error({"error": name, "message": message}, "ElevenLabs")) is kind


async def test_a_wrong_voice_that_is_a_bare_close_is_named() -> None:
    async with speaking(lambda socket: socket.close(1008), answer=over_http(404), timeouts=QUICK) as mouth:
        heard = await mouth.say(TEXT)
        assert type(heard.error) is RequestRejected and "voice" in str(heard.error)
        assert len(mouth.server.sockets) < 5, "it does not connect as fast as it can"


@pytest.mark.parametrize(
    ("status", "kind"), [(401, AuthenticationFailed), (429, RateLimited), (500, ProviderUnavailable)]
)
async def test_when_http_fails_too_the_turn_fails_at_once(status: int, kind: type[ProviderError]) -> None:
    script = speaks_until(cut)
    async with speaking(script, speaks(), answer=over_http(status, status, status), timeouts=QUICK) as mouth:
        heard = await mouth.say(TEXT)
        assert type(heard.error) is kind and KEY not in str(heard.error)
        assert len(mouth.server.requests) == 1, "no silent repeats behind the user's back"
        assert (await mouth.say("Next turn.")).text == "Next turn."


async def test_a_server_that_cannot_be_reached_is_a_plain_error() -> None:
    async with OtherServer(speaks()) as server:
        gone = endpoint(server)
    tts = ElevenLabsTts(gone, on_connection=lambda _state, _error: None, timeouts=QUICK)
    async with tts:
        stream = tts.open()
        stream.send("Hello.")
        with pytest.raises(ProviderUnavailable, match="ElevenLabs cannot be reached"):
            async for _chunk in stream:
                pass


@pytest.mark.parametrize("proxy", BAD_PROXIES)
async def test_a_proxy_that_cannot_be_used_is_named_at_once(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    connections = Connections()
    async with ElevenLabsTts(endpoint("https://speech.example"), on_connection=connections) as tts:
        await connections.until(ConnectionState.FAILED)
        stream = tts.open()
        stream.send("Hello.")
        with pytest.raises(ProxyUnusable, match=r"ElevenLabs.*text-to-speech.*HTTPS_PROXY") as failed:
            async with asyncio.timeout(WAIT_S):
                async for _chunk in stream:
                    pass
        assert "127.0.0.1" not in str(failed.value)


async def test_a_fault_nobody_reckoned_with_costs_no_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("voice_agents.providers.elevenlabs.tts.open_socket", opening_badly())
    async with speaking(speaks(), answer=over_http()) as mouth:
        assert_all_words(await mouth.say("Hello."), "Hello.", within=50)
        [told] = mouth.connections.errors
        assert type(told) is ProviderUnavailable and "RuntimeError" in str(told)
        await mouth.connections.until(ConnectionState.OPEN)
        assert_all_words(await mouth.say("Next turn."), "Next turn.", within=50)
        assert len(mouth.server.requests) == 1, "the next turn has a socket again"
    assert "a surprise" in caplog.text, "whoever mends it finds it in the log"


# what stays behind


async def test_leaving_in_the_middle_of_a_turn_leaves_nothing_behind() -> None:
    async with OtherServer(speaks_until(nothing)) as server:
        before = len(asyncio.all_tasks())
        mouth = Mouth(server, QUICK)
        async with mouth.tts:
            stream = mouth.tts.open()
            stream.send(TEXT)
            await anext(stream.__aiter__())
        async with asyncio.timeout(WAIT_S):
            await server.sockets[0].gone.wait()
        await eventually(lambda: len(asyncio.all_tasks()) <= before)


async def test_a_consumer_that_is_cancelled_closes_its_context() -> None:
    async with speaking(speaks_until(nothing)) as mouth:
        stream = mouth.tts.open()
        stream.send(TEXT)
        listening = asyncio.create_task(mouth.listen(stream))
        socket = await mouth.server.connected()
        await eventually(lambda: bool(socket.received))
        listening.cancel()
        await eventually(lambda: any(message.get("close_context") for message in socket.received))


async def test_a_cancelled_turn_asks_for_nothing_more_over_http() -> None:
    async with speaking(speaks_until(cut, frames=0), answer=over_http(), timeouts=QUICK) as mouth:
        stream = mouth.tts.open()
        stream.send("one two")
        stream.send("three four")
        stream.finish()
        async for _chunk in stream:
            stream.cancel()
        assert len(mouth.server.requests) == 1


# the list of voices


async def test_voices_are_listed_in_plain_words_or_plain_errors() -> None:
    async def answer(request: Request) -> Response:
        if request.headers["xi-api-key"] != KEY:
            return JSONResponse({"detail": {"status": "invalid_api_key", "message": KEY}}, 401)
        return JSONResponse({"voices": [{"voice_id": "v1", "name": "Ada"}, {"voice_id": "v2", "description": "low"}]})

    async with OtherServer(speaks(), answer=answer) as server:
        voices = await list_voices(endpoint(server))
        assert [(voice.voice_id, voice.name, voice.description) for voice in voices] == [
            ("v1", "Ada", ""),
            ("v2", "v2", "low"),
        ]
        with pytest.raises(AuthenticationFailed, match="ELEVENLABS_API_KEY"):
            await list_voices(endpoint(server, key="wrong"))


async def test_http_that_stalls_fails_the_turn_in_time() -> None:
    async def answer(_request: Request) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield to_bytes(sound("one"))
            await asyncio.Event().wait()

        return StreamingResponse(body())

    async with speaking(speaks_until(cut, frames=0), answer=answer, timeouts=QUICK) as mouth:
        heard = await mouth.say("one two three")
        assert type(heard.error) is ProviderTimeout and "too long" in str(heard.error)


@pytest.mark.parametrize("proxy", ["socks4://127.0.0.1:9", "ftp://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_named_when_voices_are_listed(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(ProxyUnusable, match="ALL_PROXY"):
        await list_voices(endpoint("https://speech.example"))


async def test_certificates_are_loaded_once_and_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded_in = []
    load = ssl.create_default_context

    def loading(*args: Any, **more: Any) -> ssl.SSLContext:
        loaded_in.append(threading.current_thread())
        return load(*args, **more)

    monkeypatch.setattr(ssl, "create_default_context", loading)
    sockets.tls.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"https://127.0.0.1:{listener.getsockname()[1]}"
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await list_voices(endpoint(gone))
    [thread] = loaded_in
    assert thread is not threading.main_thread()
