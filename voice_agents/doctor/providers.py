"""One real small call to every provider: how long it took, or what was wrong and which variable mends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from langchain_core.messages import HumanMessage

from voice_agents.audio import Pcm, first_audible, resample, silence
from voice_agents.doctor.findings import Finding, Outcome, failure, variables_in
from voice_agents.errors import (
    AuthenticationFailed,
    ProviderError,
    ProviderUnavailable,
    ProxyUnusable,
    QuotaExceeded,
    RequestRejected,
    Retry,
    Role,
    VoiceAgentError,
)
from voice_agents.providers.chat import ChatModel
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.providers.elevenlabs.stt import ElevenLabsStt
from voice_agents.providers.elevenlabs.tts import ElevenLabsTts
from voice_agents.providers.interfaces import STT_RATE, ConnectionState
from voice_agents.providers.realtime.client import RealtimeClient
from voice_agents.providers.realtime.config import RealtimeConfig
from voice_agents.providers.realtime.events import AudioDelta, ResponseDone, ServerError, UserFinal, UserFinalFailed
from voice_agents.proxies import proxy_for
from voice_agents.settings import Endpoint, Provider, Settings, TurnMode
from voice_agents.transports.ice import Relays

WITHIN_S = 25.0
REALTIME_RATE = 24_000
ASKED = "Say the word: ready."

_KEYS = {
    Provider.ELEVENLABS: "ELEVENLABS_API_KEY",
    Provider.AZURE: "AZURE_OPENAI_API_KEY",
    Provider.OPENAI: "OPENAI_API_KEY",
}
_ADDRESSES = {
    Provider.ELEVENLABS: "ELEVENLABS_BASE_URL",
    Provider.AZURE: "AZURE_OPENAI_ENDPOINT",
    Provider.OPENAI: "OPENAI_BASE_URL",
}
_NAMES = {
    (Provider.ELEVENLABS, Role.STT): ("ELEVENLABS_STT_MODEL",),
    (Provider.ELEVENLABS, Role.TTS): ("ELEVENLABS_VOICE_ID", "ELEVENLABS_TTS_MODEL"),
    (Provider.AZURE, Role.CHAT): ("AZURE_OPENAI_DEPLOYMENT",),
    (Provider.AZURE, Role.REALTIME): ("AZURE_OPENAI_REALTIME_DEPLOYMENT", "AZURE_REALTIME_VOICE"),
    (Provider.OPENAI, Role.CHAT): ("OPENAI_MODEL",),
    (Provider.OPENAI, Role.REALTIME): ("OPENAI_REALTIME_MODEL", "AZURE_REALTIME_VOICE"),
}
"""What chooses model and voice."""


def to_set(error: VoiceAgentError, endpoint: Endpoint, role: Role) -> tuple[str, ...]:
    """The variables that mend it; none where only waiting helps."""
    provider = endpoint.provider
    if provider is Provider.OFFLINE:
        return ()
    if named := variables_in(str(error)):
        return named
    match error:
        case ProxyUnusable():
            return ("HTTPS_PROXY", "ALL_PROXY")
        case AuthenticationFailed() | QuotaExceeded():
            return (_KEYS[provider],)
        case RequestRejected():
            return (*_NAMES[provider, role], _ADDRESSES[provider])
        case ProviderUnavailable() if not error.explained and not _answered(error):
            return (_ADDRESSES[provider], *(("HTTPS_PROXY", "ALL_PROXY") if proxy_for(endpoint.base_url) else ()))
    return ()


def _answered(error: ProviderError) -> bool:
    """The provider was reached, and said that it has a problem of its own."""
    return "a problem of its own" in str(error)


async def check_providers(settings: Settings, question: Pcm, words: str) -> list[Finding]:
    """All four roles, one after the other, so that none waits for another.

    ``question``: 16 kHz speech that says ``words``; empty if there is no voice.
    """
    checks = {
        Role.STT: lambda e: _hear(e, question, words),
        Role.CHAT: _think,
        Role.TTS: _speak,
        Role.REALTIME: lambda e: _converse(e, question),
    }
    found = [await _checked(settings.endpoint(role), role, check) for role, check in checks.items()]
    return [*found, *(await _relay(settings))]


async def _checked(endpoint: Endpoint, role: Role, check: Callable[[Endpoint], Awaitable[str]]) -> Finding:
    name = f"{role.value} ({endpoint.provider.value})"
    began = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_S):
            says = await check(endpoint)
    except VoiceAgentError as error:
        return Finding(name, Outcome.FAILED, str(error), to_set(error, endpoint, role))
    except TimeoutError:
        says = f"{endpoint.provider.value} did not answer within {WITHIN_S:.0f} s."
        address = _ADDRESSES.get(endpoint.provider)
        return Finding(name, Outcome.FAILED, says, (address,) if address else ())
    except Exception as error:
        return failure(name, error, f"{endpoint.provider.value} could not be asked")
    took = time.monotonic() - began
    if says.startswith("!"):
        return Finding(name, Outcome.WARNING, says[1:], (), took)
    return Finding(name, Outcome.OK, says, (), took)


class _FirstConnection:
    """Why a client's connection did not come to be; one that broke while it worked is its client's to mend."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[ProviderError] = asyncio.get_running_loop().create_future()
        self._was_open = False

    def __call__(self, state: ConnectionState, error: ProviderError | None) -> None:
        self._was_open = self._was_open or state is ConnectionState.OPEN
        lasting = error is not None and (error.retry is Retry.NEVER or error.explained or not self._was_open)
        if error is not None and lasting and not self.failed.done():
            self.failed.set_result(error)


