"""What the environment (and ``.env``) says: which provider fills which role, and the limits of this server."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_data_path

from voice_agents.environment import PLAIN_HTTP, Values, is_loopback
from voice_agents.errors import ConfigurationError, Role
from voice_agents.local_models import FoundModelServer, ModelChoice
from voice_agents.pasted import azure_resource, elevenlabs_base, openai_base
from voice_agents.relay import Relay, relay_of

RACHEL_VOICE_ID = "21m00Tcm4TlvDq8ikWAM"
"""ElevenLabs' premade voice "Rachel", the seed plan's default."""

ELEVENLABS_URL = "https://api.elevenlabs.io"
ELEVENLABS_OPTIONS = ("ELEVENLABS_BASE_URL", "ELEVENLABS_VOICE_ID", "ELEVENLABS_TTS_MODEL", "ELEVENLABS_STT_MODEL")
OPENAI_URL = "https://api.openai.com/v1"
REALTIME_OPTIONS = ("AZURE_OPENAI_TRANSCRIBE_DEPLOYMENT", "AZURE_REALTIME_VOICE")
SPACE_STORAGE = Path("/data")
"""What a Hugging Face Space keeps over its restarts, where its owner has added storage."""
DATABASE_NAME = "conversations.sqlite3"
LOG_LEVELS = ("debug", "info", "warning", "error")
FIRST_WORD_S = 45.0
"""A model that reasons is waited for so long."""
REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
OFFLINE_KEY = "offline"
OFFLINE_MODEL = "offline"
UNDERSTOOD_OFFLINE = ("", "en")
"""Languages, "" for one that nobody has named: who offline hears understands no other."""


class Provider(StrEnum):
    """Who fills a role, by the name a user knows."""

    ELEVENLABS = "ElevenLabs"
    AZURE = "Azure OpenAI"
    OPENAI = "OpenAI-compatible"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One provider in one role. ``base_url`` has no trailing slash; ``model`` is a deployment name on Azure.

    The base URL of speech roles ends before ``/v1/...`` (ElevenLabs), that of chat and realtime with
    ``/v1`` (OpenAI) or ``/openai/v1`` (Azure), as the vendors' own SDKs expect it.
    """

    provider: Provider
    base_url: str
    model: str
    api_key: str = field(repr=False)
    voice: str = ""
    transcribe_model: str = ""
    """Realtime only: the model (Azure: deployment) that transcribes the user; empty = the provider's default."""

    reasoning_effort: str = ""
    """Chat only: how much the model is to think, as OpenAI names it; empty = the provider's default."""

    outage: Callable[[], str] = field(default=str, repr=False, compare=False)
    """Asked when the provider cannot be reached: one sentence if it is known why, else nothing."""

    name: str = ""
    """What users call it, where they know it by another name than its provider's."""
    replaced_by: Callable[[], Endpoint | None] = field(default=lambda: None, repr=False, compare=False)
    """Chat only, asked at every call: who answers in its place at present; None: nobody."""

    stand_in: Callable[[], Endpoint | None] = field(default=lambda: None, repr=False, compare=False)
    """Asked when it fails: who does its work meanwhile; None: nobody."""

    @property
    def present(self) -> Endpoint:
        """Who answers at present."""
        return self.replaced_by() or self

    @property
    def is_local(self) -> bool:
        """On this machine, where no proxy leads."""
        return is_loopback(urlsplit(self.base_url).hostname or "")


class TurnMode(StrEnum):
    """Who ends the user's turn."""

    AUTOMATIC = "automatic"
    PUSH_TO_TALK = "push to talk"
    """Only ``session.end_turn()`` ends it."""


class TurnDetection(StrEnum):
    """Realtime only: which of the server's detectors decides."""

    SERVER_VAD = "server_vad"
    SEMANTIC_VAD = "semantic_vad"


