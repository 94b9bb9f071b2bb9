"""What people paste where a value is asked for: the portal's addresses, quotes of docker, servers of their own network.

The addresses are those of Azure's portals, documentation and SDKs, and of issues of LiteLLM, openai-go, autogen, Cline,
paperless-ai, streetmerchant, qbittorrent-exporter and others.
"""

from __future__ import annotations

import pytest

from voice_agents.address import check_gradio
from voice_agents.errors import ConfigurationError, Role
from voice_agents.settings import Settings

AZURE = {
    "AZURE_OPENAI_API_KEY": "azure-secret",
    "AZURE_OPENAI_DEPLOYMENT": "my-chat",
    "AZURE_OPENAI_REALTIME_DEPLOYMENT": "my-realtime",
}
OPENAI = {"OPENAI_API_KEY": "openai-secret", "OPENAI_MODEL": "gpt-x"}
VERSION = "api-version=2025-01-01-preview"


def read(**env: str) -> Settings:
    return Settings.from_env(env, dotenv=None)


@pytest.mark.parametrize(
    ("pasted", "resource"),
    [
        ("https://res.openai.azure.com", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com//", "https://res.openai.azure.com"),
        ("res.openai.azure.com", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai/", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai/v1", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai/v1/", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai/v1/chat/completions", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai/v1/responses?api-version=preview", "https://res.openai.azure.com"),
        ("https://res.openai.azure.com/openai/deployments/my-chat", "https://res.openai.azure.com"),
        (
            f"https://res.openai.azure.com/openai/deployments/my-chat/chat/completions?{VERSION}",
            "https://res.openai.azure.com",
        ),
        (f"https://res.openai.azure.com/openai/responses?{VERSION}", "https://res.openai.azure.com"),
        (f"https://res.openai.azure.com/?{VERSION}", "https://res.openai.azure.com"),
        (
            f"wss://res.openai.azure.com/openai/realtime?{VERSION}&deployment=my-realtime",
            "https://res.openai.azure.com",
        ),
        ("wss://res.openai.azure.com/openai/v1/realtime?model=my-realtime", "https://res.openai.azure.com"),
        ("https://res.cognitiveservices.azure.com/", "https://res.cognitiveservices.azure.com"),
        (
            f"https://res.cognitiveservices.azure.com/openai/deployments/my-chat/chat/completions?{VERSION}",
            "https://res.cognitiveservices.azure.com",
        ),
        (
            f"https://res.cognitiveservices.azure.com/openai/realtime?{VERSION}&deployment=x",
            "https://res.cognitiveservices.azure.com",
        ),
        ("https://res.services.ai.azure.com/openai/v1", "https://res.services.ai.azure.com"),
        ("https://res.services.ai.azure.com/api/projects/my-project", "https://res.services.ai.azure.com"),
        (f"https://res.services.ai.azure.com/models/chat/completions?{VERSION}", "https://res.services.ai.azure.com"),
        ("https://res.services.ai.azure.com/models", "https://res.services.ai.azure.com"),
        ("https://francecentral.api.cognitive.microsoft.com/", "https://francecentral.api.cognitive.microsoft.com"),
        ("https://res.openai.azure.us/openai/v1/", "https://res.openai.azure.us"),
        ("https://res.openai.azure.cn/openai/deployments/x/", "https://res.openai.azure.cn"),
        ("https://res.privatelink.openai.azure.com/openai", "https://res.privatelink.openai.azure.com"),
        ("https://gate.azure-api.net", "https://gate.azure-api.net"),
        ("https://gate.azure-api.net/openai/deployments/my-chat/chat/completions", "https://gate.azure-api.net"),
        ("https://gate.azure-api.net/team-a/openai/v1/", "https://gate.azure-api.net/team-a"),
        ("https://gate.azure-api.net/team-a", "https://gate.azure-api.net/team-a"),
        ("https://llm.example.com:8443/azure/openai/deployments/x?api-version=1", "https://llm.example.com:8443/azure"),
        ('"https://res.openai.azure.com/"', "https://res.openai.azure.com"),
        (" 'https://res.openai.azure.com/openai/v1/' \n", "https://res.openai.azure.com"),
        ("\ufeffhttps://res.openai.azure.com/\u200b", "https://res.openai.azure.com"),
        ("“https://res.openai.azure.com/”", "https://res.openai.azure.com"),
        ("HTTPS://Res.OpenAI.Azure.com/openai/", "https://Res.OpenAI.Azure.com"),
    ],
)
def test_an_azure_address_is_reduced_to_the_resource(pasted: str, resource: str) -> None:
    settings = read(AZURE_OPENAI_ENDPOINT=pasted, **AZURE)
    assert settings.endpoint(Role.CHAT).base_url == f"{resource}/openai/v1"
    assert settings.endpoint(Role.REALTIME).base_url == f"{resource}/openai/v1"


@pytest.mark.parametrize("page", ["https://portal.azure.com/#@me/resource/x", "https://ai.azure.com/foundry?x=1"])
def test_a_page_of_the_portal_is_no_endpoint(page: str) -> None:
    with pytest.raises(ConfigurationError, match=r"AZURE_OPENAI_ENDPOINT is a page of the portal: copy the endpoint"):
        read(AZURE_OPENAI_ENDPOINT=page, **AZURE)


@pytest.mark.parametrize(
    ("pasted", "base"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("wss://api.openai.com/v1/realtime?model=gpt-realtime", "https://api.openai.com/v1"),
        ("https://eu.example.com/v1/responses/", "https://eu.example.com/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://api.perplexity.ai/chat/completions", "https://api.perplexity.ai"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("http://localhost:11434", "http://localhost:11434/v1"),
        ("localhost:11434", "http://localhost:11434/v1"),
        ("http://localhost:11434/api/chat", "http://localhost:11434/v1"),
        ("http://127.0.0.1:1234/api/v0/", "http://127.0.0.1:1234/v1"),
        ("http://127.0.0.1:8080/v1/models", "http://127.0.0.1:8080/v1"),
        ("'http://127.0.0.1:8000/v1'", "http://127.0.0.1:8000/v1"),
    ],
)
def test_the_address_of_a_request_is_reduced_to_what_stands_before_it(pasted: str, base: str) -> None:
    assert read(OPENAI_BASE_URL=pasted, **OPENAI).endpoint(Role.CHAT).base_url == base


@pytest.mark.parametrize(
    "pasted",
    [
        "https://api.elevenlabs.io/v1",
        "https://api.elevenlabs.io/v1/",
        "wss://api.elevenlabs.io/v1/text-to-speech/x/stream-input?model_id=y",
        "api.elevenlabs.io",
        '"https://api.elevenlabs.io"',
    ],
)
def test_an_address_of_elevenlabs_ends_before_the_version(pasted: str) -> None:
    settings = read(ELEVENLABS_BASE_URL=pasted, ELEVENLABS_API_KEY="'eleven-secret'")
    assert settings.endpoint(Role.TTS).base_url == "https://api.elevenlabs.io"
    assert settings.endpoint(Role.TTS).api_key == "eleven-secret"


@pytest.mark.parametrize(
    ("pasted", "key"),
    [
        ('"sk-1234"', "sk-1234"),
        ("'sk-1234'", "sk-1234"),
        ("“sk-1234”", "sk-1234"),
        ("\ufeffsk-1234\r\n", "sk-1234"),
        ("Bearer sk-1234", "sk-1234"),
        ('" sk-1234 "', "sk-1234"),
        ("\u200bsk-1234", "sk-1234"),
    ],
)
def test_what_stands_around_a_key_is_taken_off(pasted: str, key: str) -> None:
    assert read(OPENAI_MODEL='"gpt-x"', OPENAI_API_KEY=pasted).endpoint(Role.CHAT).api_key == key


def test_what_is_quoted_in_a_text_stays() -> None:
    assert read(AGENT_INSTRUCTIONS='"Hi" is said before "you"').instructions == '"Hi" is said before "you"'
    assert read(MAX_SESSIONS='"5"', TRANSPORT="'webrtc'").max_sessions == 5
    assert read(AZURE_OPENAI_ENDPOINT='""', OPENAI_API_KEY="''").missing_roles


OWN = [
    "http://host.docker.internal:11434/v1",
    "http://ollama:11434/v1",
    "http://192.168.1.20:1234/v1",
    "http://10.0.0.7:8000/v1",
    "http://172.17.0.1:8080/v1",
    "http://gpu-box.local:11434/v1",
    "http://vllm.models.svc.cluster.local:8000/v1",
    "http://[fd00::7]:8000/v1",
    "http://100.64.3.2:11434/v1",
    "http://nas.lan:1234/v1",
    "http://169.254.10.1:1234/v1",
    "http://gateway.docker.internal:1234/v1",
]


@pytest.mark.parametrize("url", OWN)
def test_plain_http_is_allowed_in_ones_own_network_by_one_variable_which_the_refusal_names(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"OPENAI_BASE_URL uses http://.*set ALLOW_PLAIN_HTTP=1") as refused:
        read(OPENAI_BASE_URL=url, **OPENAI)
    assert "secret" not in str(refused.value)
    settings = read(OPENAI_BASE_URL=url, ALLOW_PLAIN_HTTP="1", **OPENAI)
    assert settings.endpoint(Role.CHAT).base_url == url
    assert (
        read(OPENAI_BASE_URL=url.removesuffix("/v1"), ALLOW_PLAIN_HTTP="'1'", **OPENAI).endpoint(Role.CHAT).base_url
        == url
    )


@pytest.mark.parametrize("url", ["http://api.openai.com/v1", "http://8.8.8.8/v1", "http://llm.example.com/v1"])
def test_nothing_is_sent_unencrypted_into_the_internet(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"use https:// \(http is for this machine and your own network only\)"
    ):
        read(OPENAI_BASE_URL=url, ALLOW_PLAIN_HTTP="1", **OPENAI)


def test_what_gradio_and_uvicorn_read_by_themselves_loses_its_quotes_too() -> None:
    env = {
        "GRADIO_SERVER_NAME": '"0.0.0.0"',
        "GRADIO_SERVER_PORT": "'7861'",
        "FORWARDED_ALLOW_IPS": '"*"',
        "OTHER": "''",
    }
    check_gradio(env)
    assert env == {
        **{"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": "7861"},
        **{"FORWARDED_ALLOW_IPS": "*", "OTHER": "''"},
    }


@pytest.mark.parametrize(
    "value",
    [
        *("<https://res.openai.azure.com/>", "[https://res.openai.azure.com/](https://res.openai.azure.com/)"),
        *("AZURE_OPENAI_ENDPOINT=https://res.openai.azure.com/", "endpoint: https://res.openai.azure.com/"),
        'export AZURE_OPENAI_ENDPOINT="https://res.openai.azure.com/"',
    ],
)
def test_an_address_that_is_pasted_with_what_stood_around_it(value: str) -> None:
    settings = read(AZURE_OPENAI_ENDPOINT=value, **AZURE)
    assert settings.endpoint(Role.CHAT).base_url == "https://res.openai.azure.com/openai/v1"


@pytest.mark.parametrize(
    ("value", "base_url"),
    [
        ("http://localhost:11434/api/generate", "http://localhost:11434/v1"),
        ("http://localhost:8080/completion", "http://localhost:8080/v1"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:8000/v1", "http://127.0.0.1:8000/v1"),
        ("[::1]:8080", "http://[::1]:8080/v1"),
    ],
)
def test_a_local_server_is_found_by_what_it_prints(value: str, base_url: str) -> None:
    assert read(OPENAI_BASE_URL=value, **OPENAI).endpoint(Role.CHAT).base_url == base_url


@pytest.mark.parametrize(
    "value",
    ["OPENAI_API_KEY=sk-abcdef", "api-key: sk-abcdef", "sk-abcdef;", "sk-abcdef\\n", "Authorization: Bearer sk-abcdef"],
)
def test_a_key_that_is_pasted_with_what_stood_around_it(value: str) -> None:
    settings = read(OPENAI_MODEL="gpt-x", OPENAI_API_KEY=value)
    assert settings.endpoint(Role.CHAT).api_key == "sk-abcdef"
