"""The providers are reached through the proxy that is set, of whatever kind and spelling; this machine never is."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.providers.other_server import KEY, WAIT_S, OtherServer, OtherSocket, endpoint
from tests.providers.test_chat_on_another_server import HELLO, PATIENT, answered, sse
from tests.small_proxies import SmallProxy
from voice_agents import proxies
from voice_agents.errors import ProviderError, ProxyUnusable, Role
from voice_agents.providers.chat import ChatModel
from voice_agents.providers.elevenlabs.http import list_voices
from voice_agents.providers.elevenlabs.socket import open_socket
from voice_agents.providers.realtime.errors import Sentences
from voice_agents.providers.realtime.socket import Connector
from voice_agents.settings import Endpoint, Provider

FAR = "provider.example"
Use = Callable[[str], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(proxies, "_aside", {})


async def answer(request: Request) -> Response:
    return sse(HELLO) if request.method == "POST" else JSONResponse({"voices": [], "data": []})


async def waits(socket: OtherSocket) -> None:
    await socket.until_gone()


def language(url: str) -> Endpoint:
    return Endpoint(Provider.OPENAI, f"{url}/v1", "model-1", KEY)


async def chat(url: str) -> None:
    async with ChatModel(language(url), PATIENT) as model:
        await answered(model)


async def voices(url: str) -> None:
    assert await list_voices(endpoint(url)) == []


async def speech_socket(url: str) -> None:
    async with open_socket(endpoint(url), "/v1/speech-to-text/realtime", Role.STT, WAIT_S):
        pass


async def realtime(url: str) -> None:
    connector = Connector(language(url), Sentences(language(url)), None)
    try:
        async with connector.connect(WAIT_S):
            pass
    finally:
        await connector.close()


CLIENTS = [chat, voices, speech_socket, realtime]


async def used(use: Use, host: str = FAR, asks: bool = False, **env: str) -> list[tuple[str, str]]:
    """What the proxy was asked for; ``{proxy}`` in a value is its host and port."""
    async with OtherServer(waits, answer=answer) as server, SmallProxy(asks=asks) as proxy, asyncio.timeout(WAIT_S):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                patch.setenv(name, value.format(proxy=f"127.0.0.1:{proxy.port}"))
            port = server.url.rpartition(":")[2]
            await use(f"http://{host}:{port}")
        return [(how, where.removesuffix(f":{port}")) for how, where in proxy.reached]


@pytest.mark.parametrize("use", CLIENTS)
@pytest.mark.parametrize(
    ("name", "value", "how"),
    [
        ("HTTP_PROXY", "http://{proxy}", ""),
        ("http_proxy", "http://{proxy}/", ""),
        ("HTTP_PROXY", "{proxy}", ""),
        ("HTTP_PROXY", "'http://{proxy}'", ""),
        ("ALL_PROXY", "http://{proxy}", ""),
        ("all_proxy", "http://{proxy}", ""),
        ("ALL_PROXY", "socks5://{proxy}", "socks5"),
        ("ALL_PROXY", "socks5h://{proxy}", "socks5"),
        ("all_proxy", "socks5://{proxy}", "socks5"),
        ("ALL_PROXY", "socks://{proxy}/", "socks5"),
        ("HTTP_PROXY", "socks5h://{proxy}", "socks5"),
        ("http_proxy", "socks5://{proxy}", "socks5"),
    ],
)
async def test_every_provider_is_reached_through_the_proxy(use: Use, name: str, value: str, how: str) -> None:
    env = {name: value}
    reached = await used(use, FAR, False, **env)
    assert {where for _, where in reached} == {FAR}
    assert not how or {way for way, _ in reached} == {how}


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # httpcore leaves a refused SOCKS line open
@pytest.mark.parametrize("use", CLIENTS)
@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_is_told_who_asks(use: Use, scheme: str) -> None:
    async def story() -> None:
        assert await used(use, asks=True, ALL_PROXY=f"{scheme}://ada:pa%3Ass@{{proxy}}")
        with pytest.raises(ProviderError) as refused:
            await used(use, asks=True, ALL_PROXY=f"{scheme}://ada:wrong-one@{{proxy}}")
        assert "wrong-one" not in str(refused.value)

    asyncio.run(story())
    gc.collect()  # when the loop is closed, which holds the line until then


@pytest.mark.parametrize("use", CLIENTS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("value", ["http://{proxy}", "socks5://{proxy}", "socks4://{proxy}", "ftp://{proxy}"])
async def test_this_machine_is_reached_directly(use: Use, host: str, value: str) -> None:
    assert await used(use, host, HTTP_PROXY=value, HTTPS_PROXY=value, ALL_PROXY=value, NO_PROXY="") == []


@pytest.mark.parametrize(
    ("spared", "url", "direct"),
    [
        ("provider.example", "https://provider.example/v1", True),
        ("example", "wss://provider.example/v1", True),
        (".example", "https://provider.example", True),
        ("a.b, provider.example", "https://provider.example", True),
        ("*", "https://provider.example", True),
        ("provider.example:8443", "https://provider.example:8443", True),
        ("192.168.1.20", "http://192.168.1.20:1234/v1", True),
        ("192.168.0.0/16", "http://192.168.1.20:1234/v1", True),
        ("10.0.0.0/8", "http://192.168.1.20:1234/v1", False),
        ("other.example", "https://provider.example", False),
        ("", "https://provider.example", False),
        ("", "http://[::1]:8000/v1", True),
    ],
)
def test_who_is_spared_is_reached_directly(
    monkeypatch: pytest.MonkeyPatch, spared: str, url: str, direct: bool
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", spared)
    assert (proxies.proxy_for(url) is None) == direct


@pytest.mark.parametrize("use", [speech_socket, realtime])
@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
async def test_sockets_go_through_socks4_too(use: Use, scheme: str) -> None:
    assert await used(use, ALL_PROXY=f"{scheme}://{{proxy}}") == [("socks4a", FAR)]


@pytest.mark.parametrize("use", CLIENTS)
@pytest.mark.parametrize("value", ["ftp://127.0.0.1:9", "socks6://127.0.0.1:9", "http://", "socks5://[bad"])
async def test_a_proxy_of_no_known_kind_is_one_sentence(use: Use, value: str) -> None:
    with pytest.raises(ProxyUnusable, match="cannot be used: set HTTPS_PROXY and ALL_PROXY to an http:// or socks5://"):
        await used(use, ALL_PROXY=value)


@pytest.mark.parametrize("use", [chat, voices])
async def test_socks4_carries_no_requests_and_says_what_does(use: Use) -> None:
    with pytest.raises(ProxyUnusable, match="cannot be used: set HTTPS_PROXY and ALL_PROXY to an http:// or socks5://"):
        await used(use, ALL_PROXY="socks4://{proxy}")


@pytest.mark.parametrize(
    ("use", "package"),
    [(chat, "socksio"), (voices, "socksio"), (speech_socket, "python-socks"), (realtime, "python-socks")],
)
async def test_where_a_package_is_missing_one_sentence_says_which(
    monkeypatch: pytest.MonkeyPatch, use: Use, package: str
) -> None:
    monkeypatch.setattr(proxies, "find_spec", lambda name: None)
    with pytest.raises(ProxyUnusable, match=f"package {package} is missing: pip install {package}=="):
        await used(use, ALL_PROXY="socks5://ada:s3cret@{proxy}")
    assert await used(use, ALL_PROXY="http://{proxy}")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate for the far provider, which nobody but this test trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, FAR)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(FAR)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "far.pem"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(plain + signed.public_bytes(Encoding.PEM))
    return pem


async def over_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers any request with a list without voices."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while await reader.readuntil(b"\r\n\r\n"):
            body = b'{"voices": []}'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize(("scheme", "how"), [("http", "CONNECT"), ("socks5", "socks5")])
async def test_what_is_encrypted_goes_through_a_tunnel(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, scheme: str, how: str
) -> None:
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate)
    theirs = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr("voice_agents.providers.elevenlabs.http.tls", lambda: theirs)
    async with SmallProxy() as proxy, await asyncio.start_server(over_tls, "127.0.0.1", 0, ssl=ours) as far:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url(scheme))
        port = far.sockets[0].getsockname()[1]
        async with asyncio.timeout(WAIT_S):
            await voices(f"https://{FAR}:{port}")
        assert proxy.reached == [(how, f"{FAR}:{port}")]
