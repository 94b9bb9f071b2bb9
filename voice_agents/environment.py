"""The environment and ``.env``, read with checks that name the variable and say what to put there."""

from __future__ import annotations

import codecs
import re
import ssl
from collections.abc import Collection, Mapping
from io import StringIO
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, urlsplit

from dotenv import dotenv_values

from voice_agents.errors import ConfigurationError
from voice_agents.pasted import Reduce, is_own_network, pasted, with_scheme

PLAIN_HTTP = "ALLOW_PLAIN_HTTP"
"""Set to 1, hosts of one's own network may be asked over http."""

_CODES: str = """
afr:af ara:ar aze:az bel:be bul:bg ben:bn bos:bs cat:ca ces:cs cze:cs cym:cy wel:cy dan:da deu:de ger:de ell:el gre:el
eng:en spa:es est:et eus:eu baq:eu fas:fa per:fa fin:fi fra:fr fre:fr gle:ga glg:gl guj:gu heb:he hin:hi hrv:hr hun:hu
hye:hy arm:hy ind:id isl:is ice:is ita:it jpn:ja kat:ka geo:ka kaz:kk khm:km kan:kn kor:ko lao:lo lit:lt lav:lv mkd:mk
mac:mk mal:ml mon:mn mar:mr msa:ms may:ms mlt:mt mya:my bur:my nob:nb nep:ne nld:nl dut:nl nor:no pan:pa pol:pl por:pt
ron:ro rum:ro rus:ru slk:sk slo:sk slv:sl sqi:sq alb:sq srp:sr swe:sv swa:sw tam:ta tel:te tha:th tgl:tl tur:tr ukr:uk
urd:ur uzb:uz vie:vi zho:zh chi:zh zul:zu
"""
_WORDS_OF_WEBSOCKETS = ("WEBSOCKETS_SERVER", "WEBSOCKETS_USER_AGENT")
"""All others that the package websockets knows are numbers."""
_NUMBERS_OF_TRACES = re.compile(r"OTEL_(?:BSP_\w+|\w+_LIMIT|EXPORTER_OTLP(?:_TRACES)?_TIMEOUT)", re.ASCII)
_PLAIN_NAME = re.compile(r"[\w-]*", re.ASCII)
_HOST = re.compile(r"\*|\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.ASCII)
_SHORTER = dict(pair.split(":") for pair in _CODES.split())
"""ISO 639-2 and 639-3 in the shorter form, which is the only one that OpenAI's transcription takes."""


class Values:
    """Variables by name, without white space and quotes around them.

    Every reader raises ConfigurationError for what is wrong.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def of(cls, env: Mapping[str, str], dotenv: Path | None) -> Self:
        """``env``, and from the file what it leaves out or empty."""
        from_file = dotenv_values(stream=StringIO(_text(dotenv))) if dotenv is not None and dotenv.is_file() else {}
        merged = {name: pasted(name, value) for name, value in from_file.items() if value}
        merged.update({name: value for name, raw in env.items() if (value := pasted(name, raw))})
        return cls(merged)

    def all(self) -> dict[str, str]:
        """Every variable that is set."""
        return dict(self._values)

    def get(self, name: str, default: str = "") -> str:
        """Any text."""
        return self._values.get(name, "").strip() or default

    def one_of(self, name: str, choices: Collection[str], default: str) -> str:
        """One of these words, in lower case."""
        value = self.get(name, default).lower()
        if value not in choices:
            raise ConfigurationError(f"{name} must be {' or '.join(filter(None, choices))}.")
        return value

    def key(self, name: str) -> str:
        """A key or token, which is sent in an HTTP header: printable ASCII without spaces. Never quoted."""
        value = re.sub(r"^(?:(?:authorization|api-key|xi-api-key):\s*)?(?:bearer\s+)?", "", self.get(name), flags=re.I)
        value = re.sub(r"(?:\\[nr]|[;,])+$", "", value)
        if not all("!" <= character <= "~" for character in value):
            raise ConfigurationError(
                f"{name} contains a character no key has, such as a space, a long dash or an invisible one: "
                "copy the key again and put nothing else there."
            )
        return value

    def certificates(self, name: str) -> None:
        """A file of certificates that can be read, or nothing."""
        if file := self.get(name):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
            except (OSError, ValueError):  # ssl.SSLError is an OSError, too
                raise ConfigurationError(
                    f"{name} names no file of certificates that can be read: correct it, or leave it empty."
                ) from None

    def of_libraries(self) -> None:
        """What libraries read by themselves, and break at as they are loaded or connect."""
        self.certificates("SSL_CERT_FILE")
        if file := self.get("SSLKEYLOGFILE"):
            try:
                Path(file).open("a").close()
            except (OSError, ValueError):
                raise ConfigurationError(
                    f"SSLKEYLOGFILE names no file that can be written ({file}): correct it, or leave it empty."
                ) from None
        for name, value in self._values.items():
            number = float if name.startswith("WEBSOCKETS_BACKOFF_") else int
            if name.startswith("WEBSOCKETS_") and name not in _WORDS_OF_WEBSOCKETS:
                try:
                    number(value)
                except ValueError:
                    raise ConfigurationError(f"{name} must be a number: correct it, or leave it out.") from None

    def of_traces(self) -> None:
        """What the packages of OpenTelemetry read by themselves, where traces are sent."""
        for prefix in ("OTEL_EXPORTER_OTLP", "OTEL_EXPORTER_OTLP_TRACES"):
            self.certificates(f"{prefix}_CERTIFICATE")
            self.one_of(f"{prefix}_COMPRESSION", ("", "none", "gzip", "deflate"), "")
        for name, value in self._values.items():
            if _NUMBERS_OF_TRACES.fullmatch(name) and not (value.isascii() and value.isdigit()):
                raise ConfigurationError(f"{name} must be a whole number: correct it, or leave it out.")

    def plain_name(self, name: str) -> str:
        """An id that becomes part of an address: letters, digits, hyphens and underscores. Never quoted."""
        value = self.key(name)
        if not _PLAIN_NAME.fullmatch(value):
            raise ConfigurationError(
                f"{name} must be an id of letters and digits: copy it again and put nothing else there."
            )
        return value

    def hosts(self, name: str) -> tuple[str, ...]:
        """Host names as browsers send them, separated by commas or spaces, in lower case; ``*`` is any."""
        hosts = tuple(self.get(name).lower().replace(",", " ").split())
        if not all(_HOST.fullmatch(host) for host in hosts):
            raise ConfigurationError(
                f"{name} must list host names without http:// and without a port, such as talk.example.com, each in "
                "full (or * alone, for any)."
            )
        return hosts

    def language(self, name: str) -> str:
        """A language by its ISO 639-1 code where there is one, else as given; regions and longer codes are reduced."""
        given = self.get(name)
        code = given.lower().replace("_", "-").partition("-")[0]
        if given and not (len(code) in (2, 3) and code.isascii() and code.isalpha()):
            raise ConfigurationError(
                f"{name} is {given!r}: give the code of a language, such as en or de, or leave it empty."
            )
        return _SHORTER.get(code, code)

    def networks(self, name: str) -> str:
        """Addresses or networks separated by commas, or an asterisk; as it stands."""
        value = self.get(name)
        for part in () if value == "*" else filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(part, strict=False)
            except ValueError:
                raise ConfigurationError(
                    f"{name} must list addresses such as 10.0.0.2 or 10.0.0.0/8 (with commas between), or be *; "
                    f"{part!r} is none."
                ) from None
        return value

    def headers(self, name: str) -> str:
        """``name=value`` pairs with commas between, as it stands. Never quoted: values are keys."""
        value = self.get(name)
        if not all(pair.partition("=")[0].strip() and "=" in pair for pair in value.split(",") if value):
            raise ConfigurationError(f"{name} must be pairs such as name=value, with commas between.")
        return value

    def url(self, name: str, reduced: Reduce | None = None) -> str:
        """The address of a server, without a trailing slash. Never quoted: what is wrong may hold a password.

        ``reduced``: addresses of this kind are often pasted with more than the server, which is taken off.
        """
        value = with_scheme(self.get(name))
        if not value:
            return ""
        parts = _parts(value)
        schemes = ("http", "https") if reduced is None else ("http", "https", "ws", "wss")
        if parts is None or parts.scheme not in schemes or not parts.hostname:
            raise ConfigurationError(
                f"{name} must be a full address such as https://example.com or https://example.com:8443."
            )
        if parts.username or parts.password or (parts.query and reduced is None):
            raise ConfigurationError(
                f"{name} must not contain a user name, a password or a query: put the key in its own variable."
            )
        if reduced is not None:
            try:
                parts = reduced(parts)
            except ConfigurationError as error:
                raise ConfigurationError(f"{name} {error}") from None
        self._check_scheme(name, parts)
        return parts.geturl().rstrip("/")

    def _check_scheme(self, name: str, parts: SplitResult) -> None:
        """Plain http may carry keys over a cable of one's own, where its owner says so."""
        host = parts.hostname or ""
        if parts.scheme != "http" or is_loopback(host):
            return
        if not is_own_network(host):
            raise ConfigurationError(
                f"{name} uses http:// for {host}: use https:// (http is for this machine and your own network only)."
            )
        if self.one_of(PLAIN_HTTP, ("0", "1"), "0") != "1":
            raise ConfigurationError(
                f"{name} uses http:// for {host}: use https://, or set {PLAIN_HTTP}=1 if that host is in your own "
                "network and may be sent keys and conversations unencrypted."
            )

    def number(self, name: str, default: float, at_least: float) -> float:
        """A finite number."""
        raw = self.get(name, str(default))
        try:
            value = float(raw)
        except ValueError:
            raise ConfigurationError(f"{name} must be a number, not {raw!r}.") from None
        if not at_least <= value < float("inf"):
            raise ConfigurationError(f"{name} must be at least {at_least:g}, not {raw}.")
        return value

    def needs(self, name: str, because: str) -> str:
        """A text that must be there."""
        value = self.get(name)
        if not value:
            raise ConfigurationError(
                f"{name} is missing: {because}. Set it, or remove the other variable to run this part offline."
            )
        return value

    def needs_for(self, name: str, *others: str) -> None:
        """A text that must be there when one of these ``others`` is, which would have no effect without it."""
        for other in others:
            if self.get(other):
                self.needs(name, f"{other} is set")


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address means this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _text(file: Path) -> str:
    """What a file says: UTF-8, or what a byte order mark tells of (Windows PowerShell's ``>`` writes UTF-16)."""
    try:
        raw = file.read_bytes()
        wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"The file {file} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"The file {file} is not UTF-8 text: save it again with the encoding UTF-8.") from None


def _parts(value: str) -> SplitResult | None:
    """An address taken apart; None when that is impossible."""
    try:
        parts = urlsplit(value)
        _ = parts.port  # looked at only when it is asked for
    except ValueError:
        return None
    return parts
