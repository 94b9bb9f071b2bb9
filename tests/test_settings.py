"""What the environment may say: complete, half, wrong; and that no secret leaves the settings."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from voice_agents.errors import ConfigurationError, Role
from voice_agents.relay import RelayKind
from voice_agents.settings import RACHEL_VOICE_ID, Provider, Settings

AZURE = {
    "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/",
    "AZURE_OPENAI_API_KEY": "azure-secret",
    "AZURE_OPENAI_DEPLOYMENT": "my-chat",
    "AZURE_OPENAI_REALTIME_DEPLOYMENT": "my-realtime",
    "AZURE_OPENAI_TRANSCRIBE_DEPLOYMENT": "my-ears",
}
OPENAI = {"OPENAI_API_KEY": "openai-secret", "OPENAI_MODEL": "gpt-x", "OPENAI_REALTIME_MODEL": "gpt-realtime-x"}
EXAMPLE = Path(__file__).parents[1] / ".env.example"
ELEVENLABS = {"ELEVENLABS_API_KEY": "eleven-secret"}


def read(**env: str) -> Settings:
    return Settings.from_env(env, dotenv=None)


def test_without_keys_every_role_is_filled_by_the_offline_server() -> None:
    settings = read()
    assert set(settings.missing_roles) == set(Role)
    filled = settings.with_offline("http://127.0.0.1:5000/")
    assert set(filled.offline_roles) == set(Role)
    assert filled.endpoint(Role.CHAT).base_url == "http://127.0.0.1:5000/openai/v1"
    assert filled.endpoint(Role.STT).base_url == "http://127.0.0.1:5000"


def test_vendors_fill_their_roles_and_the_rest_stays_offline() -> None:
    settings = read(**ELEVENLABS).with_offline("http://127.0.0.1:5000")
    assert settings.offline_roles == (Role.CHAT, Role.REALTIME)
    assert settings.endpoint(Role.TTS).voice == RACHEL_VOICE_ID
    assert settings.endpoint(Role.STT).base_url == "https://api.elevenlabs.io"


def test_azure_comes_before_openai() -> None:
    settings = read(**AZURE, **OPENAI)
    chat, realtime = settings.endpoint(Role.CHAT), settings.endpoint(Role.REALTIME)
    assert (chat.provider, chat.model) == (Provider.AZURE, "my-chat")
    assert chat.base_url == "https://res.openai.azure.com/openai/v1"
    assert (realtime.model, realtime.transcribe_model) == ("my-realtime", "my-ears")


def test_what_azure_leaves_open_openai_fills() -> None:
    settings = read(**{**AZURE, "AZURE_OPENAI_REALTIME_DEPLOYMENT": ""}, **OPENAI)
    assert settings.endpoint(Role.CHAT).provider is Provider.AZURE
    assert settings.endpoint(Role.REALTIME).provider is Provider.OPENAI


@pytest.mark.parametrize("variable", ["AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"])
def test_half_of_azure_names_the_missing_half(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        read(**{**AZURE, variable: ""})


@pytest.mark.parametrize(
    ("env", "variable"),
    [
        ({**AZURE, "AZURE_OPENAI_DEPLOYMENT": "", "AZURE_OPENAI_REALTIME_DEPLOYMENT": ""}, "AZURE_OPENAI_DEPLOYMENT"),
        ({"OPENAI_MODEL": "gpt-x"}, "OPENAI_API_KEY"),
        ({"OPENAI_API_KEY": "k"}, "OPENAI_MODEL"),
        ({"ELEVENLABS_BASE_URL": "https://example.com"}, "ELEVENLABS_API_KEY"),
        ({"ELEVENLABS_VOICE_ID": "somebody"}, "ELEVENLABS_API_KEY"),
        ({"ELEVENLABS_TTS_MODEL": "eleven_v3"}, "ELEVENLABS_API_KEY"),
        ({"ELEVENLABS_STT_MODEL": "scribe_v2_realtime"}, "ELEVENLABS_API_KEY"),
        ({"AZURE_OPENAI_TRANSCRIBE_DEPLOYMENT": "my-ears"}, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
        ({"AZURE_REALTIME_VOICE": "cedar"}, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
        ({**AZURE, "AZURE_OPENAI_REALTIME_DEPLOYMENT": ""}, "AZURE_OPENAI_REALTIME_DEPLOYMENT"),
    ],
)
def test_a_half_configured_provider_is_an_error(env: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        read(**env)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"OPENAI_BASE_URL": "http://example.com/v1", **OPENAI}, "use https"),
        ({"OPENAI_BASE_URL": "example.com", **OPENAI}, "OPENAI_BASE_URL must be a full address"),
        ({"OPENAI_BASE_URL": "https://[bad", **OPENAI}, "OPENAI_BASE_URL must be a full address"),
        ({"OPENAI_BASE_URL": "https://a:99999/v1", **OPENAI}, "OPENAI_BASE_URL must be a full address"),
        ({"OPENAI_BASE_URL": "user:hunter2@example.com", **OPENAI}, "full address"),
        ({"OPENAI_BASE_URL": "https://user:hunter2@example.com", **OPENAI}, "must not contain"),
        ({"MAX_SESSIONS": "many"}, "MAX_SESSIONS must be a number"),
        ({"MAX_SESSIONS": "0"}, "at least 1"),
        ({"MAX_SESSIONS_PER_VISITOR": "few"}, "MAX_SESSIONS_PER_VISITOR must be a number"),
        ({"MAX_SESSIONS_PER_VISITOR": "0"}, "MAX_SESSIONS_PER_VISITOR must be at least 1"),
        ({"MAX_SESSIONS_PER_VISITOR": "nan"}, "MAX_SESSIONS_PER_VISITOR must be at least 1"),
        ({"DATABASE_URL": "mysql://host/base"}, "DATABASE_URL"),
        ({"TRANSPORT": "udp"}, "TRANSPORT must be auto or webrtc or websocket"),
        ({"FAILOVER": "sometimes"}, "FAILOVER must be on or off"),
    ],
)
def test_unusable_values_say_what_to_do(env: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        read(**env)
    assert "secret" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("variable", ["ELEVENLABS_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_API_KEY", "HF_TOKEN"])
@pytest.mark.parametrize(
    "stray", ["\N{EN DASH}", " ", "\t", "\n", "\x7f", "\N{ZERO WIDTH SPACE}", "\N{NO-BREAK SPACE}"]
)
def test_a_key_no_header_can_carry_is_refused_without_quoting_it(variable: str, stray: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable} contains a character no key has") as caught:
        read(**{**AZURE, **OPENAI, **ELEVENLABS, variable: f"sk-secret{stray}more"})
    assert "secret" not in str(caught.value)


def test_white_space_around_a_key_is_removed() -> None:
    assert read(ELEVENLABS_API_KEY=" eleven-secret~!\n").endpoint(Role.TTS).api_key == "eleven-secret~!"


@pytest.mark.parametrize(("said", "way"), [("", "auto"), ("WebSocket", "websocket"), ("webrtc", "webrtc")])
def test_calls_may_be_forced_to_go_one_way(said: str, way: str) -> None:
    assert read(TRANSPORT=said).transport == way


def test_the_offline_server_stands_in_for_configured_ears_and_voice() -> None:
    settings = read(**ELEVENLABS, **OPENAI).with_offline("http://127.0.0.1:5000", "its-key")
    for role in (Role.STT, Role.TTS):
        stand_in = settings.endpoint(role).stand_in()
        assert stand_in is not None and settings.replaces(role)
        assert (stand_in.provider, stand_in.base_url, stand_in.api_key) == (
            Provider.OFFLINE,
            "http://127.0.0.1:5000",
            "its-key",
        )
    assert settings.endpoint(Role.CHAT).stand_in() is None, "who writes an answer is somebody who was configured"


def test_openai_answers_for_azure_where_both_are_configured() -> None:
    stand_in = read(**AZURE, **OPENAI).endpoint(Role.CHAT).stand_in()
    assert stand_in is not None and stand_in.provider is Provider.OPENAI
    assert read(**AZURE).endpoint(Role.CHAT).stand_in() is None
    assert read(**OPENAI).endpoint(Role.CHAT).stand_in() is None


def test_a_realtime_server_is_stood_in_for_by_another_one_that_is_configured_else_by_the_offline_one() -> None:
    both = read(**AZURE, **{**OPENAI, "OPENAI_REALTIME_MODEL": "live"}).with_offline("http://127.0.0.1:5000")
    one = read(**AZURE).with_offline("http://127.0.0.1:5000")
    stand_ins = [settings.endpoint(Role.REALTIME).stand_in() for settings in (both, one)]
    assert [each and each.provider for each in stand_ins] == [Provider.OPENAI, Provider.OFFLINE]
    assert both.replaces(Role.REALTIME) and one.replaces(Role.REALTIME)


def test_who_is_offline_is_replaced_by_nobody() -> None:
    settings = read().with_offline("http://127.0.0.1:5000")
    for role in Role:
        assert settings.endpoint(role).stand_in() is None
        assert not settings.replaces(role)


def test_failover_off_replaces_nobody() -> None:
    openai = {**OPENAI, "OPENAI_REALTIME_MODEL": "live"}
    settings = read(FAILOVER="Off", **ELEVENLABS, **AZURE, **openai).with_offline("http://127.0.0.1:5000")
    for role in Role:
        assert settings.endpoint(role).stand_in() is None
        assert not settings.replaces(role)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    settings = read(OPENAI_BASE_URL=f"http://{host}/v1", **OPENAI)
    assert settings.endpoint(Role.CHAT).base_url == f"http://{host}/v1"


OWN_RELAY = {"TURN_URL": "turn:turn.example.com:3478", "TURN_USERNAME": "user-secret", "TURN_PASSWORD": "pass-secret"}
CLOUDFLARE = {"CLOUDFLARE_TURN_KEY_ID": "id-secret", "CLOUDFLARE_TURN_KEY_API_TOKEN": "token-secret"}
TWILIO = {"TWILIO_ACCOUNT_SID": "sid-secret", "TWILIO_AUTH_TOKEN": "token-secret"}
HUGGING_FACE = {"HF_TOKEN": "hf-secret"}


@pytest.mark.parametrize("relay", [OWN_RELAY, CLOUDFLARE, TWILIO, HUGGING_FACE])
def test_no_secret_is_shown(relay: dict[str, str]) -> None:
    settings = read(**AZURE, **ELEVENLABS, **relay, APP_PASSWORD="page-secret")
    assert settings.relay is not None
    assert "secret" not in repr(settings)


def test_of_several_relays_the_own_one_is_used_first() -> None:
    several = {**HUGGING_FACE, **TWILIO, **CLOUDFLARE, **OWN_RELAY}
    kinds = []
    for group in (OWN_RELAY, CLOUDFLARE, TWILIO, HUGGING_FACE):
        relay = read(**several).relay
        assert relay is not None
        kinds.append(relay.kind)
        several = {name: value for name, value in several.items() if name not in group}
    assert kinds == [RelayKind.OWN, RelayKind.CLOUDFLARE, RelayKind.TWILIO, RelayKind.HUGGING_FACE]
    assert read().relay is None


@pytest.mark.parametrize(
    ("relay", "missing"), [(relay, name) for relay in (OWN_RELAY, CLOUDFLARE, TWILIO) for name in relay]
)
def test_half_a_relay_is_an_error_that_names_the_other_half(relay: dict[str, str], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{missing} is missing") as caught:
        read(**{name: value for name, value in relay.items() if name != missing})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        *("turn.example.com", "https://turn.example.com", "stun:turn.example.com", "turn://turn.example.com", "turn:"),
        *("turn:turn.example.com:port", "turn:a b", "turn:turn.example.com?transport=sctp", "turn:x@turn.example.com"),
        *("turn:turn.example.com:99999", "turns:[::1]:65536", "turn:turn.example.com:0"),
    ],
)
def test_the_address_of_a_relay_is_one_that_browsers_take(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TURN_URL must be an address such as"):
        read(**{**OWN_RELAY, "TURN_URL": url})


@pytest.mark.parametrize(
    "hosts",
    [
        *("*.example.com", "talk.example.com:8000", "https://talk.example.com", "a..b", "[::1", "2001:db8::a", "a?b"),
        *("talk.example.com, .example.com", "user@talk.example.com", "talk_example,com/voice"),
    ],
)
def test_a_host_that_no_browser_could_name_is_an_error(hosts: str) -> None:
    """It would be let in under no name, and nobody would know why."""
    with pytest.raises(ConfigurationError, match="ALLOWED_HOSTS must list host names"):
        read(ALLOWED_HOSTS=hosts)


@pytest.mark.parametrize(
    ("hosts", "names"),
    [("*", ("*",)), ("Talk.example.com, [2001:db8::1] my_box", ("talk.example.com", "[2001:db8::1]", "my_box"))],
)
def test_hosts_are_taken_as_a_browser_names_them(hosts: str, names: tuple[str, ...]) -> None:
    assert read(ALLOWED_HOSTS=hosts).allowed_hosts == names


@pytest.mark.parametrize("value", ["yes", "true", "perhaps"])
def test_a_switch_that_is_neither_on_nor_off_is_an_error_though_nothing_asks_for_it_yet(value: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOW_PLAIN_HTTP must be 0 or 1"):
        read(ALLOW_PLAIN_HTTP=value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSLKEYLOGFILE", "/nowhere/keys.log"),
        ("SSL_CERT_FILE", "/nowhere/certificates.pem"),
        ("WEBSOCKETS_MAX_LOG_SIZE", "much"),
        ("WEBSOCKETS_MAX_BODY_SIZE", "1e6"),
        ("WEBSOCKETS_BACKOFF_FACTOR", "x"),
    ],
)
def test_what_libraries_read_by_themselves_and_break_at_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    others = {"SSL_CERT_FILE": certifi.where(), "WEBSOCKETS_SERVER": "mine", "WEBSOCKETS_MAX_REDIRECTS": "1_0"}
    with pytest.raises(ConfigurationError, match=name):
        read(**{**others, name: value})
    assert read(**others)


def test_a_relay_may_have_several_addresses() -> None:
    urls = "turn:turn.example.com:3478, turns:[2001:db8::1]:5349?transport=tcp"
    relay = read(**{**OWN_RELAY, "TURN_URL": urls}).relay
    assert relay is not None
    assert relay.urls == ("turn:turn.example.com:3478", "turns:[2001:db8::1]:5349?transport=tcp")


def test_a_dotenv_file_fills_what_the_environment_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ELEVENLABS_API_KEY=from-file\nELEVENLABS_VOICE_ID=from-file\n", encoding="utf-8")
    settings = Settings.from_env({"ELEVENLABS_VOICE_ID": "from-environment"}, dotenv=file)
    assert settings.endpoint(Role.TTS).voice == "from-environment"
    assert settings.endpoint(Role.TTS).api_key == "from-file"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_dotenv_file_is_read_as_windows_programs_write_it(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / ".env"
    file.write_text("ELEVENLABS_API_KEY=from-file\nAGENT_INSTRUCTIONS=Sei höflich.\n", encoding=encoding)
    settings = Settings.from_env({}, dotenv=file)
    assert settings.endpoint(Role.TTS).api_key == "from-file"
    assert settings.instructions == "Sei höflich."


def test_a_dotenv_file_in_an_old_encoding_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("AGENT_INSTRUCTIONS=Sei höflich.\n", encoding="latin-1")
    with pytest.raises(ConfigurationError, match="not UTF-8 text: save it again"):
        Settings.from_env({}, dotenv=file)


def test_the_example_as_it_stands_runs_offline() -> None:
    settings = Settings.from_env({}, dotenv=EXAMPLE)
    assert set(settings.missing_roles) == set(Role)


def test_every_variable_of_the_example_is_read() -> None:
    example = EXAMPLE.read_text(encoding="utf-8")
    names = {line.lstrip("#").split("=")[0] for line in example.splitlines() if "=" in line and "://" not in line[:12]}
    package = Path(__file__).parents[1] / "voice_agents"
    source = "".join(
        (package / name).read_text(encoding="utf-8") for name in ("settings.py", "relay.py", "environment.py")
    )
    assert {name for name in names if name.isupper() and name not in source} == set()


LANGUAGES = {
    **{"": "", "de": "de", "DE": "de", "en-US": "en", "pt_BR": "pt", "zh-Hans-CN": "zh", "eng": "en", "GER": "de"},
    **{"deu": "de", "fra": "fr", "jpn": "ja", "yue": "yue", "es-419": "es", "nob": "nb"},
}


@pytest.mark.parametrize("given", LANGUAGES)
def test_the_language_that_is_spoken_is_an_iso_code_or_found_out(given: str) -> None:
    assert Settings.from_env({"STT_LANGUAGE": given}, dotenv=None).turns.language == LANGUAGES[given]


@pytest.mark.parametrize(
    "wrong", ["german", "d", "1a", "Deutsch", "en,de", "auto", "d3", "english-US", "日本", "e n", "-"]
)
def test_a_language_that_is_no_code_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="STT_LANGUAGE"):
        Settings.from_env({"STT_LANGUAGE": wrong}, dotenv=None)


def test_how_long_and_how_much_a_model_may_think() -> None:
    model = {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}
    settings = Settings.from_env(model, dotenv=None)
    assert settings.chat is not None and settings.chat.reasoning_effort == "" and settings.chat_first_word_s >= 30
    more = {"CHAT_FIRST_WORD_TIMEOUT": "90", "OPENAI_REASONING_EFFORT": "Low"}
    settings = Settings.from_env({**model, **more}, dotenv=None)
    assert settings.chat is not None and settings.chat.reasoning_effort == "low" and settings.chat_first_word_s == 90
    for name, wrong in (("OPENAI_REASONING_EFFORT", "lots"), ("CHAT_FIRST_WORD_TIMEOUT", "0")):
        with pytest.raises(ConfigurationError, match=name):
            Settings.from_env({**model, name: wrong}, dotenv=None)
    with pytest.raises(ConfigurationError, match="OPENAI_MODEL is missing: OPENAI_REASONING_EFFORT"):
        Settings.from_env({"OPENAI_REASONING_EFFORT": "low"}, dotenv=None)