class CallWay(StrEnum):
    """How a browser's call travels."""

    AUTO = "auto"
    """Over WebRTC, or where that does not get through, over a WebSocket on the page's own port."""
    WEBRTC = "webrtc"
    WEBSOCKET = "websocket"


class Speculation(StrEnum):
    """Whether an answer is begun before it is certain that the user has finished."""

    OFF = "off"
    CAREFUL = "careful"
    """On words that sound finished, and that the recogniser has found to be current."""
    EAGER = "eager"
    """On any words: quicker where the recogniser is slow, and more is thrown away."""


class Interruptions(StrEnum):
    """What makes the agent give way while it speaks."""

    SENSITIVE = "sensitive"
    """Any sound that may be a voice silences it at once; it goes on if that was nothing."""
    NORMAL = "normal"
    """It speaks more quietly at once, falls silent when a voice goes on, and gives way to words."""
    WORDS_ONLY = "words only"
    """It speaks more quietly at once, and gives way to words."""


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """How turns are taken; what the page's controls change for one session.

    ``silence_s`` is the patience: seconds of silence after which a turn ends, from 0.2 to 2.
    """

    silence_s: float = 0.5
    adaptive: bool = True
    playout_lead_s: float = 0.12
    mode: TurnMode = TurnMode.AUTOMATIC
    detection: TurnDetection = TurnDetection.SERVER_VAD
    interruptions: Interruptions = Interruptions.NORMAL
    language: str = ""
    """What the user speaks, as ISO 639-1 writes it; empty: the recogniser finds out."""
    speculation: Speculation = Speculation.CAREFUL
    """Sandwich only: see :mod:`voice_agents.engines.speculation`."""


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """Where a PostgreSQL database is, as libpq reads it; holds a password."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the app is told from outside; immutable, shared by all sessions, without secrets in ``repr``.

    A role that is ``None`` has no provider configured; :meth:`with_offline` fills it.
    """

    stt: Endpoint | None = None
    tts: Endpoint | None = None
    chat: Endpoint | None = None
    realtime: Endpoint | None = None
    turns: TurnSettings = TurnSettings()
    chat_first_word_s: float = FIRST_WORD_S
    """How long the chat model may take to its first word."""
    instructions: str = ""
    database: Path | PostgresUrl = field(default_factory=lambda: default_database())
    relay: Relay | None = None
    """Carries the sound of calls where no direct way leads."""
    app_password: str = field(default="", repr=False)
    allowed_hosts: tuple[str, ...] = ()
    """Further names this server may be asked under, lower case, without a port; ``*`` allows any."""
    space_host: str = ""
    """The public name of the Hugging Face Space this runs in; empty elsewhere."""
    otlp_endpoint: str = ""
    """Where OpenTelemetry traces are sent, over HTTP; empty: none are made."""
    otlp_headers: str = field(default="", repr=False)
    otlp_service: str = "voice-agents"
    log_level: str = "WARNING"
    log_content: bool = False
    """Log and traces may hold what was said, typed and answered."""
    max_sessions: int = 20
    max_sessions_per_visitor: int = 3
    session_time_limit_s: float = 3600.0
    daily_minutes_per_visitor: float = 0.0
    """Minutes of calls a day; 0: no limit."""
    transport: CallWay = CallWay.AUTO
    failover: bool = True
    """While a provider fails, another one that is configured does its work, or the offline one."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")) -> Settings:
        """Read the environment; a ``.env`` file fills what the environment leaves out.

        Raises ConfigurationError naming the variable when a provider is configured by half or a value is unusable.
        """
        values = Values.of(os.environ if env is None else env, dotenv)
        failover = values.one_of("FAILOVER", ("on", "off"), "on") == "on"
        chat, realtime = _language_models(values, failover)
        stt, tts = _speech(values)
        values.one_of(PLAIN_HTTP, ("0", "1"), "0")  # also where no address asks for it
        values.networks("FORWARDED_ALLOW_IPS")  # uvicorn's own, which takes anything
        values.of_libraries()
        if otlp_endpoint := values.url("OTEL_EXPORTER_OTLP_ENDPOINT"):
            values.of_traces()
        return cls(
            stt=stt,
            tts=tts,
            chat=chat,
            realtime=realtime,
            chat_first_word_s=values.number("CHAT_FIRST_WORD_TIMEOUT", FIRST_WORD_S, at_least=1),
            instructions=values.get("AGENT_INSTRUCTIONS"),
            database=_database(values),
            relay=relay_of(values),
            app_password=values.get("APP_PASSWORD"),
            allowed_hosts=values.hosts("ALLOWED_HOSTS"),
            space_host=values.get("SPACE_HOST").lower(),
            otlp_endpoint=otlp_endpoint,
            otlp_headers=values.headers("OTEL_EXPORTER_OTLP_HEADERS"),
            otlp_service=values.get("OTEL_SERVICE_NAME", "voice-agents"),
            log_level=values.one_of("LOG_LEVEL", LOG_LEVELS, "warning").upper(),
            log_content=values.one_of("LOG_CONTENT", ("0", "1"), "0") == "1",
            max_sessions=int(values.number("MAX_SESSIONS", 20, at_least=1)),
            max_sessions_per_visitor=int(values.number("MAX_SESSIONS_PER_VISITOR", 3, at_least=1)),
            session_time_limit_s=values.number("SESSION_TIME_LIMIT", 3600, at_least=1),
            daily_minutes_per_visitor=values.number("DAILY_MINUTES_PER_VISITOR", 0, at_least=0),
            turns=TurnSettings(
                language=values.language("STT_LANGUAGE"),
                interruptions=Interruptions(values.one_of("INTERRUPTIONS", tuple(Interruptions), "normal")),
                speculation=Speculation(values.one_of("SPECULATION", tuple(Speculation), "careful")),
            ),
            transport=CallWay(values.one_of("TRANSPORT", tuple(CallWay), "auto")),
            failover=failover,
        )

    def endpoint(self, role: Role) -> Endpoint:
        """The provider of a role. Raises ConfigurationError when nothing fills it."""
        found = {Role.STT: self.stt, Role.TTS: self.tts, Role.CHAT: self.chat, Role.REALTIME: self.realtime}[role]
        if found is None:
            raise ConfigurationError(
                f"No provider is configured for {role.value}: set its keys or start the offline server."
            )
        return found

    def replaces(self, role: Role) -> bool:
        """Another provider may do the work of this role's while that fails."""
        return self.failover and self.endpoint(role).provider is not Provider.OFFLINE

    @property
    def missing_roles(self) -> tuple[Role, ...]:
        """Roles nothing fills yet."""
        filled = {Role.STT: self.stt, Role.CHAT: self.chat, Role.TTS: self.tts, Role.REALTIME: self.realtime}
        return tuple(role for role, endpoint in filled.items() if endpoint is None)

    @property
    def offline_roles(self) -> tuple[Role, ...]:
        """Roles filled by the embedded offline server."""
        filled = {Role.STT: self.stt, Role.CHAT: self.chat, Role.TTS: self.tts, Role.REALTIME: self.realtime}
        return tuple(r for r, e in filled.items() if e is not None and e.provider is Provider.OFFLINE)

    def with_offline(self, url: str, key: str = OFFLINE_KEY, outage: Callable[[], str] = str) -> Settings:
        """A copy whose empty roles are filled by the offline server at ``url`` (``http://127.0.0.1:port``).

        It does the work of configured providers, too, while they fail (:meth:`with_stand_ins`).

        ``key`` is the one it printed at its start; one that runs with ``--open`` takes any. ``outage``: see Endpoint.
        """
        url = url.rstrip("/")
        speech = Endpoint(Provider.OFFLINE, url, "", key, outage=outage)
        language = Endpoint(Provider.OFFLINE, f"{url}/openai/v1", OFFLINE_MODEL, key, outage=outage)
        return replace(
            self,
            stt=self.stt or replace(speech, model="scribe_v2_realtime"),
            tts=self.tts or replace(speech, model="eleven_flash_v2_5", voice=RACHEL_VOICE_ID),
            chat=self.chat or language,
            realtime=self.realtime or replace(language, voice="marin", transcribe_model=OFFLINE_MODEL),
        ).with_stand_ins(lambda: Settings().with_offline(url, key, outage))

    def with_stand_ins(self, offline: Callable[[], Settings | None]) -> Settings:
        """A copy whose configured ears, voice and Realtime server are stood in for by the offline ones while they fail.

        ``offline`` is asked at every fault; None: the offline server does not run (yet).
        """

        def of(role: Role) -> Endpoint | None:
            settings = offline()
            return None if settings is None else settings.endpoint(role)

        def stood_in_for(role: Role, endpoint: Endpoint | None) -> Endpoint | None:
            if endpoint is None or endpoint.provider is Provider.OFFLINE:
                return endpoint
            beside = endpoint.stand_in()
            if beside is not None and beside.provider is not Provider.OFFLINE:
                return endpoint
            return replace(endpoint, stand_in=lambda: of(role))

        if not self.failover:
            return self
        return replace(
            self,
            stt=stood_in_for(Role.STT, self.stt),
            tts=stood_in_for(Role.TTS, self.tts),
            realtime=stood_in_for(Role.REALTIME, self.realtime),
        )

    def with_model_server(self, server: FoundModelServer) -> Settings:
        """A copy whose chat, if no provider is configured for it, is a model server on this machine."""
        return replace(self, chat=self.chat or _local(server))

    def with_model_choice(self, choice: ModelChoice) -> Settings:
        """A copy whose chat, if it is the offline agent, is whoever is chosen in its place at the moment."""

        def chosen() -> Endpoint | None:
            return None if choice.chosen is None else _local(choice.chosen)

        if self.chat is None or self.chat.provider is not Provider.OFFLINE:
            return self
        return replace(self, chat=replace(self.chat, replaced_by=chosen))


