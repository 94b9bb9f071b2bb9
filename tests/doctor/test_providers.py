"""Every provider is asked once, for real; whatever it refuses is told with its name and the variable to set."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.quick_engines import QuickRecogniser, ToneVoice
from tests.transports.test_relay import USER, WORD, coturn
from voice_agents.audio import Pcm
from voice_agents.doctor.findings import Finding, Outcome
from voice_agents.doctor.providers import check_providers
from voice_agents.offline.brain import Brain
from voice_agents.offline.faults import ALWAYS, Fault, FaultKind, FaultPlan, Service
from voice_agents.offline.server import OfflineServer
from voice_agents.offline.services import Services
from voice_agents.settings import Settings

WORDS = "What time is it in Tokyo?"
KEY = "a-key-that-is-secret"
SPEECH: Pcm = (8000 * np.sin(np.arange(16_000) / 8)).astype(np.int16)
"""A second of sound."""


def env(url: str, provider: str = "azure", **changes: str) -> Mapping[str, str]:
    """Both vendors behind this address."""
    speech = {"ELEVENLABS_API_KEY": KEY, "ELEVENLABS_BASE_URL": url}
    azure = {
        "AZURE_OPENAI_ENDPOINT": url,
        "AZURE_OPENAI_API_KEY": KEY,
        "AZURE_OPENAI_DEPLOYMENT": "ours",
        "AZURE_OPENAI_REALTIME_DEPLOYMENT": "ours-live",
        "AZURE_OPENAI_TRANSCRIBE_DEPLOYMENT": "ours-ears",
    }
    openai = {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": KEY,
        "OPENAI_MODEL": "ours",
        "OPENAI_REALTIME_MODEL": "ours-live",
    }
    return {**speech, **(azure if provider == "azure" else openai), **changes}


@asynccontextmanager
async def vendors(*faults: Fault, key: str | None = None) -> AsyncIterator[str]:
    """The address of a server that speaks all their protocols."""
    services = Services(
        QuickRecogniser(lambda n: WORDS.split()[n % 6]), ToneVoice(0.1), Brain(), faults=FaultPlan(faults)
    )
    async with OfflineServer(services=services, key=key) as server:
        yield server.url


async def asked(env: Mapping[str, str], question: Pcm = SPEECH) -> dict[str, Finding]:
    settings = Settings.from_env(env, dotenv=None)
    return {found.name: found for found in await check_providers(settings, question, WORDS)}


@pytest.mark.parametrize("provider", ["azure", "openai"])
async def test_who_answers_is_told_with_the_time_it_took(provider: str) -> None:
    async with vendors() as url:
        found = await asked(env(url, provider))
    name = "Azure OpenAI" if provider == "azure" else "OpenAI-compatible"
    assert found.keys() == {
        "speech-to-text (ElevenLabs)", f"chat ({name})", "text-to-speech (ElevenLabs)", f"realtime ({name})"
    }  # fmt: skip
    assert [one.outcome for one in found.values()] == [Outcome.OK] * 4, found
    assert all(one.seconds is not None for one in found.values())


KEYS = {"stt": "ELEVENLABS_API_KEY", "tts": "ELEVENLABS_API_KEY"} | dict.fromkeys(
    ("chat", "realtime"), "AZURE_OPENAI_API_KEY"
)
NAMES = {
    "stt": "ELEVENLABS_STT_MODEL",
    "tts": "ELEVENLABS_VOICE_ID",
    "chat": "AZURE_OPENAI_DEPLOYMENT",
    "realtime": "AZURE_OPENAI_REALTIME_DEPLOYMENT",
}
ROLES = {
    "stt": "speech-to-text (ElevenLabs)",
    "tts": "text-to-speech (ElevenLabs)",
    "chat": "chat (Azure OpenAI)",
    "realtime": "realtime (Azure OpenAI)",
}


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
@pytest.mark.parametrize("service", ["stt", "tts", "chat", "realtime"])
async def test_a_refusal_is_told_with_the_provider_and_what_mends_it(service: str, status: int) -> None:
    refusals = [Fault(Service(service), FaultKind.REFUSE, status=status, times=ALWAYS)]
    async with vendors(*refusals) as url:
        found = await asked(env(url))
    refused = found.pop(ROLES[service])
    assert refused.outcome is Outcome.FAILED
    assert ("ElevenLabs" if service in ("stt", "tts") else "Azure OpenAI") in refused.says
    assert KEY not in refused.says
    if status in (401, 403):
        assert refused.variables == (KEYS[service],)
    elif status == 404:
        assert NAMES[service] in refused.variables
    else:
        assert refused.variables == (), "waiting helps, no variable does"
    assert [one.outcome for one in found.values()] == [Outcome.OK] * 3, "the others work"


async def test_who_stands_in_for_a_provider_does_not_hide_that_it_fails() -> None:
    fault = Fault(Service.REALTIME, FaultKind.REFUSE, status=401, times=ALWAYS)
    async with vendors(fault) as url, vendors() as offline:
        settings = Settings.from_env(env(url), dotenv=None).with_offline(offline)
        found = {one.name: one for one in await check_providers(settings, SPEECH, WORDS)}
    assert found["realtime (Azure OpenAI)"].outcome is Outcome.FAILED


async def test_a_key_that_is_not_the_vendors_is_named() -> None:
    async with vendors(key="the right one") as url:
        found = await asked(env(url))
    assert {name: one.variables for name, one in found.items()} == {ROLES[role]: (KEYS[role],) for role in KEYS}


@pytest.mark.parametrize(
    ("role", "provider", "variable"),
    [
        ("speech-to-text (ElevenLabs)", "azure", "ELEVENLABS_BASE_URL"),
        ("text-to-speech (ElevenLabs)", "azure", "ELEVENLABS_BASE_URL"),
        ("chat (Azure OpenAI)", "azure", "AZURE_OPENAI_ENDPOINT"),
        ("realtime (Azure OpenAI)", "azure", "AZURE_OPENAI_ENDPOINT"),
        ("chat (OpenAI-compatible)", "openai", "OPENAI_BASE_URL"),
        ("realtime (OpenAI-compatible)", "openai", "OPENAI_BASE_URL"),
    ],
)
async def test_an_address_nobody_is_at_is_named(role: str, provider: str, variable: str) -> None:
    found = await asked(env("http://127.0.0.1:9", provider))
    assert found[role].outcome is Outcome.FAILED
    assert found[role].variables == (variable,)


async def test_a_voice_the_vendor_refuses_is_named() -> None:
    async with vendors(Fault(Service.TTS, FaultKind.ERROR_FRAME, name="voice_id_does_not_exist", times=ALWAYS)) as url:
        found = await asked(env(url, ELEVENLABS_VOICE_ID="nobody"))
    assert found["text-to-speech (ElevenLabs)"].outcome is Outcome.FAILED
    assert "ELEVENLABS_VOICE_ID" in found["text-to-speech (ElevenLabs)"].variables


async def test_without_a_voice_the_rest_is_asked_all_the_same() -> None:
    async with vendors() as url:
        found = await asked(env(url), np.zeros(0, np.int16))
    assert found["speech-to-text (ElevenLabs)"].outcome is Outcome.WARNING
    assert found["realtime (Azure OpenAI)"].outcome is Outcome.OK


async def test_where_a_proxy_stands_between_it_is_named_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    away = {"ELEVENLABS_API_KEY": KEY, "ELEVENLABS_BASE_URL": "https://elevenlabs.invalid"}
    async with vendors() as url:
        found = await asked({**env(url), **away})
    assert found[ROLES["tts"]].variables == ("ELEVENLABS_BASE_URL", "HTTPS_PROXY", "ALL_PROXY")
    assert found[ROLES["chat"]].outcome is Outcome.OK


RELAY = "relay for audio"


async def test_an_own_relay_is_asked_for_a_place_and_one_that_gives_none_is_named(tmp_path: Path) -> None:
    """What it is told in its variables was called "fresh credentials" before, whoever was there."""
    async with vendors() as url, coturn(tmp_path) as port:

        async def found(word: str, *ports: int) -> Finding:
            urls = ",".join(f"turn:127.0.0.1:{each}" for each in ports)
            return (await asked(env(url, TURN_URL=urls, TURN_USERNAME=USER, TURN_PASSWORD=word)))[RELAY]

        assert (await found(WORD, port)).outcome is Outcome.OK
        for bad in (await found("another", port), await found(WORD, 9), await found(WORD, port, 9)):
            assert bad.outcome is Outcome.FAILED
            assert bad.variables == ("TURN_URL", "TURN_USERNAME", "TURN_PASSWORD")
            assert "another" not in bad.says and WORD not in bad.says
