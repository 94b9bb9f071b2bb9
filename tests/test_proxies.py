"""The app starts whatever proxy the environment names, and asks none on the way to this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.helpers.process import AppProcess
from tests.instances import provided_by
from tests.small_proxies import SmallProxy
from voice_agents import proxies
from voice_agents.proxies import prepare, proxy_for


@pytest.fixture(autouse=True)
def nothing_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "_aside", {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"HTTP_PROXY": "http://p:1"}, {"HTTP_PROXY": "http://p:1"}),
        ({"https_proxy": "p:1"}, {"https_proxy": "http://p:1"}),
        ({"ALL_PROXY": "socks://p:1/"}, {"ALL_PROXY": "socks5://p:1/"}),
        ({"ALL_PROXY": '"socks5h://u:v@p:1"'}, {"ALL_PROXY": "socks5h://u:v@p:1"}),
        ({"ALL_PROXY": "socks4://p:1", "HTTP_PROXY": "http://p:1"}, {"HTTP_PROXY": "http://p:1"}),
        ({"all_proxy": "ftp://p"}, {}),
        ({"HTTPS_PROXY": "not a proxy"}, {}),
        ({"HTTP_PROXY": "http://proxy.example:99999"}, {}),
        ({"HTTP_PROXY": "http://999.1.1.1:3128"}, {}),
        ({"http_proxy": "http://proxy\u200b.example:3128"}, {}),
        ({"ALL_PROXY": "http://[proxy]:3128"}, {}),
        ({"HTTPS_PROXY": "http://proxy.example:3128\x07"}, {}),
        ({"HTTP_PROXY": "", "HTTPS_PROXY": '""'}, {}),
        ({"HTTP_PROXY": "none", "HTTPS_PROXY": "off"}, {}),
        ({}, {}),
    ],
)
def test_what_every_client_understands_is_left_in_the_environment(
    before: dict[str, str], after: dict[str, str]
) -> None:
    env = dict(before)
    prepare(env)
    assert {name: value for name, value in env.items() if not name.upper().startswith("NO_")} == after
    assert ("NO_PROXY" in env) == bool(after)


def test_this_machine_is_spared_beside_what_was_spared_before() -> None:
    env = {"HTTP_PROXY": "http://p:1", "no_proxy": "a.example,localhost", "NO_PROXY": "b.example"}
    prepare(env, ("192.168.1.5",))
    assert env["NO_PROXY"] == env["no_proxy"]
    assert env["NO_PROXY"] == "b.example,a.example,localhost,127.0.0.1,::1,192.168.1.5"
    prepare(env)
    assert env["NO_PROXY"].count("127.0.0.1") == 1


def test_an_asterisk_spares_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}
    prepare(env)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert proxy_for("https://api.example.com/v1") is None


def test_what_was_taken_out_is_known_to_who_can_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ALL_PROXY", "socks4://p.example:1080")
    prepare(os.environ)
    assert "ALL_PROXY" not in os.environ
    assert proxy_for("wss://api.elevenlabs.io/v1") == "socks4://p.example:1080"


@pytest.mark.parametrize(
    ("value", "forked", "others"),
    [
        ("http://{proxy}", False, {}),
        ("socks4://{proxy}", False, provided_by("http://127.0.0.1:9", "key")),
        ("socks5://ada:s3cret@{proxy}", True, {}),
        ("gopher://{proxy}", True, {}),
    ],
)
async def test_the_app_starts_and_asks_nothing_of_the_proxy(
    tmp_path: Path, value: str, forked: bool, others: dict[str, str]
) -> None:
    """Neither for its own page nor to report to anybody, which onnxruntime would do.

    Imports that ask a proxy, or fail over its name, do so with the first two.
    """
    async with SmallProxy() as proxy:
        url = value.format(proxy=f"127.0.0.1:{proxy.port}")
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
        env = {
            **dict.fromkeys(names, url),
            "NO_PROXY": "",
            "no_proxy": "",
            "DATABASE_URL": str(tmp_path / "x.sqlite3"),
            **others,
        }
        async with AppProcess(["app.py", "--port"], env, forked=forked):
            assert proxy.reached == []