def default_database() -> Path:
    """The SQLite file under the user's data folder."""
    return user_data_path("voice-agents", appauthor=False) / DATABASE_NAME


def _local(server: FoundModelServer) -> Endpoint:
    return Endpoint(Provider.OPENAI, server.base_url, server.model, OFFLINE_KEY, name=f"{server.name} on this machine")


def _speech(values: Values) -> tuple[Endpoint | None, Endpoint | None]:
    base_url = values.url("ELEVENLABS_BASE_URL", elevenlabs_base)
    key = values.key("ELEVENLABS_API_KEY")
    if not key:
        values.needs_for("ELEVENLABS_API_KEY", *ELEVENLABS_OPTIONS)
        return None, None
    shared = Endpoint(Provider.ELEVENLABS, base_url or ELEVENLABS_URL, "", key)
    stt = replace(shared, model=values.get("ELEVENLABS_STT_MODEL", "scribe_v2_realtime"))
    tts = replace(
        shared,
        model=values.get("ELEVENLABS_TTS_MODEL", "eleven_flash_v2_5"),
        voice=values.get("ELEVENLABS_VOICE_ID", RACHEL_VOICE_ID),
    )
    return stt, tts


def _language_models(values: Values, failover: bool) -> tuple[Endpoint | None, Endpoint | None]:
    azure = _azure(values)
    other = _openai(values)
    chat, realtime = _thinking(values, azure[0] or other[0]), azure[1] or other[1]
    if chat is not None and azure[0] and other[0] and failover:
        beside = _thinking(values, other[0])
        chat = replace(chat, stand_in=lambda: beside)
    if realtime is not None and azure[1] and other[1] and failover:
        realtime = replace(realtime, stand_in=lambda: other[1])
    if realtime is None:
        values.needs_for("AZURE_OPENAI_REALTIME_DEPLOYMENT", *REALTIME_OPTIONS)
    return chat, realtime