async def _first(work: Awaitable[str], connection: _FirstConnection) -> str:
    """What the work says, or the error of its connection, whichever is known first. Raises VoiceAgentError."""
    task = asyncio.ensure_future(work)
    both: set[asyncio.Future[Any]] = {task, connection.failed}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        connection.failed.cancel()
        return task.result()
    task.cancel()
    with suppress(asyncio.CancelledError, VoiceAgentError):
        await task
    raise connection.failed.result()


async def _hear(endpoint: Endpoint, question: Pcm, words: str) -> str:
    if not len(question):
        return "!left out: there is no voice to send (see: the caller's voice)"
    connection = _FirstConnection()
    async with ElevenLabsStt(
        endpoint, on_partial=lambda _text, *, committed=False: None, on_connection=connection
    ) as recogniser:
        recogniser.send_audio(np.concatenate([silence(0.3, STT_RATE), question, silence(0.3, STT_RATE)]))
        heard = await _first(recogniser.commit(), connection)
    if not heard.strip():
        return f'!it answered, but understood nothing of "{words}"'
    return f'heard "{heard}" in "{words}"'


async def _think(endpoint: Endpoint) -> str:
    async with ChatModel(replace(endpoint, stand_in=lambda: None)) as chat:
        text = "".join([part.text async for part in chat.model.astream([HumanMessage(ASKED)])])
    return f"{endpoint.model} answered ({len(text)} characters)"


async def _speak(endpoint: Endpoint) -> str:
    connection = _FirstConnection()

    async def speech() -> str:
        stream = voice.open()
        stream.send("Ready. ")
        stream.finish()
        pcm = np.concatenate([np.zeros(0, np.int16), *[chunk.pcm async for chunk in stream]])
        return "it spoke" if first_audible(pcm) is not None else "!it answered, but nothing audible came"

    async with ElevenLabsTts(endpoint, on_connection=connection) as voice:
        said = await _first(speech(), connection)
    if endpoint.provider is Provider.ELEVENLABS:
        await list_voices(endpoint)
    return said


async def _converse(endpoint: Endpoint, question: Pcm) -> str:
    connection = _FirstConnection()
    config = RealtimeConfig("Answer in three words.", voice=endpoint.voice, mode=TurnMode.PUSH_TO_TALK)

    async def answer() -> str:
        if len(question):
            client.send_audio(resample(question, STT_RATE, REALTIME_RATE))
            client.commit()
        else:
            client.send_text(ASKED)
        return await _answer_of(client, endpoint, spoken=bool(len(question)))

    endpoint = replace(endpoint, stand_in=lambda: None)
    async with RealtimeClient(endpoint, config, past=list, on_connection=connection) as client:
        return await _first(answer(), connection)


async def _answer_of(client: RealtimeClient, endpoint: Endpoint, *, spoken: bool) -> str:
    """Until the answer is complete and the user's words are known. Raises what the server says is wrong."""
    samples, words, done = 0, None if spoken else "", False
    async for event in client:
        match event:
            case AudioDelta(pcm=pcm):
                samples += len(pcm)
            case UserFinal(text=text):
                words = text
            case UserFinalFailed():
                words = ""
            case ServerError(error=error):
                raise error
            case ResponseDone(status=status, reason=reason):
                if status != "completed":
                    raise RequestRejected(
                        Role.REALTIME, endpoint.provider.value, f"It gave no answer: {reason or status}"
                    )
                done = True
        if done and words is not None:
            break
    if spoken and not words:
        named = (
            "AZURE_OPENAI_TRANSCRIBE_DEPLOYMENT" if endpoint.provider is Provider.AZURE else "its transcription model"
        )
        return f"!it answers, but does not say what it understood: check {named}"
    return "it answered aloud" if samples else "!it answered, but not aloud"


async def _relay(settings: Settings) -> list[Finding]:
    if settings.relay is None:
        return []
    began = time.monotonic()
    relays = Relays(settings.relay, settings.session_time_limit_s)
    await relays.fresh()
    if relays.trouble:
        return [Finding("relay for audio", Outcome.FAILED, relays.trouble, (settings.relay.variable,))]
    return [Finding("relay for audio", Outcome.OK, "fresh credentials came", (), time.monotonic() - began)]