def _thinking(values: Values, chat: Endpoint | None) -> Endpoint | None:
    effort = values.one_of("OPENAI_REASONING_EFFORT", ("", *REASONING_EFFORTS), "")
    if chat is None:
        values.needs_for("OPENAI_MODEL", "OPENAI_REASONING_EFFORT")
        return None
    return replace(chat, reasoning_effort=effort)


def _azure(values: Values) -> tuple[Endpoint | None, Endpoint | None]:
    chat, realtime = values.get("AZURE_OPENAI_DEPLOYMENT"), values.get("AZURE_OPENAI_REALTIME_DEPLOYMENT")
    resource = values.url("AZURE_OPENAI_ENDPOINT", azure_resource)
    key = values.key("AZURE_OPENAI_API_KEY")
    if not (chat or realtime or resource or key):
        return None, None
    because = "other AZURE_OPENAI_ variables are set"
    if not resource:
        values.needs("AZURE_OPENAI_ENDPOINT", because)
    values.needs("AZURE_OPENAI_API_KEY", because)
    if not (chat or realtime):
        values.needs(
            "AZURE_OPENAI_DEPLOYMENT", f"{because}, so name the chat deployment (or AZURE_OPENAI_REALTIME_DEPLOYMENT)"
        )
    shared = Endpoint(
        Provider.AZURE,
        f"{resource}/openai/v1",
        "",
        key,
        voice=values.get("AZURE_REALTIME_VOICE", "marin"),
        transcribe_model=values.get("AZURE_OPENAI_TRANSCRIBE_DEPLOYMENT"),
    )
    return replace(shared, model=chat) if chat else None, replace(shared, model=realtime) if realtime else None


def _openai(values: Values) -> tuple[Endpoint | None, Endpoint | None]:
    key, base_url = values.key("OPENAI_API_KEY"), values.url("OPENAI_BASE_URL", openai_base)
    chat, realtime = values.get("OPENAI_MODEL"), values.get("OPENAI_REALTIME_MODEL")
    if not (key or base_url or chat or realtime):
        return None, None
    values.needs("OPENAI_API_KEY", "other OPENAI_ variables are set (a server that needs no key takes any word)")
    if not (chat or realtime):
        values.needs("OPENAI_MODEL", "OPENAI_API_KEY is set, so name the chat model (or OPENAI_REALTIME_MODEL)")
    shared = Endpoint(
        Provider.OPENAI, base_url or OPENAI_URL, "", key, voice=values.get("AZURE_REALTIME_VOICE", "marin")
    )
    transcribe = replace(shared, transcribe_model="gpt-4o-mini-transcribe")
    return replace(shared, model=chat) if chat else None, replace(transcribe, model=realtime) if realtime else None


def _database(values: Values) -> Path | PostgresUrl:
    url = values.get("DATABASE_URL")
    if not url:
        kept = values.get("SPACE_HOST") and os.access(SPACE_STORAGE, os.W_OK)
        return SPACE_STORAGE / "voice-agents" / DATABASE_NAME if kept else default_database()
    scheme, colon, rest = url.partition("://")
    if colon and scheme in ("postgresql", "postgres"):
        return PostgresUrl(url)
    if colon and scheme != "sqlite":
        raise ConfigurationError(
            f"DATABASE_URL: {scheme} is not supported; use sqlite:///path/to/file.sqlite3, "
            "postgresql://user:password@host/name, or leave it empty."
        )
    path = rest.removeprefix("/") if colon else url
    if path in ("", rest, ":memory:"):
        raise ConfigurationError("DATABASE_URL names no file: write sqlite:///path/to/file.sqlite3 (three slashes).")
    home = path.partition("/")[0]
    try:
        if home.startswith("~") and not Path(home).expanduser().is_dir():  # which root would make
            raise ConfigurationError(f"DATABASE_URL: there is no folder that {home} means: write the path in full.")
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigurationError(
            f"DATABASE_URL: there is no user whose home {home} could be: write the path in full."
        ) from None
